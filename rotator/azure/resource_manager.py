"""Azure Resource Manager: the vault, the storage account with its keys and roles, and the function app.

The vault and the account are read through their SDKs, the rest by REST. The SDKs are imported where they are used:
they take 80 ms, and most runs need none of them.
"""

import contextlib
import io
import json
import shlex
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential

from rotator import untrusted
from rotator.azure import az_commands, identity, permissions, retries
from rotator.azure.account_keys import AccountKeys
from rotator.azure.errors import IdentityError, ResourceManagerError, ResourceManagerForbiddenError
from rotator.azure.resource_facts import AccountFacts, AppFacts, VaultFacts
from rotator.plan import resource_id
from rotator.plan.resource_id import ResourceId

if TYPE_CHECKING:
    from azure.mgmt.keyvault import KeyVaultManagementClient
    from azure.mgmt.storage import StorageManagementClient

# Pinned, as the SDKs' own defaults are newer than what Azure's other clouds serve; infra/ deploys with the same ones.
_SITES_VERSION = "2025-03-01"
_STORAGE_VERSION = "2025-01-01"
_VAULTS_VERSION = "2026-02-01"
_KEY_OPERATOR_REMEDY = (
    f"Assign the role {permissions.KEY_OPERATOR_NAME!r} on the account to the app's identity, and wait some minutes."
)
_REVOKE_REMEDY = (
    "Assign the app's identity a role on the account that has the action "
    f"{permissions.REVOKE_DELEGATION_KEYS}, such as a custom role, and wait some minutes."
)


