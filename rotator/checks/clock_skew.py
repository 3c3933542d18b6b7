"""Whether clocks agree: a SAS is good between two moments, which vault, storage and this process each judge alone."""

import datetime
from collections.abc import Callable

from rotator.checks.findings import Level
from rotator.checks.runner import Reporter

TimeAt = Callable[[str], datetime.datetime | None]
_NOTICEABLE = datetime.timedelta(minutes=1)


def ahead(
    theirs: datetime.datetime | None, before: datetime.datetime, after: datetime.datetime
) -> datetime.timedelta | None:
    """How far a clock is ahead of ours, that was asked between two moments; None where it did not answer."""
    return theirs - (before + (after - before) / 2) if theirs else None


def compare(
    whose: str, off: datetime.timedelta | None, say: Reporter, *, bound: datetime.timedelta = datetime.timedelta.max
) -> None:
    """Say how far a clock is ahead of ours; more than `bound` either way makes a rotation fail."""
    if off is None:
        say(Level.WARNING, f"{whose} does not say what time it is")
        return
    if abs(off) <= _NOTICEABLE:
        say(Level.OK, f"the clock of {whose} agrees with ours")
        return
    where = "ahead of" if off > datetime.timedelta(0) else "behind"
    text = f"the clock of {whose} is {abs(off).total_seconds():.0f} s {where} ours"
    level = Level.FAILURE if abs(off) > bound else Level.WARNING
    say(level, text, "Have both synchronised by NTP (timedatectl set-ntp true).")
