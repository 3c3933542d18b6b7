"""What the commands of `az` do, in the real program's words; each gives what is printed as JSON."""

import argparse
import base64
import dataclasses
import json
import time
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.remedies.session import AzError, Session

Document = dict[str, Any]
Arguments = argparse.Namespace

KINDS = ("keys", "secrets", "certificates", "storage")
IN_BINARY: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "hex": bytes.hex,
}
_ROLES = "providers/Microsoft.Authorization/roleDefinitions"


def show_subscription(session: Session, _arguments: Arguments) -> Document:
    """`az account show`."""
    return {"id": session.subscription, "tenantId": session.tenant, "state": "Enabled"}


def login(session: Session, arguments: Arguments) -> list[Document]:
    """`az login`."""
    Path(session.profile).touch()
    return [show_subscription(session, arguments)]


def get_token(session: Session, arguments: Arguments) -> Document:
    """`az account get-access-token`."""
    token = session.tokens.get(arguments.resource)
    if token is None:
        raise AzError(f"AADSTS500011: The resource principal named {arguments.resource} was not found in the tenant.")
    return {"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}


def show_vault(session: Session, arguments: Arguments) -> Document:
    """Find a vault by its name, or by its host's first label, which is the name in Azure."""
    vaults = session.manage("GET", f"/subscriptions/{session.subscription}/providers/Microsoft.KeyVault/vaults")
    for vault in vaults["value"]:
        host = urllib.parse.urlsplit(vault["properties"]["vaultUri"]).hostname or ""
        if arguments.vault_name in (vault["name"], host.partition(".")[0]):
            return dict(vault)
    raise AzError(f"The Vault '{arguments.vault_name}' not found within subscription.", 3)


def set_policy(session: Session, arguments: Arguments) -> Document:
    """`az keyvault set-policy`: a list that is given replaces the former one of that kind, the others stay."""
    vault = show_vault(session, arguments)
    if vault["properties"]["enableRbacAuthorization"]:
        raise AzError("Cannot set policies to a vault with '--enable-rbac-authorization' specified")
    entries = vault["properties"]["accessPolicies"]
    policies = {one["objectId"]: one["permissions"] for one in entries if not one.get("applicationId")}
    had = policies.get(arguments.object_id, {})
    given = {kind: getattr(arguments, f"{kind.removesuffix('s')}_permissions") for kind in KINDS}
    permissions = {kind: had.get(kind, []) if names is None else [*set(names)] for kind, names in given.items()}
    entry = {"tenantId": session.tenant, "objectId": arguments.object_id, "permissions": permissions}
    session.manage("PUT", f"{vault['id']}/accessPolicies/replace", {"properties": {"accessPolicies": [entry]}})
    return show_vault(session, arguments)


def update_vault(session: Session, arguments: Arguments) -> Document:
    """`az keyvault update`."""
    properties = (
        {"publicNetworkAccess": arguments.public_network_access}
        if arguments.public_network_access
        else {"enableRbacAuthorization": arguments.enable_rbac_authorization == "true"}
    )
    return dict(session.manage("PATCH", show_vault(session, arguments)["id"], {"properties": properties}))


def add_vault_rule(session: Session, arguments: Arguments) -> Document:
    """`az keyvault network-rule add`."""
    return _add_rule(session, show_vault(session, arguments), arguments.ip_address)


def set_secret(session: Session, arguments: Arguments) -> Document:
    """`az keyvault secret set`: from a file as it is, down to its last line end."""
    data = arguments.value.encode() if arguments.value is not None else Path(arguments.file).read_bytes()
    written = (
        IN_BINARY[arguments.encoding](data) if arguments.encoding in IN_BINARY else data.decode(arguments.encoding)
    )
    body = {"value": written, "contentType": arguments.content_type, "tags": {"file-encoding": arguments.encoding}}
    return dict(session.request_vault("PUT", _secret(session, arguments), body))


def recover_secret(session: Session, arguments: Arguments) -> Document:
    """`az keyvault secret recover`."""
    return dict(session.request_vault("POST", f"{_secret(session, arguments, 'deletedsecrets')}/recover"))


def set_secret_attributes(session: Session, arguments: Arguments) -> Document:
    """`az keyvault secret set-attributes`, of the current version."""
    body = {"attributes": {"enabled": arguments.enabled == "true"}}
    return dict(session.request_vault("PATCH", f"{_secret(session, arguments)}/", body))


def assign_role(session: Session, arguments: Arguments) -> Document:
    """`az role assignment create`: one that is there already is no error."""
    principal = {"principalId": arguments.assignee_object_id or _object_id(session, arguments.assignee)}
    if arguments.assignee_principal_type:
        principal["principalType"] = arguments.assignee_principal_type
    properties = {"roleDefinitionId": _role_id(session, arguments.role), **principal}
    assignments = f"{arguments.scope}/providers/Microsoft.Authorization/roleAssignments"
    try:
        made = session.manage("PUT", f"{assignments}/{uuid.uuid4()}", {"properties": properties})
    except AzError as error:
        if error.code != "RoleAssignmentExists":
            raise
        there = session.manage("GET", assignments, filter=f"atScope() and principalId eq '{principal['principalId']}'")
        made = next(
            one for one in there["value"] if one["properties"]["roleDefinitionId"] == _role_id(session, arguments.role)
        )
    return dict(made)


def show_account(session: Session, arguments: Arguments) -> Document:
    """`az storage account show`."""
    return dict(session.manage("GET", arguments.ids)) if arguments.ids else _account(session, arguments.name)


def update_account(session: Session, arguments: Arguments) -> Document:
    """`az storage account update`: what is left out of the policy for SAS stays as it is."""
    account = show_account(session, arguments)
    properties: Document = {}
    if arguments.allow_shared_key_access:
        properties["allowSharedKeyAccess"] = arguments.allow_shared_key_access == "true"
    if arguments.public_network_access:
        properties["publicNetworkAccess"] = arguments.public_network_access
    if arguments.sas_expiration_period:
        former = account["properties"].get("sasPolicy") or {"expirationAction": "Log"}
        properties["sasPolicy"] = {**former, "sasExpirationPeriod": arguments.sas_expiration_period}
    return dict(session.manage("PATCH", account["id"], {"properties": properties}))


def update_resource(session: Session, arguments: Arguments) -> Document:
    """`az resource update`: the real program reads the resource, and writes all of it with the changes."""
    session = dataclasses.replace(session, versions={"Microsoft.Storage": arguments.api_version})
    resource = session.manage("GET", arguments.ids)
    changed = set()
    for pair in arguments.set:
        path, _, value = pair.partition("=")
        *way, last = path.split(".")
        if way[0] != "properties":
            raise AzError(f"Couldn't find '{way[0]}' in ''. Available options: properties")
        place = resource
        for name in way:
            place = place.setdefault(name, {})
        place[last] = json.loads(value) if value in ("true", "false") else value
        changed.add((*way, last)[1])
    properties = {name: resource["properties"][name] for name in changed}
    return dict(session.manage("PATCH", arguments.ids, {"properties": properties}))


def delete_lock(session: Session, arguments: Arguments) -> None:
    """`az lock delete`."""
    session.manage("DELETE", arguments.ids)


def create_role(session: Session, arguments: Arguments) -> Document:
    """`az role definition create`: one of the same name must not be there yet, and no resource is a scope of it."""
    given = json.loads(arguments.role_definition)
    scope, *_ = scopes = given["AssignableScopes"]
    if any("/providers/" in one for one in scopes):
        raise AzError("The role definition's assignable scopes are not valid.")
    if session.manage("GET", f"{scope}/{_ROLES}", filter=f"roleName eq '{given['Name']}'")["value"]:
        raise AzError(f'Custom role named "{given["Name"]}" already exists.')
    properties = {
        "roleName": given["Name"],
        "assignableScopes": scopes,
        "permissions": [{"actions": given["Actions"]}],
    }
    return dict(session.manage("PUT", f"{scope}/{_ROLES}/{uuid.uuid4()}", {"properties": properties}))


def add_account_rule(session: Session, arguments: Arguments) -> Document:
    """`az storage account network-rule add`."""
    return _add_rule(session, _account(session, arguments.account_name), arguments.ip_address)


def set_app_settings(session: Session, arguments: Arguments) -> list[Document]:
    """`az functionapp config appsettings set`: the others stay; it prints no values."""
    site = _site(session, arguments)
    settings = dict(session.manage("POST", f"{site}/config/appsettings/list")["properties"])
    for pair in arguments.settings:
        name, equals, value = pair.partition("=")
        if not equals:
            raise AzError(f"Invalid setting '{pair}': it must be NAME=VALUE.", 2)
        settings[name] = value
    session.manage("PUT", f"{site}/config/appsettings", {"properties": settings})
    return [{"name": name, "slotSetting": False, "value": None} for name in settings]


def assign_identity(session: Session, arguments: Arguments) -> Document:
    """`az functionapp identity assign`: without more, the system-assigned one; those of before stay."""
    given = [one for one in arguments.identities if one != "[system]"]
    if not all(given):
        raise AzError("argument --identities: an identity is named by its resource id", 2)
    kinds = [*(["SystemAssigned"] if "[system]" in arguments.identities else []), *(["UserAssigned"] if given else [])]
    wanted = {"type": ", ".join(kinds), **({"userAssignedIdentities": {one: {} for one in given}} if given else {})}
    return dict(session.manage("PATCH", _site(session, arguments), {"identity": wanted})["identity"])


def list_identities(session: Session, _arguments: Arguments) -> list[Document]:
    """`az identity list`: the properties stand beside the id."""
    kind = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    found = session.manage("GET", f"/subscriptions/{session.subscription}/{kind}")["value"]
    return [{**one, **one["properties"]} for one in found]


def _account(session: Session, name: str) -> Document:
    """Find an account by its name, which no other in the cloud has."""
    path = f"/subscriptions/{session.subscription}/providers/Microsoft.Storage/storageAccounts"
    for account in session.manage("GET", path)["value"]:
        if account["name"] == name:
            return dict(account)
    raise AzError(f"The storage account '{name}' not found within subscription.", 3)


def _add_rule(session: Session, resource: Document, addresses: list[str]) -> Document:
    rules = resource["properties"]["networkAcls"]
    rules["ipRules"] += [{"value": address} for address in addresses]
    return dict(session.manage("PATCH", resource["id"], {"properties": {"networkAcls": rules}}))


def _secret(session: Session, arguments: Arguments, collection: str = "secrets") -> str:
    vault = show_vault(session, arguments)["properties"]["vaultUri"].rstrip("/")
    return f"{vault}/{collection}/{arguments.name}"


def _site(session: Session, arguments: Arguments) -> str:
    if arguments.ids:
        return str(arguments.ids)
    if not (arguments.name and arguments.resource_group):
        raise AzError("the following arguments are required: --name/-n, --resource-group/-g", 2)
    group = f"/subscriptions/{session.subscription}/resourceGroups/{arguments.resource_group}"
    return f"{group}/providers/Microsoft.Web/sites/{arguments.name}"


def _object_id(session: Session, assignee: str) -> str:
    found = session.directory.get(assignee)
    if found is None:
        raise AzError(f"Cannot find user or service principal in graph database for '{assignee}'.")
    return found


def _role_id(session: Session, role: str) -> str:
    """A role by its GUID, or by its name."""
    base = f"/subscriptions/{session.subscription}/{_ROLES}"
    try:
        return f"{base}/{uuid.UUID(role)}"
    except ValueError:
        found = session.manage("GET", base, filter=f"roleName eq '{role}'")["value"]
    if not found:
        raise AzError(f"Role '{role}' doesn't exist.")
    return str(found[0]["id"])
