"""What a run has to do with the account's keys: what was asked for, what an earlier run left, or what is due by age."""

import dataclasses
import datetime
import logging

import isodate

from rotator import errors, event_log, timestamps
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Plan
from rotator.reporting import report
from rotator.reporting.report import KeyOutcome, KeyReport
from rotator.rotation import state
from rotator.rotation.account import AccountReader
from rotator.rotation.keys.regenerate import listed
from rotator.rotation.state import Operation, Pending

logger = logging.getLogger(__name__)

ASKED_FOR = "asked for"


@dataclasses.dataclass(frozen=True)
class KeyTask:
    """An operation on the account's keys, and why; `begun` is its record, if a key has been regenerated already.

    With `recorded` there is a record of it, or of another one that it replaces.
    """

    operation: Operation
    reason: str
    forced: bool = False
    begun: Pending | None = None
    recorded: bool = True


def with_failure(key: KeyReport, failure: Exception, more: str = "") -> KeyReport:
    """Log and report why an operation was not finished or, by its outcome, failed; `more` belongs to the remedy."""
    failed = report.failure(failure)
    failed = dataclasses.replace(failed, remedy=f"{failed.remedy} {more}".strip())
    unfinished = key.outcome is KeyOutcome.UNFINISHED
    event_log.log(
        logger,
        logging.ERROR,
        Event.KEY_ROTATION_UNFINISHED if unfinished else Event.KEY_ROTATION_FAILED,
        operation=key.operation,
        **dataclasses.asdict(failed),
        exc_info=None if isinstance(failure, errors.RotatorError) else failure,
    )
    return dataclasses.replace(key, failure=failed)


def is_possible(plan: Plan, account: AccountReader, *, scheduled: bool) -> bool:
    """Whether a run that was not asked for an operation may have one to do; not where the account cannot be read."""
    try:
        entries = account.state().entries
    except Exception:  # noqa: BLE001  # each target fails by it too, and reports it
        return False
    return bool(entries.get(state.PENDING_TAG)) or (scheduled and plan.account.key_rotation_period is not None)


def asked_for(account: AccountReader, operation: Operation, *, forced: bool) -> KeyTask:
    """Return what to do where an operation was asked for; raises what `AccountReader.with_keys` does.

    A revocation replaces a pending regeneration; a regeneration does not replace a pending revocation.
    """
    account_state = account.with_keys()
    before = state.readable_pending(account_state.entries)
    if before is None:
        return KeyTask(operation, ASKED_FOR, forced, recorded=False)
    if operation is before.operation:
        return _resumed(before, account_state, ASKED_FOR, forced=forced)
    if operation is Operation.REVOKE:
        return KeyTask(operation, ASKED_FOR, forced)
    return _resumed(before, account_state, _asked_by(before))


def pending_or_due(plan: Plan, account: AccountReader, now: datetime.datetime, *, scheduled: bool) -> KeyTask | None:
    """Return what an earlier run left to do or, in a `scheduled` run, what is due by age.

    Raises what `AccountReader.with_keys` does, and KeyRotationError for a record that cannot be read.
    """
    recorded = account.state().entries.get(state.PENDING_TAG)
    account_state = account.with_keys()
    if recorded:
        before = state.pending_of(account_state.entries, account.place)
        return _resumed(before, account_state, _asked_by(before)) if before else None
    age = due_by_age(plan, account_state, now) if scheduled else None
    return KeyTask(Operation.REGENERATE, age, recorded=False) if age else None


def _resumed(before: Pending, account_state: AccountState, reason: str, *, forced: bool = False) -> KeyTask:
    """Return what is left of a recorded operation; forced if it was before, or is now."""
    forced = before.forced or forced
    if not before.regenerated(before.first, listed(account_state)):
        return KeyTask(before.operation, reason, forced)
    return KeyTask(before.operation, _begun_by(before), forced, begun=dataclasses.replace(before, forced=forced))


def _asked_by(before: Pending) -> str:
    return f"run {before.run} asked for it"


def _begun_by(before: Pending) -> str:
    return f"run {before.run} began it"


def skipped(error: Exception, found: KeyTask) -> KeyReport:
    """Log and report why the keys were left as they are, by an error of any kind."""
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
    outcome = KeyOutcome.WAITING if isinstance(error, errors.KeyInUseError) else KeyOutcome.FAILED
    return KeyReport(str(found.operation), outcome, found.reason, failure=failure)


def preview(plan: Plan, account: AccountReader, now: datetime.datetime) -> KeyReport | None:
    """Report what is pending or due by age, from now on with the keys where these may be listed; changes nothing."""
    account_state = account.with_keys_if_allowed()
    try:
        before = state.pending_of(account_state.entries)
    except errors.KeyRotationError:
        return None  # a run leaves the keys alone; its own warnings name the unreadable tag
    if before is not None:
        left = before.remaining(account_state.keys) if account_state.keys else ()
        outcome, active = KeyOutcome.DUE, account_state.active
        return KeyReport(str(before.operation), outcome, _begun_by(before), active, remaining=left)
    age = due_by_age(plan, account_state, now)
    return KeyReport(str(Operation.REGENERATE), KeyOutcome.DUE, age, account_state.active) if age else None


def due_by_age(plan: Plan, account_state: AccountState, now: datetime.datetime) -> str | None:
    """Return why the active key is due by age; None when it is not, or KEY_ROTATION_PERIOD is not set."""
    key = account_state.active_key
    if plan.account.key_rotation_period is None or key is None:
        return None
    if key.created is None:
        return f"{key.name} is older than Azure's record of its age"
    if now - key.created < plan.account.key_rotation_period:
        return None
    period = isodate.duration_isoformat(plan.account.key_rotation_period)
    return f"{key.name} was made at {timestamps.text(key.created)}, more than {period} ago"
