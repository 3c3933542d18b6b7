"""One run, from what is due to the report: plan, issue, prove, deliver, confirm, for each target of a plan."""

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


# What each target holds; Failed where that cannot be read.
Observed = Mapping[Target, LiveSecret | Failed | None]
_Act = Callable[[Target, Shell, Stopwatch], TargetReport]


class Run:
    """One run over a plan's targets. `forced`: whether fresh targets are rotated too.

    `told` gets each target's report as soon as there is one, for whoever has to tell of a run that broke off.
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
        self._plan = plan
        self._services = services
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
        """Bring every target up to date; a failing target stops no other. The report says what was done."""
        self.issuance.forget()
        done = self._each(self._rotate_and_tell)
        self._reported.update({each.target: each for each in done.targets})
        return done

    def plan(self) -> Report:
        """Say what `rotate` would do, changing nothing."""
        differs = self.account.state().stored.differs
        found = self._each(self._look)
        return dataclasses.replace(found, definition_changed=differs and any(_is_due(each) for each in found.targets))

    def observe(self) -> Observed:
        """Look at what each target holds, changing nothing."""
        found: dict[Target, LiveSecret | Failed | None] = {}

        def look(target: Target, shell: Shell, seconds: Stopwatch) -> TargetReport:
            with seconds.step("observe"):
                found[target] = deliver.observe(shell, target)
            return TargetReport(str(target), target.strategy, _unchanged(None), seconds.laps)

        looked = self._each(look).targets
        for target, each in zip(itertools.chain.from_iterable(self._clusters().values()), looked, strict=True):
            if isinstance(each.outcome, Failed):
                found[target] = each.outcome
        return found

    def _each(self, act: _Act) -> Report:
        targets: list[TargetReport] = []
        for cluster, its in self._clusters().items():
            targets += self._cluster(cluster, its, act)
        return Report(
            run=self.name,
            trigger=self._trigger,
            asked_by=self._asked_by,
            interval=self._plan.longest_interval,
            forced=self._forced,
            started=self._started,
            finished=self._services.clock(),
            targets=tuple(targets),
            definition_changed=self.issuance.definition_changed,
            warnings=self._warnings + self.account.warnings,
        )

    def _clusters(self) -> dict[Cluster, list[Target]]:
        """Give the targets of each cluster, in the plan's order."""
        found: dict[Cluster, list[Target]] = {}
        for target in self._plan.targets:
            found.setdefault(target.cluster, []).append(target)
        return found

    def _cluster(self, cluster: Cluster, targets: list[Target], act: _Act) -> list[TargetReport]:
        seconds = Stopwatch()
        reports: list[TargetReport] = []
        try:
            with self._connect(cluster, seconds) as shell:
                # Lazily: what was done before the connection breaks stays reported.
                reports.extend(self._guarded(target, shell, act, seconds.forked()) for target in targets)
        except Exception as error:  # noqa: BLE001  # whatever befalls one cluster, the others get their turn
            done = len(reports)  # of these the outcome is known already
            reports += [self._failed(target, error, seconds) for target in targets[done:]]
        return reports

    def _rotate_and_tell(self, target: Target, shell: Shell, seconds: Stopwatch) -> TargetReport:
        each = self._rotate(target, shell, seconds)
        before = self._reported.get(each.target)
        reported = self._reported[each.target] = _with_before(each, before) if before else each
        return reported

    @contextlib.contextmanager
    def _connect(self, cluster: Cluster, seconds: Stopwatch) -> Iterator[Shell]:
        with seconds.step("vault"):
            key = self._services.issuer.secret(cluster.key_secret)
            phrase = self._services.issuer.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        with contextlib.ExitStack() as stack:
            with seconds.step("connect"):
                shell = stack.enter_context(self._services.connector.connect(cluster, key, phrase))
            yield shell

    def _guarded(self, target: Target, shell: Shell, act: _Act, seconds: Stopwatch) -> TargetReport:
        try:
            with telemetry.span("rotator.target", target=str(target)):
                return act(target, shell, seconds)
        except Exception as error:  # noqa: BLE001  # whatever befalls one target, the others get their turn
            return self._failed(target, error, seconds)

    def _failed(self, target: Target, error: Exception, seconds: Stopwatch) -> TargetReport:
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
        return TargetReport(str(target), target.strategy, outcome, seconds.laps, expires=self._expires.get(target))

    def _look(self, target: Target, shell: Shell, seconds: Stopwatch) -> TargetReport:
        with seconds.step("observe"):
            held = deliver.observe(shell, target)
        why = self._why(held, target)
        outcome = WouldRotate(why.text, why.drift) if why else _unchanged(held)
        return TargetReport(str(target), target.strategy, outcome, seconds.laps)

    def _rotate(self, target: Target, shell: Shell, seconds: Stopwatch) -> TargetReport:
        with seconds.step("observe"):
            held = deliver.observe(shell, target)
        self._expires[target] = held.moment(manifest.EXPIRES) if held else None
        why = self._why(held, target)
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
            warnings = self.issuance.note_delivery(target)  # where a run was killed before it could
            return TargetReport(str(target), target.strategy, unchanged, seconds.laps, warnings)
        event_log.log(
            logger, logging.WARNING if why.drift else logging.INFO, Event.TARGET_DUE, target=target, reason=why
        )
        issued = self.issuance.issue(seconds)
        order = self._order(issued)
        with seconds.step("deliver"):
            done = deliver.deliver(shell, target, held, order, self._services.fence)
        self._expires[target] = issued.sas.expiry
        outcome = Rotated(
            reason=why.text,
            act=done.method.value,
            fingerprint=issued.sas.fingerprint,
            expires=issued.sas.expiry,
            definition=self._plan.definition.label,
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
        warnings = issued.warnings + done.warnings + self.issuance.note_delivery(target)
        return TargetReport(str(target), target.strategy, outcome, seconds.laps, warnings)

    def _order(self, issued: IssuedSas) -> manifest.DesiredSecret:
        keys = self.account.state().keys
        made = keys.named(issued.signer).created if keys and issued.signer else None
        now = self._services.clock()
        definition = self._plan.definition
        key_lives = lambda sas: keys is None or keys.signer(sas) is not None  # noqa: E731  # a closure over one reading
        return manifest.DesiredSecret(issued.sas, definition, self.name, now, issued.signer, made, key_lives)

    def _why(self, held: manifest.LiveSecret | None, target: Target) -> due.Due | None:
        why = due.find(held, target, self._plan, self._services.clock(), self.account.state())
        return why or (due.Due(due.Cause.REQUESTED, "asked for") if self._forced else None)


def _with_before(each: TargetReport, before: TargetReport) -> TargetReport:
    """What this very run had given to the target earlier belongs to what it did there in all."""
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
    return Unchanged("its SAS is fresh", held.moment(manifest.EXPIRES), held.moment(manifest.ROTATED))
