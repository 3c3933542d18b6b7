"""Key rotation that breaks no consumer: which key, whether it may be regenerated, and the order of the steps.

    read all targets ─► record it in the vault ─► regenerate the other key ─► issue, prove, deliver, confirm ─► clear it
    revoke, before it clears the record: ─► wait for consumers ─► regenerate the old key
    revoke, at its end: ─► prove that storage refuses the old SAS

With the record any later run can resume at each step: see `rotation/state.py`.
"""

import dataclasses
import datetime
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping

from rotator import errors, event_log
from rotator.azure import account_keys
from rotator.azure.errors import StorageError, StorageUnreachableError
from rotator.delivery import live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.reporting import report
from rotator.reporting.report import KeyOutcome, KeyReport, Report, Unchanged
from rotator.rotation import state
from rotator.rotation.keys import clock_check, in_use, task
from rotator.rotation.keys.in_use import Blocker, refusal
from rotator.rotation.keys.regenerate import Regeneration, listed
from rotator.rotation.keys.task import KeyTask
from rotator.rotation.run import Observed, Run
from rotator.rotation.state import Operation, Pending
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)


def rotate_and_resume(run: Run, *, scheduled: bool) -> Report:
    """Rotate the targets that are due. Resume an unfinished key rotation, or start one that is due by age.

    Only a `scheduled` run checks the age. A problem with the keys, a defect of ours included, is reported and does not
    stop the targets.
    """
    found: KeyTask | None = None
    try:
        found = task.pending_or_due(run.plan, run.account, run.services.clock(), scheduled=scheduled)
        if found:
            return KeyRotation(run, found).carry_out()
    except Exception as error:  # noqa: BLE001  # no problem with the keys stops the targets
        key = task.skipped(error, found or _unknown(run))
        run.account.without_keys()
        return dataclasses.replace(run.rotate(), key=key)
    return run.rotate()


def run_operation(run: Run, operation: Operation, *, forced: bool) -> Report:
    """Run the operation that was asked for, or resume it where an earlier run began it.

    Raises KeyInUseError, OwnStorageError or another RotatorError when it is refused before a key was regenerated.
    """
    return KeyRotation(run, task.asked_for(run.account, operation, forced=forced)).carry_out()


def _unknown(run: Run) -> KeyTask:
    """Return what stands in a report for a task that could not be found out."""
    entries = run.account.latest().entries
    if entries.get(state.PENDING_TAG):
        before = state.readable_pending(entries)
        return KeyTask(before.operation if before else Operation.REGENERATE, "an earlier run asked for it")
    return KeyTask(Operation.REGENERATE, f"{run.plan.account.origin('key_rotation_period')} is set")


@dataclasses.dataclass(frozen=True)
class _Begun:
    """A key rotation that is recorded, and what is known from before its first regeneration.

    `former` are the SAS that storage must refuse in the end, by fingerprint; `blockers` those whom force cuts off.
    """

    pending: Pending
    former: Mapping[str, Sas]
    blockers: tuple[Blocker, ...] = ()


