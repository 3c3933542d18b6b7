"""Storage accounts in Resource Manager: their properties, firewall and keys.

https://learn.microsoft.com/rest/api/storagerp/storage-accounts
"""

import datetime
from typing import Any

from sandbox.azure import accounts, arm_errors, firewall
from sandbox.resource_manager.state import Call, ResourceManager

KIND = "Microsoft.Storage/storageAccounts"


def list_accounts(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {subscription}/…/storageAccounts."""
    by_id = {account.resource_id: account for account in manager.storage.values()}
    return {"value": [_answer(manager, by_id[one]) for one in manager.readable(by_id, call.object_id, KIND)]}


def get_account(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {account}."""
    return _answer(manager, _account(manager, call))


def update_account(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PATCH {account}: what isn't in the body stays as it is."""
    account, properties = _account(manager, call), call.body.get("properties") or {}
    if set(properties) - {"allowSharedKeyAccess", "networkAcls"}:
        raise arm_errors.bad_request(f"The sandbox cannot change all of {', '.join(properties)}.")
    account.allow_shared_key_access = bool(properties.get("allowSharedKeyAccess", account.allow_shared_key_access))
    if "networkAcls" in properties:
        account.firewall = firewall.read(properties["networkAcls"])
    return _answer(manager, account)


def _answer(manager: ResourceManager, account: accounts.StorageAccount) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "allowSharedKeyAccess": account.allow_shared_key_access,
        "keyCreationTime": {name: _timestamp(created) for name, created in account.key_created.items()},
        "minimumTlsVersion": account.minimum_tls_version,
        "networkAcls": firewall.render(account.firewall),
        "primaryEndpoints": {"blob": f"{manager.blob_endpoint(account.name)}/"},
        "supportsHttpsTrafficOnly": True,
    }
    if account.sas_policy is not None:
        properties["sasPolicy"] = account.sas_policy
    if account.key_expiration_days is not None:
        properties["keyPolicy"] = {"keyExpirationPeriodInDays": account.key_expiration_days}
    return {
        "id": account.resource_id,
        "name": account.name,
        "type": KIND,
        "location": account.location,
        "kind": account.kind,
        "sku": {"name": "Standard_LRS", "tier": "Standard"},
        "tags": {},
        "properties": properties,
    }


def list_keys(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {account}/listKeys; with `$expand=kerb` also those for Kerberos, which no SAS is signed with."""
    account = _account(manager, call)
    kerberos = account.kerberos_keys if call.query.get("$expand") == "kerb" else {}
    return _keys(account, kerberos)


def regenerate_key(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {account}/regenerateKey: Key Vault learns nothing of it."""
    account, key_name = _account(manager, call), call.body.get("keyName")
    if key_name not in accounts.KEY_NAMES:
        text = "Values for request parameters are invalid: keyName."
        raise arm_errors.ResourceError(400, "InvalidValuesForRequestParameters", text)
    account.regenerate(key_name)
    return _keys(account, {})


def _account(manager: ResourceManager, call: Call) -> accounts.StorageAccount:
    by_id = {account.resource_id: account for account in manager.storage.values()}
    return manager.find(by_id, call.scope)


def _keys(account: accounts.StorageAccount, kerberos: dict[str, str]) -> dict[str, Any]:
    keys = [
        {"creationTime": _timestamp(account.key_created[name]), "keyName": name, "value": value, "permissions": "FULL"}
        for name, value in account.keys.items()
    ]
    more = [{"keyName": name, "value": value, "permissions": "FULL"} for name, value in kerberos.items()]
    return {"keys": [*keys, *more]}


def _timestamp(time: datetime.datetime) -> str:
    """Write a time with seven digits, as recorded."""
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
