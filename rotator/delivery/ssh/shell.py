"""What runs commands on a master: an SSH connection, or whatever stands in for one."""

import dataclasses
from typing import Protocol

from rotator.redaction import SecretText


@dataclasses.dataclass(frozen=True)
class Result:
    """The exit status of a remote command, and what it printed, which may contain secrets."""

    status: int
    stdout: str = dataclasses.field(repr=False)
    stderr: str = dataclasses.field(repr=False)


class Running(Protocol):
    """A remote command that has been started."""

    def wait_for(self, line: str) -> str:
        """Return stdout up to `line`, or all of it if the command ends without it; raises CommandError."""

    def finish(self, stdin: SecretText | None = None) -> Result:
        """Send stdin, close it, and wait for the end; raises CommandError or TimedOutError."""


class Shell(Protocol):
    """A connection to a master that runs commands."""

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command that must end within so many seconds; raises SshError."""
