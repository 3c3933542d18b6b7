"""Checks the Secret: what Kubernetes allows kubectl's user, what the Secret holds now, a dry run of writing it."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import ClassVar

from rotator import errors
from rotator.checks import kubectl_probe, remedies
from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import AlreadyReportedError, DependencyError, Found, Results, TargetCheck
from rotator.checks.kubernetes import ApiServerReachable, NamespaceFound, error_for
from rotator.checks.ssh import LoggedIn, run_remotely
from rotator.checks.vault_permissions import DefinitionRead, ManagedAccountRead
from rotator.delivery import merge
from rotator.delivery.errors import (
    ConflictError,
    DryRunUnsupportedError,
    KubernetesForbiddenError,
    NamespaceMissingError,
    NotOursError,
    OwnerReferenceError,
)
from rotator.delivery.interface import WriteMethod
from rotator.delivery.live_secret import Document, LiveSecret
from rotator.delivery.ssh import channel, kubectl
from rotator.issuers import keyvault
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import IssuedSas
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText
from rotator.rotation import due

# What it means that kubectl's user may not do what the next rotation does not need.
_LATER = {
    "create": "if somebody deletes it, the next run cannot create it again",
    "delete": "the next run creates it, but later runs cannot replace it",
    "update": "the next run creates it, but later runs cannot change it",
}


class SecretCheck(TargetCheck[Found]):
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
            raise error_for(result, self.target)
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
        user = kubectl_probe.refused_user(run_remotely(results, command, stdin).stderr)
        return self.context.remedies.grant(self.target, verb, user)


class MayGet(SecretCheck[None]):
    """Kubernetes allows kubectl's user to read the Secret."""

    name = "kubectl may get"

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the API server."""
        results.require(ApiServerReachable)
        self.require_verb("get", results, report)


class LiveSecretRead(SecretCheck[LiveSecret | None]):
    """The Secret is ours and can be written; the result is what it holds, or None where there is none."""

    name = "Secret"

    def run(self, results: Results, report: Reporter) -> LiveSecret | None:
        """Read it, and report whether a new SAS is due."""
        results.require(MayGet, NamespaceFound)
        live = channel.read(results.of(LoggedIn), self.target)
        if merge.choose_method(self.target, live) is WriteMethod.RECREATE and self.target.strategy is Strategy.APPLY:
            # It is immutable, or of another type: not even `apply` changes it in place.
            with contextlib.suppress(AlreadyReportedError):
                self.require_verb("delete", results, report)
        self._report_due(live, results, report)
        return live

    def _report_due(self, live: LiveSecret | None, results: Results, report: Reporter) -> None:
        found = due.find(live, self.target, self.plan, self.context.clock(), self._account_state(results))
        if found and found.drift:
            report(Level.WARNING, f"{found}: the next run repairs it", "", remedies.ROTATE)
        elif live is None:
            report(Level.WARNING, "there is no Secret yet: the next run creates it", "", remedies.ROTATE)
        else:
            report(Level.OK, f"due: {found}" if found else "its SAS is fresh")

    def _account_state(self, results: Results) -> AccountState | None:
        """Return what is known of how SAS are issued: with Key Vault, what of it may be read there."""
        if self.plan.account.issuer.signs_here:
            with contextlib.suppress(errors.RotatorError):
                return self.context.account.state()
            return None
        stored = results.find(DefinitionRead)
        return keyvault.account_state(stored, results.find(ManagedAccountRead)) if stored else None

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return the setting with which a rotation takes the Secret over, or updates it in place."""
        if isinstance(error, NotOursError):
            return self.context.remedies.setting(self.target.setting("adopt"), "true")
        in_place = isinstance(error, ConflictError) and error.has_finalizers
        return self.context.remedies.setting(self.target.setting("strategy"), "apply") if in_place else ""


class _MayWrite(SecretCheck[None]):
    """Kubernetes allows kubectl's user a verb that writes the Secret."""

    verb: ClassVar[str]

    @classmethod
    def applies(cls, target: Target) -> bool:
        """Whether the target's strategy uses the verb."""
        return cls.verb in kubectl_probe.write_verbs(target)

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the API server."""
        results.require(ApiServerReachable)
        self.require_verb(self.verb, results, report, is_needed=lambda: self._is_needed(results))

    def _is_needed(self, results: Results) -> bool:
        """Whether the next rotation uses the verb; where what the cluster holds is not known, it may."""
        try:
            live = results.of(LiveSecretRead)
        except DependencyError:
            return True
        return self.verb in kubectl_probe.NEEDED_VERBS[merge.choose_method(self.target, live)]


class MayCreate(_MayWrite):
    """Kubernetes allows kubectl's user to create the Secret."""

    name, verb = "kubectl may create", "create"


class MayDelete(_MayWrite):
    """Kubernetes allows kubectl's user to delete the Secret."""

    name, verb = "kubectl may delete", "delete"


class MayUpdate(_MayWrite):
    """Kubernetes allows kubectl's user to update the Secret."""

    name, verb = "kubectl may update", "update"


class DryRunAccepted(TargetCheck[None]):
    """The API server would accept the Secret: permissions, quota and admission."""

    name = "dry run"

    def run(self, results: Results, report: Reporter) -> None:
        """Send what a rotation would write, without a SAS, as a dry run."""
        results.require(NamespaceFound)
        live = results.of(LiveSecretRead)
        # An update needs no more room than the Secret has.
        method = merge.choose_method(self.target, live)
        updates = method is WriteMethod.UPDATE
        results.require(MayUpdate if updates else MayCreate)
        document = self._empty_secret(live, report)
        command, stdin = kubectl_probe.dry_run(self.target, "update" if updates else "create", document)
        result = run_remotely(results, command, stdin)
        # That a Secret of the name exists is found only after authorisation, quota and admission have passed.
        if result.status == 0 or kubectl.already_exists(result.stderr):
            report(Level.OK, "the API server would accept the Secret")
            return
        error = error_for(result, self.target)
        if method is WriteMethod.RECREATE or not isinstance(error, DryRunUnsupportedError):
            raise error
        self._report_unsupported(error, results, report)

    def _empty_secret(self, live: LiveSecret | None, report: Reporter) -> Document:
        now, definition = self.context.clock(), self.plan.grant
        if not self.target.form.templates:
            return kubectl_probe.empty_secret(self.target, live, definition, now)
        try:
            values = self.context.account.values(IssuedSas(kubectl_probe.nothing(definition, now)))
        except errors.RotatorError as error:
            report(Level.SKIPPED, "not checked: what the Secret's template needs is not known")
            raise AlreadyReportedError from error  # other checks report why
        key = SecretText("") if self.target.form.has_account_key else None
        with_key = dataclasses.replace(values, account_key=key)
        return kubectl_probe.empty_secret(self.target, live, definition, now, with_key)

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
            return self.context.remedies.setting(self.target.setting("strategy"), "apply")
        return ""
