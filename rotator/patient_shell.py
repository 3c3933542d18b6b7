"""A connection on which as many commands run at once as the host allows: further ones wait for their turn."""

import threading
import time
from collections.abc import Callable

import tenacity

from rotator import errors
from rotator.delivery import Running, Shell

_SECONDS = 60.0


class PatientShell:
    """A shell for several threads. sshd's MaxSessions, 10 by default, bounds the commands of one connection."""

    def __init__(self, shell: Shell, sleep: Callable[[float], None] = time.sleep) -> None:
        self._shell = shell
        self._turn = threading.Lock()
        self._again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_refused),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(_SECONDS),
            sleep=sleep,
            reraise=True,
        )

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command, as soon as the host lets it; raises SshError."""
        try:
            return self._shell.start(command, seconds=seconds)
        except errors.CommandError as error:
            if not _refused(error):
                raise
        with self._turn:
            return self._again(lambda: self._shell.start(command, seconds=seconds))


def _refused(error: BaseException) -> bool:
    """Tell a session that was refused from a command that went wrong."""
    return type(error) is errors.CommandError
