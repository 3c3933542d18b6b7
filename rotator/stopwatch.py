"""Seconds by step."""

import contextlib
import time
from collections.abc import Iterator

from rotator import activity, telemetry

# What somebody at a terminal is told that a step waits for.
_WORDS = {
    "vault": "Key Vault",
    "connect": "the SSH connection to the master",
    "observe": "the master, to read the Secret",
    "issue": "Key Vault, to issue a SAS",
    "prove": "storage, to accept the SAS",
    "deliver": "the cluster, to take the SAS",
    "regenerate": "Key Vault, to regenerate an account key",
    "wait": "consumers, to see the new SAS",
    "refuse": "storage, to refuse the former SAS",
}
_INTERRUPTED = {"wait": "Ctrl-C leaves the old key alive: the next run goes on with it"}


class Stopwatch:
    """Adds up how long each step took, in seconds; each is a span, and counts in the metric of steps."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})

    @contextlib.contextmanager
    def step(self, name: str, *, lasts: float | None = None) -> Iterator[None]:
        """Count what is done inside as this step; `lasts` is how many seconds it takes, where that is known."""
        began = time.perf_counter()
        words, interrupted = _WORDS.get(name, name), _INTERRUPTED.get(name, "")
        try:
            with telemetry.span(f"rotator.{name}"), activity.of(words, seconds=lasts, interrupted=interrupted):
                yield
        finally:
            seconds = time.perf_counter() - began
            self.laps[name] = self.laps.get(name, 0.0) + seconds
            telemetry.measure(telemetry.STEP_DURATION, seconds, step=name)

    def forked(self) -> "Stopwatch":
        """Go on from here on another watch."""
        return Stopwatch(self.laps)
