"""Key Vault's managed storage accounts: what it keeps of one, and the SAS minted from a definition.

https://learn.microsoft.com/rest/api/keyvault/ ; the feature's own documentation was withdrawn in April 2026.
"""

import dataclasses
import datetime
import time
from collections.abc import Mapping

from sandbox import account_sas, accounts, sas_template, vault_errors

EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def _seconds() -> int:
    return int(time.time())


@dataclasses.dataclass
class SasDefinition:
    """A template from which a fresh SAS is minted at each read; `recovered_at` is on the monotonic clock."""

    template_uri: str
    sas_type: str
    validity_period: str
    enabled: bool = True
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    created: int = dataclasses.field(default_factory=_seconds)
    updated: int = dataclasses.field(default_factory=_seconds)
    recovered_at: float = 0.0
    last_minted: datetime.datetime = EPOCH
    last_expiry: datetime.datetime = EPOCH

    @property
    def being_recovered(self) -> bool:
        """Whether a recovery is still under way."""
        return time.monotonic() < self.recovered_at


@dataclasses.dataclass
class ManagedAccount:
    """A storage account under management, its active key, its definitions and the soft-deleted ones."""

    account: accounts.StorageAccount
    active_key: str = "key1"
    auto_regenerate: bool = True
    regeneration_period: str | None = "P30D"
    enabled: bool = True
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    created: int = dataclasses.field(default_factory=_seconds)
    updated: int = dataclasses.field(default_factory=_seconds)
    definitions: dict[str, SasDefinition] = dataclasses.field(default_factory=dict)
    deleted_definitions: dict[str, SasDefinition] = dataclasses.field(default_factory=dict)

    def definition(self, name: str) -> SasDefinition:
        """Return a definition that can be read; one that is being recovered can't yet."""
        found = self.definitions.get(name)
        if found is None or found.being_recovered:
            raise vault_errors.not_found("SasDefinitionNotFound", f"SAS definition not found: {name}")
        return found

    def settable(self, name: str) -> SasDefinition | None:
        """Return what a write would replace; a deleted definition or one being recovered is a conflict."""
        if name in self.deleted_definitions:
            raise vault_errors.deleted("SasDefinition", name)
        found = self.definitions.get(name)
        if found is not None and found.being_recovered:
            raise vault_errors.being_recovered("SasDefinition", name)
        return found

    def delete(self, name: str) -> SasDefinition:
        """Soft-delete a definition."""
        self.settable(name)
        self.deleted_definitions[name] = self.definition(name)
        return self.definitions.pop(name)

    def deleted_definition(self, name: str) -> SasDefinition:
        """Return a soft-deleted definition."""
        if name not in self.deleted_definitions:
            text = f"Deleted SAS definition not found: {name}"
            raise vault_errors.not_found("SasDefinitionNotFound", text)
        return self.deleted_definitions[name]

    def recover(self, name: str, seconds: float) -> SasDefinition:
        """Bring a definition back, which takes this long."""
        definition = self.deleted_definition(name)
        definition.recovered_at = time.monotonic() + seconds
        self.definitions[name] = self.deleted_definitions.pop(name)
        return definition

    def set_anew(self) -> None:
        """Take both times from now, as the service was recorded to at a PUT and a regeneration, unlike at a PATCH."""
        self.created = self.updated = _seconds()

    def regenerate(self, key_name: str) -> None:
        """Replace a key and make it the active one, as the service does in one go."""
        self.account.regenerate(key_name)
        self.active_key = key_name
        self.set_anew()

    def mint(
        self, name: str, now: datetime.datetime, start_offset: datetime.timedelta | None = None
    ) -> tuple[str, int]:
        """Return a fresh SAS signed with the active key, and its expiry in unix seconds."""
        definition = self.definition(name)
        if not (self.enabled and definition.enabled):
            raise vault_errors.disabled()
        fields = sas_template.fields(definition.template_uri)
        now = now.replace(microsecond=0)
        expiry = now + sas_template.duration(definition.validity_period)
        # Two reads within a second would otherwise give one token, and nobody could tell that it is fresh.
        if now >= definition.last_minted:  # the clock was not set back
            expiry = max(expiry, definition.last_expiry + datetime.timedelta(seconds=1))
        definition.last_minted, definition.last_expiry = now, expiry
        fields["se"] = account_sas.format_time(expiry)
        if start_offset is not None:
            fields["st"] = account_sas.format_time(now + start_offset)
        return account_sas.encode(fields, self._signature(fields)), int(expiry.timestamp())

    def _signature(self, fields: Mapping[str, str]) -> str:
        # The service signs as this version at the latest. It passes a later one through, and storage then
        # says "Signature did not match": https://github.com/Azure/azure-powershell/issues/20029
        signed = {**fields, "sv": min(fields["sv"], sas_template.NEWEST_SIGNED_VERSION)}
        return account_sas.signature(self.account.name, self.account.keys[self.active_key], signed)


class ManagedStorage:
    """Managed accounts by their name in the vault; `known_accounts` are those of Resource Manager."""

    def __init__(self) -> None:
        self.accounts: dict[str, ManagedAccount] = {}
        self.deleted_accounts: dict[str, ManagedAccount] = {}
        self.known_accounts: dict[str, accounts.StorageAccount] = {}

    def manage(self, account: accounts.StorageAccount, name: str | None = None) -> ManagedAccount:
        """Put an account under management, from within the process."""
        self.known_accounts[account.resource_id] = account
        managed = ManagedAccount(account)
        self.accounts[name or account.name] = managed
        return managed

    def known_account(self, resource_id: str) -> accounts.StorageAccount | None:
        """Return the account with this id, in any letter case."""
        return next((one for known, one in self.known_accounts.items() if known.lower() == resource_id.lower()), None)

    def account(self, name: str) -> ManagedAccount:
        """Return a managed account, or a 404."""
        if name not in self.accounts:
            raise vault_errors.not_found("StorageAccountNotFound", f"Storage account not found: {name}")
        return self.accounts[name]

    def deleted_account(self, name: str) -> ManagedAccount:
        """Return a soft-deleted managed account, or a 404."""
        if name not in self.deleted_accounts:
            text = f"Deleted storage account not found: {name}"
            raise vault_errors.not_found("StorageAccountNotFound", text)
        return self.deleted_accounts[name]

    def by_secret_name(self, name: str) -> tuple[ManagedAccount, str] | None:
        """Return the account and definition behind `<account>-<definition>`; no name holds a hyphen."""
        account, _, definition = name.partition("-")
        managed = self.accounts.get(account)
        if managed is None or definition not in managed.definitions:
            return None
        return managed, definition
