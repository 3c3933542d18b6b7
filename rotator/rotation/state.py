"""What a run records for later ones, by a `RunState`: short texts, each under a name.

Key Vault keeps them as tags of the SAS definition, other issuers in the app's own storage.

`rotator-pending`: what a key rotation still has to do, so that any later run can resume it. Nothing is compared with a
clock: a key has been regenerated if its creation time is not the recorded one.
`rotator-delivered`: which targets received a SAS before, which distinguishes a Secret that somebody deleted from one
that never existed.
`rotator-revoking`: the run that began to revoke user delegation keys. `rotator-revoked`: since when such SAS are
refused that were delivered before.
"""

import dataclasses
import datetime
import enum
import hashlib
import re
from collections.abc import Mapping

from rotator import errors, untrusted
from rotator.azure import account_keys, managed_account
from rotator.azure.account_keys import AccountKeys
from rotator.plan.plan import Target

PENDING_TAG = "rotator-pending"
DELIVERED_TAG = "rotator-delivered"
REVOKING_TAG = "rotator-revoking"
REVOKED_TAG = "rotator-revoked"
ON_DEFINITION = "on the SAS definition"  # where the tags are with Key Vault as the issuer
_MARK = re.compile(r"[0-9a-f]{8}")


class Operation(enum.StrEnum):
    """What is done to the account's keys."""

    REGENERATE = "regenerate"  # the key that is not active becomes a new one, and the active one
    REVOKE = "revoke"  # both keys become new ones, the active one last


@dataclasses.dataclass(frozen=True)
class Pending:
    """An operation on the account's keys, recorded before the first of them is regenerated.

    `first` is the key to be regenerated first, `run` the run that recorded the operation. `forced` is whether keys are
    regenerated although SAS that they signed may be in use. `stamps` has each key's `AccountKey.stamp` at that time, by
    the key's name.
    """

    operation: Operation
    first: str
    forced: bool
    run: str
    stamps: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that are regenerated, in this order."""
        return (self.first,) if self.operation is Operation.REGENERATE else (self.first, account_keys.other(self.first))

    def regenerated(self, name: str, now: AccountKeys) -> bool:
        """Whether this key was regenerated since; raises ActiveKeyError if it is not among the keys."""
        return now.named(name).stamp != self.stamps[name]

    def remaining(self, now: AccountKeys) -> tuple[str, ...]:
        """The keys that are still to be regenerated, in this order; raises as `regenerated` does."""
        return tuple(name for name in self.names if not self.regenerated(name, now))

    def text(self) -> str:
        """Write it as a tag's value."""
        stamps = " ".join(f"{name}={stamp}" for name, stamp in sorted(self.stamps.items()))
        return f"{self.operation} first={self.first} forced={str(self.forced).lower()} run={self.run} {stamps}"


def begin(operation: Operation, first: str, now: AccountKeys, *, forced: bool, run: str) -> Pending:
    """Return what to record before the first key is regenerated."""
    return Pending(operation, first, forced, run, {key.name: key.stamp for key in now.keys})


def pending_of(tags: Mapping[str, str], place: str = ON_DEFINITION) -> Pending | None:
    """Return what is pending by these tags, if anything; raises KeyRotationError for an unreadable one.

    `place` is where they are.
    """
    return parse_pending(tags[PENDING_TAG], place) if tags.get(PENDING_TAG) else None


def readable_pending(tags: Mapping[str, str]) -> Pending | None:
    """Return what is pending; None also for an unreadable tag, which `unreadable_entries` reports."""
    try:
        return pending_of(tags)
    except errors.KeyRotationError:
        return None


def parse_pending(text: str, place: str = ON_DEFINITION) -> Pending:
    """Read a tag's value; raises KeyRotationError for one that `Pending.text` does not write."""
    try:
        operation, *pairs = text.split()
        fields = dict(pair.partition("=")[::2] for pair in pairs)
        found = Pending(
            operation=Operation(operation),
            first=fields["first"],
            forced={"true": True, "false": False}[fields["forced"]],
            run=fields["run"],
            stamps={name: _stamp(fields[name]) for name in account_keys.NAMES},
        )
        account_keys.other(found.first)
    except (KeyError, ValueError, errors.ActiveKeyError) as error:
        raise errors.KeyRotationError(
            f"the tag {PENDING_TAG} {place} is not one that this version writes",
            remedy=f"Finish with the version that wrote it, or remove the tag {PENDING_TAG} {place}.",
        ) from error
    return found


def _stamp(text: str) -> str:
    """A key's stamp as `AccountKey.stamp` writes it; any other would make a key look as if it had been regenerated."""
    if text != account_keys.UNKNOWN and untrusted.iso_time(text) is None:
        raise ValueError("no time")
    return text


def was_delivered(tags: Mapping[str, str], target: Target) -> bool:
    """Whether this target received a SAS of this definition before."""
    return _mark(target) in _marks(tags)


def with_delivery(tags: Mapping[str, str], target: Target, longest: int | None = None) -> dict[str, str]:
    """Return the tags with this target recorded; unchanged where a tag of `longest` characters has no room for it."""
    text = " ".join([*_marks(tags), _mark(target)])
    if was_delivered(tags, target) or (longest is not None and len(text) > longest):
        return dict(tags)
    return {**tags, DELIVERED_TAG: text}


def are_deliveries_readable(tags: Mapping[str, str]) -> bool:
    """Whether the tag holds marks of targets only; anything else in it is ignored."""
    return len(_marks(tags)) == len(tags.get(DELIVERED_TAG, "").split())


def _marks(tags: Mapping[str, str]) -> list[str]:
    return [word for word in tags.get(DELIVERED_TAG, "").split() if _MARK.fullmatch(word)]


def _mark(target: Target) -> str:
    """Return the hash that stands for a target in the tag, which has room for 28 of them."""
    return hashlib.sha256(f"{target}:{target.cluster.port}".encode()).hexdigest()[:8]


def revoked_at(tags: Mapping[str, str]) -> datetime.datetime | None:
    """Return since when user delegation SAS are refused that were delivered before; None where none were revoked."""
    return untrusted.iso_time(tags.get(REVOKED_TAG))


def unreadable_entries(tags: Mapping[str, str], place: str = ON_DEFINITION) -> tuple[str, ...]:
    """Describe each tag that cannot be read, for a warning; `place` is where they are. Such a tag counts as missing."""
    unreadable = []
    if not _is_pending_readable(tags):
        unreadable.append(PENDING_TAG)
    times = (managed_account.UNTIL_TAG, REVOKED_TAG)
    unreadable += [name for name in times if tags.get(name) and untrusted.iso_time(tags[name]) is None]
    if not are_deliveries_readable(tags):
        unreadable.append(DELIVERED_TAG)
    return tuple(_unreadable(name, tags[name], place) for name in unreadable)


def _is_pending_readable(tags: Mapping[str, str]) -> bool:
    try:
        pending_of(tags)
    except errors.KeyRotationError:
        return False
    return True


def _unreadable(name: str, text: str, place: str) -> str:
    return (
        f"the tag {name} {place} is not one that this version writes, and was ignored: "
        f"{untrusted.one_line(text)!r}. Find out who wrote it, and remove it"
    )
