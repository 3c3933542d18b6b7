"""The tags on the SAS definition that are ours: which of them cannot be read, and what to do about it."""

from collections.abc import Mapping

from rotator import errors, untrusted
from rotator.issuers import account_state
from rotator.rotation import delivered, pending


def problems(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Describe each tag that cannot be read, for a warning. Such a tag counts as missing."""
    unreadable = []
    if not _is_pending_readable(tags):
        unreadable.append(pending.TAG)
    if tags.get(account_state.UNTIL) and untrusted.moment(tags[account_state.UNTIL]) is None:
        unreadable.append(account_state.UNTIL)
    if not delivered.readable(tags):
        unreadable.append(delivered.TAG)
    return tuple(_problem(name, tags[name]) for name in unreadable)


def _is_pending_readable(tags: Mapping[str, str]) -> bool:
    try:
        pending.of(tags)
    except errors.KeyRotationError:
        return False
    return True


def _problem(name: str, text: str) -> str:
    return (
        f"the tag {name} on the SAS definition is not one that this version writes, and was ignored: "
        f"{untrusted.one_line(text)!r}. Find out who wrote it, and remove the tag"
    )
