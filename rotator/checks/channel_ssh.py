"""Looks at the way to a target: the SSH key, the master and its host key, kubectl there, and what it may do."""

import contextlib
import datetime
import re
import secrets
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from rotator import errors
from rotator.checks import clock_skew, kubectl_probe, remedies
from rotator.checks.findings import Level
from rotator.checks.remedies import Remedies
from rotator.checks.runner import Check, NotKnownError, OverError, Reporter, Results
from rotator.delivery import deliver
from rotator.delivery.errors import (
    AuthenticationRejectedError,
    DryRunUnsupportedError,
    KubectlMissingError,
    KubernetesForbiddenError,
    NamespaceMissingError,
    NotOursError,
    OwnerReferenceError,
    PrivateKeyError,
    SecondFactorError,
)
from rotator.delivery.interface import Result, Shell, WriteMethod
from rotator.delivery.manifest import LiveSecret
from rotator.delivery.ssh import kubectl, kubectl_errors, outcomes, remote_output
from rotator.delivery.ssh.session_queue import QueuedShell
from rotator.issuers.account_state import AccountState
from rotator.plan import host_keys
from rotator.plan.plan import Cluster, Plan, Strategy
from rotator.redaction import SecretText
from rotator.rotation import due

_SECONDS = 45.0
# What becomes of it when kubectl's user may not do what the next rotation does without.
_LATER = {
    "create": "if somebody deletes it, the next run cannot make it again",
    "delete": "the next run makes it, but later ones cannot replace it",
    "update": "the next run makes it, but later ones cannot change it",
}


class Proven(Protocol):
    """A connection to a proven host on which nobody has logged in yet."""

    def login(self, key: SecretText, passphrase: SecretText | None) -> AbstractContextManager[Shell]:
        """Log in; raises SshError."""

    def close(self) -> None:
        """Close the connection."""


class Host(Protocol):
    """The way to the master."""

    def verify_host(self, cluster: Cluster) -> tuple[tuple[host_keys.HostKey, ...], Proven | None]:
        """Give the keys that the host shows, and the connection on which it shows a pinned one; sends it nothing."""


Met = tuple[tuple[host_keys.HostKey, ...], Proven | None]


