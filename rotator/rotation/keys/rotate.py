"""Key rotation that breaks no consumer: which key, whether it may be, and the order in which it is done.

    look at all targets ─► remember in the vault ─► regenerate the other key ─► issue, prove, deliver, confirm ─► forget
    revoke goes on before it forgets:  ─► give consumers time ─► regenerate the old key ─► see old SAS refused

What is remembered makes each step one that any later run can go on from: see `pending`.
"""

import dataclasses
import datetime
import logging
from collections.abc import Collection, Iterable, Iterator

from rotator import errors, event_log, timestamps
from rotator.azure import account_keys
from rotator.azure.errors import StorageError, StorageUnreachableError
from rotator.delivery import manifest
from rotator.delivery.manifest import LiveSecret
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Plan
from rotator.reporting import report
from rotator.reporting.report import KeyReport, Report, Unchanged
from rotator.rotation import pending
from rotator.rotation.keys import clock_check, due, in_use
from rotator.rotation.keys.in_use import Blocker
from rotator.rotation.keys.regenerate import Regeneration, listed
from rotator.rotation.pending import Operation, Pending
from rotator.rotation.run import Observed, Run
from rotator.rotation.services import Services
from rotator.sas import Sas
from rotator.stopwatch import Stopwatch

logger = logging.getLogger(__name__)


