"""Whether a target needs a new SAS, and why: compares its Secret with the plan, the time and the account's keys."""

import dataclasses
import datetime
import enum

from rotator import timestamps
from rotator.azure import account_keys
from rotator.delivery import held_values, live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.plan import schedule
from rotator.plan.account import IssuerKind
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan, Target
from rotator.rotation import state
from rotator.sas import CLOCK_SKEW

# The annotations that each delivery writes, beside the digest, by which a Secret is ours, and two times.
_ALWAYS_WRITTEN = (live_secret.DEFINITION, live_secret.FINGERPRINT, live_secret.RUN)
_WITH_ONE_KEY = (live_secret.DATA_KEY, live_secret.ENCODING, *_ALWAYS_WRITTEN)
_BY_TEMPLATES = (live_secret.DATA_DIGESTS, *_ALWAYS_WRITTEN)


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
        or _resource_drift(held, plan)
        or _key_regenerated(held, target, account_state)
        or _settings_changed(held, target, plan)
        or _form_drift(held, target)
        or _aged(held, plan, now)
        or _other_key(held, target, account_state)
    )


def _drifted(text: str) -> Due:
    return Due(Cause.DRIFT, f"drift: {text}")


def _drift(held: LiveSecret, target: Target, now: datetime.datetime) -> Due | None:
    """Compare the Secret with its own annotations, whatever the settings are now."""
    annotations = held.annotations
    rotated, expires = held.annotated_time(live_secret.ROTATED), held.annotated_time(live_secret.EXPIRES)
    if rotated is None or expires is None:
        return _drifted("the Secret does not say how old its SAS is")
    for name in _BY_TEMPLATES if held_values.is_of_several(held) else _WITH_ONE_KEY:
        if name not in annotations:
            return _drifted(f"somebody removed the annotation {name}")
    return _data_drift(held) or _sas_drift(held, target, expires, rotated > now + CLOCK_SKEW)


def _data_drift(held: LiveSecret) -> Due | None:
    written = held_values.recorded(held)
    if not written:
        return _drifted("somebody changed what the Secret says of its values")
    which = "the data key" if len(written) == 1 else "the data key {}"
    value = "the value" if len(written) == 1 else "the value of {}"
    for name, digest in written.items():
        if name not in held.digests:
            return _drifted(f"somebody removed {which.format(name)}")
        if held.digests[name] != digest:
            return _drifted(f"somebody changed {value.format(name)}")
    return None


def _sas_drift(held: LiveSecret, target: Target, expires: datetime.datetime, from_the_future: bool) -> Due | None:
    sas = held_values.held_sas(held, target)
    if sas is None and not from_the_future and held_values.has_account_key(held):
        return None  # the values are as they were written, and no template has the SAS
    if sas is None or timestamps.text(sas.expiry) != timestamps.text(expires) or from_the_future:
        return _drifted("somebody changed what the Secret says of its SAS")
    return None


def _resource_drift(held: LiveSecret, plan: Plan) -> Due | None:
    """Compare what the SAS is for with the grant, if that is the same still: its path is in the signature alone."""
    if held.annotations.get(live_secret.DEFINITION) != plan.grant.label:
        return None
    found, wanted = held.annotations.get(live_secret.RESOURCE), plan.grant.path or None
    if found == wanted:
        return None
    return _drifted(f"somebody {'changed' if found else 'removed'} the annotation {live_secret.RESOURCE}")


def _form_drift(held: LiveSecret, target: Target) -> Due | None:
    """Compare the Secret with the settings of its form, of which it says that they were the same."""
    form = target.form
    if form.type and held.type != form.type:
        return _drifted("somebody changed the type")
    for kind, wanted, there in (
        ("label", form.labels, held.labels),
        ("annotation", form.annotations, held.annotations),
    ):
        for name, text in wanted.items():
            if there.get(name) != text:
                return _drifted(f"somebody changed the {kind} {name}")
    return None


