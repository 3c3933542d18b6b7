"""Key Vault's managed storage accounts: what it keeps of one, and the SAS minted from a definition.

https://learn.microsoft.com/rest/api/keyvault/ ; the feature's own documentation was withdrawn in April 2026.
"""

import dataclasses
import datetime
import time
from collections.abc import Mapping

from sandbox.azure import account_sas, accounts, service_sas
from sandbox.key_vault import errors, sas_template, soft_delete

ACCOUNT = soft_delete.Kind("storage", "StorageAccountNotFound", "StorageAccount")
DEFINITION = soft_delete.Kind("SAS definition", "SasDefinitionNotFound", "SasDefinition")
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def _seconds() -> int:
    return int(time.time())


@dataclasses.dataclass
class SasDefinition(soft_delete.SoftDeletable):
    """A template from which a fresh SAS is minted at each read."""

    template_uri: str
    sas_type: str
    validity_period: str
    enabled: bool = True
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    created: int = dataclasses.field(default_factory=_seconds)
    updated: int = dataclasses.field(default_factory=_seconds)
    last_minted: datetime.datetime = EPOCH
    last_expiry: datetime.datetime = EPOCH


@dataclasses.dataclass
class ManagedAccount(soft_delete.SoftDeletable):
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
        """Return a definition that can be read, or a 404."""
        return soft_delete.living(DEFINITION, self.definitions, name)

    def settable(self, name: str) -> SasDefinition | None:
        """Return what a write would replace, or a 409."""
        return soft_delete.writable(DEFINITION, self.definitions, self.deleted_definitions, name)

    def delete(self, name: str, seconds: float = 0.0) -> SasDefinition:
        """Soft-delete a definition, which takes this long."""
        return soft_delete.delete(DEFINITION, self.definitions, self.deleted_definitions, name, seconds)

    def deleted_definition(self, name: str) -> SasDefinition:
        """Return a soft-deleted definition, or a 404."""
        return soft_delete.living(DEFINITION, self.deleted_definitions, name)

    def recover(self, name: str, seconds: float) -> SasDefinition:
        """Bring a definition back, which takes this long."""
        return soft_delete.recover(DEFINITION, self.definitions, self.deleted_definitions, name, seconds)

    def reset_times(self) -> None:
        """Take both times from now, as the service was recorded to at a PUT and a regeneration, unlike at a PATCH."""
        self.created = self.updated = _seconds()

    def regenerate(self, key_name: str) -> None:
        """Replace a key and make it the active one, as the service does in one go."""
        self.account.regenerate(key_name)
        self.active_key = key_name
        self.reset_times()

    def mint(
        self, name: str, now: datetime.datetime, start_offset: datetime.timedelta | None = None
    ) -> tuple[str, int]:
        """Return a fresh SAS signed with the active key, and its expiry in unix seconds."""
        definition = self.definition(name)
        if not (self.enabled and definition.enabled):
            raise errors.disabled()
        fields = sas_template.fields(definition.template_uri, definition.sas_type)
        now = now.replace(microsecond=0)
        expiry = now + sas_template.duration(definition.validity_period)
        # Two reads within a second would otherwise give one token, and nobody could tell that it is fresh.
        if now >= definition.last_minted:  # the clock was not set back
            expiry = max(expiry, definition.last_expiry + datetime.timedelta(seconds=1))
        definition.last_minted, definition.last_expiry = now, expiry
        fields["se"] = account_sas.format_time(expiry)
        if start_offset is not None:
            fields["st"] = account_sas.format_time(now + start_offset)
        key, seconds = self.account.keys[self.active_key], int(expiry.timestamp())
        if definition.sas_type == sas_template.SERVICE:
            path = service_sas.resource(definition.template_uri)
            signed = service_sas.signature(self.account.name, key, path, _as_signed(fields))
            return service_sas.encode(fields, signed), seconds
        return account_sas.encode(fields, account_sas.signature(self.account.name, key, _as_signed(fields))), seconds


def _as_signed(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields that are signed.

    The service signs as this version at the latest. It passes a later one through, and storage then says "Signature did
    not match": https://github.com/Azure/azure-powershell/issues/20029
    """
    return {**fields, "sv": min(fields["sv"], sas_template.NEWEST_SIGNED_VERSION)}


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
        return soft_delete.living(ACCOUNT, self.accounts, name)

    def settable(self, name: str) -> ManagedAccount | None:
        """Return what a write would replace, or a 409."""
        return soft_delete.writable(ACCOUNT, self.accounts, self.deleted_accounts, name)

    def delete(self, name: str, seconds: float = 0.0) -> ManagedAccount:
        """Soft-delete a managed account, which takes this long."""
        return soft_delete.delete(ACCOUNT, self.accounts, self.deleted_accounts, name, seconds)

    def deleted_account(self, name: str) -> ManagedAccount:
        """Return a soft-deleted managed account, or a 404."""
        return soft_delete.living(ACCOUNT, self.deleted_accounts, name)

    def recover(self, name: str, seconds: float) -> ManagedAccount:
        """Bring a managed account back, which takes this long."""
        return soft_delete.recover(ACCOUNT, self.accounts, self.deleted_accounts, name, seconds)

    def settle(self) -> None:
        """Be done with every deletion and recovery now."""
        for managed in (*self.accounts.values(), *self.deleted_accounts.values()):
            for one in (managed, *managed.definitions.values(), *managed.deleted_definitions.values()):
                one.settled = 0.0

    def by_secret_name(self, name: str) -> tuple[ManagedAccount, str] | None:
        """Return the account and definition behind `<account>-<definition>`; no name holds a hyphen."""
        account, _, definition = name.partition("-")
        managed = self.accounts.get(account)
        if managed is None or managed.settling:
            return None
        found = managed.definitions.get(definition)
        return None if found is None or found.settling else (managed, definition)
