"""A stateful stand-in for a master: its Secrets, and kubectl's part in what the remote commands do."""

import base64
import json
import shlex
from collections.abc import Callable

from rotator.delivery.errors import CommandKilledError, SshError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.manifest import Document
from rotator.delivery.ssh import kubectl, script
from rotator.delivery.ssh.shell import Result, Running
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from tests.fakes.examples import TARGET

NOT_FOUND = 'Error from server (NotFound): secrets "storage-sas" not found\n'
_ON_IT = 'Operation cannot be fulfilled on secrets "storage-sas"'
CONFLICT = f"Error from server (Conflict): {_ON_IT}: the object has been modified\n"
EXISTS = 'Error from server (AlreadyExists): secrets "storage-sas" already exists\n'


FAILED = "Error from server (InternalError): an error on the server has prevented the request from succeeding\n"
_REFUSED = ("Error from server (Forbidden): ", "Error from server (Invalid): ", "Error from server (NotFound): ")


class Master:
    """A Shell that carries out kubectl's part in memory.

    `refuse` gives kubectl's words for a step: get, validate, delete, create, replace, protect, put back, confirm; of a
    list one each time. Steps in `carried_out` are done all the same, and only their answer is that.
    Steps in `pretended` are answered as done, and are not.
    `prints` is what kubectl shows in place of the Secret, with status 0.
    `dies_at` names steps, deleted or created, right after which the remote shell is killed, once each.
    `meddle` runs at a moment, once each: "before" kubectl looks, "after" it has shown the Secret.
    `deletes` has the preconditions of each delete that was asked for.
    """

    def __init__(self, *targets: Target, held: Document | None = None) -> None:
        self.targets = targets or (TARGET,)
        self.secrets: dict[str, Document] = {}
        self.refuse: dict[str, str | list[str]] = {}
        self.carried_out: set[str] = set()
        self.pretended: set[str] = set()
        self.prints = ""
        self.meddle: dict[str, list[Callable[[], None]]] = {"before": [], "after": []}
        self.webhook: Callable[[Document], None] = lambda document: None
        self.commands: list[str] = []
        self.methods: list[WriteMethod] = []
        self.received: list[str | None] = []
        self.deletes: list[dict[str, str]] = []
        self.dies_at: list[str] = []
        self.broken: SshError | Exception | None = None
        self._version = 100
        if held is not None:
            self.secrets[self.targets[0].secret] = held

    def start(self, command: str, *, seconds: float) -> Running:
        assert seconds > 0
        self.commands.append(command)
        if self.broken:
            raise self.broken
        for target in self.targets:
            if command == kubectl.get_command(target):
                return GetCommand(self, target)
            start = f"exec sh -c {shlex.quote(script._script())} rotator "
            mark = command.removeprefix(start).partition(" ")[0] if command.startswith(start) else ""
            for method in WriteMethod:
                if command == script.command(target, method, mark):
                    self.methods.append(method)
                    return WriteCommand(self, target, method, mark)
        raise AssertionError(f"no target has the command {command}")

    def value(self, name: str = "storage-sas", key: str = "secretKey") -> str:
        return base64.b64decode(self.secrets[name]["data"][key]).decode()

    def moment(self, when: str) -> None:
        if self.meddle[when]:
            self.meddle[when].pop(0)()

    def words(self, step: str) -> str:
        """What kubectl says in that step, empty where nothing stands in its way."""
        said = self.refuse.get(step, "")
        if isinstance(said, list):
            return said.pop(0) if said else ""
        return said

    def delete(self, name: str, preconditions: dict[str, str]) -> str:
        """Carry out a delete, however late; gives kubectl's words."""
        if name not in self.secrets:
            return NOT_FOUND
        if not preconditions.items() <= self.secrets[name]["metadata"].items():
            return CONFLICT
        del self.secrets[name]
        return ""

    def get(self, name: str) -> str:
        if self.prints:
            return self.prints
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


class GetCommand:
    def __init__(self, master: Master, target: Target) -> None:
        self._master, self._target = master, target

    def wait_for(self, line: str) -> str:
        raise AssertionError("a get command has no steps")

    def finish(self, stdin: SecretText | None = None) -> Result:
        assert stdin is None
        words = self._master.words("get")
        if words:
            return Result(1, "", words)
        found = self._master.get(self._target.secret)
        return Result(0, found, "") if found != NOT_FOUND else Result(1, "", found)


