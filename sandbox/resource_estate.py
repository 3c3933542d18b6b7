"""The resources that the sandbox has from the start, and who holds which role on them."""

import uuid

from sandbox import accounts, identity, resource_manager, resource_roles, resource_sites, resource_vaults, vault

FUNCTION_APP = "sandboxrotator"
FOREIGN_SETTING = "FOREIGN"


class Estate:
    """A vault, a function app with a user-assigned identity, and the storage account that is rotated.

    The system-assigned identity is the operator: a contributor to the resource group. It may manage the
    account's keys, and so may Key Vault's own application; the function app's identity has no role.
    """

    def __init__(self, tokens: identity.Identity, service: vault.Vault, account: accounts.StorageAccount) -> None:
        self._operator_id = tokens.object_id
        self._service = service
        self._account = account
        self.group_id = account.resource_id.partition("/providers/")[0]
        self.vault_id = f"{self.group_id}/providers/Microsoft.KeyVault/vaults/{service.name}"
        self.function_app_id = f"{self.group_id}/providers/Microsoft.Web/sites/{FUNCTION_APP}"
        self.app_client_id = str(uuid.uuid4())
        self.app_object_id = str(uuid.uuid4())
        tokens.user_assigned[self.app_client_id] = self.app_object_id

    def register(self, manager: resource_manager.ResourceManager, app_storage: str) -> None:
        """Make all of it known to Resource Manager, and its role assignments to the vault."""
        manager.vaults[self.vault_id] = resource_vaults.VaultResource(self.vault_id, self._service)
        manager.sites[self.function_app_id] = self._function_app(app_storage)
        manager.role_assignments += [
            resource_roles.Assignment(self.group_id, resource_roles.CONTRIBUTOR, self._operator_id),
            *(
                resource_roles.Assignment(self._account.resource_id, resource_roles.KEY_OPERATOR, principal_id)
                for principal_id in (self._operator_id, self._service.service_principal_id)
            ),
        ]
        self._service.authorizes = manager.authorizes

    def _function_app(self, app_storage: str) -> resource_sites.Site:
        identity_id = f"{self.group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{FUNCTION_APP}"
        settings = {
            "AZURE_CLIENT_ID": self.app_client_id,
            "AzureWebJobsStorage__accountName": app_storage,
            FOREIGN_SETTING: "stays",
        }
        return resource_sites.Site(
            self.function_app_id,
            user_assigned={identity_id: (self.app_client_id, self.app_object_id)},
            app_settings=settings,
        )
