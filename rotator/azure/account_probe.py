"""What Resource Manager says of a storage account before it is used: policies, locks, and the caller's permissions."""

from azure.core.credentials import TokenCredential

from rotator import untrusted
from rotator.azure.account_policy import AccountPolicy
from rotator.azure.arm_client import ArmClient
from rotator.azure.errors import UnservedVersionError
from rotator.azure.permissions import Roles
from rotator.plan.resource_id import ResourceId

# The first version has the properties of 2026. Azure's other clouds are behind, and serve the second.
_STORAGE_VERSIONS = ("2026-09-01", "2025-01-01")
_LOCKS_VERSION = "2020-05-01"
_READ_ONLY = "readonly"


class AccountProbe:
    """Reads, as one identity, and changes nothing. Every method raises IdentityError or a ResourceManagerError."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._url = url
        self._client = ArmClient(url, credential)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def policy(self, account: ResourceId) -> AccountPolicy:
        """Read what the account accepts; needs `Microsoft.Storage/storageAccounts/read`."""
        what, (newest, older) = f"storage account {account.name!r}", _STORAGE_VERSIONS
        try:
            found = self._client.send("GET", str(account), newest, what)
        except UnservedVersionError:
            found = self._client.send("GET", str(account), older, what)
        return AccountPolicy.from_answer(untrusted.mapping(found.get("properties")))

    def read_only_locks(self, account: ResourceId) -> tuple[str, ...]:
        """Return the ids of the ReadOnly locks on the account, or on its resource group or subscription.

        https://learn.microsoft.com/rest/api/resources/management-locks/list-by-scope
        """
        path = f"{self._url}{account}/providers/Microsoft.Authorization/locks?api-version={_LOCKS_VERSION}"
        found = self._client.list_all(f"{path}&$filter=atScope()", _LOCKS_VERSION, f"locks on {account.name!r}")
        levels = ((str(one.get("id")), untrusted.mapping(one.get("properties")).get("level")) for one in found)
        return tuple(lock for lock, level in levels if str(level).lower() == _READ_ONLY)

    def roles(self, scope: str) -> Roles:
        """Read what the caller may do at a scope: a resource id, or the id of a container in an account."""
        return self._client.roles(scope)


def container_id(account: str, container: str) -> str:
    """Return the resource id of a blob container."""
    return f"{account}/blobServices/default/containers/{container}"