class WriteCommand:
    """One remote command, step by step as the script does it."""

    def __init__(self, master: Master, target: Target, method: WriteMethod, mark: str) -> None:
        self._master, self._name, self._method, self._mark = master, target.secret, method, mark
        self._stdout = ""
        self._gone = False

    def wait_for(self, line: str) -> str:
        self._master.moment("before")
        if "start" in self._master.refuse:
            return ""
        self._show("held", "get")
        self._print("ready")
        assert self._stdout.endswith(f"{line}\n")
        return self._stdout

    def finish(self, stdin: SecretText | None = None) -> Result:
        master = self._master
        master.received.append(stdin.reveal() if stdin else None)
        if "start" in master.refuse:
            return Result(70, "", master.words("start"))
        if stdin is None:
            self._print("incomplete")
            return Result(65, self._stdout, "")
        new, old, reversioned, options, _, end, rest = stdin.reveal().split("\n")
        assert (end, rest) == (self._mark, "")
        master.moment("after")
        if self._method is not WriteMethod.RECREATE:
            self._write(json.loads(new))
        elif not self._validated():
            return Result(66, self._stdout, "")
        else:
            self._recreate(new, old, reversioned, json.loads(options)["preconditions"])
        self._show("confirm", "confirm")
        return Result(0, self._stdout, "")

    def _write(self, new: Document) -> None:
        if self._method is WriteMethod.CREATE:
            self._create("write", "create", new)
        else:
            self._replace("write", "replace", new)

    def _validated(self) -> bool:
        words = self._master.words("validate")
        if words:
            self._report("validate", words)
        return not words

    def _recreate(self, new: str, old: str, reversioned: str, preconditions: dict[str, str]) -> None:
        outcome = self._delete("delete", preconditions)
        if outcome in ("refused", "conflict"):
            return
        if self._gone:
            if self._create("write", "create", json.loads(new)) in ("ok", "exists"):
                return
        else:
            if self._delete("delete again", preconditions) == "conflict":
                return
            if not self._gone and self._protected(reversioned, "unclear"):
                return
        self._recover(new, old, reversioned)

    def _recover(self, new: str, old: str, reversioned: str) -> None:
        for _ in range(60):
            outcome = self._create("create again", "put back", json.loads(new))
            if outcome == "ok" or (self._gone and outcome == "exists"):
                return
            if old != "-" and outcome == "refused":
                restored = self._create("restore", "put back", json.loads(old))
                if restored == "ok" or (self._gone and restored == "exists"):
                    return
            if not self._gone and self._protected(reversioned, outcome):
                return
        self._print("given up")

    def _protected(self, reversioned: str, there: str) -> bool:
        outcome = self._replace("protect", "protect", json.loads(reversioned))
        if outcome == "ok":
            self._print("protected")
        elif outcome in ("conflict", "missing"):
            self._gone = True
        elif (there, outcome) == ("exists", "refused"):
            self._print("delete unclear")
            return True
        return outcome == "ok"

    def _delete(self, step: str, preconditions: dict[str, str]) -> str:
        master = self._master
        master.deletes.append(preconditions)
        words = master.words("delete")
        if not words or "delete" in master.carried_out:
            words = words or master.delete(self._name, preconditions)
            master.delete(self._name, preconditions)
            self._die("deleted")
        outcome = self._report(step, words)
        self._gone = self._gone or outcome in ("ok", "missing")
        return outcome

    def _create(self, step: str, kind: str, body: Document) -> str:
        master = self._master
        words = master.words(kind)
        if kind not in master.pretended and (not words or kind in master.carried_out):
            if self._name in master.secrets:
                words = words or EXISTS
            else:
                master.put(self._name, body)
                self._die("created")
        return self._report(step, words)

    def _replace(self, step: str, kind: str, body: Document) -> str:
        master = self._master
        held = master.secrets.get(self._name)
        words = master.words(kind)
        wanted = {name: body["metadata"][name] for name in ("uid", "resourceVersion")}
        if not words and held is None:
            words = NOT_FOUND
        if not words and held is not None and not wanted.items() <= held["metadata"].items():
            words = CONFLICT
        if not words:
            master.put(self._name, body)
        return self._report(step, words)

    def _die(self, step: str) -> None:
        if step in self._master.dies_at:
            self._master.dies_at.remove(step)
            raise CommandKilledError("the command was ended by a signal")

    def _show(self, step: str, kind: str) -> None:
        words = self._master.words(kind)
        found = "" if words else self._master.get(self._name)
        words = words or (found if found == NOT_FOUND else "")
        self._print(step)
        self._stdout += "" if words else f"{found}\n"
        self._section(step, "1" if words else "0", words)

    def _report(self, step: str, words: str) -> str:
        outcome = _outcome(words)
        self._section(step, f"{outcome} {1 if words else 0}", words)
        return outcome

    def _section(self, step: str, status: str, words: str) -> None:
        self._print(f"{step} status")
        self._stdout += f"{status}\n"
        self._print(f"{step} stderr")
        self._stdout += words or "\n"

    def _print(self, step: str) -> None:
        self._stdout += f"{self._mark} {step}\n"


def _outcome(words: str) -> str:
    if not words:
        return "ok"
    for beginning, outcome in ((EXISTS[:70], "exists"), (CONFLICT[:80], "conflict"), (NOT_FOUND[:55], "missing")):
        if words.startswith(beginning):
            return outcome
    return "refused" if words.startswith(_REFUSED) else "unclear"


def changed(document: Document, **data: str) -> Document:
    """The document with other data, in clear, and of another version, as somebody else leaves it."""
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = document["metadata"] | {"resourceVersion": "77"}
    return {**document, "metadata": metadata, "data": document["data"] | encoded}
