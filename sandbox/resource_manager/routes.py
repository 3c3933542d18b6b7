"""Azure Resource Manager's REST calls: path, action that the caller needs, and what carries each out."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from sandbox.azure import arm_errors
from sandbox.resource_manager import access, functions, sites, storage, vaults
from sandbox.resource_manager.state import Call, ResourceManager

Operation = Callable[[ResourceManager, Call], dict[str, Any]]

_GROUP = "/subscriptions/[^/]+/resourceGroups/[^/]+"
_SUBSCRIPTION = "/subscriptions/[^/]+"
_RESOURCE = f"{_GROUP}/providers/[^/]+/[^/]+/[^/]+"
_CONTAINER = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+"
_ANY_SCOPE = f"{_SUBSCRIPTION}|{_GROUP}|{_RESOURCE}|{_CONTAINER}"
_VAULT = f"{_GROUP}/providers/Microsoft.KeyVault/vaults/[^/]+"
_ACCOUNT = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/[^/]+"
_SITE = f"{_GROUP}/providers/Microsoft.Web/sites/[^/]+"
_WEB = "Microsoft.Web/sites"
_AUTHORIZATION = "/providers/Microsoft.Authorization"


@dataclasses.dataclass(frozen=True)
class Route:
    """One call; `permission` None is for what everybody may ask, and `action` is what the journal says.

    `status` is that of success. A lock doesn't keep from what isn't `lockable`.
    """

    method: str
    path: re.Pattern[str]
    permission: str | None
    action: str
    carry_out: Operation
    status: int = 200
    lockable: bool = True


def _route(
    method: str,
    scope: str,
    path: str,
    permission: str | None,
    carry_out: Operation,
    *,
    status: int = 200,
    lockable: bool = True,
) -> Route:
    pattern = re.compile(f"(?P<scope>{scope}){path}/?", re.IGNORECASE)
    return Route(method, pattern, permission, carry_out.__name__.replace("_", "-"), carry_out, status, lockable)


ROUTES = (
    _route("GET", _SUBSCRIPTION, "/providers/Microsoft.KeyVault/vaults", None, vaults.list_vaults),
    _route("GET", _VAULT, "", "Microsoft.KeyVault/vaults/read", vaults.get_vault),
    _route("PATCH", _VAULT, "", "Microsoft.KeyVault/vaults/write", vaults.update_vault),
    _route(
        "PUT",
        _VAULT,
        "/accessPolicies/(?P<kind>add|replace|remove)",
        "Microsoft.KeyVault/vaults/accessPolicies/write",
        vaults.update_access_policies,
    ),
    _route("GET", _SUBSCRIPTION, "/providers/Microsoft.Storage/storageAccounts", None, storage.list_accounts),
    _route("GET", _ACCOUNT, "", "Microsoft.Storage/storageAccounts/read", storage.get_account),
    _route("PATCH", _ACCOUNT, "", "Microsoft.Storage/storageAccounts/write", storage.update_account),
    _route("POST", _ACCOUNT, "/listKeys", "Microsoft.Storage/storageAccounts/listkeys/action", storage.list_keys),
    _route(
        "POST",
        _ACCOUNT,
        "/regenerateKey",
        "Microsoft.Storage/storageAccounts/regeneratekey/action",
        storage.regenerate_key,
    ),
    _route(
        "POST",
        _ACCOUNT,
        "/revokeUserDelegationKeys",
        "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action",
        storage.revoke_user_delegation_keys,
    ),
    _route(
        "GET",
        _SUBSCRIPTION,
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        None,
        sites.list_identities,
    ),
    _route("GET", _SITE, "", "Microsoft.Web/sites/read", sites.get_site),
    _route("PATCH", _SITE, "", "Microsoft.Web/sites/write", sites.update_site),
    _route(
        "POST",
        _SITE,
        "/config/appsettings/list",
        "Microsoft.Web/sites/config/list/action",
        sites.list_app_settings,
    ),
    _route("PUT", _SITE, "/config/appsettings", "Microsoft.Web/sites/config/write", sites.replace_app_settings),
    _route("GET", _SITE, "/functions", f"{_WEB}/functions/read", functions.list_functions),
    _route("POST", _SITE, "/host/default/sync", f"{_WEB}/host/sync/action", functions.sync_functions, status=204),
    _route(
        "POST",
        _SITE,
        "/functions/(?P<function>[^/]+)/listkeys",
        f"{_WEB}/functions/listkeys/action",
        functions.list_function_keys,
    ),
    _route(
        "PUT",
        _SITE,
        "/functions/(?P<function>[^/]+)/keys/(?P<key>[^/]+)",
        f"{_WEB}/functions/keys/write",
        functions.set_function_key,
        status=201,
    ),
    _route(
        "GET",
        _SITE,
        "/hostruntime/admin/host/status",
        f"{_WEB}/hostruntime/host/read",
        functions.get_host_status,
    ),
    _route("GET", _ANY_SCOPE, f"{_AUTHORIZATION}/permissions", None, access.list_permissions),
    _route(
        "GET",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/roleAssignments",
        "Microsoft.Authorization/roleAssignments/read",
        access.list_role_assignments,
    ),
    _route(
        "PUT",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/roleAssignments/(?P<name>[^/]+)",
        "Microsoft.Authorization/roleAssignments/write",
        access.create_role_assignment,
        status=201,
    ),
    _route("GET", _ANY_SCOPE, f"{_AUTHORIZATION}/roleDefinitions", None, access.list_role_definitions),
    _route(
        "PUT",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/roleDefinitions/(?P<name>[^/]+)",
        "Microsoft.Authorization/roleDefinitions/write",
        access.create_role_definition,
        status=201,
    ),
    _route("GET", _ANY_SCOPE, f"{_AUTHORIZATION}/locks", "Microsoft.Authorization/locks/read", access.list_locks),
    _route(
        "DELETE",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/locks/(?P<name>[^/]+)",
        "Microsoft.Authorization/locks/delete",
        access.delete_lock,
        lockable=False,
    ),
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route and what its path names; 405 for a known path with another method, 404 for others."""
    fitting = [(route, match) for route in ROUTES if (match := route.path.fullmatch(path))]
    for route, match in fitting:
        if route.method == method:
            return route, match.groupdict()
    if fitting:
        text = f"The requested resource does not support http method '{method}'."
        raise arm_errors.ResourceError(405, "MethodNotAllowed", text)
    raise arm_errors.ResourceError(404, "InvalidResourceType", "The sandbox has no such resource type.")
