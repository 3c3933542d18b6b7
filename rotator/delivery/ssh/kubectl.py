"""kubectl on the master: the remote commands, and what they answer.

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

# sudo, env and kubectl speak English in LC_ALL=C. KUBERC=off keeps kubectl 1.33 and later from the user's own defaults
# for its options (https://kubernetes.io/docs/reference/kubectl/kuberc/).
_ENVIRONMENT = "LC_ALL=C KUBERC=off GOGC=off GOMEMLIMIT=512MiB GOMAXPROCS=1"
_REQUEST_TIMEOUT = "15s"
LIMIT_SECONDS = 45  # for each kubectl process, from its input on
RECOVERY_SECONDS = 120
READY = "ready"
_ANSWER = re.compile(r"^Error from server(?: \(([A-Za-z]+)\))?: (.*)", re.MULTILINE)


class Outcome(enum.Enum):
    """What came of a write, as the remote command classified it: REFUSED is surely not done, UNCLEAR may yet be."""

    OK = "ok"
    EXISTS = "exists"
    MISSING = "missing"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the remote command printed: its steps, in order, each with the lines that follow it."""

    steps: dict[str, str] = dataclasses.field(repr=False)

    def has(self, step: str) -> bool:
        """Whether the remote command got to that step."""
        return step in self.steps

    def text(self, step: str) -> str:
        """What was printed in that step; empty if there was none."""
        return self.steps.get(step, "")

    def words(self, step: str) -> str:
        """What kubectl said on stderr in that step."""
        return self.text(f"{step} words").strip("\n")

    def outcome(self, step: str) -> Outcome | None:
        """What came of that write; None if it was not attempted."""
        said = self.text(f"{step} status").partition(" ")[0]
        return next((each for each in Outcome if each.value == said), None)

    def status(self, step: str) -> int | None:
        """The exit status in that step; None if it was not run, or did not end in time."""
        found = re.fullmatch(r"(?:[a-z]+ )?([0-9]{1,3})", self.text(f"{step} status").strip("\n"))
        return int(found[1]) if found else None


@dataclasses.dataclass(frozen=True)
class Former:
    """The Secret that a recreate replaces.

    Its version; the manifest that gives it another one; and that which creates it again, where it is worth that.
    """

    version: Mapping[str, str]
    kept: SecretText
    again: SecretText | None


def observe(target: Target) -> str:
    """Give the command that prints the Secret as JSON."""
    return f"{command_line(target.cluster)} get --raw {_path(target)}/{target.secret}"


def act(target: Target, what: WriteMethod, mark: str) -> str:
    """Give the command that shows the Secret, then reads manifests from stdin and carries out `what`.

    What creates or updates is started ahead and waits for its input, so that the Secret's absence in a recreate lasts
    as long as one request; it refuses an empty input. kubectl delete does not: it is started with its input at hand.
    """
    words = (mark, what.value, target.namespace, target.secret, command_line(target.cluster))
    return f"exec sh -c {shlex.quote(_script())} rotator {shlex.join(words)}"


@functools.cache
def _script() -> str:
    return pathlib.Path(__file__).with_name("deliver.sh").read_text(encoding="utf-8")


def stdin(mark: str, new: SecretText, former: Former | None) -> SecretText:
    """Give what the remote command reads: manifests, the preconditions of the delete, and the mark of completeness.

    They stand in the delete's query as well, which the API server heeds where the body is empty or was lost.
    """
    lines = [new.reveal(), "-", "-", "-", "-", mark]
    if former:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": dict(former.version)}
        query = urllib.parse.urlencode(former.version)
        again = former.again.reveal() if former.again else "-"
        lines[1:5] = [again, former.kept.reveal(), json.dumps(options, separators=(",", ":")), query]
    return SecretText("".join(f"{line}\n" for line in lines))


def parse(stdout: str, mark: str) -> Answer:
    """Split what the remote command printed into its steps."""
    steps: dict[str, list[str]] = {}
    step = ""
    # Not splitlines(): a value in the JSON may hold what Unicode takes for the end of a line.
    for line in stdout.removesuffix("\n").split("\n"):
        if line.startswith(f"{mark} "):
            step = line.removeprefix(f"{mark} ")
            steps[step] = []
        else:
            steps.setdefault(step, []).append(f"{line}\n")
    return Answer({name: "".join(lines) for name, lines in steps.items()})


def answers(stderr: str, reason: str, words: str = "") -> bool:
    """Whether the API server's answer has that reason, and begins with such words, which are a regular expression.

    What follows, and further lines, may quote anything; and a webhook gives its denial whatever reason it likes.
    """
    found = _ANSWER.search(stderr)
    return found is not None and found[1] == reason and re.match(words, found[2]) is not None


def not_found(stderr: str) -> bool:
    """Whether kubectl says that the Secret does not exist."""
    return answers(stderr, "NotFound", 'secrets "[^"]*" not found')


def exists(stderr: str) -> bool:
    """Whether kubectl says that the Secret is there already, which it does after admission has let it pass."""
    return answers(stderr, "AlreadyExists", '(?:object is being deleted: )?secrets "[^"]*" already exists')


def command_line(cluster: Cluster) -> str:
    """Give kubectl's command line, short-lived and with a bound on each request."""
    return f"env {_ENVIRONMENT} {shlex.join(cluster.kubectl)} --request-timeout={_REQUEST_TIMEOUT}"


def _path(target: Target) -> str:
    return f"/api/v1/namespaces/{target.namespace}/secrets"
