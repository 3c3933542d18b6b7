"""The interfaces of delivery: connections that run commands, how a Secret is written, and the result."""

import dataclasses
import enum
from contextlib import AbstractContextManager
from typing import Protocol

from rotator.delivery.manifest import LiveSecret
from rotator.plan.plan import Cluster
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


class WriteMethod(enum.Enum):
    """How one remote command writes a Secret; RECREATE is delete, then create."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A confirmed delivery: how it was written, the digest of the new value, and the Secret before it."""

    method: WriteMethod
    digest: str
    previous: LiveSecret | None
    warnings: tuple[str, ...] = ()


def unfenced() -> None:
    """A fence that never raises: nobody else can write."""


class Connector(Protocol):
    """Opens connections to masters."""

    def connect(
        self, cluster: Cluster, key: SecretText, passphrase: SecretText | None
    ) -> AbstractContextManager[Shell]:
        """Connect to the host if its key is pinned, and log in; raises SshError."""
