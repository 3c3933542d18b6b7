"""The secret calls of Key Vault's REST API, from a parsed request to the answer's JSON.

https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups
"""

from typing import Any

from sandbox.key_vault import errors, secret_store
from sandbox.key_vault.state import Call, Vault

SAS_CONTENT_TYPE = "application/vnd.ms-sastoken-storage"


def list_secrets(vault: Vault, _call: Call) -> dict[str, Any]:
    """GET /secrets: current versions without values."""
    found = vault.secrets.secrets.items()
    value = [
        _bundle(vault, name, versions[-1], with_value=False)
        for name, versions in found
        if not vault.secrets.settling(name)
    ]
    return {"value": value, "nextLink": None}


def get_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /secrets/{n}[/{version}]; a name that belongs to a SAS definition mints a fresh SAS."""
    name, version = call.names[0], call.names[1] if len(call.names) > 1 else ""
    managed = vault.storage.by_secret_name(name)
    if managed is None:
        return _bundle(vault, name, vault.secrets.get(name, version))
    account, definition = managed
    token, expiry = account.mint(definition, vault.now(), vault.sas_start_offset)
    value = vault.tamper(token) if vault.tamper else token
    vault.minted.extend(dict.fromkeys((token, value)))
    return {
        "value": f"?{value}",  # as recorded
        "contentType": SAS_CONTENT_TYPE,
        "id": f"{vault.url}/secrets/{name}",
        "managed": True,
        "attributes": {"enabled": True, "exp": expiry, **vault.recovery},
    }


def set_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """PUT /secrets/{n}: a new version."""
    if vault.storage.by_secret_name(call.names[0]):
        raise errors.VaultError(403, "Forbidden", "Operation set is not allowed on a managed secret.")
    version = vault.secrets.add(call.names[0], secret_store.from_body(call.body))
    return _bundle(vault, call.names[0], version)


def update_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """PATCH /secrets/{n}[/{version}]: attributes and tags, never the value."""
    name, version = call.names[0], call.names[1] if len(call.names) > 1 else ""
    changed = vault.secrets.update(name, version, call.body)
    return _bundle(vault, name, changed, with_value=False)


def list_versions(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /secrets/{n}/versions, without values."""
    name = call.names[0]
    versions = vault.secrets.secrets.get(name, [])
    value = [_bundle(vault, name, version, with_value=False) for version in versions]
    return {"value": value, "nextLink": None}


def delete_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """DELETE /secrets/{n}, softly."""
    name = call.names[0]
    return _deleted(vault, name, vault.secrets.delete(name, vault.deletion_seconds))


def get_deleted_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /deletedsecrets/{n}."""
    return _deleted(vault, call.names[0], vault.secrets.deleted_secret(call.names[0]))


def recover_secret(vault: Vault, call: Call) -> dict[str, Any]:
    """POST /deletedsecrets/{n}/recover."""
    version = vault.secrets.recover(call.names[0], vault.recovery_seconds)
    return _bundle(vault, call.names[0], version, with_value=False)


def _bundle(vault: Vault, name: str, version: secret_store.SecretVersion, *, with_value: bool = True) -> dict[str, Any]:
    return secret_store.bundle(vault.url, name, version, vault.recovery, with_value=with_value)


def _deleted(vault: Vault, name: str, version: secret_store.SecretVersion) -> dict[str, Any]:
    deletion = vault.deletion(f"secrets/{name}", vault.secrets.deleted_at.get(name, 0))
    return deletion | _bundle(vault, name, version, with_value=False)
