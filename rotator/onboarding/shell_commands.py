"""Shell commands that onboarding prints: what does the same as a step, what fixes a problem, what sets up the master.

Every word is quoted for a shell: a resource group's name, for example, may have parentheses.
"""

import json
import re
import shlex
import urllib.parse
from collections.abc import Mapping

from rotator.azure import permissions
from rotator.azure.resource_id import ResourceId
from rotator.onboarding.steps import OnboardingRequest
from rotator.plan import secret_settings
from rotator.plan.plan import Cluster, Strategy


def use_access_policies(vault: str) -> str:
    """Return the command that takes a vault out of RBAC mode."""
    return f"az keyvault update --name {shlex.quote(vault)} --enable-rbac-authorization false"


def allow_shared_keys(account: ResourceId) -> str:
    """Return the command that lets a storage account accept SAS that an account key signs."""
    return f"az storage account update --ids {_id(account)} --allow-shared-key-access true"


def assign_key_operator(account: ResourceId, assignee: str) -> str:
    """Return the command that assigns the role on a storage account's keys."""
    return (
        f"az role assignment create --role {permissions.KEY_OPERATOR} --scope {_id(account)} "
        f"--assignee {shlex.quote(assignee)}"
    )


def set_policy(vault: str, object_id: str, policy: permissions.Policy) -> str:
    """Return the command that replaces an identity's access policy."""
    return (
        f"az keyvault set-policy --name {shlex.quote(vault)} --object-id {shlex.quote(object_id)} "
        f"--secret-permissions {shlex.join(sorted(policy.secrets))} "
        f"--storage-permissions {shlex.join(sorted(policy.storage))}"
    )


def set_secret(vault: str, name: str) -> str:
    """Return the command that writes a vault secret from a file."""
    return f"az keyvault secret set --vault-name {shlex.quote(vault)} --name {shlex.quote(name)} --file <file>"


def set_app_settings(app: ResourceId, settings: Mapping[str, str]) -> str:
    """Return the command that sets app settings; those that may be secret are left to a file."""
    words = secret_settings.arguments(settings)
    return f"az functionapp config appsettings set --ids {_id(app)} --settings {words}"


def vault_request(method: str, url: str, body: Mapping[str, object] | None = None) -> str:
    """Return the command that sends a request to the vault, for operations that az has no command for."""
    audience = (urllib.parse.urlsplit(url).hostname or "").partition(".")[2]  # of the vault's cloud
    resource, versioned = shlex.quote(f"https://{audience}"), shlex.quote(f"{url}?api-version=7.4")
    request = f"az rest --method {method} --resource {resource} --url {versioned}"
    return f"{request} --body {shlex.quote(json.dumps(body))}" if body else request


def scan_host_keys(cluster: Cluster) -> str:
    """Return the command that prints the fingerprints of the keys that a master shows."""
    return f"ssh-keyscan -p {cluster.port} {shlex.quote(cluster.host)} | ssh-keygen -lf -"


def set_up_master(request: OnboardingRequest, public_key: str) -> str:
    """Return the command that runs infra/master/setup.sh on the master, from the repository's root."""
    cluster, target = request.cluster, request.plan.targets[0]
    options = ["--user", cluster.user, "--namespace", target.namespace, "--secret", target.secret]
    options += ["--data-key", target.data_key]
    # setup.sh prints the rotator's own kubectl, with --kubeconfig; without it, this is the administrator's kubectl.
    if not any(word.startswith("--kubeconfig") for word in cluster.kubectl):
        options += ["--kubectl", " ".join(cluster.kubectl)]
    if target.strategy is Strategy.APPLY:
        options.append("--no-create")
    remote = f"sudo sh -s -- {shlex.join(options)} --public-key {shlex.quote(public_key)}"
    return f"ssh -p {cluster.port} <admin>@{cluster.host} {_in_double_quotes(remote)} <infra/master/setup.sh"


def _id(resource: ResourceId) -> str:
    return shlex.quote(str(resource))


def _in_double_quotes(words: str) -> str:
    """Quote words that are full of single quotes for the shell on the master; `!` needs single quotes in bash."""
    return shlex.quote(words) if "!" in words else '"' + re.sub(r'([\\"$`])', r"\\\1", words) + '"'
