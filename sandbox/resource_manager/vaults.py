"""Key vaults in Resource Manager: properties, firewall and access policies.

https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults
"""

from typing import Any

from sandbox.azure import arm_errors, firewall
from sandbox.key_vault.state import Vault
from sandbox.resource_manager.state import Call, ResourceManager, VaultResource

KIND = "Microsoft.KeyVault/vaults"
KINDS = ("keys", "secrets", "certificates", "storage")

# Enumerations of the published specification; keys and certificates, which the vault here lacks, go unchecked.
_COMMON = frozenset({"all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge"})
_KNOWN = {
    "secrets": _COMMON,
    "storage": _COMMON | {"update", "regeneratekey", "setsas", "listsas", "getsas", "deletesas"},
}


def list_vaults(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {subscription}/…/vaults."""
    readable = manager.readable(manager.vaults, call.object_id, KIND)
    return {"value": [_answer(manager, manager.vaults[one]) for one in readable]}


def get_vault(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {vault}."""
    return _answer(manager, manager.find(manager.vaults, call.scope))


def update_vault(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PATCH {vault}: what isn't in the body stays as it is."""
    found, properties = manager.find(manager.vaults, call.scope), call.body.get("properties") or {}
    if set(properties) - {"enableRbacAuthorization", "networkAcls", "publicNetworkAccess"}:
        raise arm_errors.bad_request(f"The sandbox cannot change all of {', '.join(properties)}.")
    found.vault.rbac = bool(properties.get("enableRbacAuthorization", found.vault.rbac))
    found.vault.private = properties.get("publicNetworkAccess", _access(found)) == "Disabled"
    if "networkAcls" in properties:
        found.vault.firewall = firewall.read(properties["networkAcls"])
    return _answer(manager, found)


def _access(found: VaultResource) -> str:
    return "Disabled" if found.vault.private else "Enabled"


def _answer(manager: ResourceManager, found: VaultResource) -> dict[str, Any]:
    properties = {
        "tenantId": manager.tenant_id,
        "sku": {"family": "A", "name": "standard"},
        "accessPolicies": _policies(found.vault, manager.tenant_id),
        "enableRbacAuthorization": found.vault.rbac,
        "enableSoftDelete": found.soft_delete,
        "softDeleteRetentionInDays": found.vault.retention_days,
        "networkAcls": firewall.render(found.vault.firewall),
        "publicNetworkAccess": _access(found),
        "vaultUri": f"{found.vault.url}/",
        "provisioningState": "Succeeded",
    }
    if found.vault.purge_protection:  # the real service leaves it out otherwise: it can't be false
        properties["enablePurgeProtection"] = True
    return {
        "id": found.id,
        "name": found.name,
        "type": KIND,
        "location": found.location,
        "tags": {},
        "properties": properties,
    }


def update_access_policies(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PUT {vault}/accessPolicies/{add|replace|remove}: other object ids' policies stay as they are."""
    found = manager.find(manager.vaults, call.scope)
    wanted = _read((call.body.get("properties") or {}).get("accessPolicies"), manager.tenant_id)
    for (object_id, application_id), permissions in wanted.items():
        compound = found.vault.compound_policies
        held = compound.get((object_id, application_id)) if application_id else found.vault.policies.get(object_id)
        had = held or set()
        changed = {"add": had | permissions, "replace": permissions, "remove": had - permissions}
        if application_id:
            compound[object_id, application_id] = changed[call.names["kind"].lower()]
        else:
            found.vault.set_policy(object_id, changed[call.names["kind"].lower()])
    return {
        "id": f"{found.id}/accessPolicies/",
        "type": "Microsoft.KeyVault/vaults/accessPolicies",
        "location": found.location,
        "properties": {"accessPolicies": _policies(found.vault, manager.tenant_id)},
    }


def _read(entries: Any, tenant_id: str) -> dict[tuple[str, str], set[str]]:
    """Return permissions as in "storage/setsas" by object and application id; all is checked before anything changes.

    An entry for the object alone has "" as the application.
    """
    if not isinstance(entries, list):
        raise arm_errors.bad_request("The parameter accessPolicies is not specified.")
    wanted: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        if entry.get("tenantId") != tenant_id:
            raise arm_errors.bad_request("An access policy's tenantId is not that of the vault.")
        if not entry.get("objectId"):
            raise arm_errors.bad_request("An access policy has no objectId.")
        whose = entry["objectId"], entry.get("applicationId") or ""
        wanted.setdefault(whose, set()).update(_permissions(entry.get("permissions") or {}))
    return wanted


def _permissions(by_kind: dict[str, list[str] | None]) -> set[str]:
    found = {f"{kind}/{name.lower()}" for kind, names in by_kind.items() for name in names or ()}
    for permission in sorted(found):
        kind, _, name = permission.partition("/")
        if kind not in KINDS or name not in _KNOWN.get(kind, {name}):
            raise arm_errors.bad_request(f"An access policy has an unknown permission: {kind} {name}.")
    return found


def _policies(vault: Vault, tenant_id: str) -> list[dict[str, Any]]:
    plain = [({"objectId": one}, permissions) for one, permissions in vault.policies.items()]
    compound = [
        ({"objectId": one, "applicationId": application}, permissions)
        for (one, application), permissions in vault.compound_policies.items()
    ]
    return [
        {
            "tenantId": tenant_id,
            **whose,
            "permissions": {
                kind: sorted(one.partition("/")[2] for one in permissions if one.startswith(f"{kind}/"))
                for kind in KINDS
            },
        }
        for whose, permissions in (*plain, *compound)
        if permissions
    ]
