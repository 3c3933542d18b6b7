"""Checks Kubernetes through kubectl on the master: API server, namespace, permissions, the Secret, a dry run."""

import contextlib
import shlex
from collections.abc import Callable
from typing import ClassVar

from rotator import errors
from rotator.checks import kubectl_probe, remedies
from rotator.checks.channel_ssh import LoggedIn, ScriptRunnable, run_remotely
from rotator.checks.findings import Level, Reporter
from rotator.checks.issuer_keyvault import DefinitionRead, ManagedAccountRead
from rotator.checks.runner import AlreadyReportedError, Check, DependencyError, Found, Results
from rotator.delivery import deliver
from rotator.delivery.errors import (
    ConflictError,
    DryRunUnsupportedError,
    KubectlMissingError,
    KubernetesForbiddenError,
    NamespaceMissingError,
    NotOursError,
    OwnerReferenceError,
)
from rotator.delivery.interface import Result, WriteMethod
from rotator.delivery.manifest import LiveSecret
from rotator.delivery.ssh import kubectl, kubectl_errors, outcomes
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Plan, Strategy, Target
from rotator.rotation import due

# What it means that kubectl's user may not do what the next rotation does not need.
_LATER = {
    "create": "if somebody deletes it, the next run cannot create it again",
    "delete": "the next run creates it, but later runs cannot replace it",
    "update": "the next run creates it, but later runs cannot change it",
}


def _explained(result: Result, target: Target) -> errors.RotatorError:
    return kubectl_errors.explain(result.status, result.stderr, target, outcomes.NOTHING)


class KubectlFound(Check[None]):
    """The command line in KUBERNETES_KUBECTL runs kubectl."""

    name = "kubectl"

    def run(self, results: Results, report: Reporter) -> None:
        """Ask kubectl for its version, and where it cannot be run, look for another one."""
        results.of(ScriptRunnable)
        result = run_remotely(results, kubectl_probe.client(self.target.cluster))
        version = kubectl_probe.version(result.stdout)
        if result.status != 0 or not version:
            raise _explained(result, self.target)
        report(Level.OK, f"kubectl {version}")

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what sets another command line that works."""
        if not isinstance(error, KubectlMissingError):
            return ""
        found = run_remotely(results, kubectl_probe.PLACES).stdout.splitlines()
        others = [line for line in found if line != shlex.join(self.target.cluster.kubectl)]
        return self.context.remedies.setting("KUBERNETES_KUBECTL", others[0]) if others else ""


class ApiServerReachable(Check[None]):
    """The API server answers kubectl."""

    name = "API server"

    def run(self, results: Results, report: Reporter) -> None:
        """Ask for its version; who is refused has been answered."""
        results.of(KubectlFound)
        result = run_remotely(results, kubectl_probe.server(self.target.cluster))
        if result.status != 0 and not kubectl.answers(result.stderr, "Forbidden"):
            raise _explained(result, self.target)
        report(Level.OK, f"the API server answers {kubectl_probe.version(result.stdout)}".rstrip())


class NamespaceFound(Check[None]):
    """The namespace exists, as far as kubectl's user may look for it."""

    name = "namespace"

    def run(self, results: Results, report: Reporter) -> None:
        """Look for it."""
        results.of(ApiServerReachable)
        result = run_remotely(results, kubectl_probe.namespace(self.target))
        name = self.target.namespace
        if kubectl.answers(result.stderr, "NotFound", "namespaces "):
            text = f"there is no namespace {name!r}"
            report(Level.FAILURE, text, NamespaceMissingError.remedy, remedies.namespace(self.target))
            raise AlreadyReportedError
        if kubectl.answers(result.stderr, "Forbidden"):
            report(Level.SKIPPED, f"kubectl's user may not read namespace {name!r}; the dry run finds out")
        elif result.status != 0:
            raise _explained(result, self.target)
        else:
            report(Level.OK, f"{name!r} exists")


class ClusterCheck(Check[Found]):
    """A check that needs to know what Kubernetes allows kubectl's user."""

    def require_verb(
        self, verb: str, results: Results, report: Reporter, *, is_needed: Callable[[], bool] = lambda: True
    ) -> None:
        """Report whether the user may do that with the Secret, and raise AlreadyReportedError where not.

        That is a failure only where the next rotation needs it. Raises DeliveryError where `kubectl auth can-i` fails.
        """
        result = run_remotely(results, kubectl_probe.can_i(self.target, verb))
        answer = (result.stdout.split() or [""])[0]  # a reason may follow
        if answer not in {"yes", "no"}:
            raise _explained(result, self.target)
        if answer == "yes":
            report(Level.OK, f"auth can-i {verb}: yes")
            return
        level, text = Level.FAILURE, f"kubectl's user may not {verb} Secret {self.target}"
        if not is_needed():
            level, text = Level.WARNING, f"{text}; {_LATER[verb]}"
        report(level, text, KubernetesForbiddenError.remedy, self._grant(verb, results))
        raise AlreadyReportedError

    def _grant(self, verb: str, results: Results) -> str:
        """Return what grants the verb to the user whom the API server names when it refuses a dry run."""
        command, stdin = kubectl_probe.dry_run(self.target, verb)
        user = kubectl_probe.user(run_remotely(results, command, stdin).stderr)
        return self.context.remedies.grant(self.target, verb, user)


