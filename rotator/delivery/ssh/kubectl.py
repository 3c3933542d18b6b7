"""Kubectl on the master: its command line, the command that reads a Secret, and the API server's errors in its words.

`--raw` spares kubectl the download of API schemas; GOGC=off and GOMAXPROCS=1 spare it a third of its CPU time.
"""

import re
import shlex

from rotator.plan.plan import Cluster, Target

# With LC_ALL=C, sudo, env and kubectl speak English. KUBERC=off keeps kubectl 1.33 and later from the user's own
# defaults for its options (https://kubernetes.io/docs/reference/kubectl/kuberc/).
_ENVIRONMENT = "LC_ALL=C KUBERC=off GOGC=off GOMEMLIMIT=512MiB GOMAXPROCS=1"
_REQUEST_TIMEOUT = "15s"
_API_ERROR = re.compile(r"^Error from server(?: \(([A-Za-z]+)\))?: (.*)", re.MULTILINE)


def command_line(cluster: Cluster) -> str:
    """Kubectl's command line, with settings for a short life and a time-out for each request."""
    return f"env {_ENVIRONMENT} {shlex.join(cluster.kubectl)} --request-timeout={_REQUEST_TIMEOUT}"


def get_command(target: Target) -> str:
    """The command that prints the Secret as JSON."""
    return f"{command_line(target.cluster)} get --raw {secrets_path(target)}/{target.secret}"


def secrets_path(target: Target) -> str:
    """The path at the API server of all Secrets in the target's namespace."""
    return f"/api/v1/namespaces/{target.namespace}/secrets"


def is_api_error(stderr: str, reason: str, message: str = "") -> bool:
    """Whether kubectl printed an API server's error of that reason whose message begins with the regular expression.

    What follows, and further lines, may quote anything; and a webhook may choose any reason for its denial.
    """
    found = _API_ERROR.search(stderr)
    return found is not None and found[1] == reason and re.match(message, found[2]) is not None


def not_found(stderr: str) -> bool:
    """Whether kubectl says that the Secret does not exist."""
    return is_api_error(stderr, "NotFound", 'secrets "[^"]*" not found')


def already_exists(stderr: str) -> bool:
    """Whether kubectl says that the Secret exists, which the API server checks after admission."""
    return is_api_error(stderr, "AlreadyExists", '(?:object is being deleted: )?secrets "[^"]*" already exists')
