"""The functions of a function app in Resource Manager: what is listed, the sync of triggers, keys, the host's state.

https://learn.microsoft.com/rest/api/appservice/web-apps/list-functions
https://learn.microsoft.com/rest/api/appservice/web-apps/sync-functions
https://learn.microsoft.com/rest/api/appservice/web-apps/list-function-keys
https://learn.microsoft.com/rest/api/appservice/web-apps/create-or-update-function-secret
"""

from typing import Any

from sandbox.azure import arm_errors
from sandbox.resource_manager.state import Call, ResourceManager, Site

_HOST_VERSION = "4.1042.100.1"


def list_functions(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {site}/functions."""
    site = manager.find(manager.sites, call.scope)
    return {"value": [_function(site, name) for name in site.deployed.listed()], "nextLink": None}


def sync_functions(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {site}/host/default/sync, which is what the portal's Refresh does; there is no content in its answer."""
    manager.find(manager.sites, call.scope).deployed.syncs += 1
    return {}


def list_function_keys(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {site}/functions/{name}/listkeys."""
    site, name = _named(manager, call)
    return dict(site.deployed.keys_of(name))


def set_function_key(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PUT {site}/functions/{name}/keys/{key}: the value is in the body, or is made."""
    site, name = _named(manager, call)
    given = {**(call.body.get("properties") or {}), **call.body}.get("value")
    value = site.deployed.set_key(name, call.names["key"], str(given) if given else None)
    return {
        "id": f"{site.id}/functions/{name}/keys/{call.names['key']}",
        "name": call.names["key"],
        "type": "Microsoft.Web/sites/functions/keys",
        "properties": {"name": call.names["key"], "value": value},
    }


def get_host_status(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {site}/hostruntime/admin/host/status: the host's own answer, which Resource Manager passes on."""
    site = manager.find(manager.sites, call.scope)
    errors = {"errors": list(site.deployed.errors)} if site.deployed.errors else {}
    return {"id": site.name, "state": site.deployed.state, "version": _HOST_VERSION, **errors}


def _named(manager: ResourceManager, call: Call) -> tuple[Site, str]:
    """Return the site and the function that the path names, or a 404."""
    site = manager.find(manager.sites, call.scope)
    for name in site.deployed.listed():
        if name.lower() == call.names["function"].lower():
            return site, name
    raise arm_errors.ResourceError(404, "NotFound", f"Function with name '{call.names['function']}' does not exist.")


def _function(site: Site, name: str) -> dict[str, Any]:
    return {
        "id": f"{site.id}/functions/{name}",
        "name": f"{site.name}/{name}",
        "type": "Microsoft.Web/sites/functions",
        "location": site.location,
        "properties": {
            "name": name,
            "function_app_id": None,
            "isDisabled": name in site.deployed.disabled,
            "language": "python",
            "invoke_url_template": f"https://{site.host_name}/api/{name}",
        },
    }