class MayGet(ClusterCheck[None]):
    """Kubernetes allows kubectl's user to read the Secret."""

    name = "kubectl may get"

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the API server."""
        results.of(ApiServerReachable)
        self.require_verb("get", results, report)


class LiveSecretRead(ClusterCheck[LiveSecret | None]):
    """The Secret is ours and can be written; the result is what it holds, or None where there is none."""

    name = "Secret"

    def run(self, results: Results, report: Reporter) -> LiveSecret | None:
        """Read it, and report whether a new SAS is due."""
        results.of(MayGet)
        results.of(NamespaceFound)
        live = deliver.observe(results.of(LoggedIn), self.target)
        if deliver.choose(self.target, live) is WriteMethod.RECREATE and self.target.strategy is Strategy.APPLY:
            # It is immutable, or of another type: not even `apply` changes it in place.
            with contextlib.suppress(AlreadyReportedError):
                self.require_verb("delete", results, report)
        self._report_due(live, results, report)
        return live

    def _report_due(self, live: LiveSecret | None, results: Results, report: Reporter) -> None:
        found = due.find(live, self.target, self.plan, self.context.clock(), _account_state(results))
        if found and found.drift:
            report(Level.WARNING, f"{found}: the next run repairs it", "", remedies.ROTATE)
        elif live is None:
            report(Level.WARNING, "there is no Secret yet: the next run creates it", "", remedies.ROTATE)
        else:
            report(Level.OK, f"due: {found}" if found else "its SAS is fresh")

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return the setting with which a rotation takes the Secret over, or updates it in place."""
        if isinstance(error, NotOursError):
            return self.context.remedies.setting("KUBERNETES_SECRET_ADOPT", "true")
        in_place = isinstance(error, ConflictError) and error.has_finalizers
        return self.context.remedies.setting("KUBERNETES_SECRET_STRATEGY", "apply") if in_place else ""


def _account_state(results: Results) -> AccountState | None:
    """What the vault says of the SAS definition and the managed account, as far as it may be read."""
    stored = results.find(DefinitionRead)
    return AccountState(stored, results.find(ManagedAccountRead)) if stored else None


class _MayWrite(ClusterCheck[None]):
    """Kubernetes allows kubectl's user a verb that writes the Secret."""

    verb: ClassVar[str]

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether the target's strategy uses the verb."""
        return cls.verb in kubectl_probe.writing(plan.targets[0])

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the API server."""
        results.of(ApiServerReachable)
        self.require_verb(self.verb, results, report, is_needed=lambda: self._is_needed(results))

    def _is_needed(self, results: Results) -> bool:
        """Whether the next rotation uses the verb; where what the cluster holds is not known, it may."""
        try:
            live = results.of(LiveSecretRead)
        except DependencyError:
            return True
        return self.verb in kubectl_probe.NEEDED[deliver.choose(self.target, live)]


class MayCreate(_MayWrite):
    """Kubernetes allows kubectl's user to create the Secret."""

    name, verb = "kubectl may create", "create"


class MayDelete(_MayWrite):
    """Kubernetes allows kubectl's user to delete the Secret."""

    name, verb = "kubectl may delete", "delete"


class MayUpdate(_MayWrite):
    """Kubernetes allows kubectl's user to update the Secret."""

    name, verb = "kubectl may update", "update"


class DryRunAccepted(Check[None]):
    """The API server would accept the Secret: permissions, quota and admission."""

    name = "dry run"

    def run(self, results: Results, report: Reporter) -> None:
        """Send what a rotation would write, without a SAS, as a dry run."""
        results.of(NamespaceFound)
        live = results.of(LiveSecretRead)
        # An update needs no more room than the Secret has.
        act = deliver.choose(self.target, live)
        updates = act is WriteMethod.UPDATE
        results.of(MayUpdate if updates else MayCreate)
        document = kubectl_probe.trial(self.target, live, self.plan.definition, self.context.clock())
        command, stdin = kubectl_probe.dry_run(self.target, "update" if updates else "create", document)
        result = run_remotely(results, command, stdin)
        # That a Secret of the name exists is found only after authorisation, quota and admission have passed.
        if result.status == 0 or kubectl.exists(result.stderr):
            report(Level.OK, "the API server would accept the Secret")
            return
        error = _explained(result, self.target)
        if act is WriteMethod.RECREATE or not isinstance(error, DryRunUnsupportedError):
            raise error
        self._report_unsupported(error, results, report)

    def _report_unsupported(self, error: errors.RotatorError, results: Results, report: Reporter) -> None:
        """A rotation makes a dry run only before it deletes."""
        if self.target.strategy is Strategy.APPLY:
            report(Level.SKIPPED, f"not checked: {error}; a rotation that updates the Secret makes no dry run")
        else:
            text = f"{error}; the next run creates the Secret, but later runs cannot replace it"
            report(Level.WARNING, text, error.remedy, self.command(error, results))

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return what creates the namespace, or the setting with which a rotation needs no dry run and no owner."""
        if isinstance(error, NamespaceMissingError):
            return remedies.namespace(self.target)
        in_place = isinstance(error, DryRunUnsupportedError | OwnerReferenceError)
        if in_place and self.target.strategy is Strategy.RECREATE:
            return self.context.remedies.setting("KUBERNETES_SECRET_STRATEGY", "apply")
        return ""
