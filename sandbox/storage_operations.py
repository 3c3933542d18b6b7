"""The managed-storage calls of Key Vault's REST API, from a parsed request to the answer's JSON.

https://learn.microsoft.com/rest/api/keyvault/storage/operation-groups
"""

import re
import time
from typing import TYPE_CHECKING, Any

from sandbox import accounts, managed_storage, sas_template, vault_errors
from sandbox.secret_store import RECOVERY

if TYPE_CHECKING:
    from sandbox.vault import Call, Vault

NAME = re.compile(r"[0-9a-zA-Z]+")
KEY_ACTIONS = ("listkeys", "regeneratekey")
DAY = 24 * 3600


def account_bundle(vault: "Vault", name: str, managed: managed_storage.ManagedAccount) -> dict[str, Any]:
    """Return a StorageBundle."""
    answer: dict[str, Any] = {
        "id": f"{vault.url}/storage/{name}",
        "resourceId": managed.account.resource_id,
        "activeKeyName": managed.active_key,
        "autoRegenerateKey": managed.auto_regenerate,
        "attributes": _attributes(managed),
    }
    if managed.regeneration_period is not None:
        answer["regenerationPeriod"] = managed.regeneration_period
    return {**answer, "tags": managed.tags} if managed.tags else answer


def definition_bundle(
    vault: "Vault", account: str, name: str, definition: managed_storage.SasDefinition
) -> dict[str, Any]:
    """Return a SasDefinitionBundle."""
    answer = {
        "id": f"{vault.url}/storage/{account}/sas/{name}",
        "sid": f"{vault.url}/secrets/{account}-{name}",
        "templateUri": definition.template_uri,
        "sasType": definition.sas_type,
        "validityPeriod": definition.validity_period,
        "attributes": _attributes(definition),
    }
    return {**answer, "tags": definition.tags} if definition.tags else answer


def list_accounts(vault: "Vault", _call: "Call") -> dict[str, Any]:
    """GET /storage."""
    value = []
    for name, managed in vault.storage.accounts.items():
        whole = account_bundle(vault, name, managed)
        value.append({key: whole[key] for key in ("id", "resourceId", "attributes")})
    return {"value": value, "nextLink": None}


def get_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /storage/{a}."""
    return account_bundle(vault, call.names[0], vault.storage.account(call.names[0]))


def set_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """PUT /storage/{a}: the caller needs `listkeys` on the account as well."""
    name, body = _valid_name(call.names[0]), call.body
    if name in vault.storage.deleted_accounts:
        raise vault_errors.deleted("StorageAccount", name)
    account = vault.storage.known_account(str(body.get("resourceId")))
    if account is None:
        raise vault_errors.bad_parameter("Property 'resourceId' names no storage account.")
    _on_behalf(vault, call, "listkeys", account)
    replaced = vault.storage.accounts.get(name)
    managed = replaced or managed_storage.ManagedAccount(account)
    managed.account = account
    _change_account(managed, body, _key_name(body, "activeKeyName"))
    managed.set_anew()
    vault.storage.accounts[name] = managed
    return account_bundle(vault, name, managed)


def update_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """PATCH /storage/{a}."""
    managed = vault.storage.account(call.names[0])
    active = _key_name(call.body, "activeKeyName") if "activeKeyName" in call.body else managed.active_key
    _change_account(managed, call.body, active)
    return account_bundle(vault, call.names[0], managed)


def delete_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """DELETE /storage/{a}, softly."""
    managed = vault.storage.account(call.names[0])
    vault.storage.deleted_accounts[call.names[0]] = vault.storage.accounts.pop(call.names[0])
    return account_bundle(vault, call.names[0], managed) | _deleted(f"{vault.url}/deletedstorage/{call.names[0]}")


def get_deleted_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /deletedstorage/{a}."""
    managed = vault.storage.deleted_account(call.names[0])
    return account_bundle(vault, call.names[0], managed) | _deleted(f"{vault.url}/deletedstorage/{call.names[0]}")


def recover_account(vault: "Vault", call: "Call") -> dict[str, Any]:
    """POST /deletedstorage/{a}/recover."""
    managed = vault.storage.deleted_account(call.names[0])
    vault.storage.accounts[call.names[0]] = vault.storage.deleted_accounts.pop(call.names[0])
    return account_bundle(vault, call.names[0], managed)


def regenerate_key(vault: "Vault", call: "Call") -> dict[str, Any]:
    """POST /storage/{a}/regeneratekey: the caller needs `regeneratekey` on the account as well."""
    managed = vault.storage.account(call.names[0])
    if vault.asks_first:
        _on_behalf(vault, call, "regeneratekey", managed.account)
    key_name = _key_name(call.body, "keyName")
    _on_behalf(vault, call, "regeneratekey", managed.account)
    managed.regenerate(key_name)
    return account_bundle(vault, call.names[0], managed)


