"""The resources that the sandbox has from the start, and who holds which role on them."""

import uuid
from collections.abc import Iterator

from sandbox.azure import accounts, identity
from sandbox.blob.server import BlobService
from sandbox.key_vault.state import PROVIDER, Vault
from sandbox.resource_manager import roles
from sandbox.resource_manager.state import ResourceManager, Site, VaultResource

FUNCTION_APP = "sandboxrotator"
FOREIGN_SETTING = "FOREIGN"


class InitialResources:
    """A vault, a function app with a user-assigned identity, and its own storage.

    The system-assigned identity is the operator: a contributor to the resource group, who may also write secrets if
    the vault is in RBAC mode. The blobs in the app's storage are open to the operator and to the function app's
    identity, which has no other role here.
    """

    def __init__(
        self,
        tokens: identity.Identity,
        vault: Vault,
        app_storage: accounts.StorageAccount,
    ) -> None:
        self._operator_id = tokens.object_id
        self._vault = vault
        self._app_storage = app_storage
        self.group_id = app_storage.resource_id.partition("/providers/")[0]
        self.vault_id = vault.resource_id = f"{self.group_id}{PROVIDER}/{vault.name}"
        self.function_app_id = f"{self.group_id}/providers/Microsoft.Web/sites/{FUNCTION_APP}"
        self.app_client_id = str(uuid.uuid4())
        self.app_object_id = str(uuid.uuid4())
        self._identity_id = f"{self.group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{FUNCTION_APP}"
        tokens.user_assigned[self.app_client_id] = self.app_object_id

    def register(self, manager: ResourceManager, blobs: BlobService) -> None:
        """Make all of it known to Resource Manager, and its role assignments to the vault and the blob service."""
        manager.vaults[self.vault_id] = VaultResource(self.vault_id, self._vault)
        manager.sites[self.function_app_id] = self._function_app()
        manager.identities[self._identity_id] = (self.app_client_id, self.app_object_id)
        manager.role_assignments += self._role_assignments()
        self._vault.authorizes = blobs.authorizes_action = manager.authorizes
        self._vault.opens_data = blobs.authorizes = manager.opens_data

    def _role_assignments(self) -> Iterator[roles.Assignment]:
        yield roles.Assignment(self.group_id, roles.CONTRIBUTOR, self._operator_id)
        if self._vault.rbac:
            yield roles.Assignment(self.vault_id, roles.KEY_VAULT_SECRETS_OFFICER, self._operator_id)
        for owner in (self._operator_id, self.app_object_id):
            role = roles.STORAGE_BLOB_DATA_OWNER
            yield roles.Assignment(self._app_storage.resource_id, role, owner)

    def _function_app(self) -> Site:
        settings = {
            "AZURE_CLIENT_ID": self.app_client_id,
            "AzureWebJobsStorage__accountName": self._app_storage.name,
            FOREIGN_SETTING: "stays",
        }
        return Site(
            self.function_app_id,
            user_assigned={self._identity_id: (self.app_client_id, self.app_object_id)},
            app_settings=settings,
        )
