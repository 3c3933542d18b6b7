"""A line at the bottom of a terminal while a command works: what it waits for, how long, and whether Ctrl-C is safe.

It is written to standard error, only where that is a terminal, and erased before anything else is written.
"""

import os
import shutil
import sys
import threading
import time
from typing import Self

from rotator import activity
from rotator.commands import printing

ERASE = "\r\x1b[K"
_DELAY_SECONDS = 0.7  # a command that ends sooner needs no line
_REFRESH_SECONDS = 0.25
_UNLIMITED = 1_000  # characters
_SHORTEST = len("Waiting for: …")


class StatusLine:
    """A context manager; `interrupted` is what Ctrl-C means for the command."""

    def __init__(self, interrupted: str, *, shown: bool) -> None:
        self._interrupted = interrupted
        self._stopping = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="status line", daemon=True) if shown else None

    def __enter__(self) -> Self:
        """Show the line after a short delay."""
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Erase the line."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """Show from now on that the command stops, and what it still waits for."""
        self._stopping = True

    def text(self, now: float, width: int = _UNLIMITED) -> str:
        """Return the line at a time of the monotonic clock, at most `width` characters long."""
        under_way = activity.latest()
        if under_way is None:
            what, interrupted = ("Stopping", "") if self._stopping else ("Working", self._interrupted)
            return _fitted(what, "", interrupted, width)
        what = printing.printable(under_way.text)  # before it is cut: part of a secret would not be found
        taken = now - under_way.began
        if under_way.seconds is None:
            when = f", for {_duration(taken)}"
        else:
            when = f", {_duration(max(under_way.seconds - taken, 0))} left"
        if self._stopping:
            return _fitted(f"Stopping; waiting for: {what}", when, "", width)
        return _fitted(f"Waiting for: {what}", when, under_way.interrupted or self._interrupted, width)

    def _show(self) -> None:
        wait, shown = _DELAY_SECONDS, False
        while not self._ended.wait(wait):
            # Only the last part of a folded line would be erased, and the terminal may add ^C to it.
            width = shutil.get_terminal_size().columns - len("^C") - 1
            self._write(ERASE + self.text(time.monotonic(), width))
            wait, shown = _REFRESH_SECONDS, True
        if shown:
            self._write(ERASE)

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal has gone
            return


def is_wanted(*, as_json: bool, verbose: bool) -> bool:
    """Whether to show the line: only in a terminal, and not among log lines or JSON."""
    if verbose or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return not (as_json and sys.stdout.isatty())


def _fitted(what: str, when: str, interrupted: str, width: int) -> str:
    """Join the parts; where they are too long, first cut the reason after Ctrl-C's colon, then the end of `what`."""
    if len(what) + len(when) + len(f"; {interrupted}") > width:
        interrupted = interrupted.partition(":")[0]
    rest = f"{when}; {interrupted}" if interrupted else when
    available = max(width - len(rest), _SHORTEST)
    line = (what if len(what) <= available else f"{what[: available - 1]}…") + rest
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes else f"{left} s"