class KeyRotation:
    """What one run does to the account's keys, around what it does to the targets."""

    def __init__(self, plan: Plan, services: Services, run: Run) -> None:
        self._plan = plan
        self._services = services
        self._run = run
        self._operation = Operation.REGENERATE
        self._reason = "asked for"
        self._regeneration = Regeneration(plan, services, run.issuance)
        self._former: dict[str, Sas] = {}
        self._obstacles: tuple[Blocker, ...] = ()

    def run_operation(self, operation: Operation, *, forced: bool) -> Report:
        """Do what was asked for, or go on with it where an earlier run began it; what has begun is not begun again.

        A revocation takes the place of a lesser operation, and no other takes its place. Raises KeyInUseError,
        OwnStorageError or another error of ours when it is refused before a key was regenerated.
        """
        account_state = self._run.issuance.with_keys()
        before = pending.readable(account_state.stored.tags)
        if before is None:
            self._regeneration.may_forget = True
            return self._begin(operation, forced=forced)
        if operation is Operation.REVOKE and before.operation is Operation.REGENERATE:
            return self._begin(operation, forced=forced)
        if operation is not before.operation:
            self._reason = f"run {before.run} asked for it"
        return self._continue(before, account_state, forced=forced and operation is before.operation)

    def rotate_and_resume(self, *, scheduled: bool) -> Report:
        """Rotate the targets that are due. Resume an unfinished key rotation, or start one that is due by age.

        Only a `scheduled` run looks at the age. A problem with the keys, a defect of ours included, is reported and
        keeps no target from its SAS.
        """
        try:
            text = self._run.issuance.account_state().stored.tags.get(pending.TAG)
        except Exception:  # noqa: BLE001  # the targets meet it too, and it is reported for each
            return self._run.rotate()
        if not text and not (scheduled and self._plan.key_rotation_period):
            return self._run.rotate()
        self._reason = "an earlier run asked for it" if text else "KEY_ROTATION_PERIOD is set"
        try:
            done = self._go_on() if text else self._renew_aged()
        except Exception as error:  # noqa: BLE001  # whatever befalls the keys, the targets get their SAS
            key = self._left(error)
        else:
            return done or self._run.rotate()
        self._run.issuance.without_keys()
        return dataclasses.replace(self._run.rotate(), key=key)

    def _left(self, error: Exception) -> KeyReport:
        """Log and report what kept the keys as they are."""
        failure = report.failure(error)
        expected = isinstance(error, errors.RotatorError)
        event_log.log(
            logger,
            logging.WARNING if expected else logging.ERROR,
            Event.KEY_ROTATION_SKIPPED,
            reason=failure.message,
            remedy=failure.remedy,
            exc_info=None if expected else error,
        )
        outcome = "waiting" if isinstance(error, errors.KeyInUseError) else "failed"
        return KeyReport(str(self._operation), outcome, self._reason, failure=failure)

    def _go_on(self) -> Report | None:
        account_state = self._run.issuance.with_keys()
        before = pending.of(account_state.stored.tags)
        if before is None:
            return None
        self._operation = before.operation
        self._reason = f"run {before.run} asked for it"
        return self._continue(before, account_state, forced=False)

    def _continue(self, before: Pending, account_state: AccountState, *, forced: bool) -> Report:
        """Go on with what is pending, by force if that was said then or is now."""
        before = dataclasses.replace(before, forced=before.forced or forced)
        if _begun(before, account_state):
            return self._resume(before)
        return self._begin(before.operation, forced=before.forced)

    def _renew_aged(self) -> Report | None:
        account_state = self._run.issuance.with_keys()
        age = due.due_by_age(self._plan, account_state, self._services.clock())
        if age is None:
            return None
        self._reason = age
        self._regeneration.may_forget = True
        return self._begin(Operation.REGENERATE, forced=False)

    def _resume(self, before: Pending) -> Report:
        self._reason = f"goes on with what run {before.run} began"
        event_log.log(logger, logging.INFO, Event.KEY_ROTATION_RESUMED, operation=before.operation, reason=self._reason)
        if before.operation is Operation.REVOKE:
            account_state = self._run.issuance.account_state()
            dying = before.remaining(listed(account_state))
            self._former = _held_sas(self._run.observe(), account_state, dying)
        return self._finish(before)

    def _begin(self, operation: Operation, *, forced: bool) -> Report:
        account_state = self._run.issuance.account_state()
        self._services.admit(listed(account_state).account)
        observed = self._run.observe()
        moved = operation is Operation.REVOKE and bool(self._holders(account_state, observed))
        if moved:
            self._run.rotate()
            observed = self._run.observe()
            account_state = self._run.issuance.refreshed()
        first = account_keys.other(account_state.active or "")
        self._obstacles = self._in_the_way(operation, first, account_state, observed)
        if self._obstacles and not forced:
            raise _refusal(operation, first, self._obstacles)
        for obstacle in self._obstacles:
            event_log.log(logger, logging.WARNING, Event.KEY_ROTATION_FORCED, operation=operation, cut_off=obstacle)
        clock_check.check(self._plan, self._services, self._run.issuance)
        self._former = _held_sas(observed, account_state, account_keys.NAMES)
        plan = pending.begun(operation, first, listed(account_state), forced=forced, run=self._run.name)
        self._regeneration.remember(plan)
        lately = in_use.elsewhere(first, account_state, self._plan, self._services.clock())
        if operation is Operation.REVOKE and (moved or lately):
            # Consumers may not have seen yet that their target was moved off this key.
            self._give_time(_moments(observed))
        return self._finish(plan)

    def _holders(self, account_state: AccountState, observed: Observed) -> tuple[Blocker, ...]:
        other = account_keys.other(account_state.active or "")
        return in_use.in_targets(other, account_state, _seen(observed), self._services.clock())

    def _in_the_way(
        self, operation: Operation, first: str, account_state: AccountState, observed: Observed
    ) -> tuple[Blocker, ...]:
        now = self._services.clock()
        elsewhere = in_use.elsewhere(first, account_state, self._plan, now)
        if operation is Operation.REVOKE:
            # What was issued before is to die. A target that cannot be seen can hold a SAS of this key only if the key
            # was the active one within a SAS' life.
            return in_use.in_targets(first, account_state, observed if elsewhere else _seen(observed), now)
        return in_use.in_targets(first, account_state, observed, now) + ((elsewhere,) if elsewhere else ())

    def _finish(self, plan: Pending) -> Report:
        """From here on failures are in the report: the vault remembers, and the next run goes on."""
        failure: Exception | None = None
        try:
            self._regeneration.regenerate(plan, plan.first)
        except Exception as error:
            if self._regeneration.forgotten:
                raise  # nothing was regenerated, and nothing is to be finished
            failure = error
        delivered = self._run.rotate()
        try:
            if failure is None:
                self._complete(plan, delivered)
        except Exception as error:  # noqa: BLE001  # a key may be gone: what the targets got must be reported
            failure = error
        return dataclasses.replace(delivered, key=self._told(plan, failure), finished=self._services.clock())

    def _complete(self, plan: Pending, delivered: Report) -> None:
        left = plan.remaining(listed(self._run.issuance.account_state()))
        if left and delivered.targets_failed and not plan.forced:
            raise self._behind(f"; {left[0]} was left as it is")
        if left:
            self._note_cut_off(delivered)
        for name in left:
            clock_check.check_dates(self._plan, self._services, self._run.issuance)
            self._give_time(_delivered_at(each.outcome, delivered) for each in delivered.targets)
            self._regeneration.regenerate(plan, name)
        if delivered.targets_failed:
            # Remembered until each has one, as its present SAS may be dead; but no revocation is under way any more.
            rest = dataclasses.replace(plan, operation=Operation.REGENERATE, first=plan.names[-1], forced=False)
            self._regeneration.remember(rest)
            raise self._behind()
        self._regeneration.forget()

    def _behind(self, more: str = "") -> errors.UnfinishedError:
        active = self._run.issuance.account_state().active
        return errors.UnfinishedError(f"not every target holds a SAS of {active} yet{more}")

    def _note_cut_off(self, delivered: Report) -> None:
        failed = [each for each in delivered.targets if isinstance(each.outcome, report.Failed)]
        found = [Blocker(each.target, "could not be given another SAS before", None) for each in failed]
        self._obstacles = tuple({obstacle.who: obstacle for obstacle in (*self._obstacles, *found)}.values())

    def _give_time(self, deliveries: Iterable[datetime.datetime]) -> None:
        """Wait until consumers can have seen the newest SAS: a volume shows it after up to 90 s."""
        now = self._services.clock()
        newest = max(deliveries, default=now)
        left = min(newest + self._plan.revoke_grace - now, self._plan.revoke_grace).total_seconds()
        if left > 0:
            event_log.log(
                logger,
                logging.INFO,
                Event.KEY_ROTATION_WAITING,
                seconds=round(left),
                reason="consumers are to see the SAS",
            )
            with Stopwatch().step("wait", lasts=left):
                self._services.sleep(left)

    def _told(self, plan: Pending, failure: Exception | None) -> KeyReport:
        account_state = self._run.issuance.latest()
        told = KeyReport(
            operation=str(plan.operation),
            outcome="unfinished" if failure else "done",
            reason=self._reason,
            active_key=account_state.active,
            regenerated=tuple(self._regeneration.done),
            remaining=tuple(
                name for name in plan.remaining(listed(account_state)) if name not in self._regeneration.done
            ),
            cut_off=tuple(str(obstacle) for obstacle in self._obstacles),
        )
        try:
            if failure is None and plan.operation is Operation.REVOKE:
                return dataclasses.replace(told, proofs=self._proofs())
        except StorageError as error:
            failure, told = error, dataclasses.replace(told, outcome="failed")
        if failure is None:
            return told
        failed = report.failure(failure)
        event_log.log(
            logger,
            logging.ERROR,
            Event.KEY_ROTATION_UNFINISHED if told.outcome == "unfinished" else Event.KEY_ROTATION_FAILED,
            operation=plan.operation,
            **dataclasses.asdict(failed),
            exc_info=None if isinstance(failure, errors.RotatorError) else failure,
        )
        return dataclasses.replace(told, failure=failed)

    def _proofs(self) -> tuple[str, ...]:
        """See storage refuse what the targets held before, where it can be reached."""
        endpoint = self._run.issuance.endpoint()
        if endpoint is None or not self._plan.prove:
            return ()
        with Stopwatch().step("refuse"):
            return tuple(f"{fingerprint}: {self._proof(sas, endpoint)}" for fingerprint, sas in self._former.items())

    def _proof(self, sas: Sas, endpoint: str) -> str:
        try:
            return self._services.prover.refused(sas, endpoint)
        except StorageUnreachableError as error:
            return f"not tried: {error}"