class MasterChecks:
    """The looks. Connections stay open until `stack` is closed."""

    def __init__(
        self,
        plan: Plan,
        host: Host,
        *,
        public_line: Callable[[SecretText, SecretText | None], str],
        clock: Callable[[], datetime.datetime],
        remedies: Callable[[], Remedies],
        secret_file: Callable[[str], str],
        stack: contextlib.ExitStack,
    ) -> None:
        self._plan = plan
        self._target = plan.targets[0]
        self._cluster = self._target.cluster
        self._host = host
        self._public_line = public_line
        self._clock = clock
        self._remedies = remedies
        self._secret_file = secret_file
        self._stack = stack

    def looks(self) -> list[Check]:
        """Give them in an order in which each comes after those that it needs."""
        return [
            Check("SSH key", self._key, self._key_command),
            Check("master", self._meet),
            Check("host key", self._pinned),
            Check("login", self._login),
            Check("remote shell", self._script),
            Check("master clock", self._time),
            Check("kubectl", self._client),
            Check("API server", self._server),
            Check("namespace", self._namespace),
            Check("kubectl may get", self._may_get),
            Check("Secret", self._held, self._held_command),
            *(Check(f"kubectl may {verb}", self._may_write(verb)) for verb in kubectl_probe.writing(self._target)),
            Check("dry run", self._dry_run, self._dry_run_command),
        ]

    def _phrase(self, known: Results) -> SecretText | None:
        found: SecretText | None = known.of("passphrase") if self._cluster.passphrase_secret else None
        return found

    def _key(self, known: Results, say: Reporter) -> str:
        line = self._public_line(known.of("vault permission secrets get"), self._phrase(known))
        say(Level.OK, f"well-formed: {line.rpartition(' ')[0]}")
        return line

    def _key_command(self, error: errors.RotatorError) -> str:
        fault = error.passphrase if isinstance(error, PrivateKeyError) else None
        if fault == "needless":
            return ""
        if fault == "missing":
            return self._remedies().setting("KUBERNETES_SSH_PASSPHRASE_SECRET", "privatekey-passphrase")
        if fault == "wrong":
            return self._secret_file(self._cluster.passphrase_secret or "")
        return self._secret_file(self._cluster.key_secret)

    def _meet(self, _known: Results, say: Reporter) -> Met:
        shown, proven = self._host.verify_host(self._cluster)
        if proven is not None:
            self._stack.callback(proven.close)
        say(Level.OK, f"{self._cluster.host}:{self._cluster.port} talks SSH")
        return shown, proven

    def _pinned(self, known: Results, say: Reporter) -> Proven:
        met: Met = known.of("master")
        shown, proven = met
        pinned = ", ".join(map(str, self._cluster.pins))
        if proven is None:
            offered = "; ".join(map(str, shown))
            say(
                Level.FAILURE,
                f"pinned is {pinned}, but the host offers {offered}. None of these is trusted",
                f"Find out whether the host was replaced. Only if {host_keys.ON_THE_CONSOLE} at the master's console "
                "prints one of them, set KUBERNETES_SSH_FINGERPRINT to that.",
            )
            raise OverError
        say(Level.OK, f"the host shows the pinned {pinned}")
        return proven

    def _login(self, known: Results, say: Reporter) -> Shell:
        proven: Proven = known.of("host key")
        key, line = known.of("vault permission secrets get"), known.of("SSH key")
        try:
            shell = self._stack.enter_context(proven.login(key, self._phrase(known)))
        except SecondFactorError:
            raise  # its own remedy: the key is right
        except AuthenticationRejectedError as error:
            remedy = f"On the master, this line belongs into the authorized_keys of {self._cluster.user}: {line}"
            say(Level.FAILURE, str(error), remedy)
            raise OverError from error
        say(Level.OK, f"{self._cluster} lets the key in")
        return QueuedShell(shell)

    def _run(self, known: Results, command: str, stdin: SecretText | None = None) -> Result:
        shell: Shell = known.of("login")
        return shell.start(command, seconds=_SECONDS).finish(stdin)

    def _time(self, known: Results, say: Reporter) -> None:
        known.of("remote shell")
        before = self._clock()
        said = self._run(known, "date +%s").stdout.strip()
        theirs = datetime.datetime.fromtimestamp(int(said), datetime.UTC) if re.fullmatch("[0-9]{1,11}", said) else None
        # Whole seconds are cut off.
        half = datetime.timedelta(seconds=0.5)
        off = clock_skew.ahead(theirs + half if theirs else None, before, self._clock())
        # Nothing of a rotation is decided by it; whatever runs on the master may come to judge the SAS by it.
        clock_skew.compare(f"the master {self._cluster.host}", off, say)

    def _script(self, known: Results, say: Reporter) -> None:
        """The very script of a delivery: a login shell that understands a line may not understand a script."""
        mark = f"rotator-{secrets.token_hex(8)}"
        result = self._run(known, kubectl_probe.script(self._target, mark))
        answer = kubectl.parse(result.stdout, mark)
        if answer.has(kubectl.READY):
            say(Level.OK, "the script of a delivery runs, with mktemp and mkfifo")
            return
        if outcomes.lacks_requirement(answer):
            error = outcomes.start_error(answer, result.status, result.stderr, self._target)
            say(Level.FAILURE, str(error), error.remedy)
            return  # what else is looked at can do without
        said = remote_output.quote(f"{result.stderr}\n{result.stdout}") or f"status {result.status} and no word"
        text = f"the login shell of {self._cluster} does not run the script of a delivery: {said}"
        say(Level.FAILURE, text, kubectl_probe.SHELL_REMEDY, f"sudo usermod --shell /bin/sh {self._cluster.user}")
        raise OverError

    def _client(self, known: Results, say: Reporter) -> None:
        known.of("remote shell")
        result = self._run(known, kubectl_probe.client(self._cluster))
        found = kubectl_probe.version(result.stdout)
        if result.status == 0 and found:
            say(Level.OK, f"kubectl {found}")
            return
        error = kubectl_errors.explain(result.status, result.stderr, self._target, "nothing was changed")
        command = self._other_kubectl(known) if isinstance(error, KubectlMissingError) else ""
        say(Level.FAILURE, str(error), error.remedy, command)
        raise OverError

    def _other_kubectl(self, known: Results) -> str:
        found = self._run(known, kubectl_probe.PLACES).stdout.splitlines()
        others = [line for line in found if line != shlex.join(self._cluster.kubectl)]
        return self._remedies().setting("KUBERNETES_KUBECTL", others[0]) if others else ""

    def _server(self, known: Results, say: Reporter) -> None:
        known.of("kubectl")
        result = self._run(known, kubectl_probe.server(self._cluster))
        # Whoever is refused has been answered.
        if result.status != 0 and not kubectl.is_api_error(result.stderr, "Forbidden"):
            raise kubectl_errors.explain(result.status, result.stderr, self._target, "nothing was changed")
        say(Level.OK, f"the API server answers {kubectl_probe.version(result.stdout)}".rstrip())

    def _namespace(self, known: Results, say: Reporter) -> None:
        known.of("API server")
        result = self._run(known, kubectl_probe.namespace(self._target))
        name = self._target.namespace
        if kubectl.is_api_error(result.stderr, "NotFound", "namespaces "):
            text = f"there is no namespace {name!r}"
            say(Level.FAILURE, text, NamespaceMissingError.remedy, remedies.namespace(self._target))
            raise OverError
        if kubectl.is_api_error(result.stderr, "Forbidden"):
            say(Level.SKIPPED, f"kubectl's user may not look for namespace {name!r}; a dry run will meet it")
        elif result.status != 0:
            raise kubectl_errors.explain(result.status, result.stderr, self._target, "nothing was changed")
        else:
            say(Level.OK, f"{name!r} is there")

    def _may_get(self, known: Results, say: Reporter) -> None:
        self._may("get", known, say)

    def _may_write(self, verb: str) -> Callable[[Results, Reporter], None]:
        def act(known: Results, say: Reporter) -> None:
            self._may(verb, known, say, needed=lambda: self._needs(verb, known))

        return act

    def _may(self, verb: str, known: Results, say: Reporter, needed: Callable[[], bool] = lambda: True) -> None:
        known.of("API server")
        result = self._run(known, kubectl_probe.can_i(self._target, verb))
        answer = (result.stdout.split() or [""])[0]  # a reason may follow
        if answer not in {"yes", "no"}:
            raise kubectl_errors.explain(result.status, result.stderr, self._target, "nothing was changed")
        if answer == "yes":
            say(Level.OK, f"auth can-i {verb}: yes")
            return
        level, text = Level.FAILURE, f"kubectl's user may not {verb} Secret {self._target}"
        if not needed():
            level, text = Level.WARNING, f"{text}; {_LATER[verb]}"
        say(level, text, KubernetesForbiddenError.remedy, self._grant(known, verb))
        raise OverError

    def _needs(self, verb: str, known: Results) -> bool:
        """Whether the next rotation does that; where what the cluster holds is not known, it may."""
        try:
            return verb in kubectl_probe.NEEDED[deliver.choose_method(self._target, known.of("Secret"))]
        except NotKnownError:
            return True

    def _grant(self, known: Results, verb: str) -> str:
        """Whom to grant it to is what the API server says when it refuses just that."""
        command, stdin = kubectl_probe.dry_run(self._target, verb)
        user = kubectl_probe.user(self._run(known, command, stdin).stderr)
        return self._remedies().grant(self._target, verb, user)

    def _dry_run(self, known: Results, say: Reporter) -> None:
        known.of("namespace")
        held: LiveSecret | None = known.of("Secret")
        # In place it needs no more room than it has.
        act = deliver.choose_method(self._target, held)
        verb = "update" if act is WriteMethod.UPDATE else "create"
        known.of(f"kubectl may {verb}")
        document = kubectl_probe.trial(self._target, held, self._plan.definition, self._clock())
        result = self._run(known, *kubectl_probe.dry_run(self._target, verb, document))
        # A Secret of that name is met only after authorisation, quota and admission have passed.
        if result.status == 0 or kubectl.already_exists(result.stderr):
            say(Level.OK, "the API server would take the Secret")
            return
        error = kubectl_errors.explain(result.status, result.stderr, self._target, "nothing was changed")
        if act is WriteMethod.RECREATE or not isinstance(error, DryRunUnsupportedError):
            raise error
        # A rotation makes one only before it deletes.
        if self._target.strategy is Strategy.APPLY:
            say(Level.SKIPPED, f"not looked at: {error}; a rotation in place makes no dry run")
        else:
            text = f"{error}; the next run makes the Secret, but later ones cannot replace it"
            say(Level.WARNING, text, error.remedy, self._dry_run_command(error))

    def _dry_run_command(self, error: errors.RotatorError) -> str:
        if isinstance(error, NamespaceMissingError):
            return remedies.namespace(self._target)
        in_place = isinstance(error, DryRunUnsupportedError | OwnerReferenceError)
        if in_place and self._target.strategy is Strategy.RECREATE:
            return self._remedies().setting("KUBERNETES_SECRET_STRATEGY", "apply")
        return ""

    def _held(self, known: Results, say: Reporter) -> LiveSecret | None:
        known.of("kubectl may get")
        known.of("namespace")
        held = deliver.observe(known.of("login"), self._target)
        if (
            deliver.choose_method(self._target, held) is WriteMethod.RECREATE
            and self._target.strategy is Strategy.APPLY
        ):
            # It is immutable, or of another type: not even `apply` changes it in place.
            with contextlib.suppress(OverError):
                self._may("delete", known, say)
        why = due.find(held, self._target, self._plan, self._clock(), _account_state(known))
        if held is None and not (why and why.drift):
            say(Level.WARNING, "there is no Secret yet: the next run makes it", "", "python -m rotator rotate")
        elif why and why.drift:
            say(Level.WARNING, f"{why}: the next run repairs it", "", "python -m rotator rotate")
        else:
            say(Level.OK, f"due: {why}" if why else "its SAS is fresh")
        return held

    def _held_command(self, error: errors.RotatorError) -> str:
        if isinstance(error, NotOursError):
            return self._remedies().setting("KUBERNETES_SECRET_ADOPT", "true")
        in_place = "KUBERNETES_SECRET_STRATEGY=apply" in error.remedy
        return self._remedies().setting("KUBERNETES_SECRET_STRATEGY", "apply") if in_place else ""


def _account_state(known: Results) -> AccountState | None:
    """What the vault remembers, where it may be asked."""
    try:
        stored = known.of("vault permission storage getsas")
    except NotKnownError:
        return None
    try:
        return AccountState(stored, known.of("vault permission storage get"))
    except NotKnownError:
        return AccountState(stored, None)
