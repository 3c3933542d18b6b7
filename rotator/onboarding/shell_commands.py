"""Shell commands that only onboarding prints: requests to the vault, the host keys' scan, the setup of the master.

Every word is quoted for a shell: a resource group's name, for example, may have parentheses.
"""

import json
import shlex
import urllib.parse
from collections.abc import Mapping, Sequence

from rotator.azure import az_commands
from rotator.plan.plan import Cluster, Strategy, Target


def vault_request(method: str, url: str, body: Mapping[str, object] | None = None) -> str:
    """Return the command that sends a request to the vault, for operations that az has no command for."""
    audience = (urllib.parse.urlsplit(url).hostname or "").partition(".")[2]  # of the vault's cloud
    resource, versioned = shlex.quote(f"https://{audience}"), shlex.quote(f"{url}?api-version=7.4")
    request = f"az rest --method {method} --resource {resource} --url {versioned}"
    return f"{request} --body {shlex.quote(json.dumps(body))}" if body else request


def scan_host_keys(cluster: Cluster) -> str:
    """Return the command that prints the fingerprints of the keys that a master shows."""
    return f"ssh-keyscan -p {cluster.port} {shlex.quote(cluster.host)} | ssh-keygen -lf -"


def set_up_master(targets: Sequence[Target], public_key: str) -> str:
    """Return the command that runs infra/master/setup.sh on the master, from the repository's root.

    It is for all targets in one namespace of one cluster: setup.sh replaces what it made for the same user before.
    """
    cluster = targets[0].cluster
    options = ["--user", cluster.user, "--namespace", targets[0].namespace]
    for secret in dict.fromkeys(target.secret for target in targets):
        options += ["--secret", secret]
    options += ["--data-key", targets[0].data_keys[0]]
    # setup.sh prints the rotator's own kubectl, with --kubeconfig; without it, this is the administrator's kubectl.
    if not any(word.startswith("--kubeconfig") for word in cluster.kubectl):
        options += ["--kubectl", " ".join(cluster.kubectl)]
    if all(target.strategy is Strategy.APPLY for target in targets):
        options.append("--no-create")
    remote = f"sudo sh -s -- {shlex.join(options)} --public-key {shlex.quote(public_key)}"
    return f"ssh -p {cluster.port} <admin>@{cluster.host} {_in_double_quotes(remote)} <infra/master/setup.sh"


def _in_double_quotes(words: str) -> str:
    """Quote words that are full of single quotes; `!` needs single quotes in bash."""
    return shlex.quote(words) if "!" in words else az_commands.in_double_quotes(words)
