"""How long a forced rotation takes, and which of its steps takes how much of it."""

import statistics
import time

from bench import figures, surroundings
from bench.options import Choice
from rotator import app
from rotator.reporting.report import Trigger

NAMES = {
    "vault": "SSH key from the vault",
    "connect": "SSH connection",
    "observe": "first look (kubectl)",
    "issue": "definition and SAS from the vault",
    "prove": "proof on storage",
    "deliver": "delivery (kubectl)",
}


def show(choice: Choice) -> None:
    """Print the whole and its steps."""
    laps: dict[str, list[float]] = {}
    with surroundings.sandbox() as world:
        for _ in range(choice.rounds):
            began = time.perf_counter()
            report = app.rotate(trigger=Trigger.CLI, forced=True, environment=world.settings)
            laps.setdefault("whole", []).append(time.perf_counter() - began)
            for step, seconds in report.targets[0].seconds.items():
                laps.setdefault(step, []).append(seconds)
    print("\nA forced rotation, milliseconds (median), and its part of the whole")
    whole = statistics.median(laps["whole"])
    for step, taken in laps.items():
        figures.row(NAMES.get(step, step), statistics.median(taken), whole)
