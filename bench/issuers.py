"""What a forced rotation costs with each issuer, against Key Vault's: seconds, and requests by service."""

import contextlib
import dataclasses
import os
import statistics
import time
from collections import Counter
from collections.abc import Mapping

from bench import options, surroundings
from bench.options import Choice
from rotator import app
from rotator.reporting.report import Trigger
from sandbox.issuers import ISSUERS, Issuer
from sandbox.world import CONTAINER, World

BASELINE: Issuer = "keyvault"
SERVICES = {"vault": "vault", "resource-manager": "manager", "blob": "storage"}
CONTAINER_SAS = "storagekey, SAS_CONTAINER"
# The steps that an issuer has a part in; the rest is the same for each.
STEPS = ("issue", "prove")


@dataclasses.dataclass(frozen=True)
class Lap:
    """One rotation: its seconds, those of its steps, and its requests."""

    seconds: float
    steps: Mapping[str, float]
    requests: Counter[str]


def show(choice: Choice) -> None:
    """Print all issuers, each in a sandbox of its own whose identity has what that issuer needs and no more."""
    laps: dict[str, list[Lap]] = {}
    with contextlib.ExitStack() as stack:
        known = [dataclasses.replace(options.options(), issuer=issuer) for issuer in ISSUERS]
        worlds = [stack.enter_context(surroundings.sandbox(each)) for each in known]
        for number in range(choice.rounds + 1):  # each round all issuers, so that the machine's load hits all
            for world in worlds:
                enter(world, worlds)
                for name, settings in ways(world).items():
                    found = lap(world, settings)
                    if number:  # the first delivery only creates
                        laps.setdefault(name, []).append(found)
    print(
        "\nA forced rotation with each issuer: milliseconds (median), and requests to vault, Resource Manager, storage"
    )
    print(f"  {'':<34}  whole   ratio" + "".join(f"{name:>8}" for name in (*STEPS, *SERVICES.values())))
    base = statistics.median(each.seconds for each in laps[f"{BASELINE} (baseline)"])
    for name, taken in laps.items():
        row(name, taken, base)


def enter(world: World, worlds: list[World]) -> None:
    """From now on this process's SDKs find the services of this sandbox, and nothing of the others."""
    for name in {name for each in worlds for name in each.settings}:
        os.environ.pop(name, None)
    os.environ.update(world.settings)


def ways(world: World) -> dict[str, dict[str, str]]:
    """The settings of each way to use this sandbox's issuer, by what it is called; the baseline is called one."""
    issuer = world.options.issuer
    found = {f"{issuer} (baseline)" if issuer == BASELINE else issuer: world.settings}
    if issuer == "storagekey":
        found[CONTAINER_SAS] = {**world.settings, "SAS_CONTAINER": CONTAINER}
    return found


def lap(world: World, settings: Mapping[str, str]) -> Lap:
    """Measure one rotation; raises RuntimeError when it fails, as the figures would mean nothing."""
    before, began = requests(world), time.perf_counter()
    report = app.rotate(trigger=Trigger.CLI, forced=True, environment=settings)
    seconds = time.perf_counter() - began
    if report.failed:
        raise RuntimeError(report.counts())
    made = requests(world)
    made.subtract(before)
    return Lap(seconds, report.targets[0].seconds, made)


def requests(world: World) -> Counter[str]:
    """How many each service got so far; storage notes those that it refuses as such."""
    asked = (event for event in world.journal.events() if event.phase == "before" or event.action == "refuse")
    return Counter(event.service for event in asked)


def row(name: str, laps: list[Lap], base: float) -> None:
    """Print one issuer's figures."""
    whole = statistics.median(each.seconds for each in laps)
    steps = [f"{statistics.median(each.steps.get(step, 0) for each in laps) * 1000:8.0f}" for step in STEPS]
    counts = [f"{statistics.median_high(each.requests[service] for each in laps):8}" for service in SERVICES]
    print(f"  {name:<34}{whole * 1000:7.0f}   {whole / base:5.2f}{''.join(steps)}{''.join(counts)}")
