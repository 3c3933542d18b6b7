"""One run: for each cluster read what its targets hold; where a new SAS is due issue, prove, deliver and confirm it."""

import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterator, Mapping

from rotator import event_log
from rotator.azure import account_keys
from rotator.delivery import held_values
from rotator.delivery.interface import Channel, Delivery, Write
from rotator.delivery.live_secret import EXPIRES, ROTATED, LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.event_log import Event
from rotator.plan.plan import Plan, Target
from rotator.reporting.report import Failed, Report, Rotated, TargetReport, Trigger, Unchanged, WouldRotate
from rotator.rotation import due, request
from rotator.rotation.account import AccountReader
from rotator.rotation.due import Cause, Due
from rotator.rotation.issuance import Issuance, ProvenSas
from rotator.rotation.services import Services
from rotator.rotation.visit import Visit
from rotator.sas import Sas

logger = logging.getLogger(__name__)

# What each target holds; None without a Secret, Failed where it cannot be read.
Observed = Mapping[Target, LiveSecret | Failed | None]


class Run:
    """One run over a plan's targets. `forced`: whether fresh targets are rotated too.

    `reported` receives each target's report as soon as there is one, so that a run that breaks off can be reported.
    """

    def __init__(
        self,
        plan: Plan,
        services: Services,
        *,
        trigger: Trigger,
        forced: bool,
        asked_by: str = "",
        name: str | None = None,
        warnings: tuple[str, ...] = (),
        reported: dict[Target, TargetReport] | None = None,
    ) -> None:
        self.plan = plan
        self.services = services
        self._trigger = trigger
        self._asked_by = asked_by
        self._forced = forced
        self._warnings = plan.warnings + warnings
        self._reported = reported if reported is not None else {}
        self._expires: dict[Target, datetime.datetime | None] = {}  # of the SAS that each was last seen to hold
        self._former_dies = False
        self._started = services.clock()
        self.name = name or request.name_at(self._started)
        self.account = AccountReader(plan, services)
        self.issuance = Issuance(plan, services, self.account, self.name)

    def rotate(self, *, former_dies: bool = False) -> Report:
        """Bring every target up to date and report what was done. One failing target stops no other.

        With `former_dies` a revocation ends what targets held before: no template's `{previous}` has it.
        """
        self.issuance.reset()
        self._former_dies = former_dies
        return self._report(self._visit_all(self._rotate, self._record))

    def preview(self) -> Report:
        """Report what `rotate` would do. Changes nothing."""
        prepared = self.account.state().prepared
        found = self._report(self._visit_all(self._preview))
        if self.services.issuer.capabilities.signs_here:
            return dataclasses.replace(found, definition_changed=None)
        changes = not prepared and any(isinstance(each.outcome, WouldRotate) for each in found.targets)
        return dataclasses.replace(found, definition_changed=changes)

    def observe(self) -> Observed:
        """Read what each target holds. Changes nothing."""
        found: dict[Target, LiveSecret | Failed | None] = {}

        def look(visit: Visit, channel: Channel) -> None:
            for target, held in visit.read(channel):
                found[target] = held
                visit.report(target, _unchanged(held))

        for target, each in self._visit_all(look).items():
            if isinstance(each.outcome, Failed):
                found[target] = each.outcome
        return found

    def _visit_all(
        self,
        act: Callable[[Visit, Channel], None],
        keep: Callable[[Target, TargetReport], TargetReport] = lambda _, found: found,
    ) -> dict[Target, TargetReport]:
        """Visit each cluster, in the plan's order."""
        reports: dict[Target, TargetReport] = {}
        for cluster, targets in self.plan.by_cluster.items():
            reports |= Visit(cluster, targets, self.services, self._expires, keep).run(act)
        return reports

    def _report(self, reports: Mapping[Target, TargetReport]) -> Report:
        return Report(
            run=self.name,
            trigger=self._trigger,
            asked_by=self._asked_by,
            interval=self.plan.longest_interval,
            forced=self._forced,
            started=self._started,
            finished=self.services.clock(),
            targets=tuple(reports.values()),
            definition_changed=self.issuance.definition_changed,
            warnings=self._warnings + self.account.warnings,
        )

    def _record(self, target: Target, found: TargetReport) -> TargetReport:
        """Keep a target's report, merged with the one that it had earlier in this run."""
        before = self._reported.get(target)
        reported = self._reported[target] = _merged(found, before) if before else found
        return reported

    def _preview(self, visit: Visit, channel: Channel) -> None:
        for target, held in visit.read(channel):
            self._expires[target] = held.annotated_time(EXPIRES) if held else None
            with visit.guard(target):
                why = self._due(held, target)
                visit.report(target, WouldRotate(why.text, why.drift) if why else _unchanged(held))

    def _rotate(self, visit: Visit, channel: Channel) -> None:
        delivering: dict[Target, tuple[LiveSecret | None, Due, ProvenSas]] = {}
        for target, held, why in list(self._find_due(visit, channel)):
            with visit.guard(target) as stopwatch:
                delivering[target] = held, why, self.issuance.issue(target, stopwatch)
        # Lazily: a Secret says when it was written, which the grace of a revocation counts from.
        writes = (
            Write(target, held, self._desired(issued, target, held)) for target, (held, _, issued) in delivering.items()
        )
        for target, done in visit.write(channel, list(delivering), writes):
            with visit.guard(target):
                _, why, issued = delivering[target]
                self._report_rotated(visit, target, done, why, issued)

    def _find_due(self, visit: Visit, channel: Channel) -> Iterator[tuple[Target, LiveSecret | None, Due]]:
        """Yield the targets that need a new SAS, what they hold, and why; the others are reported as unchanged."""
        for target, held in visit.read(channel):
            self._expires[target] = held.annotated_time(EXPIRES) if held else None
            why = None
            with visit.guard(target):
                why = self._due(held, target)
                if why is None:
                    self._report_unchanged(visit, target, held)
            if why:
                level = logging.WARNING if why.drift else logging.INFO
                event_log.log(logger, level, Event.TARGET_DUE, target=target, reason=why)
                yield target, held, why

    def _report_unchanged(self, visit: Visit, target: Target, held: LiveSecret | None) -> None:
        outcome = _unchanged(held)
        event_log.log(
            logger,
            logging.INFO,
            Event.TARGET_UNCHANGED,
            target=target,
            reason=outcome.reason,
            expires=outcome.expires,
        )
        # If an earlier run was killed before it could record the delivery.
        visit.report(target, outcome, self.issuance.record_delivery(target))

    def _report_rotated(self, visit: Visit, target: Target, done: Delivery, why: Due, issued: ProvenSas) -> None:
        self._expires[target] = issued.sas.expiry
        outcome = Rotated(
            reason=why.text,
            act=done.method.value,
            fingerprint=issued.sas.fingerprint,
            expires=issued.sas.expiry,
            definition=self.plan.label,
            digest=done.digest,
            previous_digest=held_values.digest_for(done.previous, target) if done.previous else None,
            proof=issued.proof,
            signing_key=issued.signer,
            drift=why.drift,
            correlation_id=issued.sas.correlation_id or None,
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
            correlation_id=outcome.correlation_id,
        )
        visit.report(target, outcome, issued.warnings + done.warnings + self.issuance.record_delivery(target))

    def _desired(self, issued: ProvenSas, target: Target, held: LiveSecret | None) -> DesiredSecret:
        keys = self.account.state().keys
        made = keys.named(issued.signer).created if keys and issued.signer else None
        now = self.services.clock()

        def key_lives(sas: Sas) -> bool:
            return keys is None or not account_keys.can_tell(sas) or keys.signer(sas) is not None

        values = self.account.values(issued.issued) if target.form.templates else None
        former = self._former(held, target, issued.sas) if values and held and not self._former_dies else None
        if values and former and former.expiry > now and key_lives(former):
            values = dataclasses.replace(values, previous=former.token)
        return DesiredSecret(issued.sas, self.plan.label, self.name, now, issued.signer, made, key_lives, values)

    def _former(self, held: LiveSecret, target: Target, issued: Sas) -> Sas | None:
        """Return the SAS that the target holds; None for one of another container, or that was revoked."""
        found = held_values.held_sas(held, target)
        if found is None or (found.scope, found.path) != (issued.scope, issued.path):
            return None
        return None if found.delegated and due.revoked_since(held, self.account.state()) else found

    def _due(self, held: LiveSecret | None, target: Target) -> Due | None:
        why = due.find(held, target, self.plan, self.services.clock(), self.account.state())
        return why or (Due(Cause.REQUESTED, "asked for") if self._forced else None)


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


def _unchanged(held: LiveSecret | None) -> Unchanged:
    if held is None:
        return Unchanged("there is no Secret", None)
    return Unchanged("its SAS is fresh", held.annotated_time(EXPIRES), held.annotated_time(ROTATED))
