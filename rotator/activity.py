"""What is under way at this moment, for somebody who waits at a terminal. Nobody needs to look."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, eq=False)
class Activity:
    """Something that takes time: since when, and for how many `seconds` it is going to, where that is known.

    Times are of the monotonic clock. `interrupted` says what Ctrl-C would mean now, where that differs from the
    command's own words.
    """

    text: str
    began: float
    seconds: float | None = None
    interrupted: str = ""


_lock = threading.Lock()
_under_way: list[Activity] = []


@contextlib.contextmanager
def of(text: str, *, seconds: float | None = None, interrupted: str = "") -> Iterator[None]:
    """Have what is done inside be under way."""
    begun = Activity(text, time.monotonic(), seconds, interrupted)
    with _lock:
        _under_way.append(begun)
    try:
        yield
    finally:
        with _lock:
            _under_way.remove(begun)


def latest() -> Activity | None:
    """Give what began last of all that is under way: what the others wait for, or the last of many."""
    with _lock:
        return _under_way[-1] if _under_way else None
