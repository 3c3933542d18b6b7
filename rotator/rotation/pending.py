"""What a key rotation still has to do, as a tag on the SAS definition in the vault, so that any later run finishes it.

Nothing is compared with a clock: a key has been regenerated since when it was not made at the recorded time.
A tag's value may have 256 characters (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates).
"""

import dataclasses
import enum
from collections.abc import Mapping

from rotator import errors, untrusted
from rotator.azure import account_keys
from rotator.azure.account_keys import AccountKeys

TAG = "rotator-pending"


class Operation(enum.StrEnum):
    """What is done to the account's keys."""

    REGENERATE = "regenerate"  # the key that is not active becomes a new one, and the active one
    REVOKE = "revoke"  # both keys become new ones, the active one last


@dataclasses.dataclass(frozen=True)
class Pending:
    """A key rotation that has begun: which key comes first, and when each key was made before it began."""

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
        """Whether this key is another one than when this began."""
        return now.named(name).stamp != self.stamps[name]

    def remaining(self, now: AccountKeys) -> tuple[str, ...]:
        """The keys that are still to be regenerated."""
        return tuple(name for name in self.names if not self.regenerated(name, now))

    def text(self) -> str:
        """Write it as a tag's value."""
        stamps = " ".join(f"{name}={stamp}" for name, stamp in sorted(self.stamps.items()))
        return f"{self.operation} first={self.first} forced={str(self.forced).lower()} run={self.run} {stamps}"


def begun(operation: Operation, first: str, now: AccountKeys, *, forced: bool, run: str) -> Pending:
    """Give what is to be remembered before the first key is regenerated."""
    return Pending(operation, first, forced, run, {key.name: key.stamp for key in now.keys})


def of(tags: Mapping[str, str]) -> Pending | None:
    """What is pending by a SAS definition's tags; raises KeyRotationError for what cannot be read."""
    return parse(tags[TAG]) if tags.get(TAG) else None


def readable(tags: Mapping[str, str]) -> Pending | None:
    """What the tags say is pending; None also for a tag that cannot be read, of which a warning tells."""
    try:
        return of(tags)
    except errors.KeyRotationError:
        return None


def parse(text: str) -> Pending:
    """Read a tag's value; raises KeyRotationError."""
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
            f"the tag {TAG} on the SAS definition is not one that this version writes",
            remedy=f"Finish with the version that wrote it, or remove the tag {TAG} from the SAS definition.",
        ) from error
    return found


def _stamp(text: str) -> str:
    """A key's stamp as `AccountKey.stamp` writes it; any other would make a key look as if it had been regenerated."""
    if text != account_keys.UNKNOWN and untrusted.moment(text) is None:
        raise ValueError("no time")
    return text
