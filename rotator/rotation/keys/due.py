"""What the next runs would do to the account's keys, and whether what vault and settings say fits together."""

import datetime
from collections.abc import Iterator

import isodate
from isodate import duration_isoformat as text

from rotator import errors, timestamps, untrusted
from rotator.azure.errors import ResourceManagerError, VaultForbiddenError
from rotator.azure.managed_account import StorageBundle
from rotator.issuers.account_state import AccountState
from rotator.plan.loader import MARGIN
from rotator.plan.plan import Plan
from rotator.reporting.report import KeyReport
from rotator.rotation import state
from rotator.rotation.account import AccountReader


def preview(plan: Plan, account: AccountReader, now: datetime.datetime) -> tuple[KeyReport | None, tuple[str, ...]]:
    """Say what is pending or due by age, and which SAS would die early; changes nothing."""
    account_state = read_state(account)
    warnings = period_warnings(account_state.managed, plan) if account_state.managed else ()
    try:
        before = state.pending_of(account_state.stored.tags)
    except errors.KeyRotationError:
        return None, warnings  # the keys are left as they are, of which the run's warnings tell
    if before is not None:
        left = before.remaining(account_state.keys) if account_state.keys else ()
        reason = f"run {before.run} began it"
        return KeyReport(str(before.operation), "due", reason, account_state.active, remaining=left), warnings
    age = due_by_age(plan, account_state, now)
    return KeyReport("regenerate", "due", age, account_state.active) if age else None, warnings


def due_by_age(plan: Plan, account_state: AccountState, now: datetime.datetime) -> str | None:
    """Say that the active key is older than it may get; None when it is not, or nothing was set."""
    key = account_state.active_key
    if plan.key_rotation_period is None or key is None:
        return None
    if key.created is None:
        return f"{key.name} is older than Azure can tell"
    if now - key.created < plan.key_rotation_period:
        return None
    period = isodate.duration_isoformat(plan.key_rotation_period)
    return f"{key.name} was made at {timestamps.text(key.created)}, more than {period} ago"


def read_state(account: AccountReader) -> AccountState:
    """Read vault and account, with the keys where these may be listed."""
    try:
        return account.with_keys()
    except (ResourceManagerError, VaultForbiddenError):
        account.without_keys()
        return account.state()


def period_warnings(managed: StorageBundle, plan: Plan) -> tuple[str, ...]:
    """Say which SAS would die before its time, and by what.

    Key Vault regenerates the key that is not active and makes it the active one, so a key lives two periods, of which
    it signs in the first. So said Microsoft's documentation of managed storage, which was withdrawn in
    April 2026.
    """
    return tuple(_period_warnings(managed, plan))


def _period_warnings(managed: StorageBundle, plan: Plan) -> Iterator[str]:
    period, validity = managed.period, plan.definition.validity
    if not managed.auto_regenerate:
        return
    if period is None:
        if managed.every:
            yield (
                f"the vault's regeneration period ({untrusted.one_line(managed.every)}) cannot be read, so whether SAS "
                "die before their time is not known; set another one (onboard --regeneration-period P90D)"
            )
        return
    if validity > period:
        yield (
            f"SAS_VALIDITY ({text(validity)}) is longer than the vault's regeneration period ({managed.every}): a SAS "
            f"issued shortly before a regeneration dies up to {text(validity - period)} early, with its key's next turn"
        )
    if plan.longest_interval + MARGIN > period:
        yield (
            f"runs of ROTATION_SCHEDULE are up to {text(plan.longest_interval)} apart and the vault regenerates a key "
            f"every {managed.every}: the SAS in a Secret may die before the next run replaces it"
        )
    if plan.key_rotation_period is not None:
        yield (
            "KEY_ROTATION_PERIOD is set and the vault regenerates keys by itself too: when both do so within "
            f"SAS_VALIDITY ({text(validity)}), SAS issued before die early; switch one off "
            "(onboard --no-auto-regenerate)"
        )
