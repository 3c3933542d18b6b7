"""A connection on which as many commands run at once as the host allows: further ones wait for their turn."""

import threading
import time
from collections.abc import Callable

from rotator.delivery.errors import CommandError
from rotator.delivery.interface import Running, Shell

_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


class QueuedShell:
    """A shell for several threads. sshd's MaxSessions, 10 by default, bounds the commands of one connection.

    A host that has refused every session for so many `seconds` gives none: what else waits is refused with it.
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
        self._turn = threading.Lock()
        self._until: float | None = None

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command, as soon as the host lets it; raises SshError."""
        try:
            return self._started(command, seconds)
        except CommandError as error:
            self._check(error)
        with self._turn:
            while True:
                try:
                    return self._started(command, seconds)
                except CommandError as error:
                    if self._clock() >= self._check(error):
                        raise
                self._sleep(_PAUSE_SECONDS)

    def _started(self, command: str, seconds: float) -> Running:
        running = self._shell.start(command, seconds=seconds)
        self._until = None
        return running

    def _check(self, error: CommandError) -> float:
        """Raise it again unless it is a session that was refused; then give the time until which one is waited for."""
        if type(error) is not CommandError:
            raise error
        until = self._until or self._clock() + self._seconds
        self._until = until
        return until
