"""Builds the remote commands that run kubectl on the master, and parses what they print.

The manifest travels on stdin only, in shell variables and pipes, never in arguments or files. `--raw` spares kubectl
the download of API schemas; GOGC=off and GOMAXPROCS=1 spare it a third of its CPU time. `deliver.sh` is the remote
command that writes; its head describes what it reads and prints.
"""

import dataclasses
import enum
import functools
import json
import pathlib
import re
import shlex
import urllib.parse
from collections.abc import Mapping

from rotator.delivery.interface import WriteMethod
from rotator.plan.plan import Cluster, Target
from rotator.redaction import SecretText

# With LC_ALL=C, sudo, env and kubectl speak English. KUBERC=off keeps kubectl 1.33 and later from the user's own
# defaults for its options (https://kubernetes.io/docs/reference/kubectl/kuberc/).
_ENVIRONMENT = "LC_ALL=C KUBERC=off GOGC=off GOMEMLIMIT=512MiB GOMAXPROCS=1"
_REQUEST_TIMEOUT = "15s"
LIMIT_SECONDS = 45  # for each kubectl process, from its input on; deliver.sh's default
RECOVERY_SECONDS = 120  # for attempts to create a Secret after it was deleted; deliver.sh's default
# Steps of deliver.sh. PROTECTED: the former Secret has another version, so that a delete still under way fails.
READY = "ready"
PROTECTED = "protected"
_API_ERROR = re.compile(r"^Error from server(?: \(([A-Za-z]+)\))?: (.*)", re.MULTILINE)


class Outcome(enum.Enum):
    """The outcome of a write, as deliver.sh classifies it: REFUSED is surely not done, UNCLEAR may still be done."""

    OK = "ok"
    EXISTS = "exists"
    MISSING = "missing"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclasses.dataclass(frozen=True)
class ScriptOutput:
    """What deliver.sh printed: its steps, in order, each with the lines that follow it."""

    steps: dict[str, str] = dataclasses.field(repr=False)

    def has(self, step: str) -> bool:
        """Whether the script got to that step."""
        return step in self.steps

    def text(self, step: str) -> str:
        """What was printed in that step, or empty."""
        return self.steps.get(step, "")

    def stderr(self, step: str) -> str:
        """What kubectl printed on stderr in that step."""
        return self.text(f"{step} stderr").strip("\n")

    def outcome(self, step: str) -> Outcome | None:
        """The outcome of that write; None if it was not attempted."""
        name = self.text(f"{step} status").partition(" ")[0]
        return next((each for each in Outcome if each.value == name), None)

    def status(self, step: str) -> int | None:
        """Kubectl's exit status in that step; None if it was not run, or did not end in time."""
        found = re.fullmatch(r"(?:[a-z]+ )?([0-9]{1,3})", self.text(f"{step} status").strip("\n"))
        return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class ReplacedSecret:
    """The Secret that a recreate deletes.

    `version` is its uid and resourceVersion. Replacing it by the manifest `reversioned` changes only that version.
    `restorable` creates it again; None if nobody can use what it holds.
    """

    version: Mapping[str, str]
    reversioned: SecretText
    restorable: SecretText | None


def get_command(target: Target) -> str:
    """The command that prints the Secret as JSON."""
    return f"{command_line(target.cluster)} get --raw {_path(target)}/{target.secret}"


def write_command(target: Target, method: WriteMethod, mark: str) -> str:
    """The command that prints the Secret, then reads manifests from stdin and writes them; `mark` begins its own lines.

    The kubectl that creates or updates is started ahead and waits for its input, so that in a recreate the Secret is
    missing for one request only; it refuses an empty input. kubectl delete does not, so it is started with its input.
    """
    arguments = (mark, method.value, target.namespace, target.secret, command_line(target.cluster))
    return f"exec sh -c {shlex.quote(_script())} rotator {shlex.join(arguments)}"


@functools.cache
def _script() -> str:
    return pathlib.Path(__file__).with_name("deliver.sh").read_text(encoding="utf-8")


def stdin(mark: str, new: SecretText, replaced: ReplacedSecret | None) -> SecretText:
    """The input of `write_command`: manifests, the preconditions of the delete, and the mark, by which it is complete.

    The preconditions are in the delete's query as well, which the API server heeds if the body is empty or was lost.
    """
    lines = [new.reveal(), "-", "-", "-", "-", mark]
    if replaced:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": dict(replaced.version)}
        query = urllib.parse.urlencode(replaced.version)
        restorable = replaced.restorable.reveal() if replaced.restorable else "-"
        lines[1:5] = [restorable, replaced.reversioned.reveal(), json.dumps(options, separators=(",", ":")), query]
    return SecretText("".join(f"{line}\n" for line in lines))


def parse(stdout: str, mark: str) -> ScriptOutput:
    """Split what deliver.sh printed into its steps."""
    steps: dict[str, list[str]] = {}
    step = ""
    # Not splitlines(): a value in the JSON may contain other characters that Unicode counts as ends of lines.
    for line in stdout.removesuffix("\n").split("\n"):
        if line.startswith(f"{mark} "):
            step = line.removeprefix(f"{mark} ")
            steps[step] = []
        else:
            steps.setdefault(step, []).append(f"{line}\n")
    return ScriptOutput({name: "".join(lines) for name, lines in steps.items()})


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


def command_line(cluster: Cluster) -> str:
    """Kubectl's command line, with settings for a short life and a time-out for each request."""
    return f"env {_ENVIRONMENT} {shlex.join(cluster.kubectl)} --request-timeout={_REQUEST_TIMEOUT}"


def _path(target: Target) -> str:
    return f"/api/v1/namespaces/{target.namespace}/secrets"
