"""What the next runs would do to the account's keys, and whether what vault and settings say fits together."""

import datetime

import isodate

from rotator import errors, timestamps
from rotator.issuers.account_state import Standing
from rotator.plan.plan import Plan
from rotator.reporting.report import KeyReport
from rotator.rotation import pending
from rotator.rotation.issuance import Issuing
from rotator.rotation.keys import periods


def outlook(plan: Plan, issuing: Issuing, now: datetime.datetime) -> tuple[KeyReport | None, tuple[str, ...]]:
    """Say what is pending or due by age, and which SAS would die early; changes nothing."""
    standing = reading(issuing)
    warnings = periods.warnings(standing.managed, plan) if standing.managed else ()
    try:
        before = pending.of(standing.stored.tags)
    except errors.KeyRotationError:
        return None, warnings  # the keys are left as they are, of which the run's warnings tell
    if before is not None:
        left = before.remaining(standing.keys) if standing.keys else ()
        reason = f"run {before.run} began it"
        return KeyReport(str(before.operation), "due", reason, standing.active, remaining=left), warnings
    age = aged(plan, standing, now)
    return KeyReport("regenerate", "due", age, standing.active) if age else None, warnings


def aged(plan: Plan, standing: Standing, now: datetime.datetime) -> str | None:
    """Say that the active key is older than it may get; None when it is not, or nothing was set."""
    key = standing.active_key
    if plan.key_rotation_period is None or key is None:
        return None
    if key.created is None:
        return f"{key.name} is older than Azure can tell"
    if now - key.created < plan.key_rotation_period:
        return None
    period = isodate.duration_isoformat(plan.key_rotation_period)
    return f"{key.name} was made at {timestamps.text(key.created)}, more than {period} ago"


def reading(issuing: Issuing) -> Standing:
    """Read vault and account, with the keys where these may be listed."""
    try:
        return issuing.with_keys()
    except (errors.ResourceManagerError, errors.VaultForbiddenError):
        issuing.without_keys()
        return issuing.standing()
