"""The interfaces behind a SAS: its issuer, what runs record, the list of keys, the proof."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

from rotator.azure.account_keys import AccountKeys
from rotator.issuers.account_state import AccountState
from rotator.redaction import SecretText
from rotator.sas import Sas

# For how long storage may refuse a new SAS, in seconds: a new credential was seen to be refused for some ten.
PROOF_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What an issuer can do.

    With `sas_for_each_target`, each target gets a SAS of its own; otherwise one SAS of a run is for all. With
    `account_keys`, account keys sign, and can be regenerated. With `signs_here`, this host's clock says when SAS begin
    and end.
    """

    sas_for_each_target: bool
    account_keys: bool
    signs_here: bool


@dataclasses.dataclass(frozen=True)
class SasRequest:
    """Which of a run's SAS is asked for: its number, from 0, and the GUID by which storage's logs are to name it.

    Two SAS of one second are told apart by the number, which is added to the seconds of their expiry.
    """

    number: int = 0
    correlation_id: str = ""


@dataclasses.dataclass(frozen=True)
class IssuedSas:
    """A SAS, and the account key that signed it: its name and its value, None where that is not known."""

    sas: Sas
    signer: str | None = None
    account_key: SecretText | None = None
    warnings: tuple[str, ...] = ()


class Issuer(Protocol):
    """One way of issuing SAS for one account.

    Raises IdentityError, VaultError, ResourceManagerError or UserDelegationError.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def url(self) -> str | None:
        """The URL of the service that it talks to; None where that is the storage account alone."""

    def state(self, *, keys: bool) -> AccountState:
        """Read the account, with `keys` also its keys; raises where these may not be listed.

        Called after `RunState.load`: an issuer that keeps the run's records itself need not read them again.
        """

    def prepare(self) -> None:
        """Set up what issuing needs; called where the state is not `prepared`."""

    def issue(self, request: SasRequest, state: AccountState, refresh: Callable[[], AccountState], /) -> IssuedSas:
        """Issue a SAS.

        `state` was read before; `refresh` reads it again, where another key might have become active. Raises SasError
        for a SAS that is not as wanted, ActiveKeyError when the active key does not sign.
        """

    def mint(self) -> Sas:
        """Issue a SAS, and return it unchecked."""

    def regenerate(self, key: str, /) -> None:
        """Regenerate a key and make it the active one. Not retried: a second call would invalidate the new key.

        Raises KeyRotationError where no account keys sign.
        """

    def revoke_delegation_keys(self) -> None:
        """Revoke all user delegation keys of the account; raises KeyRotationError where account keys sign."""


class RunState(Protocol):
    """What runs record for later ones: short texts by name, which others may have edited."""

    @property
    def longest(self) -> int | None:
        """How many characters an entry may have; None where that is not bounded."""

    @property
    def place(self) -> str:
        """Where the entries are: "on …" or "in …"."""

    def load(self) -> Mapping[str, str]:
        """Read all entries; may raise RunStateError."""

    def save(self, entries: Mapping[str, str]) -> None:
        """Replace all entries by these; may raise RunStateError.

        Afterwards the account is `prepared`, if an issuer keeps them.
        """


class Records(RunState, Protocol):
    """The same where no issuer keeps it; `entries` were read or saved last, None where they could not be read."""

    entries: Mapping[str, str] | None


class KeyLister(Protocol):
    """Lists an account's keys."""

    def keys(self, account_id: str) -> AccountKeys:
        """List them; raises ResourceManagerError."""


class Prover(Protocol):
    """Storage, where a SAS is tried."""

    def prove(self, sas: Sas, endpoint: str) -> str:
        """Return how storage accepted the SAS; raises StorageRefusedError or StorageUnreachableError."""

    def prove_refused(self, sas: Sas, endpoint: str) -> str:
        """Return how storage refused the SAS; raises StillAcceptedError or StorageUnreachableError."""
