"""What delivery works with: connections that run commands, how a Secret is written, and what came of it."""

import dataclasses
import enum
from contextlib import AbstractContextManager
from typing import Protocol

from rotator.delivery.manifest import LiveSecret
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText


@dataclasses.dataclass(frozen=True)
class Result:
    """How a remote command ended, and what it printed, which may hold secrets."""

    status: int
    stdout: str = dataclasses.field(repr=False)
    stderr: str = dataclasses.field(repr=False)


class Running(Protocol):
    """A remote command that has been started."""

    def wait_for(self, line: str) -> str:
        """Give stdout up to `line`, or all of it if the command ends without it."""

    def finish(self, stdin: SecretText | None = None) -> Result:
        """Send stdin, close it, and wait for the end; raises CommandError or TimedOutError."""


class Shell(Protocol):
    """A connection to a master that runs commands."""

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command that may take so many seconds in all; raises SshError."""


class WriteMethod(enum.Enum):
    """What to do about a Secret in one remote command."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What was done to the Secret, and what it held before."""

    act: WriteMethod
    digest: str
    previous: LiveSecret | None
    warnings: tuple[str, ...] = ()


def unfenced() -> None:
    """Nobody else can write."""


class Connector(Protocol):
    """What opens connections to masters."""

    def connect(
        self, cluster: Cluster, key: SecretText, passphrase: SecretText | None
    ) -> AbstractContextManager[Shell]:
        """Give a connection to the proven host; raises SshError."""
