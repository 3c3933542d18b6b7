"""Key rotation that breaks no consumer: which key, whether it may be regenerated, and the order of the steps.

    read all targets ─► record it in the vault ─► regenerate the other key ─► issue, prove, deliver, confirm ─► clear it
    revoke, before it clears the record: ─► wait for consumers ─► regenerate the old key ─► prove old SAS refused

With the record any later run can resume at each step: see `rotation/state.py`.
"""

import dataclasses
import datetime
import logging
from collections.abc import Iterable, Iterator

from rotator import errors, event_log
from rotator.azure import account_keys
from rotator.azure.errors import StorageError, StorageUnreachableError
from rotator.delivery import manifest
from rotator.delivery.manifest import LiveSecret
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.reporting import report
from rotator.reporting.report import KeyReport, Report, Unchanged
from rotator.rotation import state
from rotator.rotation.keys import clock_check, due, in_use
from rotator.rotation.keys.in_use import Blocker, held_sas_signed_by, refusal
from rotator.rotation.keys.regenerate import Regeneration, listed
from rotator.rotation.run import Observed, Run
from rotator.rotation.state import Operation, Pending
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)


class KeyRotation:
    """What one run does to the account's keys, before and after it rotates the targets."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._plan = run.plan
        self._services = run.services
        self._operation = Operation.REGENERATE
        self._reason = "asked for"
        self._regeneration = Regeneration(run.services, run.account)
        self._former: dict[str, Sas] = {}
        self._blockers: tuple[Blocker, ...] = ()

    def run_operation(self, operation: Operation, *, forced: bool) -> Report:
        """Run the operation that was asked for, or resume it where an earlier run began it.

        A revocation replaces a pending regeneration; a regeneration does not replace a pending revocation. Raises
        KeyInUseError, OwnStorageError or another RotatorError when it is refused before a key was regenerated.
        """
        account_state = self._run.account.with_keys()
        before = state.readable_pending(account_state.entries)
        if before is None:
            self._regeneration.may_clear = True
            return self._begin(operation, forced=forced)
        if operation is Operation.REVOKE and before.operation is Operation.REGENERATE:
            return self._begin(operation, forced=forced)
        if operation is not before.operation:
            self._reason = f"run {before.run} asked for it"
        return self._continue(before, account_state, forced=forced and operation is before.operation)

    def rotate_and_resume(self, *, scheduled: bool) -> Report:
        """Rotate the targets that are due. Resume an unfinished key rotation, or start one that is due by age.

        Only a `scheduled` run checks the age. A problem with the keys, a defect of ours included, is reported and
        does not stop the targets.
        """
        try:
            text = self._run.account.state().entries.get(state.PENDING_TAG)
        except Exception:  # noqa: BLE001  # each target fails by it too, and reports it
            return self._run.rotate()
        if not text and not (scheduled and self._plan.key_rotation_period):
            return self._run.rotate()
        self._reason = "an earlier run asked for it" if text else "KEY_ROTATION_PERIOD is set"
        try:
            done = self._resume_pending() if text else self._rotate_by_age()
        except Exception as error:  # noqa: BLE001  # no problem with the keys stops the targets
            key = self._skipped(error)
        else:
            return done or self._run.rotate()
        self._run.account.without_keys()
        return dataclasses.replace(self._run.rotate(), key=key)

    def _skipped(self, error: Exception) -> KeyReport:
        """Log and report why the keys were left as they are."""
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

    def _resume_pending(self) -> Report | None:
        account_state = self._run.account.with_keys()
        before = state.pending_of(account_state.entries)
        if before is None:
            return None
        self._operation = before.operation
        self._reason = f"run {before.run} asked for it"
        return self._continue(before, account_state, forced=False)

    def _continue(self, before: Pending, account_state: AccountState, *, forced: bool) -> Report:
        """Resume what is pending; forced if it was before, or is now."""
        before = dataclasses.replace(before, forced=before.forced or forced)
        if _has_begun(before, account_state):
            return self._resume(before)
        return self._begin(before.operation, forced=before.forced)

    def _rotate_by_age(self) -> Report | None:
        account_state = self._run.account.with_keys()
        age = due.due_by_age(self._plan, account_state, self._services.clock())
        if age is None:
            return None
        self._reason = age
        self._regeneration.may_clear = True
        return self._begin(Operation.REGENERATE, forced=False)

    def _resume(self, before: Pending) -> Report:
        self._reason = f"run {before.run} began it"
        event_log.log(logger, logging.INFO, Event.KEY_ROTATION_RESUMED, operation=before.operation, reason=self._reason)
        if before.operation is Operation.REVOKE:
            account_state = self._run.account.state()
            dying = before.remaining(listed(account_state))
            self._former = held_sas_signed_by(self._run.observe(), account_state, dying)
        return self._finish(before)

    def _begin(self, operation: Operation, *, forced: bool) -> Report:
        account_state = self._run.account.state()
        self._services.admit(listed(account_state).account)
        observed = self._run.observe()
        moved = operation is Operation.REVOKE and bool(self._visible_blockers(account_state, observed))
        if moved:
            self._run.rotate()
            observed = self._run.observe()
            account_state = self._run.account.refresh()
        first = account_keys.other(account_state.active or "")
        self._blockers = self._blockers_of(operation, first, account_state, observed)
        if self._blockers and not forced:
            raise refusal(operation, first, self._blockers)
        for blocker in self._blockers:
            event_log.log(logger, logging.WARNING, Event.KEY_ROTATION_FORCED, operation=operation, cut_off=blocker)
        clock_check.check(self._plan, self._services, self._run.account)
        self._former = held_sas_signed_by(observed, account_state, account_keys.NAMES)
        pending = state.begin(operation, first, listed(account_state), forced=forced, run=self._run.name)
        self._regeneration.record(pending)
        recent = in_use.elsewhere(first, account_state, self._plan, self._services.clock())
        if operation is Operation.REVOKE and (moved or recent):
            # Consumers may not have read yet the SAS that moved their target off this key.
            self._wait_for_consumers(_delivery_times(observed))
        return self._finish(pending)

    def _visible_blockers(self, account_state: AccountState, observed: Observed) -> tuple[Blocker, ...]:
        other = account_keys.other(account_state.active or "")
        return in_use.in_targets(other, account_state, _readable(observed), self._services.clock())

    def _blockers_of(
        self, operation: Operation, first: str, account_state: AccountState, observed: Observed
    ) -> tuple[Blocker, ...]:
        now = self._services.clock()
        elsewhere = in_use.elsewhere(first, account_state, self._plan, now)
        if operation is Operation.REVOKE:
            # A revocation ends what was issued before. A target that cannot be read can hold a SAS of this key only if
            # the key was the active one within the lifetime of a SAS.
            return in_use.in_targets(first, account_state, observed if elsewhere else _readable(observed), now)
        return in_use.in_targets(first, account_state, observed, now) + ((elsewhere,) if elsewhere else ())

    def _finish(self, pending: Pending) -> Report:
        """Carry out what is recorded. Failures are in the report from here on: the record lets the next run resume."""
        failure: Exception | None = None
        try:
            self._regeneration.regenerate(pending, pending.first)
        except Exception as error:
            if self._regeneration.cleared:
                raise  # nothing was regenerated, and the record is cleared
            failure = error
        delivered = self._run.rotate()
        try:
            if failure is None:
                self._complete(pending, delivered)
        except Exception as error:  # noqa: BLE001  # a key may be regenerated: the targets' outcomes must be reported
            failure = error
        return dataclasses.replace(delivered, key=self._key_report(pending, failure), finished=self._services.clock())

    def _complete(self, pending: Pending, delivered: Report) -> None:
        left = pending.remaining(listed(self._run.account.state()))
        if left and delivered.targets_failed and not pending.forced:
            raise self._unfinished_error(f"; {left[0]} was left as it is")
        if left:
            self._record_cut_off(delivered)
        for name in left:
            clock_check.check_dates(self._plan, self._services, self._run.account)
            self._wait_for_consumers(_delivered_at(each.outcome, delivered) for each in delivered.targets)
            self._regeneration.regenerate(pending, name)
        if delivered.targets_failed:
            # Recorded until each target has a new SAS, as its present one may be dead; the revocation itself is over.
            rest = dataclasses.replace(pending, operation=Operation.REGENERATE, first=pending.names[-1], forced=False)
            self._regeneration.record(rest)
            raise self._unfinished_error()
        self._regeneration.clear_record()

    def _unfinished_error(self, more: str = "") -> errors.UnfinishedError:
        active = self._run.account.state().active
        return errors.UnfinishedError(f"not every target holds a SAS of {active} yet{more}")

    def _record_cut_off(self, delivered: Report) -> None:
        failed = [each for each in delivered.targets if isinstance(each.outcome, report.Failed)]
        found = [Blocker(each.target, "did not get another SAS before", None) for each in failed]
        self._blockers = tuple({blocker.who: blocker for blocker in (*self._blockers, *found)}.values())

    def _wait_for_consumers(self, deliveries: Iterable[datetime.datetime]) -> None:
        """Wait until consumers can have read the newest SAS: a mounted volume shows it after up to 90 s."""
        now = self._services.clock()
        newest = max(deliveries, default=now)
        left = min(newest + self._plan.revoke_grace - now, self._plan.revoke_grace).total_seconds()
        if left > 0:
            event_log.log(
                logger,
                logging.INFO,
                Event.KEY_ROTATION_WAITING,
                seconds=round(left),
                reason="consumers must read the new SAS first",
            )
            with Stopwatch().step(Step.WAIT, lasts=left):
                self._services.sleep(left)

    def _key_report(self, pending: Pending, failure: Exception | None) -> KeyReport:
        account_state = self._run.account.latest()
        key = KeyReport(
            operation=str(pending.operation),
            outcome="unfinished" if failure else "done",
            reason=self._reason,
            active_key=account_state.active,
            regenerated=tuple(self._regeneration.done),
            remaining=tuple(
                name for name in pending.remaining(listed(account_state)) if name not in self._regeneration.done
            ),
            cut_off=tuple(str(blocker) for blocker in self._blockers),
        )
        try:
            if failure is None and pending.operation is Operation.REVOKE:
                return dataclasses.replace(key, proofs=self._proofs())
        except StorageError as error:
            failure, key = error, dataclasses.replace(key, outcome="failed")
        if failure is None:
            return key
        failed = report.failure(failure)
        event_log.log(
            logger,
            logging.ERROR,
            Event.KEY_ROTATION_UNFINISHED if key.outcome == "unfinished" else Event.KEY_ROTATION_FAILED,
            operation=pending.operation,
            **dataclasses.asdict(failed),
            exc_info=None if isinstance(failure, errors.RotatorError) else failure,
        )
        return dataclasses.replace(key, failure=failed)

    def _proofs(self) -> tuple[str, ...]:
        """Prove that storage refuses the SAS that the targets held before; empty where the endpoint is not known."""
        endpoint = self._run.account.endpoint()
        if endpoint is None or not self._plan.prove:
            return ()
        with Stopwatch().step(Step.REFUSE):
            return tuple(f"{fingerprint}: {self._proof(sas, endpoint)}" for fingerprint, sas in self._former.items())

    def _proof(self, sas: Sas, endpoint: str) -> str:
        try:
            return self._services.prover.prove_refused(sas, endpoint)
        except StorageUnreachableError as error:
            return f"not tried: {error}"


def _has_begun(pending: Pending, account_state: AccountState) -> bool:
    return pending.regenerated(pending.first, listed(account_state))


def _readable(observed: Observed) -> Observed:
    return {target: held for target, held in observed.items() if not isinstance(held, report.Failed)}


def _delivery_times(observed: Observed) -> Iterator[datetime.datetime]:
    """Return when the SAS that targets hold were delivered, by their annotations."""
    found = (held.annotated_time(manifest.ROTATED) for held in observed.values() if isinstance(held, LiveSecret))
    return (time for time in found if time)


def _delivered_at(outcome: report.Outcome, delivered: Report) -> datetime.datetime:
    if isinstance(outcome, Unchanged) and outcome.rotated:
        return outcome.rotated
    return delivered.finished
