"""Seconds by step."""

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Adds up how long each step took, in seconds."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what is done inside as this step."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.laps[name] = self.laps.get(name, 0.0) + time.perf_counter() - began

    def forked(self) -> "Stopwatch":
        """Go on from here on another watch."""
        return Stopwatch(self.laps)
