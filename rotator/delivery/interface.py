"""The interfaces of delivery: a channel to a cluster, which reads and writes Secrets, and what opens one."""

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.plan.plan import Cluster, Target
from rotator.redaction import SecretText
from rotator.stopwatch import Stopwatch


class WriteMethod(enum.Enum):
    """How a Secret is written; RECREATE is delete, then create."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"


@dataclasses.dataclass(frozen=True)
class Write:
    """What is to be written to a target; `held` is what it held when it was read, None without a Secret."""

    target: Target
    held: LiveSecret | None
    desired: DesiredSecret


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A confirmed delivery: how it was written, the digest of the new value, and the Secret before it."""

    method: WriteMethod
    digest: str
    previous: LiveSecret | None
    warnings: tuple[str, ...] = ()


Fence = Callable[[], None]
"""Called right before each write; prevents it by raising."""


class SecretStore(Protocol):
    """Where the keys that open channels are kept."""

    def secret(self, name: str) -> SecretText:
        """Read a secret; raises IdentityError or a VaultError."""


class Channel(Protocol):
    """A connection to one cluster, for all its targets.

    Results come in the order of what was asked for, each as soon as it is known, so that a run that breaks off knows
    what was done. A target's trouble is its own result, which stops no other; a lost connection is that of every
    target that is left.
    """

    def read(self, targets: Iterable[Target]) -> Iterator[LiveSecret | Exception | None]:
        """Read the Secrets of the targets' names; None where there is none.

        A result may be NotOursError for a Secret of somebody else, another DeliveryError, or the connection's error.
        """

    def write(self, writes: Iterable[Write], fence: Fence) -> Iterator[Delivery | Exception]:
        """Write each Secret as it is merged at the last moment, and confirm it by reading it back.

        A write is asked for right before it is made.

        Where one was deleted and cannot be created, what was there is put back. A result may be what `fence` raised,
        a DeliveryError that says what the cluster now holds, or the connection's error.
        """


class Connector(Protocol):
    """Opens channels."""

    def connect(self, cluster: Cluster, secrets: SecretStore, stopwatch: Stopwatch) -> AbstractContextManager[Channel]:
        """Connect to a cluster that proves to be the planned one, as the user whose keys `secrets` has.

        `stopwatch` measures the steps `vault` and `connect`. Raises IdentityError, a VaultError, or the channel's own
        error.
        """
