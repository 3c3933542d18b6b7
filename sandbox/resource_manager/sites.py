"""Function apps in Resource Manager: identity and app settings.

https://learn.microsoft.com/rest/api/appservice/web-apps
"""

from typing import Any

from sandbox.azure import arm_errors
from sandbox.resource_manager.state import Call, ResourceManager, Site


def get_site(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {site}; the app settings have a call of their own."""
    site = manager.find(manager.sites, call.scope)
    host = site.host_name
    answer = {
        "id": site.id,
        "name": site.name,
        "type": "Microsoft.Web/sites",
        "kind": site.kind,
        "location": site.location,
        "properties": {
            "state": "Running",
            "enabled": True,
            "defaultHostName": host,
            "hostNames": [host],
            "functionAppConfig": {"runtime": {"name": "python", "version": site.python}},
        },
    }
    identity = _identity(site, manager.tenant_id)
    return {**answer, "identity": identity} if identity else answer


def update_site(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PATCH {site}: gives it identities; nothing else can be changed, and none be taken away here."""
    site, wanted = manager.find(manager.sites, call.scope), call.body.get("identity") or {}
    kinds = set(str(wanted.get("type", "")).replace(" ", "").split(","))
    if set(call.body) != {"identity"} or not kinds <= {"SystemAssigned", "UserAssigned"}:
        raise arm_errors.bad_request("Only identities can be given to a site here.")
    if "SystemAssigned" in kinds:
        site.principal_id = manager.assign_system_identity()
    if "UserAssigned" in kinds:
        given = {one: manager.assign_user_identity(one) for one in wanted.get("userAssignedIdentities") or {}}
        site.user_assigned = {**site.user_assigned, **given}
    return get_site(manager, call)


def list_identities(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {subscription}/…/userAssignedIdentities."""
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    known = manager.identities
    return {
        "value": [
            {
                "id": one,
                "name": one.rpartition("/")[2],
                "type": kind,
                "properties": {"clientId": known[one][0], "principalId": known[one][1], "tenantId": manager.tenant_id},
            }
            for one in manager.readable(known, call.object_id, kind)
        ]
    }


def list_app_settings(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {site}/config/appsettings/list."""
    return _app_settings(manager.find(manager.sites, call.scope))


def replace_app_settings(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PUT {site}/config/appsettings: whatever isn't in the body is gone."""
    site, properties = manager.find(manager.sites, call.scope), call.body.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise arm_errors.bad_request("The property 'properties' must map names to texts.")
    site.app_settings = dict(properties)
    return _app_settings(site)


def _app_settings(site: Site) -> dict[str, Any]:
    return {
        "id": f"{site.id}/config/appsettings",
        "name": "appsettings",
        "type": "Microsoft.Web/sites/config",
        "location": site.location,
        "properties": dict(site.app_settings),
    }


def _identity(site: Site, tenant_id: str) -> dict[str, Any] | None:
    kinds = [
        *(["SystemAssigned"] if site.principal_id else []),
        *(["UserAssigned"] if site.user_assigned else []),
    ]
    if not kinds:
        return None
    answer: dict[str, Any] = {"type": ", ".join(kinds)}
    if site.principal_id:
        answer |= {"principalId": site.principal_id, "tenantId": tenant_id}
    if site.user_assigned:
        answer["userAssignedIdentities"] = {
            identity: {"clientId": client_id, "principalId": object_id}
            for identity, (client_id, object_id) in site.user_assigned.items()
        }
    return answer
