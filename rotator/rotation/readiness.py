"""Whether runs come as scheduled: for the second way to fire, and for anybody's uptime monitor."""

import datetime
import threading
import time
from collections.abc import Callable

from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan
from rotator.rotation.lock import LastRun
from rotator.rotation.request import EARLY
from rotator.sas import CLOCK_SKEW

_REMEMBERED_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 5.0  # for another caller's first look


def is_missed(plan: Plan, now: datetime.datetime, last: LastRun) -> bool:
    """Whether the schedule's time has come since the last run, or that run was killed; also if none is known."""
    ended = _believable(last.ended, now)
    return last.interrupted is not None or ended is None or _next(plan, ended) <= now


def is_overdue(plan: Plan, now: datetime.datetime, last: LastRun, first_due: datetime.datetime | None) -> bool:
    """Whether a run should have come since the last one that was completed, ten minutes ago or earlier.

    Before the first one, the host's timer says for when it is due; where it says nothing, a run is overdue.
    """
    ended = _believable(last.ended, now)
    if ended:
        due: datetime.datetime | None = _next(plan, ended)
    else:
        due = last.interrupted.since if last.interrupted else first_due
    return due is None or now > due + MARGIN


def _next(plan: Plan, ended: datetime.datetime) -> datetime.datetime:
    """Return the schedule's next time after a run; one that began a moment early was for the time right after it."""
    return schedule.following(plan.schedule, ended + EARLY)


def _believable(ended: datetime.datetime | None, now: datetime.datetime) -> datetime.datetime | None:
    """Return the time, unless it is in the future by more than clocks differ: a clock was wrong."""
    return ended if ended and ended <= now + CLOCK_SKEW else None


class Readiness:
    """Answers from memory for a minute; `look` finds the answer, and an error of its is a no.

    One caller looks, however many ask at that time: the others get the former answer, or wait for the first one, for
    some seconds.
    """

    def __init__(self, look: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._looking = threading.Lock()
        self._known: tuple[float, bool] | None = None  # when it was found, and what

    def __call__(self) -> bool:
        """Return whether runs come as scheduled."""
        known = self._known
        if known and self._clock() - known[0] < _REMEMBERED_SECONDS:
            return known[1]
        if not self._looking.acquire(timeout=0 if known else _LONGEST_WAIT_SECONDS):
            return known is not None and known[1]
        try:
            return self._refreshed(known)
        finally:
            self._looking.release()

    def _refreshed(self, before: tuple[float, bool] | None) -> bool:
        if self._known is None or self._known is before:  # else another caller has just looked
            found = self._found()
            self._known = self._clock(), found
        return self._known[1]

    def _found(self) -> bool:
        try:
            return self._look()
        except Exception:  # noqa: BLE001  # whoever asks gets no detail; status and check have it
            return False