def list_definitions(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /storage/{a}/sas."""
    definitions = vault.storage.account(call.names[0]).definitions
    return {"value": _items(vault, call.names[0], definitions), "nextLink": None}


def get_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /storage/{a}/sas/{d}."""
    account, name = call.names
    return definition_bundle(vault, account, name, vault.storage.account(account).definition(name))


def set_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """PUT /storage/{a}/sas/{d}."""
    account, name = call.names[0], _valid_name(call.names[1])
    managed = vault.storage.account(account)
    replaced = managed.settable(name)
    body = call.body
    sas_template.validate(body.get("templateUri"), body.get("sasType"), body.get("validityPeriod"))
    definition = managed_storage.SasDefinition(body["templateUri"], body["sasType"], body["validityPeriod"])
    if replaced is not None and replaced.validity_period == definition.validity_period:
        definition.last_minted, definition.last_expiry = replaced.last_minted, replaced.last_expiry
    _common(definition, body)
    managed.definitions[name] = definition
    return definition_bundle(vault, account, name, definition)


def update_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """PATCH /storage/{a}/sas/{d}."""
    account, name = call.names
    managed = vault.storage.account(account)
    managed.settable(name)
    definition = managed.definition(name)
    template = call.body.get("templateUri", definition.template_uri)
    validity = call.body.get("validityPeriod", definition.validity_period)
    sas_template.validate(template, call.body.get("sasType", definition.sas_type), validity)
    definition.template_uri, definition.validity_period = template, validity
    _common(definition, call.body)
    return definition_bundle(vault, account, name, definition)


def delete_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """DELETE /storage/{a}/sas/{d}, softly."""
    account, name = call.names
    definition = vault.storage.account(account).delete(name)
    return _deleted_definition(vault, account, name, definition)


def list_deleted_definitions(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /deletedstorage/{a}/sas."""
    definitions = vault.storage.account(call.names[0]).deleted_definitions
    return {"value": _items(vault, call.names[0], definitions), "nextLink": None}


def get_deleted_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """GET /deletedstorage/{a}/sas/{d}."""
    account, name = call.names
    definition = vault.storage.account(account).deleted_definition(name)
    return _deleted_definition(vault, account, name, definition)


def recover_definition(vault: "Vault", call: "Call") -> dict[str, Any]:
    """POST /deletedstorage/{a}/sas/{d}/recover."""
    account, name = call.names
    definition = vault.storage.account(account).recover(name, vault.recovery_seconds)
    return definition_bundle(vault, account, name, definition)


def _attributes(subject: managed_storage.ManagedAccount | managed_storage.SasDefinition) -> dict[str, Any]:
    times = {"created": subject.created, "updated": subject.updated}
    return {"enabled": subject.enabled, **times, **RECOVERY}


def _change_account(managed: managed_storage.ManagedAccount, body: dict[str, Any], active_key: str) -> None:
    managed.active_key = active_key
    managed.auto_regenerate = body.get("autoRegenerateKey", managed.auto_regenerate)
    managed.regeneration_period = body.get("regenerationPeriod", managed.regeneration_period)
    _common(managed, body)


def _common(subject: managed_storage.ManagedAccount | managed_storage.SasDefinition, body: dict[str, Any]) -> None:
    subject.enabled = (body.get("attributes") or {}).get("enabled", subject.enabled)
    subject.tags = body.get("tags", subject.tags) or {}
    subject.updated = int(time.time())


def _items(vault: "Vault", account: str, definitions: dict[str, managed_storage.SasDefinition]) -> list[dict[str, Any]]:
    wholes = [definition_bundle(vault, account, name, one) for name, one in definitions.items()]
    return [{key: whole[key] for key in ("id", "sid", "attributes")} for whole in wholes]


def _deleted_definition(
    vault: "Vault", account: str, name: str, definition: managed_storage.SasDefinition
) -> dict[str, Any]:
    recovery_id = f"{vault.url}/deletedstorage/{account}/sas/{name}"
    return definition_bundle(vault, account, name, definition) | _deleted(recovery_id)


def _deleted(recovery_id: str) -> dict[str, Any]:
    now = int(time.time())
    return {"recoveryId": recovery_id, "deletedDate": now, "scheduledPurgeDate": now + 90 * DAY}


def _valid_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise vault_errors.bad_parameter(f"The request URI contains an invalid name: {name}")
    return name


def _key_name(body: dict[str, Any], field: str) -> str:
    name = body.get(field)
    if name not in accounts.KEY_NAMES:
        raise vault_errors.bad_parameter(f"Property '{field}' must be one of {', '.join(accounts.KEY_NAMES)}.")
    return str(name)


def _on_behalf(vault: "Vault", call: "Call", action: str, account: accounts.StorageAccount) -> None:
    """Ask Resource Manager as the service does, for the caller and for itself."""
    if not (vault.caller_may_manage_keys and _may(vault, call.object_id, action, account)):
        raise vault_errors.not_on_behalf(call.client_id, call.object_id, action, account.resource_id)
    if not all(_may(vault, vault.service_principal_id, needed, account) for needed in KEY_ACTIONS):
        raise vault_errors.service_denied(vault.service_status)


def _may(vault: "Vault", object_id: str, action: str, account: accounts.StorageAccount) -> bool:
    return vault.authorizes(object_id, f"Microsoft.Storage/storageAccounts/{action}/action", account.resource_id)
