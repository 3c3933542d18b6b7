"""How long an operator waits: for a check, against the same looks one after the other, and for the status."""

import contextlib
import statistics
import time
from collections.abc import Callable

from rotator import app
from rotator.azure import identity
from rotator.checks import checkup as checking
from rotator.checks import runner
from rotator.plan import loader
from rotator.reporting import status_page
from sandbox.world import World


def show(world: World, rounds: int) -> None:
    """Print the check's and the status' times, each round one of each."""
    app.rotate(trigger="bench", environment=world.settings)
    found = app.status(environment=world.settings)
    ways: dict[str, Callable[[], object]] = {
        "check, one look at a time (baseline)": lambda: check(world, 1),
        "check": lambda: check(world, 8),
        "status": lambda: app.status(environment=world.settings),
        "the status' page": lambda: status_page.render(found),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    print("\nLooking, milliseconds (median), against the baseline")
    base = statistics.median(next(iter(taken.values()))[1:])
    for name, seconds in taken.items():
        median = statistics.median(seconds[1:])
        print(f"  {name:<40} {median * 1000:7.1f} {median / base:7.2f}")


def check(world: World, at_once: int) -> None:
    """Look at everything; raises RuntimeError when anything is wrong, as the figures would mean nothing."""
    plan = loader.load(world.settings)
    with contextlib.closing(identity.credential(plan.client_id)) as credential:
        checkup = checking.check(plan, credential, world.settings, runner.NoProgress(), at_once=at_once)
    if checkup.failed:
        raise RuntimeError(checkup.verdict())
