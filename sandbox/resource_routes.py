"""Azure Resource Manager's REST calls: path, action that the caller needs, and what carries each out."""

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox import resource_access, resource_errors, resource_sites, resource_storage, resource_vaults

if TYPE_CHECKING:
    from sandbox.resource_manager import Call, ResourceManager

Operation = Callable[["ResourceManager", "Call"], dict[str, Any]]

_GROUP = "/subscriptions/[^/]+/resourceGroups/[^/]+"
_SUBSCRIPTION = "/subscriptions/[^/]+"
_ANY_SCOPE = f"{_SUBSCRIPTION}|{_GROUP}|{_GROUP}/providers/[^/]+/[^/]+/[^/]+"
_VAULT = f"{_GROUP}/providers/Microsoft.KeyVault/vaults/[^/]+"
_ACCOUNT = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/[^/]+"
_SITE = f"{_GROUP}/providers/Microsoft.Web/sites/[^/]+"
_AUTHORIZATION = "/providers/Microsoft.Authorization"


@dataclasses.dataclass(frozen=True)
class Route:
    """One call; `permission` None is for what everybody may ask, and `action` is what the journal says.

    `status` is that of success.
    """

    method: str
    path: re.Pattern[str]
    permission: str | None
    action: str
    carry_out: Operation
    status: int = 200


def _route(
    method: str, scope: str, path: str, permission: str | None, carry_out: Operation, *, status: int = 200
) -> Route:
    pattern = re.compile(f"(?P<scope>{scope}){path}/?", re.IGNORECASE)
    return Route(method, pattern, permission, carry_out.__name__.replace("_", "-"), carry_out, status)


ROUTES = (
    _route("GET", _SUBSCRIPTION, "/providers/Microsoft.KeyVault/vaults", None, resource_vaults.list_vaults),
    _route("GET", _VAULT, "", "Microsoft.KeyVault/vaults/read", resource_vaults.get_vault),
    _route("PATCH", _VAULT, "", "Microsoft.KeyVault/vaults/write", resource_vaults.update_vault),
    _route(
        "PUT",
        _VAULT,
        "/accessPolicies/(?P<kind>add|replace|remove)",
        "Microsoft.KeyVault/vaults/accessPolicies/write",
        resource_vaults.update_access_policies,
    ),
    _route("GET", _SUBSCRIPTION, "/providers/Microsoft.Storage/storageAccounts", None, resource_storage.list_accounts),
    _route("GET", _ACCOUNT, "", "Microsoft.Storage/storageAccounts/read", resource_storage.get_account),
    _route("PATCH", _ACCOUNT, "", "Microsoft.Storage/storageAccounts/write", resource_storage.update_account),
    _route(
        "POST", _ACCOUNT, "/listKeys", "Microsoft.Storage/storageAccounts/listkeys/action", resource_storage.list_keys
    ),
    _route(
        "POST",
        _ACCOUNT,
        "/regenerateKey",
        "Microsoft.Storage/storageAccounts/regeneratekey/action",
        resource_storage.regenerate_key,
    ),
    _route(
        "GET",
        _SUBSCRIPTION,
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        None,
        resource_sites.list_identities,
    ),
    _route("GET", _SITE, "", "Microsoft.Web/sites/read", resource_sites.get_site),
    _route("PATCH", _SITE, "", "Microsoft.Web/sites/write", resource_sites.update_site),
    _route(
        "POST",
        _SITE,
        "/config/appsettings/list",
        "Microsoft.Web/sites/config/list/action",
        resource_sites.list_app_settings,
    ),
    _route(
        "PUT", _SITE, "/config/appsettings", "Microsoft.Web/sites/config/write", resource_sites.replace_app_settings
    ),
    _route("GET", _ANY_SCOPE, f"{_AUTHORIZATION}/permissions", None, resource_access.list_permissions),
    _route(
        "GET",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/roleAssignments",
        "Microsoft.Authorization/roleAssignments/read",
        resource_access.list_role_assignments,
    ),
    _route(
        "PUT",
        _ANY_SCOPE,
        f"{_AUTHORIZATION}/roleAssignments/(?P<name>[^/]+)",
        "Microsoft.Authorization/roleAssignments/write",
        resource_access.create_role_assignment,
        status=201,
    ),
    _route("GET", _ANY_SCOPE, f"{_AUTHORIZATION}/roleDefinitions", None, resource_access.list_role_definitions),
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route and what its path names; 405 for a known path with another method, 404 for others."""
    fitting = [(route, match) for route in ROUTES if (match := route.path.fullmatch(path))]
    for route, match in fitting:
        if route.method == method:
            return route, match.groupdict()
    if fitting:
        text = f"The requested resource does not support http method '{method}'."
        raise resource_errors.ResourceError(405, "MethodNotAllowed", text)
    raise resource_errors.ResourceError(404, "InvalidResourceType", "The sandbox has no such resource type.")
