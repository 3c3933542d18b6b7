"""Seconds by step."""

import contextlib
import time
from collections.abc import Iterator

from rotator import telemetry


class Stopwatch:
    """Adds up how long each step took, in seconds; each is a span, and counts in the metric of steps."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what is done inside as this step."""
        began = time.perf_counter()
        try:
            with telemetry.span(f"rotator.{name}"):
                yield
        finally:
            seconds = time.perf_counter() - began
            self.laps[name] = self.laps.get(name, 0.0) + seconds
            telemetry.measure(telemetry.STEP_DURATION, seconds, step=name)

    def forked(self) -> "Stopwatch":
        """Go on from here on another watch."""
        return Stopwatch(self.laps)
