"""Whether an account key is due for regeneration, by a pending operation or by its age; and the preview of that."""

import datetime

import isodate

from rotator import errors, timestamps
from rotator.azure.errors import ResourceManagerError, VaultForbiddenError
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Plan
from rotator.reporting.report import KeyReport
from rotator.rotation import state
from rotator.rotation.account import AccountReader


def preview(plan: Plan, account: AccountReader, now: datetime.datetime) -> tuple[KeyReport | None, tuple[str, ...]]:
    """Report what is pending or due by age, and warn of SAS that would end before their expiry; changes nothing."""
    account_state = read_state(account)
    warnings = account_state.warnings
    try:
        before = state.pending_of(account_state.entries)
    except errors.KeyRotationError:
        return None, warnings  # a run leaves the keys alone; its own warnings name the unreadable tag
    if before is not None:
        left = before.remaining(account_state.keys) if account_state.keys else ()
        reason = f"run {before.run} began it"
        return KeyReport(str(before.operation), "due", reason, account_state.active, remaining=left), warnings
    age = due_by_age(plan, account_state, now)
    return KeyReport("regenerate", "due", age, account_state.active) if age else None, warnings


def due_by_age(plan: Plan, account_state: AccountState, now: datetime.datetime) -> str | None:
    """Return why the active key is due by age; None when it is not, or KEY_ROTATION_PERIOD is not set."""
    key = account_state.active_key
    if plan.key_rotation_period is None or key is None:
        return None
    if key.created is None:
        return f"{key.name} is older than Azure's record of its age"
    if now - key.created < plan.key_rotation_period:
        return None
    period = isodate.duration_isoformat(plan.key_rotation_period)
    return f"{key.name} was made at {timestamps.text(key.created)}, more than {period} ago"


def read_state(account: AccountReader) -> AccountState:
    """Read the account state, with the keys where these may be listed."""
    try:
        return account.with_keys()
    except (ResourceManagerError, VaultForbiddenError):
        account.without_keys()
        return account.state()
