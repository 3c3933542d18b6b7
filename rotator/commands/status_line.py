"""A line at the foot of a terminal while a command works: what it waits for, how long, and whether Ctrl-C is safe.

It goes to standard error, and only where that is a terminal; it is gone before anything else is written.
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
_QUIET_SECONDS = 0.7  # what is done sooner needs no line
_EVERY_SECONDS = 0.25
_UNBOUNDED = 1_000  # characters
_LEAST = len("Waits for: …")


class StatusLine:
    """A context manager; `interrupted` says what Ctrl-C means for the command."""

    def __init__(self, interrupted: str, *, shown: bool) -> None:
        self._interrupted = interrupted
        self._stopping = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="status line", daemon=True) if shown else None

    def __enter__(self) -> Self:
        """Begin to show it, a moment later."""
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Erase it."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """Say from now on that the command was interrupted, and what it still waits for."""
        self._stopping = True

    def text(self, now: float, width: int = _UNBOUNDED) -> str:
        """Give the line for this time of the monotonic clock, in so many characters."""
        under_way = activity.latest()
        if under_way is None:
            what, means = ("Stopping", "") if self._stopping else ("Working", self._interrupted)
            return _fitted(what, "", means, width)
        what = printing.printable(under_way.text)  # first: of a secret that is cut nothing would be found
        taken = now - under_way.began
        if under_way.seconds is None:
            when = f", for {_duration(taken)}"
        else:
            when = f", {_duration(max(under_way.seconds - taken, 0))} left"
        if self._stopping:
            return _fitted(f"Stopping; waits for: {what}", when, "", width)
        return _fitted(f"Waits for: {what}", when, under_way.interrupted or self._interrupted, width)

    def _show(self) -> None:
        wait, shown = _QUIET_SECONDS, False
        while not self._over.wait(wait):
            # Of a line that is folded, also by the ^C that a terminal shows, only the last part would be erased.
            width = shutil.get_terminal_size().columns - len("^C") - 1
            self._write(ERASE + self.text(time.monotonic(), width))
            wait, shown = _EVERY_SECONDS, True
        if shown:
            self._write(ERASE)

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal has gone, and nobody looks any more
            return


def is_wanted(*, as_json: bool, verbose: bool) -> bool:
    """Whether somebody looks: not where lines of the log would tear it, nor beside JSON in the same terminal."""
    if verbose or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return not (as_json and sys.stdout.isatty())


def _fitted(what: str, when: str, interrupted: str, width: int) -> str:
    """Put the line together; where it is too long, what Ctrl-C means loses its reason first, then `what` its end."""
    if len(what) + len(when) + len(f"; {interrupted}") > width:
        interrupted = interrupted.partition(":")[0]
    rest = f"{when}; {interrupted}" if interrupted else when
    room = max(width - len(rest), _LEAST)
    line = (what if len(what) <= room else f"{what[: room - 1]}…") + rest
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes else f"{left} s"
