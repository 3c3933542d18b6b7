"""Whether a target needs a new SAS: arithmetic on what its Secret says it holds, each branch with its reason."""

import datetime

from rotator import timestamps
from rotator.delivery import manifest
from rotator.delivery.manifest import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.plan import schedule
from rotator.plan.loader import MARGIN
from rotator.plan.plan import Plan, Target
from rotator.rotation import delivered
from rotator.sas import CLOCK_SKEW

# What each delivery writes, beside the digest, which tells whose the Secret is, and two times.
_ALWAYS_TOLD = (manifest.DATA_KEY, manifest.ENCODING, manifest.DEFINITION, manifest.FINGERPRINT, manifest.RUN)
_DEAD = "the SAS was signed by a key that was regenerated"


def reason(
    held: LiveSecret | None,
    target: Target,
    plan: Plan,
    now: datetime.datetime,
    account_state: AccountState | None = None,
) -> str | None:
    """Say why a new SAS is due, or None when the Secret holds a fresh one that is as wanted.

    With `standing`, one that the active key did not sign is due as well, and one that was deleted is told from one
    that there never was.
    """
    known = account_state is not None and delivered.before(account_state.stored.tags, target)
    if held is None:
        return "drift: somebody deleted the Secret" if known else "there is no Secret yet"
    if not held.ours:
        return "drift: somebody replaced the Secret" if known or held.labelled else "the Secret is adopted"
    return (
        _drift(held, target, now)
        or _dead(held, target, account_state)
        or _outdated(held, target, plan)
        or _old(held, plan, now)
        or _other_key(held, target, account_state)
    )


def is_dead(reason: str) -> bool:
    """Whether storage refuses the SAS, although it has not expired."""
    return reason == _DEAD


def is_drift(reason: str) -> bool:
    """Whether it is due because somebody else changed or deleted the Secret."""
    return reason.startswith("drift")


def _drift(held: LiveSecret, target: Target, now: datetime.datetime) -> str | None:
    """Compare the Secret with what it says itself, whatever the settings want now."""
    said = held.annotations
    rotated, expires = held.moment(manifest.ROTATED), held.moment(manifest.EXPIRES)
    if rotated is None or expires is None:
        return "drift: the Secret does not say how old its SAS is"
    for name in _ALWAYS_TOLD:
        if name not in said:
            return f"drift: somebody removed the annotation {name}"
    if said[manifest.DATA_KEY] not in held.digests:
        return "drift: somebody removed the data key"
    if held.digests[said[manifest.DATA_KEY]] != said[manifest.DIGEST]:
        return "drift: somebody changed the value"
    sas = manifest.held_sas(held, target)
    if sas is None or timestamps.text(sas.expiry) != timestamps.text(expires) or rotated > now + CLOCK_SKEW:
        return "drift: somebody changed what the Secret says of its SAS"
    return None


def _signer(held: LiveSecret, target: Target, account_state: AccountState) -> str | None:
    """Say which key signed the SAS: by the keys where they are listed, else by what the Secret says."""
    if account_state.keys is None:
        return held.annotations.get(manifest.SIGNING_KEY)
    sas = manifest.held_sas(held, target)
    return account_state.signer(sas) if sas else None


def _dead(held: LiveSecret, target: Target, account_state: AccountState | None) -> str | None:
    if account_state is None or account_state.keys is None:
        return None
    return None if _signer(held, target, account_state) else _DEAD


def _outdated(held: LiveSecret, target: Target, plan: Plan) -> str | None:
    if held.annotations.get(manifest.DATA_KEY) != target.data_key:
        return "the data key was set anew"
    if held.annotations.get(manifest.DEFINITION) != plan.definition.label:
        return "the SAS definition was set anew"
    if held.annotations.get(manifest.ENCODING) != target.encoding:
        return "the encoding was set anew"
    return None


def _old(held: LiveSecret, plan: Plan, now: datetime.datetime) -> str | None:
    rotated, expires = held.moment(manifest.ROTATED), held.moment(manifest.EXPIRES)
    if rotated is None or expires is None:
        return None  # which is drift
    if expires <= now:
        return f"the SAS expired at {expires:%Y-%m-%dT%H:%M:%SZ}"
    following = schedule.following(plan.schedule, now)
    if expires < following + MARGIN:
        return f"the SAS expires at {timestamps.text(expires)}, and the next run is at {timestamps.text(following)}"
    age = now - rotated
    if age >= plan.fresh_for:
        return f"the SAS is {_minutes(age)} old"
    return None


def _other_key(held: LiveSecret, target: Target, account_state: AccountState | None) -> str | None:
    """The key that is not active is the next one to be regenerated, and takes its SAS with it."""
    if account_state is None:
        return None
    signer = _signer(held, target, account_state)
    if signer is not None and account_state.active is not None and signer != account_state.active:
        return f"the SAS was signed by {signer}, which is no longer the active key"
    return None


def _minutes(age: datetime.timedelta) -> str:
    return f"{age.total_seconds() / 60:.0f} min"
