"""One run: for each target read what it holds, and where a new SAS is due issue, prove, deliver and confirm it."""

import contextlib
import dataclasses
import datetime
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping

from rotator import errors, event_log, telemetry
from rotator.delivery import deliver, manifest
from rotator.delivery.interface import Shell
from rotator.delivery.manifest import LiveSecret
from rotator.event_log import Event
from rotator.plan.plan import Cluster, Plan, Target
from rotator.reporting import report
from rotator.reporting.report import Failed, Report, Rotated, TargetReport, Unchanged, WouldRotate
from rotator.rotation import due, request
from rotator.rotation.account import AccountReader
from rotator.rotation.issuance import Issuance, IssuedSas
from rotator.rotation.services import Services
from rotator.stopwatch import Stopwatch

logger = logging.getLogger(__name__)


# What each target holds; None without a Secret, Failed where it cannot be read.
Observed = Mapping[Target, LiveSecret | Failed | None]
_Action = Callable[[Target, Shell, Stopwatch], TargetReport]


class Run:
    """One run over a plan's targets. `forced`: whether fresh targets are rotated too.

    `reported` receives each target's report as soon as there is one, so that a run that breaks off can be reported.
    """

    def __init__(
        self,
        plan: Plan,
        services: Services,
        *,
        trigger: str,
        forced: bool,
        asked_by: str = "",
        name: str | None = None,
        warnings: tuple[str, ...] = (),
        reported: dict[str, TargetReport] | None = None,
    ) -> None:
        self.plan = plan
        self.services = services
        self._trigger = trigger
        self._asked_by = asked_by
        self._forced = forced
        self._warnings = plan.warnings + warnings
        self._reported = reported if reported is not None else {}
        self._expires: dict[Target, datetime.datetime | None] = {}  # of the SAS that each was last seen to hold
        self._started = services.clock()
        self.name = name or request.name_at(self._started)
        self.account = AccountReader(plan, services)
        self.issuance = Issuance(plan, services, self.account)

    def rotate(self) -> Report:
        """Bring every target up to date and report what was done. One failing target stops no other."""
        self.issuance.reset()
        done = self._each(self._rotate_and_record)
        self._reported.update({each.target: each for each in done.targets})
        return done

    def preview(self) -> Report:
        """Report what `rotate` would do. Changes nothing."""
        prepared = self.account.state().prepared
        found = self._each(self._preview_target)
        return dataclasses.replace(
            found, definition_changed=not prepared and any(_is_due(each) for each in found.targets)
        )

    def observe(self) -> Observed:
        """Read what each target holds. Changes nothing."""
        found: dict[Target, LiveSecret | Failed | None] = {}

        def read(target: Target, shell: Shell, stopwatch: Stopwatch) -> TargetReport:
            with stopwatch.step("observe"):
                found[target] = deliver.observe(shell, target)
            return TargetReport(str(target), target.strategy, _unchanged(None), stopwatch.laps)

        reports = self._each(read).targets
        for target, each in zip(itertools.chain.from_iterable(self._clusters().values()), reports, strict=True):
            if isinstance(each.outcome, Failed):
                found[target] = each.outcome
        return found

    def _each(self, action: _Action) -> Report:
        targets: list[TargetReport] = []
        for cluster, members in self._clusters().items():
            targets += self._cluster(cluster, members, action)
        return Report(
            run=self.name,
            trigger=self._trigger,
            asked_by=self._asked_by,
            interval=self.plan.longest_interval,
            forced=self._forced,
            started=self._started,
            finished=self.services.clock(),
            targets=tuple(targets),
            definition_changed=self.issuance.definition_changed,
            warnings=self._warnings + self.account.warnings,
        )

    def _clusters(self) -> dict[Cluster, list[Target]]:
        """Return the targets of each cluster, in the plan's order."""
        found: dict[Cluster, list[Target]] = {}
        for target in self.plan.targets:
            found.setdefault(target.cluster, []).append(target)
        return found

    def _cluster(self, cluster: Cluster, targets: list[Target], action: _Action) -> list[TargetReport]:
        stopwatch = Stopwatch()
        reports: list[TargetReport] = []
        try:
            with self._connect(cluster, stopwatch) as shell:
                # Lazily: what was done before the connection breaks stays reported.
                reports.extend(self._guarded(target, shell, action, stopwatch.forked()) for target in targets)
        except Exception as error:  # noqa: BLE001  # one failing cluster stops no other
            done = len(reports)  # their outcomes are known already
            reports += [self._failed(target, error, stopwatch) for target in targets[done:]]
        return reports

    def _rotate_and_record(self, target: Target, shell: Shell, stopwatch: Stopwatch) -> TargetReport:
        each = self._rotate(target, shell, stopwatch)
        before = self._reported.get(each.target)
        reported = self._reported[each.target] = _merged(each, before) if before else each
        return reported

    @contextlib.contextmanager
    def _connect(self, cluster: Cluster, stopwatch: Stopwatch) -> Iterator[Shell]:
        with stopwatch.step("vault"):
            key = self.services.secrets.secret(cluster.key_secret)
            passphrase = self.services.secrets.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        with contextlib.ExitStack() as stack:
            with stopwatch.step("connect"):
                shell = stack.enter_context(self.services.connector.connect(cluster, key, passphrase))
            yield shell

    def _guarded(self, target: Target, shell: Shell, action: _Action, stopwatch: Stopwatch) -> TargetReport:
        try:
            with telemetry.span("rotator.target", target=str(target)):
                return action(target, shell, stopwatch)
        except Exception as error:  # noqa: BLE001  # one failing target stops no other
            return self._failed(target, error, stopwatch)

    def _failed(self, target: Target, error: Exception, stopwatch: Stopwatch) -> TargetReport:
        outcome = report.failure(error)
        expected = isinstance(error, errors.RotatorError)
        event_log.log(
            logger,
            logging.ERROR,
            Event.TARGET_FAILED,
            target=target,
            **dataclasses.asdict(outcome),
            exc_info=None if expected else error,
        )
        return TargetReport(str(target), target.strategy, outcome, stopwatch.laps, expires=self._expires.get(target))

    def _preview_target(self, target: Target, shell: Shell, stopwatch: Stopwatch) -> TargetReport:
        with stopwatch.step("observe"):
            held = deliver.observe(shell, target)
        why = self._due(held, target)
        outcome = WouldRotate(why.text, why.drift) if why else _unchanged(held)
        return TargetReport(str(target), target.strategy, outcome, stopwatch.laps)

    def _rotate(self, target: Target, shell: Shell, stopwatch: Stopwatch) -> TargetReport:
        with stopwatch.step("observe"):
            held = deliver.observe(shell, target)
        self._expires[target] = held.annotated_time(manifest.EXPIRES) if held else None
        why = self._due(held, target)
        if why is None:
            unchanged = _unchanged(held)
            event_log.log(
                logger,
                logging.INFO,
                Event.TARGET_UNCHANGED,
                target=target,
                reason=unchanged.reason,
                expires=unchanged.expires,
            )
            warnings = self.issuance.record_delivery(target)  # if an earlier run was killed before it could
            return TargetReport(str(target), target.strategy, unchanged, stopwatch.laps, warnings)
        event_log.log(
            logger, logging.WARNING if why.drift else logging.INFO, Event.TARGET_DUE, target=target, reason=why
        )
        issued = self.issuance.issue(stopwatch)
        desired = self._desired(issued)
        with stopwatch.step("deliver"):
            done = deliver.deliver(shell, target, held, desired, self.services.fence)
        self._expires[target] = issued.sas.expiry
        outcome = Rotated(
            reason=why.text,
            act=done.method.value,
            fingerprint=issued.sas.fingerprint,
            expires=issued.sas.expiry,
            definition=self.plan.definition.label,
            digest=done.digest,
            previous_digest=done.previous.digests.get(target.data_key) if done.previous else None,
            proof=issued.proof,
            signing_key=issued.signer,
            drift=why.drift,
        )
        event_log.log(
            logger,
            logging.INFO,
            Event.TARGET_ROTATED,
            target=target,
            reason=why,
            act=outcome.act,
            fingerprint=outcome.fingerprint,
            expires=outcome.expires,
            proof=outcome.proof,
        )
        warnings = issued.warnings + done.warnings + self.issuance.record_delivery(target)
        return TargetReport(str(target), target.strategy, outcome, stopwatch.laps, warnings)

    def _desired(self, issued: IssuedSas) -> manifest.DesiredSecret:
        keys = self.account.state().keys
        made = keys.named(issued.signer).created if keys and issued.signer else None
        now = self.services.clock()
        definition = self.plan.definition
        key_lives = lambda sas: keys is None or keys.signer(sas) is not None  # noqa: E731  # a closure over one reading
        return manifest.DesiredSecret(issued.sas, definition, self.name, now, issued.signer, made, key_lives)

    def _due(self, held: manifest.LiveSecret | None, target: Target) -> due.Due | None:
        why = due.find(held, target, self.plan, self.services.clock(), self.account.state())
        return why or (due.Due(due.Cause.REQUESTED, "asked for") if self._forced else None)


def _merged(each: TargetReport, before: TargetReport) -> TargetReport:
    """Merge a target's earlier outcome of this run into its last one."""
    first, last = before.outcome, each.outcome
    if not isinstance(first, Rotated):
        return each
    if isinstance(last, Rotated):
        reason = first.reason if first.reason == last.reason else f"{first.reason}; then {last.reason}"
        previous, drift = first.previous_digest, first.drift or last.drift
        last = dataclasses.replace(last, reason=reason, previous_digest=previous, drift=drift)
    elif isinstance(last, Unchanged):
        last = first
    return dataclasses.replace(each, outcome=last, warnings=before.warnings + each.warnings)


def _is_due(each: TargetReport) -> bool:
    return isinstance(each.outcome, WouldRotate)


def _unchanged(held: manifest.LiveSecret | None) -> Unchanged:
    if held is None:
        return Unchanged("there is no Secret", None)
    return Unchanged("its SAS is fresh", held.annotated_time(manifest.EXPIRES), held.annotated_time(manifest.ROTATED))
