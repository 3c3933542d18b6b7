"""Whether a key may be regenerated: which SAS that it signed may still be in use, where, and until when."""

import dataclasses
import datetime
from collections.abc import Collection, Iterator

from rotator import errors, timestamps
from rotator.azure import account_keys
from rotator.delivery import held_values
from rotator.delivery.live_secret import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Plan, Target
from rotator.reporting.report import Failed
from rotator.rotation.run import Observed
from rotator.rotation.state import Operation
from rotator.sas import CLOCK_SKEW, Sas


@dataclasses.dataclass(frozen=True)
class Blocker:
    """Somebody who may depend on the key; `until` is None where that is not known."""

    who: str
    why: str
    until: datetime.datetime | None

    def __str__(self) -> str:
        return f"{self.who} {self.why}" + (f", until {timestamps.text(self.until)}" if self.until else "")


def in_targets(
    name: str, account_state: AccountState, observed: Observed, now: datetime.datetime, *, path: str = ""
) -> tuple[Blocker, ...]:
    """Return the targets that hold a SAS which the key signed or may have signed, or that cannot be read.

    `path` is what the grant's SAS are for; some may be for it whose Secret does not say what they are for.
    """
    found = (_in_target(name, account_state, target, held, now, path=path) for target, held in observed.items())
    return tuple(blocker for blocker in found if blocker)


def elsewhere(name: str, account_state: AccountState, plan: Plan, now: datetime.datetime) -> Blocker | None:
    """Return until when a SAS may live that was issued while the key was the active one, whoever holds it now."""
    last = _last_active(name, account_state)
    if last is None:
        return None
    lifetime = max(plan.grant.validity, account_state.validity or plan.grant.validity)
    until = timestamps.after(max(timestamps.after(last, lifetime), account_state.sas_until or last), CLOCK_SKEW)
    if until <= now:
        return None
    return Blocker("whoever got one", f"may use a SAS that {name} signed before {timestamps.text(last)}", until)


def _in_target(
    name: str,
    account_state: AccountState,
    target: Target,
    held: LiveSecret | Failed | None,
    now: datetime.datetime,
    *,
    path: str,
) -> Blocker | None:
    if isinstance(held, Failed):
        return Blocker(str(target), f"cannot be read ({held.message})", None)
    if held is None or not set(held_values.names(held, target)) & set(held.digests):
        return None
    keys = held_values.account_keys(held, target, account_state.keys) if account_state.keys else ()
    if name in keys:
        return Blocker(str(target), f"holds {name} itself", None)
    found = held_values.all_sas(held, target)
    if not found and not keys:
        return _without_credential(target, held)
    living = [sas for sas in found if timestamps.after(sas.expiry, CLOCK_SKEW) > now]
    signers = {sas.fingerprint: _signer(account_state, sas, path) for sas in living}
    signed = [sas.expiry for sas in living if signers[sas.fingerprint] == name]
    unknown = [sas.expiry for sas in living if signers[sas.fingerprint] is None and _may_live(sas)]
    if not signed and not unknown:
        return None
    why = f"that {name} signed" if signed else "of which nobody can tell who signed it"
    return Blocker(str(target), f"holds a SAS {why}", max(signed + unknown))


def _without_credential(target: Target, held: LiveSecret) -> Blocker | None:
    """Judge a Secret in which neither a SAS nor a key of the account is found."""
    if not held_values.has_account_key(held):
        return Blocker(str(target), "holds something that is no account SAS", None)
    if held_values.is_unchanged(held):
        return None  # the key that it was written with was regenerated since
    return Blocker(str(target), "holds an account key that cannot be found", None)


def _signer(account_state: AccountState, sas: Sas, path: str) -> str | None:
    """Return which key signed the SAS, if it is for what its Secret says, or for the grant's path."""
    return account_state.signer(sas) or account_state.signer(dataclasses.replace(sas, path=path))


def _may_live(sas: Sas) -> bool:
    """Whether storage may accept a SAS that no key is found to have signed. A user delegation SAS has none."""
    return not sas.delegated and not account_keys.can_tell(sas)


def _last_active(name: str, account_state: AccountState) -> datetime.datetime | None:
    """Return when the key that is not active may last have been active; None where that is not known.

    The other one became active when it was made, or when the vault's record was last changed, by whatever: a
    regeneration, another active key, or an account that is managed again. Only a PATCH leaves the record's `created` as
    it was; a PUT and a regeneration set it with `updated` (recorded live traffic of azure-cli's tests), so that two
    equal times do not mean that the record never was another one.
    """
    if account_state.keys is None or account_state.active_key is None:
        return None
    made, active = account_state.keys.named(name).created, account_state.active_key.created
    times = [active] if active and (made is None or active > made) else []
    if account_state.active_since:
        times.append(account_state.active_since)
    return max(times, default=None)


def held_sas_signed_by(
    observed: Observed, account_state: AccountState, signers: Collection[str], *, path: str = ""
) -> dict[str, Sas]:
    """Return the SAS that targets hold and that one of these keys signed, by fingerprint; see `in_targets`."""
    return {sas.fingerprint: sas for sas in all_held(observed) if _signer(account_state, sas, path) in signers}


def all_held(observed: Observed) -> Iterator[Sas]:
    """Yield every SAS in what the targets hold."""
    for target, held in observed.items():
        if isinstance(held, LiveSecret):
            yield from held_values.all_sas(held, target)


def refusal(operation: Operation, first: str, blockers: tuple[Blocker, ...]) -> errors.KeyInUseError:
    """Build the error that lists what blocks the operation, and until when."""
    lines = "".join(f"\n  - {blocker}" for blocker in blockers)
    known = [blocker.until for blocker in blockers if blocker.until]
    wait = f"Wait until {timestamps.text(max(known))}" if len(known) == len(blockers) else "Repair those targets first"
    return errors.KeyInUseError(
        f"{operation} was refused, no key was regenerated: {first} may be in use:{lines}",
        remedy=f"{wait}; or repeat it with force, if those SAS may stop working at once: the report lists what was cut "
        "off.",
    )