def _signer(held: LiveSecret, target: Target, account_state: AccountState) -> str | None:
    """Return which key signed the SAS: by its signature where keys were listed, else by the Secret's annotation."""
    if account_state.keys is None:
        return held.annotations.get(live_secret.SIGNING_KEY)
    sas = held_values.held_sas(held, target)
    return account_state.signer(sas) if sas else None


def _held_keys(held: LiveSecret, target: Target, account_state: AccountState) -> tuple[str, ...]:
    """Return which account keys the Secret has: by their values where keys were listed, else by its annotation."""
    if account_state.keys is None:
        name = held.annotations.get(live_secret.ACCOUNT_KEY)
        return (name,) if name else ()
    return held_values.account_keys(held, target, account_state.keys)


def _key_regenerated(held: LiveSecret, target: Target, account_state: AccountState | None) -> Due | None:
    if account_state is None:
        return None
    if _is_delegated(held, target):
        return _revoked(held, account_state)
    if account_state.keys is None:
        return None
    if held_values.has_account_key(held) and not _held_keys(held, target, account_state):
        return Due(Cause.KEY_REGENERATED, "the account key in the Secret was regenerated")
    if _signer(held, target, account_state) or held_values.held_sas(held, target) is None:
        return None  # without a SAS the Secret has the key itself, or drift was found
    return Due(Cause.KEY_REGENERATED, "the SAS was signed by a key that was regenerated")


def _is_delegated(held: LiveSecret, target: Target) -> bool:
    """Whether no account key signed the SAS, so that an account's keys tell nothing of it."""
    sas = held_values.held_sas(held, target)
    return sas is not None and sas.delegated


def _revoked(held: LiveSecret, account_state: AccountState) -> Due | None:
    since = revoked_since(held, account_state)
    if since is None:
        return None
    return Due(Cause.KEY_REGENERATED, f"its user delegation key was revoked at {timestamps.text(since)}")


def revoked_since(held: LiveSecret, account_state: AccountState) -> datetime.datetime | None:
    """Return when user delegation keys were revoked, if that was after the delivery of what the Secret holds."""
    since, rotated = state.revoked_at(account_state.entries), held.annotated_time(live_secret.ROTATED)
    return since if since is not None and rotated is not None and rotated < since else None


def _settings_changed(held: LiveSecret, target: Target, plan: Plan) -> Due | None:
    one_key = not target.form.templates
    if one_key and held.annotations.get(live_secret.DATA_KEY) != target.data_key:
        return Due(Cause.SETTINGS_CHANGED, "the data key was changed")
    if held.annotations.get(live_secret.DEFINITION) != plan.label:
        managed = plan.account.issuer is IssuerKind.KEYVAULT
        what = "the SAS definition was" if managed else "the issuer, the account or what the SAS allows was"
        return Due(Cause.SETTINGS_CHANGED, f"{what} changed")
    if one_key and held.annotations.get(live_secret.ENCODING) != target.encoding:
        return Due(Cause.SETTINGS_CHANGED, "the encoding was changed")
    if one_key == held_values.is_of_several(held):
        return Due(Cause.SETTINGS_CHANGED, "the data keys were changed")
    if held.annotations.get(live_secret.FORM) != target.form.content_hash:
        return Due(Cause.SETTINGS_CHANGED, "the template, type, labels or annotations were changed")
    return None


def _aged(held: LiveSecret, plan: Plan, now: datetime.datetime) -> Due | None:
    rotated, expires = held.annotated_time(live_secret.ROTATED), held.annotated_time(live_secret.EXPIRES)
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
    active = account_state.active
    for name in _held_keys(held, target, account_state):
        if name in account_keys.NAMES and active is not None and name != active:
            return Due(Cause.OTHER_KEY, f"the Secret holds {name} itself, which is no longer the active key")
    signer = _signer(held, target, account_state)
    if signer is not None and active is not None and signer != active:
        return Due(Cause.OTHER_KEY, f"the SAS was signed by {signer}, which is no longer the active key")
    return None


def _minutes(age: datetime.timedelta) -> str:
    return f"{age.total_seconds() / 60:.0f} min"
