"""What the process is waiting for, for the status line in a terminal. Elsewhere nobody reads it."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, eq=False)
class Activity:
    """Something that takes time: when it began, and how many `seconds` it takes, if that is known.

    `began` is a time of the monotonic clock. `interrupted` says what Ctrl-C would do now, if that differs from what the
    command says in general.
    """

    text: str
    began: float
    seconds: float | None = None
    interrupted: str = ""


_lock = threading.Lock()
_under_way: list[Activity] = []


@contextlib.contextmanager
def of(text: str, *, seconds: float | None = None, interrupted: str = "") -> Iterator[None]:
    """Show this activity while the block runs."""
    begun = Activity(text, time.monotonic(), seconds, interrupted)
    with _lock:
        _under_way.append(begun)
    try:
        yield
    finally:
        with _lock:
            _under_way.remove(begun)


def latest() -> Activity | None:
    """The activity that began last of those that are under way: the innermost one, or the latest of many threads'."""
    with _lock:
        return _under_way[-1] if _under_way else None
