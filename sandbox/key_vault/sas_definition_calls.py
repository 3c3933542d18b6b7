"""The calls of Key Vault's REST API for SAS definitions, from a parsed request to the answer's JSON.

https://learn.microsoft.com/rest/api/keyvault/storage/operation-groups
"""

from typing import Any

from sandbox.key_vault import managed_storage, managed_storage_calls, sas_template
from sandbox.key_vault.state import Call, Vault


def definition_bundle(
    vault: Vault, account: str, name: str, definition: managed_storage.SasDefinition
) -> dict[str, Any]:
    """Return a SasDefinitionBundle."""
    answer = {
        "id": f"{vault.url}/storage/{account}/sas/{name}",
        "sid": f"{vault.url}/secrets/{account}-{name}",
        "templateUri": definition.template_uri,
        "sasType": definition.sas_type,
        "validityPeriod": definition.validity_period,
    }
    return answer | managed_storage_calls.common_part(vault, definition)


def list_definitions(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /storage/{a}/sas."""
    account = call.names[0]
    found = vault.storage.account(account).definitions
    listed = {name: one for name, one in found.items() if not one.settling}
    value = [_definition_item(vault, account, name, one) for name, one in listed.items()]
    return {"value": value, "nextLink": None}


def get_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /storage/{a}/sas/{d}."""
    account, name = call.names
    return definition_bundle(vault, account, name, vault.storage.account(account).definition(name))


def set_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """PUT /storage/{a}/sas/{d}."""
    account, name = call.names[0], managed_storage_calls.valid_name(call.names[1])
    managed = vault.storage.account(account)
    replaced = managed.settable(name)
    body = call.body
    sas_template.validate(body.get("templateUri"), body.get("sasType"), body.get("validityPeriod"))
    definition = managed_storage.SasDefinition(body["templateUri"], body["sasType"], body["validityPeriod"])
    if replaced is not None and replaced.validity_period == definition.validity_period:
        definition.last_minted, definition.last_expiry = replaced.last_minted, replaced.last_expiry
    managed_storage_calls.change_common(definition, body)
    managed.definitions[name] = definition
    return definition_bundle(vault, account, name, definition)


def update_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """PATCH /storage/{a}/sas/{d}."""
    account, name = call.names
    managed = vault.storage.account(account)
    managed.settable(name)
    definition = managed.definition(name)
    template = call.body.get("templateUri", definition.template_uri)
    validity = call.body.get("validityPeriod", definition.validity_period)
    kind = call.body.get("sasType", definition.sas_type)
    sas_template.validate(template, kind, validity)
    definition.template_uri, definition.sas_type, definition.validity_period = template, kind, validity
    managed_storage_calls.change_common(definition, call.body)
    return definition_bundle(vault, account, name, definition)


def delete_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """DELETE /storage/{a}/sas/{d}, softly."""
    account, name = call.names
    definition = vault.storage.account(account).delete(name, vault.deletion_seconds)
    return _deleted_definition(vault, account, name, definition)


def list_deleted_definitions(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /deletedstorage/{a}/sas."""
    account = call.names[0]
    found = vault.storage.account(account).deleted_definitions
    listed = {name: one for name, one in found.items() if not one.settling}
    value = [
        _deletion(vault, account, name, one) | _definition_item(vault, account, name, one)
        for name, one in listed.items()
    ]
    return {"value": value, "nextLink": None}


def get_deleted_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """GET /deletedstorage/{a}/sas/{d}."""
    account, name = call.names
    definition = vault.storage.account(account).deleted_definition(name)
    return _deleted_definition(vault, account, name, definition)


def recover_definition(vault: Vault, call: Call) -> dict[str, Any]:
    """POST /deletedstorage/{a}/sas/{d}/recover."""
    account, name = call.names
    definition = vault.storage.account(account).recover(name, vault.recovery_seconds)
    return definition_bundle(vault, account, name, definition)


def _definition_item(
    vault: Vault, account: str, name: str, definition: managed_storage.SasDefinition
) -> dict[str, Any]:
    whole = definition_bundle(vault, account, name, definition)
    return {key: whole[key] for key in ("id", "sid", "attributes", "tags") if key in whole}


def _deleted_definition(
    vault: Vault, account: str, name: str, definition: managed_storage.SasDefinition
) -> dict[str, Any]:
    return _deletion(vault, account, name, definition) | definition_bundle(vault, account, name, definition)


def _deletion(vault: Vault, account: str, name: str, definition: managed_storage.SasDefinition) -> dict[str, Any]:
    return managed_storage_calls.deletion(vault, f"storage/{account}/sas/{name}", definition)
