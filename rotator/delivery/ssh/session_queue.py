"""A queue for remote commands on one connection: those above the host's limit of sessions wait."""

import threading
import time
from collections.abc import Callable

from rotator.delivery.errors import CommandError
from rotator.delivery.ssh.shell import Running, Shell

_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


class QueuedShell:
    """A shell for several threads. sshd's MaxSessions, 10 by default, limits the commands of one connection.

    If the host refuses every session for so many `seconds`, all waiting commands fail.
    """

    def __init__(
        self,
        shell: Shell,
        *,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._shell = shell
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._one_retries = threading.Lock()
        self._deadline: float | None = None

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command as soon as the host accepts a session; raises SshError."""
        try:
            return self._start(command, seconds)
        except CommandError as error:
            self._deadline_after(error)
        with self._one_retries:
            while True:
                try:
                    return self._start(command, seconds)
                except CommandError as error:
                    if self._clock() >= self._deadline_after(error):
                        raise
                self._sleep(_PAUSE_SECONDS)

    def _start(self, command: str, seconds: float) -> Running:
        running = self._shell.start(command, seconds=seconds)
        self._deadline = None
        return running

    def _deadline_after(self, error: CommandError) -> float:
        """Return the deadline for retries after a session was refused; raises any other error again."""
        if type(error) is not CommandError:
            raise error
        deadline = self._deadline or self._clock() + self._seconds
        self._deadline = deadline
        return deadline
