"""The interfaces behind a SAS: its issuer, what runs record, the list of keys, the proof."""

from collections.abc import Callable, Mapping
from typing import Protocol

from rotator.azure.account_keys import AccountKeys
from rotator.issuers.account_state import AccountState
from rotator.sas import Sas

# For how long storage may refuse a new SAS, in seconds: a new credential was seen to be refused for some ten.
PROOF_SECONDS = 30.0


class Issuer(Protocol):
    """One way of issuing SAS for one account. Raises IdentityError, VaultError or ResourceManagerError."""

    def state(self, *, keys: bool) -> AccountState:
        """Read the account, with `keys` also its keys; raises where these may not be listed.

        Called after `RunState.load`: an issuer that keeps the run's records itself need not read them again.
        """

    def prepare(self) -> None:
        """Set up what issuing needs; called where the state is not `prepared`."""

    def issue(self, state: AccountState, refresh: Callable[[], AccountState]) -> tuple[Sas, str | None]:
        """Issue a SAS; returns it and the name of the key that signed it, None where that cannot be known.

        `state` was read before; `refresh` reads it again, where another key might have become active. Raises SasError
        for a SAS that is not as wanted, ActiveKeyError when the active key does not sign.
        """

    def mint(self) -> Sas:
        """Issue a SAS, and return it unchecked."""

    def regenerate(self, key: str) -> None:
        """Regenerate a key and make it the active one. Not retried: a second call would invalidate the new key."""


class RunState(Protocol):
    """What runs record for later ones: short texts by name, which others may have edited."""

    def load(self) -> Mapping[str, str]:
        """Read all entries."""

    def save(self, entries: Mapping[str, str]) -> None:
        """Replace all entries by these. Afterwards the account is `prepared`, if an issuer keeps them."""


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
