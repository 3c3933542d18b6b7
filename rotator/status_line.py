"""A line at the foot of a terminal while a command works: what it waits for, how long, and whether Ctrl-C is safe.

It goes to standard error, and only where that is a terminal; it is gone before anything else is written.
"""

import os
import shutil
import sys
import threading
import time
from typing import Self

from rotator import activity, complaint

_ERASE = "\r\x1b[K"
_QUIET_SECONDS = 0.7  # what is done sooner needs no line
_EVERY_SECONDS = 0.25


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

    @property
    def is_shown(self) -> bool:
        """Whether there is one to be erased."""
        return self._thread is not None

    def stop(self) -> None:
        """Say from now on that the command was interrupted, and what it still waits for."""
        self._stopping = True

    def text(self, now: float) -> str:
        """Give the line for this time of the monotonic clock."""
        under_way = activity.latest()
        if under_way is None:
            return "Stopping" if self._stopping else f"Working; {self._interrupted}"
        taken = now - under_way.began
        if under_way.seconds is None:
            when = f"for {_duration(taken)}"
        else:
            when = f"{_duration(max(under_way.seconds - taken, 0))} left"
        if self._stopping:
            return f"Stopping; waits for: {under_way.text}, {when}"
        return f"Waits for: {under_way.text}, {when}; {under_way.interrupted or self._interrupted}"

    def _show(self) -> None:
        wait, shown = _QUIET_SECONDS, False
        while not self._over.wait(wait):
            width = shutil.get_terminal_size().columns - len("^C") - 1
            line = complaint.printable(self.text(time.monotonic()))
            # Of a line that is folded, also by the ^C that a terminal shows, only the last part would be erased.
            self._write(_ERASE + (line if len(line) <= width else f"{line[: width - 1]}…"))
            wait, shown = _EVERY_SECONDS, True
        if shown:
            self._write(_ERASE)

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


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes else f"{left} s"
