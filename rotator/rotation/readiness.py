"""Whether runs come as scheduled, for anybody's uptime monitor: looked up once a minute at most, whoever asks."""

import datetime
import threading
import time
from collections.abc import Callable

from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan

_REMEMBERED_SECONDS = 60.0


def is_overdue(
    plan: Plan, now: datetime.datetime, last_run: datetime.datetime | None, first_due: datetime.datetime | None
) -> bool:
    """Whether a run should have come since the last one, ten minutes ago or earlier.

    Before the first run, the host's timer says for when that is due; where it says nothing, a run is overdue.
    """
    due = schedule.following(plan.schedule, last_run) if last_run else first_due
    return due is None or now > due + MARGIN


class Readiness:
    """Answers from memory for a minute; `look` finds the answer, and an error of its is a no.

    One caller looks, however many ask at that time: the others get the former answer, or wait for the first one.
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
        if not self._looking.acquire(blocking=known is None):
            return known is not None and known[1]
        try:
            return self._refreshed(known)
        finally:
            self._looking.release()

    def _refreshed(self, before: tuple[float, bool] | None) -> bool:
        if self._known is None or self._known is before:  # else another caller has just looked
            self._known = self._clock(), self._found()
        return self._known[1]

    def _found(self) -> bool:
        try:
            return self._look()
        except Exception:  # noqa: BLE001  # whoever asks gets no detail; status and check have it
            return False
