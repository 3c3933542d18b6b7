"""Compares another host's clock with ours: SAS are valid between two times, which each host judges by its own clock."""

import datetime

from rotator.checks.findings import Level, Reporter

_NOTICEABLE = datetime.timedelta(minutes=1)


def ahead(
    theirs: datetime.datetime | None, before: datetime.datetime, after: datetime.datetime
) -> datetime.timedelta | None:
    """How far a clock is ahead of ours that was read between two times of ours; None where it was not read."""
    return theirs - (before + (after - before) / 2) if theirs else None


def compare(
    whose: str, off: datetime.timedelta | None, report: Reporter, *, bound: datetime.timedelta = datetime.timedelta.max
) -> None:
    """Report how far a clock is ahead of ours; more than `bound` either way makes a rotation fail."""
    if off is None:
        report(Level.WARNING, f"{whose} does not report the time")
        return
    if abs(off) <= _NOTICEABLE:
        report(Level.OK, f"the clock of {whose} agrees with ours")
        return
    where = "ahead of" if off > datetime.timedelta(0) else "behind"
    text = f"the clock of {whose} is {abs(off).total_seconds():.0f} s {where} ours"
    level = Level.FAILURE if abs(off) > bound else Level.WARNING
    report(level, text, "Synchronise both by NTP (timedatectl set-ntp true).")
