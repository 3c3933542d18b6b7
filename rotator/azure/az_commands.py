"""Commands of `az` that remedies print: each command once, with every word quoted for a shell.

What an operator has to fill in, `…` or words in angle brackets, stays as it is. `which` is what `by_name` or `by_id`
returns. Reference: https://learn.microsoft.com/cli/azure/reference-index
"""

import json
import re
import shlex
from collections.abc import Mapping

from rotator.azure.permissions import Policy, Principal
from rotator.plan import secret_settings
from rotator.plan.resource_id import ResourceId


def word(text: str) -> str:
    """Quote one word for a shell."""
    is_placeholder = text == "…" or (text.startswith("<") and text.endswith(">"))
    return text if is_placeholder else shlex.quote(text)


def by_name(name: str, group: str = "") -> str:
    """Select a resource by its name, and its resource group where its name alone is not enough."""
    return f"--name {word(name)} --resource-group {word(group)}" if group else f"--name {word(name)}"


def by_id(resource: ResourceId) -> str:
    """Select a resource by its id."""
    return f"--ids {word(str(resource))}"


# Key Vault


def use_access_policies(vault: str) -> str:
    """Take a vault out of RBAC mode."""
    return f"az keyvault update --name {word(vault)} --enable-rbac-authorization false"


def use_roles(vault: str) -> str:
    """Put a vault into RBAC mode."""
    return f"az keyvault update --name {word(vault)} --enable-rbac-authorization true"


def allow_public_networks(vault: str) -> str:
    """Let a vault accept requests from public networks, as far as its firewall does."""
    return f"az keyvault update --name {word(vault)} --public-network-access Enabled"


def allow_vault_address(vault: str, address: str) -> str:
    """Let an address through a vault's firewall."""
    return f"az keyvault network-rule add --name {word(vault)} --ip-address {word(address)}"


def set_policy(vault: str, object_id: str, policy: Policy) -> str:
    """Replace an identity's access policy."""
    return _set_policy(vault, object_id, {kind: shlex.join(sorted(verbs)) for kind, verbs in _lists(policy)})


def add_policy(vault: str, object_id: str, policy: Policy) -> str:
    """Add these permissions to those that an identity has in the vault already.

    `az keyvault set-policy` replaces each list of permissions
    (https://learn.microsoft.com/cli/azure/keyvault#az-keyvault-set-policy), so the command reads the present ones and
    repeats them. The policy of a compound identity, which names an application too, is another one and is not read.
    """
    query = f"properties.accessPolicies[?objectId=='{object_id}' && applicationId==null].permissions"
    present = {
        kind: f"$(az keyvault show --name {word(vault)} --query {in_double_quotes(f'{query}.{kind}[]')} --output tsv)"
        for kind, _ in _lists(policy)
    }
    lists = {kind: f"{shlex.join(sorted(verbs))} {present[kind]}" for kind, verbs in _lists(policy)}
    return _set_policy(vault, object_id, lists)


def _lists(policy: Policy) -> list[tuple[str, frozenset[str]]]:
    return [(kind, verbs) for kind, verbs in (("secrets", policy.secrets), ("storage", policy.storage)) if verbs]


def _set_policy(vault: str, object_id: str, lists: Mapping[str, str]) -> str:
    options = "".join(f" --{kind.removesuffix('s')}-permissions {words}" for kind, words in lists.items())
    return f"az keyvault set-policy --name {word(vault)} --object-id {word(object_id)}{options}"


def set_secret(vault: str, name: str, file: str, content_type: str = "") -> str:
    """Write a secret from a file."""
    kind = f" --content-type {content_type}" if content_type else ""
    return f"az keyvault secret set {_secret(vault, name)} --file {word(file)}{kind}"


def recover_secret(vault: str, name: str) -> str:
    """Recover a secret that was deleted."""
    return f"az keyvault secret recover {_secret(vault, name)}"


def enable_secret(vault: str, name: str) -> str:
    """Enable a secret that is disabled."""
    return f"az keyvault secret set-attributes {_secret(vault, name)} --enabled true"


def _secret(vault: str, name: str) -> str:
    return f"--vault-name {word(vault)} --name {word(name)}"


def vault_id(vault: str) -> str:
    """Print a vault's resource id, as one word of another command."""
    return f'"$(az keyvault show --name {word(vault)} --query id --output tsv)"'


# Storage


def account_id(account: str) -> str:
    """Print a storage account's resource id, as one word of another command."""
    return f'"$(az storage account show --name {word(account)} --query id --output tsv)"'


def allow_shared_key(which: str) -> str:
    """Let a storage account accept what its keys signed."""
    return f"az storage account update {which} --allow-shared-key-access true"


def allow_longer_sas(which: str, period: str) -> str:
    """Change the longest life of SAS in a storage account's policy; `period` is written as DD.HH:MM:SS."""
    return f"az storage account update {which} --sas-expiration-period {word(period)}"


def open_storage(which: str) -> str:
    """Let a storage account accept requests from public networks, as far as its firewall does."""
    return f"az storage account update {which} --public-network-access Enabled"


def change_account(account_id: str, properties: Mapping[str, str]) -> str:
    """Change properties of a storage account for which `az storage account update` has no option yet."""
    changes = shlex.join(f"properties.{name}={value}" for name, value in properties.items())
    return f"az resource update --ids {word(account_id)} --api-version 2026-09-01 --set {changes}"


def delete_lock(lock_id: str) -> str:
    """Delete a lock, wherever it stands."""
    return f"az lock delete --ids {word(lock_id)}"


def allow_storage_address(account: str, address: str) -> str:
    """Let an address through a storage account's firewall."""
    return f"az storage account network-rule add --account-name {word(account)} --ip-address {word(address)}"


# Roles


def assign_role(role: str, scope: str, assignee: str) -> str:
    """Assign a role to an object id, an application id or a sign-in name; `scope` is quoted already."""
    return f"az role assignment create --role {word(role)} --assignee {word(assignee)} --scope {scope}"


def assign_role_to(role: str, scope: str, principal: Principal) -> str:
    """Assign a role to an object id of a known kind, which az does not look up; `scope` is quoted already."""
    kind = f" --assignee-principal-type {principal.kind}" if principal.kind else ""
    return (
        f"az role assignment create --role {word(role)} --assignee-object-id {word(principal.object_id)}{kind} "
        f"--scope {scope}"
    )


def create_role(name: str, action: str, scope: str) -> str:
    """Create a custom role with one action, which can be assigned within a scope."""
    role = {"Name": name, "Actions": [action], "AssignableScopes": [scope]}
    return f"az role definition create --role-definition {shlex.quote(json.dumps(role))}"


# The function app


def assign_identity(which: str, client_id: str | None) -> str:
    """Assign a function app the user-assigned identity of this client id, or without one an identity of its own."""
    command = f"az functionapp identity assign {which}"
    if client_id is None:
        return command
    found = f"az identity list --query \"[?clientId=='{client_id}'].id\" --output tsv"
    return f'{command} --identities "$({found})"'


def set_app_settings(which: str, settings: Mapping[str, str]) -> str:
    """Set app settings; those that may hold a secret are read from a file."""
    return f"az functionapp config appsettings set {which} --settings {secret_settings.arguments(settings)}"


def in_double_quotes(text: str) -> str:
    """Quote a text for a shell, in double quotes: for one that is full of single quotes. Not for `!` in bash."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'
