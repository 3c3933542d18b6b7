"""The timer as the Functions host's own record shows it: when it fired, when it fires next, and which times it missed.

Not the same as the runs: runs by HTTP or in a terminal go on while the timer stands still.
"""

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

from rotator import timestamps
from rotator.plan import schedule
from rotator.plan.consistency import MARGIN

MAX_MISSED = 100
_SHOWN = 3
_MINUTE = datetime.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Timer:
    """When the timer fired `last`, None for never, and when it fires `next`, both as recorded; in UTC.

    `missed` has the times of the schedule that passed without it: the first 100 at most. The record changes only after
    a run, so a time counts as missed once it is ten minutes ago.
    """

    last: datetime.datetime | None
    next: datetime.datetime
    missed: tuple[datetime.datetime, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether it should have fired and did not."""
        return bool(self.missed)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are ISO 8601 in UTC."""
        return {
            "last": timestamps.text(self.last) if self.last else None,
            "next": timestamps.text(self.next),
            "missed": [timestamps.text(each) for each in self.missed],
        }

    def summary(self, now: datetime.datetime) -> str:
        """Return when it fired last and, unless it is silent, when it fires next, or is about to."""
        fired = f"fired {timestamps.with_distance(self.last, now)}" if self.last else "has not fired yet"
        if self.silent:
            return fired
        fires = "fires next" if self.next > now else "is due since"
        return f"{fired}, {fires} {timestamps.with_distance(self.next, now)}"

    def missed_text(self, now: datetime.datetime) -> str:
        """Return which times it missed: "should have fired at 06:00 and 06:30 and did not"; empty if none.

        Times are in UTC, with their date where that is not today's. Of more than three, the first three are named.
        """
        if not self.missed:
            return ""
        times = [_clock(each, now) for each in self.missed[:_SHOWN]]
        more = len(self.missed) - len(times)
        if more:
            least = "at least " if len(self.missed) == MAX_MISSED else ""
            return f"should have fired at {', '.join(times)} and {least}{more} time{'s' * (more > 1)} more, and did not"
        named = " and ".join(filter(None, (", ".join(times[:-1]), times[-1])))
        return f"should have fired at {named} and did not"


def observe(
    last: datetime.datetime | None, following: datetime.datetime, expression: str, now: datetime.datetime
) -> Timer:
    """Return the timer at `now`, of which the record has its `last` time and the `following` one.

    `expression` is the schedule; raises ValueError where that is invalid.
    """
    return Timer(last, following, tuple(_missed(following, expression, now)))


def keeps_record(expression: str) -> bool:
    """Whether the host keeps a record: not for a schedule whose times are always less than a minute apart.

    https://github.com/Azure/azure-webjobs-sdk-extensions (TimerSchedule.ShouldDisableScheduleMonitor)
    """
    return schedule.intervals(expression)[1] >= _MINUTE


def _missed(first: datetime.datetime, expression: str, now: datetime.datetime) -> Iterator[datetime.datetime]:
    time = first
    for _ in range(MAX_MISSED):
        if time > now - MARGIN:
            return
        yield time
        time = schedule.following(expression, time)


def _clock(time: datetime.datetime, now: datetime.datetime) -> str:
    there, here = time.astimezone(datetime.UTC), now.astimezone(datetime.UTC)
    clock = f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}"
    return clock if there.date() == here.date() else f"{there:%Y-%m-%d} {clock}"