class KeyRotation:
    """Carries out a task on the account's keys, and rotates the targets between its steps."""

    def __init__(self, run: Run, key_task: KeyTask) -> None:
        self._run = run
        self._plan = run.plan
        self._services = run.services
        self._task = key_task
        self._regeneration = Regeneration(run.services, run.account, may_clear=not key_task.recorded)

    def carry_out(self) -> Report:
        """Begin the task, or resume it where a key has been regenerated already; returns the run's report.

        Raises KeyInUseError, OwnStorageError or another RotatorError when it is refused before a key was regenerated.
        """
        return self._finish(self._resume(self._task.begun) if self._task.begun else self._begin())

    def _resume(self, pending: Pending) -> _Begun:
        operation = pending.operation
        event_log.log(logger, logging.INFO, Event.KEY_ROTATION_RESUMED, operation=operation, reason=self._task.reason)
        if operation is not Operation.REVOKE:
            return _Begun(pending, {})
        account_state = self._run.account.state()
        dying = pending.remaining(listed(account_state))
        return _Begun(pending, self._held_sas(self._run.observe(), account_state, dying))

    def _begin(self) -> _Begun:
        operation, forced = self._task.operation, self._task.forced
        account_state = self._run.account.state()
        self._services.admit(listed(account_state).account)
        observed = self._run.observe()
        moved = operation is Operation.REVOKE and bool(self._visible_blockers(account_state, observed))
        if moved:
            self._run.rotate(former_dies=True)
            observed = self._run.observe()
            account_state = self._run.account.refresh()
        first = account_keys.other(account_state.active or "")
        blockers = self._blockers(first, account_state, observed)
        if blockers and not forced:
            raise refusal(operation, first, blockers)
        for blocker in blockers:
            event_log.log(logger, logging.WARNING, Event.KEY_ROTATION_FORCED, operation=operation, cut_off=blocker)
        clock_check.check(self._plan, self._services, self._run.account)
        pending = state.begin(operation, first, listed(account_state), forced=forced, run=self._run.name)
        self._regeneration.record(pending)
        recent = in_use.elsewhere(first, account_state, self._plan, self._services.clock())
        if operation is Operation.REVOKE and (moved or recent):
            # Consumers may not have read yet the SAS that moved their target off this key.
            self._wait_for_consumers(_delivery_times(observed))
        return _Begun(pending, self._held_sas(observed, account_state, account_keys.NAMES), blockers)

    def _held_sas(self, observed: Observed, account_state: AccountState, signers: Collection[str]) -> dict[str, Sas]:
        return in_use.held_sas_signed_by(observed, account_state, signers, path=self._plan.grant.path)

    def _visible_blockers(self, account_state: AccountState, observed: Observed) -> tuple[Blocker, ...]:
        return self._in_targets(account_keys.other(account_state.active or ""), account_state, _readable(observed))

    def _in_targets(self, name: str, account_state: AccountState, observed: Observed) -> tuple[Blocker, ...]:
        now, path = self._services.clock(), self._plan.grant.path
        return in_use.in_targets(name, account_state, observed, now, path=path)

    def _blockers(self, first: str, account_state: AccountState, observed: Observed) -> tuple[Blocker, ...]:
        elsewhere = in_use.elsewhere(first, account_state, self._plan, self._services.clock())
        if self._task.operation is Operation.REVOKE:
            # A revocation ends what was issued before. A target that cannot be read can hold a SAS of this key only if
            # the key was the active one within the lifetime of a SAS.
            return self._in_targets(first, account_state, observed if elsewhere else _readable(observed))
        return self._in_targets(first, account_state, observed) + ((elsewhere,) if elsewhere else ())

    def _finish(self, begun: _Begun) -> Report:
        """Carry out what is recorded. Failures are in the report from here on: the record lets the next run resume."""
        pending, blockers = begun.pending, begun.blockers
        failure: Exception | None = None
        try:
            self._regeneration.regenerate(pending, pending.first)
        except Exception as error:
            if self._regeneration.cleared:
                raise  # nothing was regenerated, and the record is cleared
            failure = error
        delivered = self._run.rotate(former_dies=pending.operation is Operation.REVOKE)
        try:
            if failure is None:
                left = self._keys_left(pending, delivered)
                blockers = _with_failed_targets(blockers, delivered) if left else blockers
                self._complete(pending, left, delivered)
        except Exception as error:  # noqa: BLE001  # a key may be regenerated: the targets' outcomes must be reported
            failure = error
        key = self._key_report(dataclasses.replace(begun, blockers=blockers), failure)
        return dataclasses.replace(delivered, key=key, finished=self._services.clock())

    def _keys_left(self, pending: Pending, delivered: Report) -> tuple[str, ...]:
        """Return the keys that are regenerated now that the targets hold new SAS; raises UnfinishedError."""
        left = pending.remaining(listed(self._run.account.state()))
        if left and delivered.targets_failed and not pending.forced:
            raise self._unfinished_error(f"; {left[0]} was left as it is")
        return left

    def _complete(self, pending: Pending, left: tuple[str, ...], delivered: Report) -> None:
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

    def _wait_for_consumers(self, deliveries: Iterable[datetime.datetime]) -> None:
        """Wait until consumers can have read the newest SAS: a mounted volume shows it after up to 90 s."""
        now = self._services.clock()
        newest = max(deliveries, default=now)
        left = min(newest + self._plan.account.revoke_grace - now, self._plan.account.revoke_grace).total_seconds()
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

    def _key_report(self, begun: _Begun, failure: Exception | None) -> KeyReport:
        account_state, pending = self._run.account.latest(), begun.pending
        key = KeyReport(
            operation=str(pending.operation),
            outcome=KeyOutcome.UNFINISHED if failure else KeyOutcome.DONE,
            reason=self._task.reason,
            active_key=account_state.active,
            regenerated=tuple(self._regeneration.done),
            remaining=tuple(
                name for name in pending.remaining(listed(account_state)) if name not in self._regeneration.done
            ),
            cut_off=tuple(str(blocker) for blocker in begun.blockers),
        )
        try:
            if failure is None and pending.operation is Operation.REVOKE:
                return dataclasses.replace(key, proofs=self._proofs(begun.former))
        except StorageError as error:
            failure, key = error, dataclasses.replace(key, outcome=KeyOutcome.FAILED)
        return task.with_failure(key, failure) if failure else key

    def _proofs(self, former: Mapping[str, Sas]) -> tuple[str, ...]:
        """Prove that storage refuses the SAS that the targets held before; empty where the endpoint is not known."""
        endpoint = self._run.account.endpoint()
        if endpoint is None or not self._plan.prove:
            return ()
        with Stopwatch().step(Step.REFUSE):
            return tuple(f"{fingerprint}: {self._proof(sas, endpoint)}" for fingerprint, sas in former.items())

    def _proof(self, sas: Sas, endpoint: str) -> str:
        try:
            return self._services.prover.prove_refused(sas, endpoint)
        except StorageUnreachableError as error:
            return f"not tried: {error}"


def _with_failed_targets(blockers: tuple[Blocker, ...], delivered: Report) -> tuple[Blocker, ...]:
    """Add the targets that another regeneration cuts off, as they did not get a new SAS before."""
    failed = [each for each in delivered.targets if isinstance(each.outcome, report.Failed)]
    found = [Blocker(each.target, "did not get another SAS before", None) for each in failed]
    return tuple({blocker.who: blocker for blocker in (*blockers, *found)}.values())


def _readable(observed: Observed) -> Observed:
    return {target: held for target, held in observed.items() if not isinstance(held, report.Failed)}


def _delivery_times(observed: Observed) -> Iterator[datetime.datetime]:
    """Return when the SAS that targets hold were delivered, by their annotations."""
    found = (held.annotated_time(live_secret.ROTATED) for held in observed.values() if isinstance(held, LiveSecret))
    return (time for time in found if time)


def _delivered_at(outcome: report.Outcome, delivered: Report) -> datetime.datetime:
    if isinstance(outcome, Unchanged) and outcome.rotated:
        return outcome.rotated
    return delivered.finished
