"""The managed-storage calls of Key Vault's REST API, from a parsed request to the answer's JSON.

https://learn.microsoft.com/rest/api/keyvault/storage/operation-groups
"""

import re
import time
from typing import Any

from sandbox.azure import accounts
from sandbox.key_vault import errors, managed_storage, soft_delete
from sandbox.key_vault.state import Call, Vault

NAME = re.compile(r"[0-9a-zA-Z]+")
KEY_ACTIONS = ("listkeys", "regeneratekey")


def account_bundle(vault: Vault, name: str, managed: managed_storage.ManagedAccount) -> dict[str, Any]:
    """Return a StorageBundle."""
    answer: dict[str, Any] = {
        "id": f"{vault.url}/storage/{name}",
        "resourceId": managed.account.resource_id,
        "activeKeyName": managed.active_key,
        "autoRegenerateKey": managed.auto_regenerate,
    }
    if managed.regeneration_period is not None:
        answer["regenerationPeriod"] = managed.regeneration_period
    return answer | common_part(vault, managed)


def list_accounts(vault: Vault, _call: Call) -> dict[str, Any]:
    """GET /storage."""
    listed = {name: managed for name, managed in vault.storage.accounts.items() if not managed.settling}
    return {"value": [_account_item(vault, name, managed) for name, managed in listed.items()], "nextLink": None}


def list_deleted_accounts(vault: Vault, _call: Call) -> dict[str, Any]:
    """GET /deletedstorage."""
    listed = {name: managed for name, managed in vault.storage.deleted_accounts.items() if not managed.settling}
    value = [
        deletion(vault, f"storage/{name}", managed) | _account_item(vault, name, managed)
        for name, managed in listed.items()
    ]
    return {"value": value, "nextLink": None}


def get_account(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /storage/{a}."""
    return account_bundle(vault, call.names[0], vault.storage.account(call.names[0]))


def set_account(vault: Vault, call: Call) -> dict[str, Any]:
    """PUT /storage/{a}: the caller needs `listkeys` on the account as well."""
    name, body = valid_name(call.names[0]), call.body
    replaced = vault.storage.settable(name)
    account = vault.storage.known_account(str(body.get("resourceId")))
    if account is None:
        raise errors.bad_parameter("Property 'resourceId' names no storage account.")
    _on_behalf(vault, call, "listkeys", account)
    managed = replaced or managed_storage.ManagedAccount(account)
    managed.account = account
    _change_account(managed, body, _key_name(body, "activeKeyName"))
    managed.reset_times()
    vault.storage.accounts[name] = managed
    return account_bundle(vault, name, managed)


def update_account(vault: Vault, call: Call) -> dict[str, Any]:
    """PATCH /storage/{a}."""
    managed = vault.storage.account(call.names[0])
    active = _key_name(call.body, "activeKeyName") if "activeKeyName" in call.body else managed.active_key
    _change_account(managed, call.body, active)
    return account_bundle(vault, call.names[0], managed)


def delete_account(vault: Vault, call: Call) -> dict[str, Any]:
    """DELETE /storage/{a}, softly."""
    name = call.names[0]
    return _deleted_account(vault, name, vault.storage.delete(name, vault.deletion_seconds))


def get_deleted_account(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /deletedstorage/{a}."""
    return _deleted_account(vault, call.names[0], vault.storage.deleted_account(call.names[0]))


def purge_account(vault: Vault, call: Call) -> None:
    """DELETE /deletedstorage/{a}: for good, with its SAS definitions."""
    vault.storage.deleted_account(call.names[0])
    if vault.purge_protection:
        raise errors.purge_protected()
    del vault.storage.deleted_accounts[call.names[0]]


def recover_account(vault: Vault, call: Call) -> dict[str, Any]:
    """POST /deletedstorage/{a}/recover."""
    name = call.names[0]
    return account_bundle(vault, name, vault.storage.recover(name, vault.recovery_seconds))


def regenerate_key(vault: Vault, call: Call) -> dict[str, Any]:
    """POST /storage/{a}/regeneratekey: the caller needs `regeneratekey` on the account as well."""
    managed = vault.storage.account(call.names[0])
    if vault.asks_first:
        _on_behalf(vault, call, "regeneratekey", managed.account)
    key_name = _key_name(call.body, "keyName")
    _on_behalf(vault, call, "regeneratekey", managed.account)
    managed.regenerate(key_name)
    return account_bundle(vault, call.names[0], managed)


def common_part(
    vault: Vault, subject: managed_storage.ManagedAccount | managed_storage.SasDefinition
) -> dict[str, Any]:
    """Return what the bundles of accounts and of definitions end with."""
    times = {"created": subject.created, "updated": subject.updated}
    answer: dict[str, Any] = {"attributes": {"enabled": subject.enabled, **times, **vault.recovery}}
    return {**answer, "tags": subject.tags} if subject.tags else answer


def _change_account(managed: managed_storage.ManagedAccount, body: dict[str, Any], active_key: str) -> None:
    managed.active_key = active_key
    managed.auto_regenerate = body.get("autoRegenerateKey", managed.auto_regenerate)
    managed.regeneration_period = body.get("regenerationPeriod", managed.regeneration_period)
    change_common(managed, body)


def change_common(
    subject: managed_storage.ManagedAccount | managed_storage.SasDefinition, body: dict[str, Any]
) -> None:
    """Change what a body may have for both."""
    subject.enabled = (body.get("attributes") or {}).get("enabled", subject.enabled)
    subject.tags = body.get("tags", subject.tags) or {}
    subject.updated = int(time.time())


def _account_item(vault: Vault, name: str, managed: managed_storage.ManagedAccount) -> dict[str, Any]:
    whole = account_bundle(vault, name, managed)
    return {key: whole[key] for key in ("id", "resourceId", "attributes", "tags") if key in whole}


def _deleted_account(vault: Vault, name: str, managed: managed_storage.ManagedAccount) -> dict[str, Any]:
    return deletion(vault, f"storage/{name}", managed) | account_bundle(vault, name, managed)


def deletion(vault: Vault, path: str, gone: soft_delete.SoftDeletable) -> dict[str, Any]:
    """Return what an answer has about a deletion, before what was deleted."""
    return vault.deletion(path, gone.deleted)


def valid_name(name: str) -> str:
    """Return the name unless it is none for an account or a definition."""
    if not NAME.fullmatch(name):
        raise errors.bad_parameter(f"The request URI contains an invalid name: {name}")
    return name


def _key_name(body: dict[str, Any], field: str) -> str:
    name = body.get(field)
    if name not in accounts.KEY_NAMES:
        raise errors.bad_parameter(f"Property '{field}' must be one of {', '.join(accounts.KEY_NAMES)}.")
    return str(name)


def _on_behalf(vault: Vault, call: Call, action: str, account: accounts.StorageAccount) -> None:
    """Ask Resource Manager as the service does, for the caller and for itself."""
    if not (vault.caller_may_manage_keys and _may(vault, call.object_id, action, account)):
        raise errors.not_on_behalf(call.client_id, call.object_id, action, account.resource_id)
    if not all(_may(vault, vault.service_principal_id, needed, account) for needed in KEY_ACTIONS):
        raise errors.service_denied(vault.service_status)


def _may(vault: Vault, object_id: str, action: str, account: accounts.StorageAccount) -> bool:
    return vault.authorizes(object_id, f"Microsoft.Storage/storageAccounts/{action}/action", account.resource_id)
