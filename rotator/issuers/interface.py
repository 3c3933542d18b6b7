"""What a run asks of the services behind a SAS: its issuer, the list of account keys, and storage, which proves it."""

from collections.abc import Mapping
from typing import Protocol

from rotator.azure.account_keys import AccountKeys
from rotator.azure.managed_account import StorageBundle
from rotator.issuers.account_state import StoredDefinition
from rotator.redaction import SecretText
from rotator.sas import Sas, SasDefinition


class Issuer(Protocol):
    """The vault: keeps secrets, mints a SAS from a definition, has keys regenerated. Raises VaultError."""

    def secret(self, name: str) -> SecretText:
        """Read a secret."""

    def stored(self, definition: SasDefinition) -> StoredDefinition:
        """Read the definition as the vault has it."""

    def store(self, definition: SasDefinition, tags: Mapping[str, str]) -> None:
        """Set the definition, with these tags and no others."""

    def mint(self, definition: SasDefinition) -> SecretText:
        """Get a fresh SAS."""

    def managed(self) -> StorageBundle:
        """Read what the vault says of the account; raises VaultForbiddenError where that may not be read."""

    def regenerate(self, key: str) -> None:
        """Have a key regenerated and made the active one; never asks twice."""


class KeyLister(Protocol):
    """What lists an account's keys."""

    def keys(self, account_id: str) -> AccountKeys:
        """List them; raises ResourceManagerError."""


class Prover(Protocol):
    """Storage, where a SAS is tried."""

    def prove(self, sas: Sas, endpoint: str) -> str:
        """Say how the SAS was accepted; raises StorageRefusedError or StorageUnreachableError."""

    def refused(self, sas: Sas, endpoint: str) -> str:
        """Say how the SAS was refused; raises StillAcceptedError or StorageUnreachableError."""
