"""Measures the steps of a run: as seconds in the report, a span, a metric, and an activity for the status line."""

import contextlib
import enum
import time
from collections.abc import Iterator

from rotator import activity, telemetry


class Step(enum.StrEnum):
    """A step of a run, as reports, spans and metrics name it."""

    VAULT = "vault"
    CONNECT = "connect"
    OBSERVE = "observe"
    ISSUE = "issue"
    PROVE = "prove"
    DELIVER = "deliver"
    REGENERATE = "regenerate"
    WAIT = "wait"
    REFUSE = "refuse"


# What the status line says that a step waits for.
_WORDS = {
    Step.VAULT: "Key Vault",
    Step.CONNECT: "the SSH connection to the master",
    Step.OBSERVE: "the master, to read the Secret",
    Step.ISSUE: "Key Vault, to issue a SAS",
    Step.PROVE: "storage, to accept the SAS",
    Step.DELIVER: "the cluster, to take the SAS",
    Step.REGENERATE: "Key Vault, to regenerate an account key",
    Step.WAIT: "consumers, to see the new SAS",
    Step.REFUSE: "storage, to refuse the former SAS",
}
_INTERRUPTED = {Step.WAIT: "Ctrl-C leaves the old key alive: the next run resumes it"}


class Stopwatch:
    """Adds up the seconds of each step in `laps`; each step is also a span and a value of the metric STEP_DURATION."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})

    @contextlib.contextmanager
    def step(self, name: Step, *, lasts: float | None = None) -> Iterator[None]:
        """Measure the block as this step; `lasts` is how many seconds it will take, if that is known."""
        began = time.perf_counter()
        words, interrupted = _WORDS[name], _INTERRUPTED.get(name, "")
        try:
            with telemetry.span(f"rotator.{name}"), activity.of(words, seconds=lasts, interrupted=interrupted):
                yield
        finally:
            seconds = time.perf_counter() - began
            self.laps[name] = self.laps.get(name, 0.0) + seconds
            telemetry.measure(telemetry.STEP_DURATION, seconds, step=name)

    def forked(self) -> "Stopwatch":
        """Return another stopwatch that starts with the laps so far."""
        return Stopwatch(self.laps)
