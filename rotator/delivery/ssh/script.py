"""The remote command that writes a Secret: `deliver.sh`, its input, and what it prints; its head describes both.

The manifests travel on stdin only, in shell variables and pipes, never in arguments or files.
"""

import dataclasses
import enum
import functools
import json
import pathlib
import re
import shlex
import urllib.parse

from rotator.delivery.interface import WriteMethod
from rotator.delivery.merge import ReplacedSecret
from rotator.delivery.ssh import kubectl
from rotator.plan.plan import Target
from rotator.redaction import SecretText

LIMIT_SECONDS = 45  # for each kubectl process, from its input on
RECOVERY_SECONDS = 120  # for attempts to create a Secret after it was deleted


class ScriptStep(enum.StrEnum):
    """A step of deliver.sh, as it prints it."""

    NO_PIPES = "no pipes"
    NO_PRINTF = "no printf"
    HELD = "held"  # the Secret before the write
    READY = "ready"
    INCOMPLETE = "incomplete"
    LATE = "late"
    VALIDATE = "validate"
    DELETE = "delete"
    DELETE_AGAIN = "delete again"
    DELETE_UNCLEAR = "delete unclear"
    WRITE = "write"
    CREATE_AGAIN = "create again"
    RESTORE = "restore"
    PROTECT = "protect"
    PROTECTED = "protected"  # the former Secret has another version, so that a delete still under way fails
    GIVEN_UP = "given up"
    CONFIRM = "confirm"  # the Secret after the write


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

    def has(self, step: ScriptStep) -> bool:
        """Whether the script got to that step."""
        return step in self.steps

    def has_status(self, step: ScriptStep) -> bool:
        """Whether that step ended, if only because kubectl did not."""
        return f"{step} status" in self.steps

    def text(self, step: ScriptStep) -> str:
        """What was printed in that step, or empty."""
        return self.steps.get(step, "")

    def stderr(self, step: ScriptStep) -> str:
        """What kubectl printed on stderr in that step."""
        return self.steps.get(f"{step} stderr", "").strip("\n")

    def outcome(self, step: ScriptStep) -> Outcome | None:
        """The outcome of that write; None if it was not attempted."""
        name = self._status(step).partition(" ")[0]
        return next((each for each in Outcome if each.value == name), None)

    def status(self, step: ScriptStep) -> int | None:
        """Kubectl's exit status in that step; None if it was not run, or did not end in time."""
        found = re.fullmatch(r"(?:[a-z]+ )?([0-9]{1,3})", self._status(step).strip("\n"))
        return int(found[1]) if found else None

    def _status(self, step: ScriptStep) -> str:
        return self.steps.get(f"{step} status", "")


def command(target: Target, method: WriteMethod, mark: str) -> str:
    """The command that prints the Secret, then reads manifests from stdin and writes them; `mark` begins its own lines.

    The kubectl that creates or updates is started ahead and waits for its input, so that in a recreate the Secret is
    missing for one request only; it refuses an empty input. kubectl delete does not, so it is started with its input.
    """
    program = kubectl.command_line(target.cluster)
    arguments = (mark, method.value, target.namespace, target.secret, program, LIMIT_SECONDS, RECOVERY_SECONDS)
    return f"exec sh -c {shlex.quote(_script())} rotator {shlex.join(map(str, arguments))}"


@functools.cache
def _script() -> str:
    return pathlib.Path(__file__).with_name("deliver.sh").read_text(encoding="utf-8")


def stdin(mark: str, new: SecretText, replaced: ReplacedSecret | None) -> SecretText:
    """The input of `command`: manifests, the preconditions of the delete, and the mark, by which it is complete.

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