def _begun(plan: Pending, account_state: AccountState) -> bool:
    return plan.regenerated(plan.first, listed(account_state))


def _seen(observed: Observed) -> Observed:
    return {target: held for target, held in observed.items() if not isinstance(held, report.Failed)}


def _held_sas(observed: Observed, account_state: AccountState, signers: Collection[str]) -> dict[str, Sas]:
    """Give the SAS that targets hold and that one of these keys signed, by fingerprint."""
    found = (manifest.held_sas(held, target) for target, held in observed.items() if isinstance(held, LiveSecret))
    return {sas.fingerprint: sas for sas in found if sas and account_state.signer(sas) in signers}


def _moments(observed: Observed) -> Iterator[datetime.datetime]:
    """Give when the SAS that targets hold were delivered, where they say so."""
    found = (held.moment(manifest.ROTATED) for held in observed.values() if isinstance(held, LiveSecret))
    return (moment for moment in found if moment)


def _delivered_at(outcome: report.Outcome, delivered: Report) -> datetime.datetime:
    if isinstance(outcome, Unchanged) and outcome.rotated:
        return outcome.rotated
    return delivered.finished


def _refusal(operation: Operation, first: str, obstacles: tuple[Blocker, ...]) -> errors.KeyInUseError:
    lines = "".join(f"\n  - {obstacle}" for obstacle in obstacles)
    known = [obstacle.until for obstacle in obstacles if obstacle.until]
    wait = f"Wait until {timestamps.text(max(known))}" if len(known) == len(obstacles) else "Mend those targets first"
    return errors.KeyInUseError(
        f"{operation} was refused, no key was regenerated: {first} may be in use:{lines}",
        remedy=f"{wait}; or, if those SAS may die at once, ask again with force: the report says what that cut off.",
    )
