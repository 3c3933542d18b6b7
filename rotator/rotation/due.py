"""Whether a target needs a new SAS, and why: compares its Secret with the plan, the time and the account's keys."""

import dataclasses
import datetime
import enum

from rotator import timestamps
from rotator.delivery import manifest
from rotator.delivery.manifest import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan, Target
from rotator.rotation import state
from rotator.sas import CLOCK_SKEW

# The annotations that each delivery writes, beside the digest, by which a Secret is ours, and two times.
_ALWAYS_WRITTEN = (manifest.DATA_KEY, manifest.ENCODING, manifest.DEFINITION, manifest.FINGERPRINT, manifest.RUN)


class Cause(enum.Enum):
    """Why a target needs a new SAS."""

    NO_SECRET = enum.auto()
    ADOPTED = enum.auto()
    DRIFT = enum.auto()  # somebody else changed, replaced or deleted the Secret
    KEY_REGENERATED = enum.auto()  # storage refuses the SAS, although it has not expired
    SETTINGS_CHANGED = enum.auto()
    AGE = enum.auto()
    OTHER_KEY = enum.auto()  # the SAS was not signed by the active key
    REQUESTED = enum.auto()


@dataclasses.dataclass(frozen=True)
class Due:
    """A target needs a new SAS: the cause, and the same for people."""

    cause: Cause
    text: str

    @property
    def drift(self) -> bool:
        """Whether somebody else changed or deleted the Secret."""
        return self.cause is Cause.DRIFT

    def __str__(self) -> str:
        return self.text


def find(
    held: LiveSecret | None,
    target: Target,
    plan: Plan,
    now: datetime.datetime,
    account_state: AccountState | None = None,
) -> Due | None:
    """Return why the target needs a new SAS; None when the Secret holds a fresh one that is as wanted.

    With an account state, a SAS that the active key did not sign is due as well, and a deleted Secret is distinguished
    from one that never existed.
    """
    known = account_state is not None and state.was_delivered(account_state.entries, target)
    if held is None:
        return _drifted("somebody deleted the Secret") if known else Due(Cause.NO_SECRET, "there is no Secret yet")
    if not held.ours:
        if known or held.has_our_label:
            return _drifted("somebody replaced the Secret")
        return Due(Cause.ADOPTED, "the Secret is adopted")
    return (
        _drift(held, target, now)
        or _key_regenerated(held, target, account_state)
        or _settings_changed(held, target, plan)
        or _aged(held, plan, now)
        or _other_key(held, target, account_state)
    )


def _drifted(text: str) -> Due:
    return Due(Cause.DRIFT, f"drift: {text}")


def _drift(held: LiveSecret, target: Target, now: datetime.datetime) -> Due | None:
    """Compare the Secret with its own annotations, whatever the settings are now."""
    annotations = held.annotations
    rotated, expires = held.annotated_time(manifest.ROTATED), held.annotated_time(manifest.EXPIRES)
    if rotated is None or expires is None:
        return _drifted("the Secret does not say how old its SAS is")
    for name in _ALWAYS_WRITTEN:
        if name not in annotations:
            return _drifted(f"somebody removed the annotation {name}")
    if annotations[manifest.DATA_KEY] not in held.digests:
        return _drifted("somebody removed the data key")
    if held.digests[annotations[manifest.DATA_KEY]] != annotations[manifest.DIGEST]:
        return _drifted("somebody changed the value")
    sas = manifest.held_sas(held, target)
    if sas is None or timestamps.text(sas.expiry) != timestamps.text(expires) or rotated > now + CLOCK_SKEW:
        return _drifted("somebody changed what the Secret says of its SAS")
    return None


def _signer(held: LiveSecret, target: Target, account_state: AccountState) -> str | None:
    """Return which key signed the SAS: by its signature where keys were listed, else by the Secret's annotation."""
    if account_state.keys is None:
        return held.annotations.get(manifest.SIGNING_KEY)
    sas = manifest.held_sas(held, target)
    return account_state.signer(sas) if sas else None


def _key_regenerated(held: LiveSecret, target: Target, account_state: AccountState | None) -> Due | None:
    if account_state is None:
        return None
    if _is_delegated(held, target):
        return _revoked(held, account_state)
    if account_state.keys is None or _signer(held, target, account_state):
        return None
    return Due(Cause.KEY_REGENERATED, "the SAS was signed by a key that was regenerated")


def _is_delegated(held: LiveSecret, target: Target) -> bool:
    """Whether no account key signed the SAS, so that an account's keys tell nothing of it."""
    sas = manifest.held_sas(held, target)
    return sas is not None and sas.delegated


def _revoked(held: LiveSecret, account_state: AccountState) -> Due | None:
    since, rotated = state.revoked_at(account_state.entries), held.annotated_time(manifest.ROTATED)
    if since is None or rotated is None or rotated >= since:
        return None
    return Due(Cause.KEY_REGENERATED, f"its user delegation key was revoked at {timestamps.text(since)}")


def _settings_changed(held: LiveSecret, target: Target, plan: Plan) -> Due | None:
    if held.annotations.get(manifest.DATA_KEY) != target.data_key:
        return Due(Cause.SETTINGS_CHANGED, "the data key was changed")
    if held.annotations.get(manifest.DEFINITION) != plan.grant.label:
        return Due(Cause.SETTINGS_CHANGED, "the SAS definition was changed")
    if held.annotations.get(manifest.ENCODING) != target.encoding:
        return Due(Cause.SETTINGS_CHANGED, "the encoding was changed")
    return None


def _aged(held: LiveSecret, plan: Plan, now: datetime.datetime) -> Due | None:
    rotated, expires = held.annotated_time(manifest.ROTATED), held.annotated_time(manifest.EXPIRES)
    if rotated is None or expires is None:
        return None  # which is drift
    if expires <= now:
        return Due(Cause.AGE, f"the SAS expired at {timestamps.text(expires)}")
    early = expires_before_next_run(expires, plan, now)
    if early:
        return Due(Cause.AGE, early)
    age = now - rotated
    if age >= plan.fresh_for:
        return Due(Cause.AGE, f"the SAS is {_minutes(age)} old")
    return None


def expires_before_next_run(expires: datetime.datetime, plan: Plan, now: datetime.datetime) -> str | None:
    """Return, for people, that a SAS expires before the next run could replace it; None if it does not."""
    following = schedule.following(plan.schedule, now)
    if expires >= following + MARGIN:
        return None
    return f"the SAS expires at {timestamps.text(expires)}, and the next run is at {timestamps.text(following)}"


def _other_key(held: LiveSecret, target: Target, account_state: AccountState | None) -> Due | None:
    """The key that is not active is regenerated next, which ends the SAS that it signed."""
    if account_state is None or _is_delegated(held, target):
        return None
    signer = _signer(held, target, account_state)
    if signer is not None and account_state.active is not None and signer != account_state.active:
        return Due(Cause.OTHER_KEY, f"the SAS was signed by {signer}, which is no longer the active key")
    return None


def _minutes(age: datetime.timedelta) -> str:
    return f"{age.total_seconds() / 60:.0f} min"
