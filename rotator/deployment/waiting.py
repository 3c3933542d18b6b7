"""Attempts that are repeated until they succeed or their time is over."""

import time
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class Wait:
    """The time for one step: `seconds` since it was made, with pauses that grow from half a second to ten."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._next_pause = _FIRST_PAUSE_SECONDS

    def elapsed(self) -> float:
        """Return the seconds since the first attempt."""
        return self._clock() - self._began

    def pause(self) -> bool:
        """Sleep until the next attempt; False, at once, if the time is over."""
        left = self._seconds - self.elapsed()
        if left <= 0:
            return False
        self._sleep(min(self._next_pause, left))
        self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE_SECONDS)
        return True


def duration(seconds: float) -> str:
    """Return a number of seconds for a person: 40 s, 10 min."""
    minutes, left = divmod(round(seconds), 60)
    parts = [f"{minutes} min"] if minutes else []
    return " ".join([*parts, f"{left} s"] if left or not minutes else parts)
