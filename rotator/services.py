"""What a run works with: the vault, the account's keys, storage, the masters, the time, and leave to act."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from rotator.delivery import Shell, unfenced
from rotator.keys import AccountKeys
from rotator.managed import Managed
from rotator.redaction import Secret
from rotator.sas import Sas, SasDefinition
from rotator.standing import Stored
from rotator.targets import Cluster


class Issuer(Protocol):
    """The vault: keeps secrets, mints a SAS from a definition, has keys regenerated. Raises VaultError."""

    def secret(self, name: str) -> Secret:
        """Read a secret."""

    def stored(self, definition: SasDefinition) -> Stored:
        """Read the definition as the vault has it."""

    def store(self, definition: SasDefinition, tags: Mapping[str, str]) -> None:
        """Set the definition, with these tags and no others."""

    def mint(self, definition: SasDefinition) -> Secret:
        """Get a fresh SAS."""

    def managed(self) -> Managed:
        """Read what the vault says of the account; raises VaultForbiddenError where that may not be read."""

    def regenerate(self, key: str) -> None:
        """Have a key regenerated and made the active one; never asks twice."""


class Ring(Protocol):
    """What lists an account's keys."""

    def keys(self, account_id: str) -> AccountKeys:
        """List them; raises ResourceManagerError."""


class Prover(Protocol):
    """Storage, where a SAS is tried."""

    def prove(self, sas: Sas, endpoint: str) -> str:
        """Say how the SAS was accepted; raises StorageRefusedError or StorageUnreachableError."""

    def refused(self, sas: Sas, endpoint: str) -> str:
        """Say how the SAS was refused; raises StillAcceptedError or StorageUnreachableError."""


class Connector(Protocol):
    """What opens connections to masters."""

    def connect(self, cluster: Cluster, key: Secret, passphrase: Secret | None) -> AbstractContextManager[Shell]:
        """Give a connection to the proven host; raises SshError."""


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _admit_all(_account: str) -> None:
    """Any account's keys may be regenerated."""


def _untold(_url: str) -> None:
    """Nothing there says what time it is."""


@dataclasses.dataclass(frozen=True)
class Services:
    """What a run works with; the clock gives the time in UTC.

    `fence` is called right before each change, and raises LeaseLostError when another run may have begun. `admit`
    raises unless an account's keys may be regenerated from here. `time_at` asks a URL what time it is there, which is
    None where that is not told; it raises NoAnswerError.
    """

    issuer: Issuer
    prover: Prover
    connector: Connector
    ring: Ring
    clock: Callable[[], datetime.datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    fence: Callable[[], None] = unfenced
    admit: Callable[[str], None] = _admit_all
    time_at: Callable[[str], datetime.datetime | None] = _untold
