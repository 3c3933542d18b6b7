"""A stateful stand-in for a master: its Secrets, and kubectl's part in what the remote commands do."""

import base64
import json
import shlex
from collections.abc import Callable

from rotator.delivery.errors import CommandKilledError, SshError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.live_secret import Document
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

    `refuse` has kubectl's stderr for a step: get, validate, delete, create, replace, protect, put back, confirm; of a
    list one each time. Steps in `carried_out` are done all the same, and only their answer is that.
    Steps in `pretended` are answered as done, and are not.
    `prints` is what kubectl shows in place of the Secret, with status 0.
    `killed_after` names steps, deleted or created, right after which the remote shell is killed, once each.
    `hooks` are called in their order, once each: "before" kubectl reads, "after" it has printed the Secret.
    `deletes` has the preconditions of each delete that was asked for.
    """

    def __init__(self, *targets: Target, held: Document | None = None) -> None:
        self.targets = targets or (TARGET,)
        self.secrets: dict[str, Document] = {}
        self.refuse: dict[str, str | list[str]] = {}
        self.carried_out: set[str] = set()
        self.pretended: set[str] = set()
        self.prints = ""
        self.hooks: dict[str, list[Callable[[], None]]] = {"before": [], "after": []}
        self.webhook: Callable[[Document], None] = lambda document: None
        self.commands: list[str] = []
        self.methods: list[WriteMethod] = []
        self.received: list[str | None] = []
        self.deletes: list[dict[str, str]] = []
        self.killed_after: list[str] = []
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

    def run_hook(self, when: str) -> None:
        if self.hooks[when]:
            self.hooks[when].pop(0)()

    def stderr_of(self, step: str) -> str:
        """What kubectl prints on stderr in that step, empty where it succeeds."""
        stderr = self.refuse.get(step, "")
        if isinstance(stderr, list):
            return stderr.pop(0) if stderr else ""
        return stderr

    def delete(self, name: str, preconditions: dict[str, str]) -> str:
        """Carry out a delete, however late; returns kubectl's stderr."""
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
        stderr = self._master.stderr_of("get")
        if stderr:
            return Result(1, "", stderr)
        found = self._master.get(self._target.secret)
        return Result(0, found, "") if found != NOT_FOUND else Result(1, "", found)


class WriteCommand:
    """One remote command, step by step as the script does it."""

    def __init__(self, master: Master, target: Target, method: WriteMethod, mark: str) -> None:
        self._master, self._name, self._method, self._mark = master, target.secret, method, mark
        self._stdout = ""
        self._gone = False

    def wait_for(self, line: str) -> str:
        self._master.run_hook("before")
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
            return Result(70, "", master.stderr_of("start"))
        if stdin is None:
            self._print("incomplete")
            return Result(65, self._stdout, "")
        new, old, reversioned, options, _, end, rest = stdin.reveal().split("\n")
        assert (end, rest) == (self._mark, "")
        master.run_hook("after")
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
        stderr = self._master.stderr_of("validate")
        if stderr:
            self._report("validate", stderr)
        return not stderr

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
        stderr = master.stderr_of("delete")
        if not stderr or "delete" in master.carried_out:
            stderr = stderr or master.delete(self._name, preconditions)
            master.delete(self._name, preconditions)
            self._die("deleted")
        outcome = self._report(step, stderr)
        self._gone = self._gone or outcome in ("ok", "missing")
        return outcome

    def _create(self, step: str, kind: str, body: Document) -> str:
        master = self._master
        stderr = master.stderr_of(kind)
        if kind not in master.pretended and (not stderr or kind in master.carried_out):
            if self._name in master.secrets:
                stderr = stderr or EXISTS
            else:
                master.put(self._name, body)
                self._die("created")
        return self._report(step, stderr)

    def _replace(self, step: str, kind: str, body: Document) -> str:
        master = self._master
        held = master.secrets.get(self._name)
        stderr = master.stderr_of(kind)
        wanted = {name: body["metadata"][name] for name in ("uid", "resourceVersion")}
        if not stderr and held is None:
            stderr = NOT_FOUND
        if not stderr and held is not None and not wanted.items() <= held["metadata"].items():
            stderr = CONFLICT
        if not stderr:
            master.put(self._name, body)
        return self._report(step, stderr)

    def _die(self, step: str) -> None:
        if step in self._master.killed_after:
            self._master.killed_after.remove(step)
            raise CommandKilledError("the command was ended by a signal")

    def _show(self, step: str, kind: str) -> None:
        stderr = self._master.stderr_of(kind)
        found = "" if stderr else self._master.get(self._name)
        stderr = stderr or (found if found == NOT_FOUND else "")
        self._print(step)
        self._stdout += "" if stderr else f"{found}\n"
        self._section(step, "1" if stderr else "0", stderr)

    def _report(self, step: str, stderr: str) -> str:
        outcome = _outcome(stderr)
        self._section(step, f"{outcome} {1 if stderr else 0}", stderr)
        return outcome

    def _section(self, step: str, status: str, stderr: str) -> None:
        self._print(f"{step} status")
        self._stdout += f"{status}\n"
        self._print(f"{step} stderr")
        self._stdout += stderr or "\n"

    def _print(self, step: str) -> None:
        self._stdout += f"{self._mark} {step}\n"


def _outcome(stderr: str) -> str:
    if not stderr:
        return "ok"
    for beginning, outcome in ((EXISTS[:70], "exists"), (CONFLICT[:80], "conflict"), (NOT_FOUND[:55], "missing")):
        if stderr.startswith(beginning):
            return outcome
    return "refused" if stderr.startswith(_REFUSED) else "unclear"


def changed(document: Document, **data: str) -> Document:
    """The document with other data, in clear, and of another version, as somebody else leaves it."""
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = document["metadata"] | {"resourceVersion": "77"}
    return {**document, "metadata": metadata, "data": document["data"] | encoded}
