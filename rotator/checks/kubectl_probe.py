"""The commands that checks run on the master, and what their output means: versions, `auth can-i`, dry runs.

None of them changes anything. A dry run needs the permissions of the real request, and passes quota and admission too
(https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run).
"""

import dataclasses
import datetime
import json
import re

from rotator.delivery import manifest
from rotator.delivery.interface import WriteMethod
from rotator.delivery.live_secret import Document, LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.delivery.ssh import kubectl, script
from rotator.delivery.template import Values
from rotator.plan.account import Grant
from rotator.plan.plan import Cluster, Strategy, Target
from rotator.redaction import SecretText
from rotator.sas import Sas

# Where installations put kubectl, which a session without a login shell may not find, and the command line there.
_COMMAND_LINES = {
    "kubectl": "kubectl",
    "/usr/local/bin/kubectl": "/usr/local/bin/kubectl",
    "/usr/bin/kubectl": "/usr/bin/kubectl",
    "/snap/bin/kubectl": "/snap/bin/kubectl",
    "/var/lib/rancher/rke2/bin/kubectl": "/var/lib/rancher/rke2/bin/kubectl",
    "/usr/local/bin/k3s": "sudo /usr/local/bin/k3s kubectl",
    "/snap/bin/microk8s": "sudo /snap/bin/microk8s kubectl",
}
# Prints the command lines that would work, one on each line, the best one first.
FIND_KUBECTL = (
    " ".join(f"command -v {place} >/dev/null && echo '{command}';" for place, command in _COMMAND_LINES.items())
    + " true"
)


LOGIN_SHELL_REMEDY = (
    "Set this user's login shell to a POSIX shell, such as /bin/sh; fish and csh do not run its scripts. A forced "
    "command in authorized_keys has to pass the whole of SSH_ORIGINAL_COMMAND to /bin/sh."
)
NEEDED_VERBS = {
    WriteMethod.CREATE: {"create"},
    WriteMethod.UPDATE: {"update"},
    WriteMethod.RECREATE: {"delete", "create"},
}


def write_verbs(target: Target) -> tuple[str, ...]:
    """Return the verbs with which the target's strategy writes the Secret, sooner or later."""
    return "create", "update" if target.strategy is Strategy.APPLY else "delete"


def delivery_script(target: Target, mark: str) -> str:
    """Return a delivery's script with `false` for kubectl; without a manifest on stdin it would change nothing either.

    `mark` begins the lines that the script prints.
    """
    harmless = dataclasses.replace(target.cluster, kubectl=("false",))
    what = WriteMethod.UPDATE if target.strategy is Strategy.APPLY else WriteMethod.RECREATE
    return script.command(dataclasses.replace(target, cluster=harmless), what, mark)


def client_version(cluster: Cluster) -> str:
    """Return the command that prints kubectl's own version, as JSON."""
    return f"{kubectl.command_line(cluster)} version --client --output=json"


def server_version(cluster: Cluster) -> str:
    """Return the command that prints the API server's version, as JSON."""
    return f"{kubectl.command_line(cluster)} get --raw /version"


def can_i(target: Target, verb: str) -> str:
    """Return the command that prints yes or no. For `create` it has no name: RBAC cannot restrict that by name."""
    what = "secrets" if verb == "create" else f"secrets/{target.secret}"
    return f"{kubectl.command_line(target.cluster)} auth can-i {verb} {what} --namespace {target.namespace}"


def dry_run(target: Target, verb: str, document: Document | None = None) -> tuple[str, SecretText | None]:
    """Return a command that lets the API server validate a request without carrying it out, and its stdin.

    Without a document it only shows who is refused: the API server authorizes before it reads what is sent.
    """
    path = kubectl.secrets_path(target)
    one, options = f"{path}/{target.secret}", f"{kubectl.command_line(target.cluster)}"
    body = SecretText(json.dumps(document or {}))
    return {
        "get": (f"{options} get --raw {one}", None),
        "create": (f"{options} create --raw '{path}?dryRun=All' --validate=false -f -", body),
        "update": (f"{options} replace --raw '{one}?dryRun=All' --validate=false -f -", body),
        "delete": (f"{options} delete --raw '{one}?dryRun=All'", None),
    }[verb]


def refused_user(stderr: str) -> str | None:
    """Return kubectl's user as the API server names it when it refuses a request; None where it does not."""
    found = re.search(r'User "([^"]+)" cannot', stderr)
    return found[1] if found else None


def version_in(stdout: str) -> str:
    """Return the version in what `client_version` or `server_version` printed; empty where there is none."""
    try:
        found = json.loads(stdout)
        return str(found.get("clientVersion", found)["gitVersion"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def namespace(target: Target) -> str:
    """Return the command that reads the namespace."""
    return f"{kubectl.command_line(target.cluster)} get --raw /api/v1/namespaces/{target.namespace}"


def nothing(definition: Grant, now: datetime.datetime) -> Sas:
    """Return what stands for a SAS in a dry run."""
    return Sas(
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


def empty_secret(
    target: Target, held: LiveSecret | None, definition: Grant, now: datetime.datetime, values: Values | None = None
) -> Document:
    """Return the Secret that a rotation would write, with its labels and annotations, but without a SAS in it.

    `values` is what its templates may ask for. Raises TemplateError where a rotation would.
    """
    empty = nothing(definition, now)
    return manifest.compose(target, held, DesiredSecret(empty, definition.label, run="check", now=now, values=values))
