"""Storage accounts in Resource Manager: their properties, policies, firewall and keys.

https://learn.microsoft.com/rest/api/storagerp/storage-accounts
"""

import datetime
from typing import Any

from sandbox.azure import accounts, arm_errors, firewall, sas_policy
from sandbox.resource_manager.state import Call, ResourceManager

KIND = "Microsoft.Storage/storageAccounts"
# Properties that answers in this version, and in older ones, don't have: its published types lack them.
_BEFORE_NEW_PROPERTIES = "2025-01-01"
_NEW_SAS_POLICY = ("requireUserBoundUserDelegationSas", "requireUserBoundUserDelegationSasAction")
_CHANGEABLE = {
    "allowSharedKeyAccess",
    "allowSharedKeyAccessForServices",
    "keyPolicy",
    "networkAcls",
    "publicNetworkAccess",
    "sasPolicy",
}


def list_accounts(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {subscription}/…/storageAccounts."""
    by_id = {account.resource_id: account for account in manager.storage.values()}
    readable = manager.readable(by_id, call.object_id, KIND)
    return {"value": [_answer(manager, by_id[one], call.version) for one in readable]}


def get_account(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {account}."""
    return _answer(manager, _account(manager, call), call.version)


def update_account(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PATCH {account}: what isn't in the body stays as it is."""
    account, properties = _account(manager, call), call.body.get("properties") or {}
    if set(properties) - _CHANGEABLE:
        raise arm_errors.bad_request(f"The sandbox cannot change all of {', '.join(properties)}.")
    account.allow_shared_key_access = bool(properties.get("allowSharedKeyAccess", account.allow_shared_key_access))
    services = properties.get("allowSharedKeyAccessForServices") or {}
    account.shared_key_services |= {name: bool(one.get("enabled", True)) for name, one in services.items()}
    if "publicNetworkAccess" in properties:
        account.private = properties["publicNetworkAccess"] == "Disabled"
    if "networkAcls" in properties:
        account.firewall = firewall.read(properties["networkAcls"])
    if "keyPolicy" in properties:
        account.key_expiration_days = (properties["keyPolicy"] or {}).get("keyExpirationPeriodInDays")
    if "sasPolicy" in properties:
        account.sas_policy = _sas_policy(properties["sasPolicy"])
    return _answer(manager, account, call.version)


def _sas_policy(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a policy that a client sends, null for none; the period has to make sense."""
    if given:
        try:
            sas_policy.period(str(given.get("sasExpirationPeriod", "")))
        except ValueError as error:
            raise arm_errors.bad_request(str(error)) from error
    return given or None


def _answer(manager: ResourceManager, account: accounts.StorageAccount, version: str) -> dict[str, Any]:
    created = {name: _timestamp(account.key_created.get(name)) for name in account.keys}
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "allowSharedKeyAccess": account.allow_shared_key_access,
        "keyCreationTime": created,
        "minimumTlsVersion": account.minimum_tls_version,
        "networkAcls": firewall.render(account.firewall),
        "primaryEndpoints": {"blob": f"{manager.blob_endpoint(account.name)}/"},
        "publicNetworkAccess": "Disabled" if account.private else "Enabled",
        "supportsHttpsTrafficOnly": True,
        **_policies(account, new=version > _BEFORE_NEW_PROPERTIES),
    }
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


def _policies(account: accounts.StorageAccount, *, new: bool) -> dict[str, Any]:
    """Return the properties that aren't there unless they were set; `new` is for those of newer versions too."""
    found: dict[str, Any] = {}
    policy = {name: value for name, value in (account.sas_policy or {}).items() if new or name not in _NEW_SAS_POLICY}
    if policy:
        found["sasPolicy"] = policy
    if account.key_expiration_days is not None:
        found["keyPolicy"] = {"keyExpirationPeriodInDays": account.key_expiration_days}
    if new and account.shared_key_services:
        services = {name: {"enabled": enabled} for name, enabled in account.shared_key_services.items()}
        found["allowSharedKeyAccessForServices"] = services
    return found


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


def revoke_user_delegation_keys(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """POST {account}/revokeUserDelegationKeys: those of every principal; there is no content in its answer."""
    _account(manager, call).delegation_keys.revoke()
    return {}


def _account(manager: ResourceManager, call: Call) -> accounts.StorageAccount:
    by_id = {account.resource_id: account for account in manager.storage.values()}
    return manager.find(by_id, call.scope)


def _keys(account: accounts.StorageAccount, kerberos: dict[str, str]) -> dict[str, Any]:
    keys = [{**_created(account, name), **_key(name, value)} for name, value in account.keys.items()]
    return {"keys": [*keys, *(_key(name, value) for name, value in kerberos.items())]}


def _created(account: accounts.StorageAccount, name: str) -> dict[str, str | None]:
    return {"creationTime": _timestamp(account.key_created[name])} if name in account.key_created else {}


def _key(name: str, value: str) -> dict[str, str]:
    return {"keyName": name, "value": value, "permissions": "FULL"}


def _timestamp(time: datetime.datetime | None) -> str | None:
    """Write a time with seven digits, as recorded; null stands for one that isn't known."""
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}0Z" if time else None