class ResourceManager:
    """Resource Manager as one identity. Every method raises IdentityError or a ResourceManagerError."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        from rotator.azure import arm_client

        self._url = url
        self._credential = credential
        self._client = arm_client.ArmClient(url, credential)
        self._retry_policy = arm_client.retry_policy

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def operator(self) -> str:
        """Return the object id of the identity that is signed in."""
        with self._client.translated("a token"):
            object_id = identity.describe(self._credential, self._client.scope).object_id
        if object_id.startswith("<"):
            raise IdentityError(f"the identity gets no token for {self._url}")
        return object_id

    def vault(self, resource: ResourceId) -> VaultFacts:
        """Read a vault's mode, URL and access policies."""
        with self._client.translated(f"vault {resource.name!r}"), self._vaults(resource) as client:
            found = client.vaults.get(resource.group, resource.name)
            return VaultFacts.from_answer(resource.name, found.properties)

    def account(self, resource: ResourceId) -> AccountFacts:
        """Read a storage account's blob endpoint, and whether and for how long it takes SAS."""
        with self._client.translated(f"storage account {resource.name!r}"), self._storage(resource) as client:
            found = client.storage_accounts.get_properties(resource.group, resource.name)
            return AccountFacts.from_answer(resource.name, found)

    def keys(self, account_id: str) -> AccountKeys:
        """List a storage account's keys; raises ResourceManagerForbiddenError where that is not allowed."""
        resource = _account_id(account_id)
        what = f"keys of storage account {resource.name!r}"
        with self._of_key_operator(what, resource), self._storage(resource) as client:
            no_kerberos: Any = None  # the SDK's default is expand="kerb"; its type does not know None
            found = client.storage_accounts.list_keys(resource.group, resource.name, expand=no_kerberos)
            return AccountKeys.from_answer(resource.name, found.keys_property or [])

    def regenerate(self, account_id: str, key: str) -> None:
        """Regenerate a storage account's key. Not retried: a second call would invalidate the new key.

        Raises ResourceManagerForbiddenError where that is not allowed.
        """
        resource = _account_id(account_id)
        what = f"{key} of storage account {resource.name!r}"
        with self._of_key_operator(what, resource), self._storage(resource) as client:
            client.storage_accounts.regenerate_key(resource.group, resource.name, {"keyName": key}, retry_total=0)

    def revoke_delegation_keys(self, account_id: str) -> None:
        """Revoke all user delegation keys of a storage account, and with them the SAS that they signed.

        Raises ResourceManagerForbiddenError where that is not allowed.
        """
        resource = _account_id(account_id)
        what = f"user delegation keys of storage account {resource.name!r}"
        try:
            with self._client.translated(what), self._storage(resource) as client:
                client.storage_accounts.revoke_user_delegation_keys(resource.group, resource.name)
        except ResourceManagerForbiddenError as error:
            raise ResourceManagerForbiddenError(str(error), remedy=_REVOKE_REMEDY) from error

    @contextlib.contextmanager
    def _of_key_operator(self, what: str, resource: ResourceId) -> Iterator[None]:
        """Translate errors; where something is forbidden, the remedy is the role for account keys."""
        try:
            with self._client.translated(what):
                yield
        except ResourceManagerForbiddenError as error:
            command = az_commands.assign_role(permissions.KEY_OPERATOR_NAME, shlex.quote(str(resource)), "…")
            raise ResourceManagerForbiddenError(str(error), remedy=_KEY_OPERATOR_REMEDY).repaired_by(command) from error

    def may(self, resource: ResourceId, action: str) -> bool:
        """Whether the identity that is signed in may do this action with the resource.

        https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
        """
        return self.may_at(str(resource), action)

    def may_at(self, scope: str, action: str) -> bool:
        """Whether they may do this action at a scope, such as a container in an account."""
        return self._client.roles(scope).allow(action)

    def may_with_data(self, scope: str, data_action: str) -> bool:
        """Whether they may do this with the data at a scope."""
        return self._client.roles(scope).open(data_action)

    def has_role(self, scope: str, role: permissions.Role, object_id: str) -> bool:
        """Whether an object id has a role, or a wider one, at a scope; one that a group has is not seen."""
        return permissions.has_role(role, scope, object_id, self._assignments(scope))

    def assign_role(self, scope: str, role: permissions.Role, who: permissions.Principal) -> None:
        """Assign a role at a scope; an assignment of the same name, which follows from the three, is left as it is.

        https://learn.microsoft.com/rest/api/authorization/role-assignments/create
        """
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope} {role.role_id} {who.object_id}".lower())
        subscription = "/".join(scope.split("/")[:3])
        properties = {
            "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role.role_id}",
            "principalId": who.object_id,
            **({"principalType": who.kind} if who.kind else {}),
        }
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        what = f"role {role.name!r} on {scope.rpartition('/')[2]!r}"
        self._client.send("PUT", path, permissions.AUTHORIZATION_VERSION, what, {"properties": properties})

    def key_operators(self, resource: ResourceId) -> frozenset[str]:
        """Return the object ids of the service principals whose built-in role includes the account's keys.

        https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-resource
        """
        return permissions.key_operators(self._assignments(str(resource)))

    def _assignments(self, scope: str) -> list[dict[str, Any]]:
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        return self._client.list_all(path, permissions.AUTHORIZATION_VERSION, "roles")

    def function_app(self, resource: ResourceId) -> AppFacts:
        """Read the function app's identities and settings."""
        site = self._client.send("GET", str(resource), _SITES_VERSION, f"function app {resource.name!r}")
        return AppFacts.from_answer(resource.name, site, self._settings(resource))

    def grant(self, resource: ResourceId, tenant: str, object_id: str, policy: permissions.Policy) -> None:
        """Add to the vault's access policies; none is removed."""
        verbs = {"secrets": sorted(policy.secrets), "storage": sorted(policy.storage)}
        entry = {"tenantId": tenant, "objectId": object_id, "permissions": verbs}
        body = json.dumps({"properties": {"accessPolicies": [entry]}}).encode()
        what = f"access policies of vault {resource.name!r}"
        with self._client.translated(what), self._vaults(resource) as client:
            client.vaults.update_access_policy(resource.group, resource.name, "add", io.BytesIO(body))

    def change_settings(self, resource: ResourceId, changes: Mapping[str, str]) -> None:
        """Set these app settings and leave the others as they are; the app restarts.

        Resource Manager writes all settings at once and offers no condition: its operations on app settings have
        neither an etag nor If-Match, and no PATCH (https://learn.microsoft.com/rest/api/appservice/web-apps). So they
        are read right before they are written: only a change that another writer makes between these two requests is
        lost.
        """
        what = f"settings of function app {resource.name!r}"
        settings = {**self._settings(resource), **changes}
        self._client.send("PUT", f"{resource}/config/appsettings", _SITES_VERSION, what, {"properties": settings})

    def _settings(self, resource: ResourceId) -> dict[str, str]:
        path, what = f"{resource}/config/appsettings/list", f"settings of function app {resource.name!r}"
        return untrusted.mapping(self._client.send("POST", path, _SITES_VERSION, what).get("properties"))

    def _storage(self, resource: ResourceId) -> "contextlib.closing[StorageManagementClient]":
        from azure.mgmt.storage import StorageManagementClient

        options = self._options(_STORAGE_VERSION)
        return contextlib.closing(StorageManagementClient(self._credential, resource.subscription, **options))

    def _vaults(self, resource: ResourceId) -> "contextlib.closing[KeyVaultManagementClient]":
        from azure.mgmt.keyvault import KeyVaultManagementClient

        options = self._options(_VAULTS_VERSION)
        return contextlib.closing(KeyVaultManagementClient(self._credential, resource.subscription, **options))

    def _options(self, version: str) -> dict[str, Any]:
        return {
            "api_version": version,
            "base_url": self._url,
            "credential_scopes": [self._client.scope],
            "retry_policy": self._retry_policy(),
            "transport": retries.transport(),
        }


class AccountOperations:
    """What is done with account keys and user delegation keys.

    Connects, and imports the SDK, for each request, as most runs need few. Every method raises IdentityError or a
    ResourceManagerError.
    """

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self.url = url
        self._credential = credential

    def keys(self, account_id: str) -> AccountKeys:
        """List a storage account's keys."""
        with self._connected() as manager:
            return manager.keys(account_id)

    def regenerate(self, account_id: str, key: str) -> None:
        """Regenerate a key. Not retried: a second call would invalidate the new key."""
        with self._connected() as manager:
            manager.regenerate(account_id, key)

    def revoke_delegation_keys(self, account_id: str) -> None:
        """Revoke all user delegation keys of a storage account."""
        with self._connected() as manager:
            manager.revoke_delegation_keys(account_id)

    def _connected(self) -> "contextlib.closing[ResourceManager]":
        return contextlib.closing(ResourceManager(self.url, self._credential))


def _account_id(text: str) -> ResourceId:
    try:
        return ResourceId.parse(text, resource_id.STORAGE_ACCOUNT)
    except ValueError as error:
        raise ResourceManagerError(f"the vault names no storage account that it manages: {error}") from error
