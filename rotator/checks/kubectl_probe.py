"""What a check asks of kubectl on the master, none of which changes anything: versions, rights, and dry runs.

Dry runs need the same rights as the real request, and meet quota and admission as it does
(https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run).
"""

import dataclasses
import datetime
import json
import re

from rotator.delivery import manifest
from rotator.delivery.interface import WriteMethod
from rotator.delivery.manifest import DesiredSecret, Document, LiveSecret
from rotator.delivery.ssh import kubectl
from rotator.plan.plan import Cluster, Strategy, Target
from rotator.redaction import SecretText
from rotator.sas import Sas, SasDefinition

# Where installations put it that a session without a login shell does not find, and how it is called there.
_PLACES = {
    "kubectl": "kubectl",
    "/usr/local/bin/kubectl": "/usr/local/bin/kubectl",
    "/usr/bin/kubectl": "/usr/bin/kubectl",
    "/snap/bin/kubectl": "/snap/bin/kubectl",
    "/var/lib/rancher/rke2/bin/kubectl": "/var/lib/rancher/rke2/bin/kubectl",
    "/usr/local/bin/k3s": "sudo /usr/local/bin/k3s kubectl",
    "/snap/bin/microk8s": "sudo /snap/bin/microk8s kubectl",
}
# Prints, one to a line, the command lines that would work, the best one first.
PLACES = " ".join(f"command -v {place} >/dev/null && echo '{command}';" for place, command in _PLACES.items()) + " true"


SHELL_REMEDY = (
    "Give this user a POSIX shell, such as /bin/sh: fish and csh read a script otherwise. A forced command in "
    "authorized_keys has to run the whole of SSH_ORIGINAL_COMMAND by /bin/sh."
)
NEEDED = {WriteMethod.CREATE: {"create"}, WriteMethod.UPDATE: {"update"}, WriteMethod.RECREATE: {"delete", "create"}}


def writing(target: Target) -> tuple[str, ...]:
    """Name the verbs with which the strategy changes the Secret, in the course of time."""
    return "create", "update" if target.strategy is Strategy.APPLY else "delete"


def script(target: Target, mark: str) -> str:
    """Give the command of a delivery, with `false` for kubectl. Without a manifest it changes nothing in any case."""
    harmless = dataclasses.replace(target.cluster, kubectl=("false",))
    what = WriteMethod.UPDATE if target.strategy is Strategy.APPLY else WriteMethod.RECREATE
    return kubectl.write_command(dataclasses.replace(target, cluster=harmless), what, mark)


def client(cluster: Cluster) -> str:
    """Give the command that prints kubectl's own version."""
    return f"{kubectl.command_line(cluster)} version --client --output=json"


def server(cluster: Cluster) -> str:
    """Give the command that prints the API server's version."""
    return f"{kubectl.command_line(cluster)} get --raw /version"


def can_i(target: Target, verb: str) -> str:
    """Give the command that says yes or no. Nobody may create by name: RBAC does not know the name beforehand."""
    what = "secrets" if verb == "create" else f"secrets/{target.secret}"
    return f"{kubectl.command_line(target.cluster)} auth can-i {verb} {what} --namespace {target.namespace}"


def dry_run(target: Target, verb: str, document: Document | None = None) -> tuple[str, SecretText | None]:
    """Give a command that asks the API server for just that without doing it, and what it reads.

    Without a document it only tells who may not: that is judged before what is sent.
    """
    path = f"/api/v1/namespaces/{target.namespace}/secrets"
    one, options = f"{path}/{target.secret}", f"{kubectl.command_line(target.cluster)}"
    body = SecretText(json.dumps(document or {}))
    return {
        "get": (f"{options} get --raw {one}", None),
        "create": (f"{options} create --raw '{path}?dryRun=All' --validate=false -f -", body),
        "update": (f"{options} replace --raw '{one}?dryRun=All' --validate=false -f -", body),
        "delete": (f"{options} delete --raw '{one}?dryRun=All'", None),
    }[verb]


def user(stderr: str) -> str | None:
    """Whom the API server takes kubectl for, as it says when it refuses something."""
    found = re.search(r'User "([^"]+)" cannot', stderr)
    return found[1] if found else None


def version(stdout: str) -> str:
    """Read the version out of what `client` or `server` printed; empty when it is none."""
    try:
        found = json.loads(stdout)
        return str(found.get("clientVersion", found)["gitVersion"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def namespace(target: Target) -> str:
    """Give the command that looks for the namespace."""
    return f"{kubectl.command_line(target.cluster)} get --raw /api/v1/namespaces/{target.namespace}"


def trial(target: Target, held: LiveSecret | None, definition: SasDefinition, now: datetime.datetime) -> Document:
    """Give what a rotation would write, labels, annotations and all, but with nothing in place of the SAS."""
    nothing = Sas(
        token=SecretText(""),
        issued=SecretText(""),
        version="",
        services="",
        resource_types="",
        permissions="",
        protocol="",
        start=None,
        expiry=now + definition.validity,
        fingerprint="",
    )
    return manifest.compose(target, held, DesiredSecret(nothing, definition, run="check", now=now))
