"""A stateful stand-in for a master: its Secrets, and kubectl's part in what the remote commands do."""

import base64
import json
from collections.abc import Callable

from rotator import delivery, errors, kubectl
from rotator.delivery import Result
from rotator.kubectl import Act
from rotator.manifest import Document
from rotator.redaction import Secret
from rotator.targets import Target
from tests.unit.examples import TARGET

NOT_FOUND = 'Error from server (NotFound): secrets "storage-sas" not found\n'
CONFLICT = "Error from server (Conflict): Operation cannot be fulfilled: the object has been modified\n"
EXISTS = 'Error from server (AlreadyExists): secrets "storage-sas" already exists\n'


class Master:
    """A Shell that carries out kubectl's part in memory.

    `refuse` gives kubectl's words for a step: get, validate, delete, create, replace, put back, confirm.
    `dies_at` names steps, deleted or created, right after which the remote shell is killed, once each.
    `meddle` runs at a moment, once each: "before" kubectl looks, "after" it has shown the Secret.
    """

    def __init__(self, *targets: Target, held: Document | None = None) -> None:
        self.targets = targets or (TARGET,)
        self.secrets: dict[str, Document] = {}
        self.refuse: dict[str, str] = {}
        self.meddle: dict[str, list[Callable[[], None]]] = {"before": [], "after": []}
        self.webhook: Callable[[Document], None] = lambda document: None
        self.commands: list[str] = []
        self.acts: list[Act] = []
        self.received: list[str | None] = []
        self.dies_at: list[str] = []
        self.broken: errors.SshError | Exception | None = None
        self._version = 100
        if held is not None:
            self.secrets[self.targets[0].secret] = held

    def start(self, command: str, *, seconds: float) -> delivery.Running:
        assert seconds > 0
        self.commands.append(command)
        if self.broken:
            raise self.broken
        for target in self.targets:
            if command == kubectl.observe(target):
                return Observation(self, target)
            mark = command.rpartition(" ")[2]
            for act in Act:
                if command == kubectl.act(target, act, mark):
                    self.acts.append(act)
                    return Acting(self, target, act, mark)
        raise AssertionError(f"no target has the command {command}")

    def value(self, name: str = "storage-sas", key: str = "secretKey") -> str:
        return base64.b64decode(self.secrets[name]["data"][key]).decode()

    def moment(self, when: str) -> None:
        if self.meddle[when]:
            self.meddle[when].pop(0)()

    def get(self, name: str) -> str:
        if name not in self.secrets:
            return NOT_FOUND
        return json.dumps(self.secrets[name]) + "\n"

    def put(self, name: str, document: Document) -> None:
        self._version += 1
        stored: Document = json.loads(json.dumps(document))
        stored["metadata"] |= {"resourceVersion": str(self._version)}
        stored["metadata"].setdefault("uid", f"uid-{self._version}")
        self.webhook(stored)
        self.secrets[name] = stored


class Observation:
    def __init__(self, master: Master, target: Target) -> None:
        self._master, self._target = master, target

    def wait_for(self, line: str) -> str:
        raise AssertionError("an observation has no steps")

    def finish(self, stdin: Secret | None = None) -> Result:
        assert stdin is None
        words = self._master.refuse.get("get") or self._master.get(self._target.secret)
        return Result(0, words, "") if words.startswith("{") else Result(1, "", words)


class Acting:
    """One remote command, step by step as the script does it."""

    def __init__(self, master: Master, target: Target, act: Act, mark: str) -> None:
        self._master, self._name, self._act, self._mark = master, target.secret, act, mark
        self._stdout, self._stderr = "", ""

    def wait_for(self, line: str) -> str:
        self._master.moment("before")
        if "start" in self._master.refuse:
            return ""
        self._say("held")
        self._stdout += self._master.refuse.get("get") or self._master.get(self._name)
        self._say("ready")
        assert self._stdout.endswith(f"{line}\n")
        return self._stdout

    def finish(self, stdin: Secret | None = None) -> Result:
        master = self._master
        master.received.append(stdin.reveal() if stdin else None)
        if "start" in master.refuse:
            return Result(70, "", master.refuse["start"])
        if stdin is None:
            self._say("incomplete")
            return Result(65, self._stdout, "")
        new, old, end, rest = stdin.reveal().split("\n")
        assert (end, rest) == (self._mark, "")
        master.moment("after")
        status = self._carry_out(new, old)
        return Result(status, self._stdout, self._stderr)

    def _carry_out(self, new: str, old: str) -> int:
        refuse = self._master.refuse
        if self._act is Act.RECREATE:
            if "validate" in refuse:
                self._say("refused")
                self._stdout += refuse["validate"]
                self._say("end")
                return 66
            self._recreate(new, old)
        elif self._act is Act.UPDATE:
            self._replace(json.loads(new))
        elif self._create(new, "create"):
            self._say("done")
        self._say("confirm")
        words = refuse.get("confirm") or self._master.get(self._name)
        if words.startswith("{"):
            self._stdout += words
            return 0
        self._stderr += words
        return 1

    def _recreate(self, new: str, old: str) -> None:
        if "delete" in self._master.refuse:
            self._stderr += self._master.refuse["delete"]
            self._put_back(new, old)
            return
        del self._master.secrets[self._name]
        self._die("deleted")
        self._say("deleted")
        if self._create(new, "create"):
            self._say("done")
        else:
            self._put_back(new, old)

    def _put_back(self, new: str, old: str) -> None:
        for body in (old, new):
            if self._name in self._master.secrets:
                self._say("still there")
                return
            if self._create(body, "put back"):
                self._say("put back")
                return
        self._say("lost")

    def _create(self, body: str, step: str) -> bool:
        words = self._master.refuse.get(step) or (EXISTS if self._name in self._master.secrets else "")
        self._stderr += words
        if not words:
            self._master.put(self._name, json.loads(body))
            self._die("created")
        return not words

    def _die(self, step: str) -> None:
        if step in self._master.dies_at:
            self._master.dies_at.remove(step)
            raise errors.CommandKilledError("the command was ended by a signal")

    def _replace(self, new: Document) -> None:
        held = self._master.secrets.get(self._name)
        wanted = {name: new["metadata"][name] for name in ("uid", "resourceVersion")}
        words = self._master.refuse.get("replace", "")
        if not words and held is None:
            words = NOT_FOUND
        if not words and held is not None and not wanted.items() <= held["metadata"].items():
            words = CONFLICT
        self._stderr += words
        if not words:
            self._master.put(self._name, new)
            self._say("done")

    def _say(self, step: str) -> None:
        self._stdout += f"{self._mark} {step}\n"


def changed(document: Document, **data: str) -> Document:
    """The document with other data, in clear, and of another version, as somebody else leaves it."""
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = document["metadata"] | {"resourceVersion": "77"}
    return {**document, "metadata": metadata, "data": document["data"] | encoded}
