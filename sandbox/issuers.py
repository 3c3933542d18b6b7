"""What each issuer of SAS needs in Azure, and what the rotator is told to use it.

An issuer's roles are those that a rotation takes, and no others: to look at the account for a check takes Reader.
"""

import time
from typing import Literal

from sandbox.azure.accounts import StorageAccount
from sandbox.key_vault.state import SAMPLE_PERMISSIONS, Vault
from sandbox.resource_manager import roles
from sandbox.resource_manager.state import ResourceManager

Issuer = Literal["keyvault", "storagekey", "userdelegation"]
ISSUERS: tuple[Issuer, ...] = ("keyvault", "storagekey", "userdelegation")

# All that `settings` may have.
SETTINGS = ("KEYVAULT_STORAGE_NAME", "SAS_ISSUER", "STORAGE_ACCOUNT_ID", "SAS_CONTAINER", "SAS_PERMISSIONS")

_MANAGED_FOR_SECONDS = 365 * 24 * 3600  # what was managed a moment ago may have SAS of either key about
_KEY_ROTATION = frozenset({"storage/get", "storage/regeneratekey"})


def settings(issuer: Issuer, account: StorageAccount, container: str) -> dict[str, str]:
    """Return the settings by which the rotator uses an issuer, all but the ones that every issuer has.

    With `storagekey` it is an account SAS, as with `keyvault`; SAS_CONTAINER makes it one for a container.
    """
    if issuer == "keyvault":
        return {"KEYVAULT_STORAGE_NAME": account.name}
    chosen = {"SAS_ISSUER": issuer, "STORAGE_ACCOUNT_ID": account.resource_id}
    return chosen if issuer == "storagekey" else {**chosen, "SAS_CONTAINER": container, "SAS_PERMISSIONS": "rl"}


class Rights:
    """What the rotator's identity may do: roles, and the vault's access policies where `keyvault` needs them."""

    def __init__(
        self, principal_id: str, manager: ResourceManager, vault: Vault, account: StorageAccount, container: str
    ) -> None:
        self.principal_id = principal_id
        self._manager = manager
        self._vault = vault
        self._account = account
        self._container = container

    def assign(self, role: str, scope: str) -> None:
        """Give it a role, by its id, at a scope."""
        self._manager.role_assignments.append(roles.Assignment(scope, role, self.principal_id))

    def unassign(self, role: str) -> None:
        """Take a role from it, by its id, wherever it has it."""
        taken = (role, self.principal_id)
        self._manager.role_assignments = [
            one for one in self._manager.role_assignments if (one.role, one.principal_id) != taken
        ]

    def assign_for(self, issuer: Issuer) -> None:
        """Give it the roles that an issuer needs."""
        account_id = self._account.resource_id
        if issuer != "keyvault":
            self.assign(roles.KEY_VAULT_SECRETS_USER, self._vault.resource_id)
        if issuer == "userdelegation":
            self.assign(roles.STORAGE_BLOB_DELEGATOR, account_id)
            self.assign(roles.STORAGE_BLOB_DATA_READER, self._account.container_id(self._container))
            return
        self.assign(roles.KEY_OPERATOR, account_id)
        if issuer == "keyvault":  # which goes to the account itself, and asks for its caller's role as well
            key_vault = roles.Assignment(account_id, roles.KEY_OPERATOR, self._vault.service_principal_id)
            self._manager.role_assignments.append(key_vault)

    def open_vault(self, *further_ids: str, minimal: bool = False) -> None:
        """Have the vault manage the account, and let identities use it by access policies, as `keyvault` needs it.

        With `minimal` they may not read the managed account, nor regenerate its keys.
        """
        vault = self._vault
        vault.rbac = False
        if self._account.name not in vault.storage.accounts:
            managed = vault.storage.manage(self._account)
            managed.created = managed.updated = int(time.time()) - _MANAGED_FOR_SECONDS
        granted = SAMPLE_PERMISSIONS | (frozenset() if minimal else _KEY_ROTATION)
        for principal_id in (self.principal_id, *further_ids):
            vault.policies[principal_id] = set(granted)
