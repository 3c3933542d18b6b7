"""What a key rotation costs above a plain rotation, and what its consumers notice, against the naive order of steps."""

import contextlib
import dataclasses
import datetime
import logging
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bench import surroundings
from bench.consumer import APART, Consumer
from bench.options import Choice
from rotator import app
from rotator.azure import identity, managed_storage
from rotator.plan import loader
from rotator.plan.plan import Plan
from rotator.reporting.report import Report, Trigger
from rotator.rotation.request import Request
from rotator.rotation.state import Operation
from sandbox.master.server import Master
from sandbox.world import World

ROUNDS = {1: 5, 10: 1, 50: 1}  # by the number of targets
MOST_REVOKED = 10
SERVICES = {"vault": "vault", "resource-manager": "manager", "blob": "storage", "ssh": "SSH"}

Way = Callable[[Plan], Report]


@dataclasses.dataclass(frozen=True)
class Lap:
    """One run: how long it took, what it asked of whom, and what its consumers were refused meanwhile."""

    seconds: float
    calls: Counter[str]
    requests: int
    refused: int


def show(_choice: Choice) -> None:
    """Print all ways for each number of targets; how often is in ROUNDS."""
    with surroundings.sandbox() as world, _quiet():
        _show(world)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Each regenerated key is a warning, and meant here."""
    logger = logging.getLogger("rotator")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _show(world: World) -> None:
    measured(world, 1, 1)  # to warm up
    print(
        f"\nKey rotation: seconds (median); calls of vault, Resource Manager and storage, commands over SSH; and what"
        f"\nstorage refused to consumers of the first and the last target that read a blob every {APART * 1000:.0f} ms"
    )
    print(f"  {'':<40}seconds   ratio " + "".join(f"{name:>8}" for name in SERVICES.values()) + "   refused")
    for targets, rounds in ROUNDS.items():
        laps = measured(world, targets, rounds)
        base = statistics.median(lap.seconds for lap in next(iter(laps.values())))
        for name, of_way in laps.items():
            row(f"{targets} {'target' if targets == 1 else 'targets'}, {name}", base, of_way)


def plan(world: World, targets: int) -> Plan:
    """A plan for so many Secrets in one cluster."""
    found = loader.load(world.settings)
    names = [f"{found.targets[0].secret}-{number}" for number in range(1, targets + 1)]
    return dataclasses.replace(
        found,
        targets=tuple(dataclasses.replace(found.targets[0], secret=name) for name in names),
        account=dataclasses.replace(found.account, revoke_grace=datetime.timedelta(0)),  # is waited for, not worked
    )


def ways(world: World, targets: int) -> dict[str, Way]:
    """The baseline first."""
    found: dict[str, Way] = {
        "plain rotation (baseline)": lambda plan: performed(world, plan, None),
        "key rotation": lambda plan: performed(world, plan, Operation.REGENERATE),
        "active key first (naive)": lambda plan: naive(world, plan),
    }
    if targets <= MOST_REVOKED:
        found["revoke (REVOKE_GRACE=PT0S)"] = lambda plan: performed(world, plan, Operation.REVOKE)
    return found


def performed(world: World, plan: Plan, operation: Operation | None) -> Report:
    """Do it with the product; raises RuntimeError when that fails, as the figures would mean nothing."""
    report = app.rotate_plan(plan, Request(Trigger.CLI, "bench", forced=True, operation=operation), world.settings)
    if report.failed:
        raise RuntimeError(report.counts())
    return report


def naive(world: World, plan: Plan) -> Report:
    """Do what a script would: a new key in place of the one in use, then a new SAS for everybody."""
    with (
        contextlib.closing(identity.credential(plan.client_id)) as credential,
        contextlib.closing(managed_storage.ManagedStorage(plan.account, credential)) as storage,
    ):
        storage.regenerate(storage.managed().active_key)
    return performed(world, plan, None)


def measured(world: World, targets: int, rounds: int) -> dict[str, list[Lap]]:
    """Each round one of each way, so that the machine's moods hit all alike."""
    laps: dict[str, list[Lap]] = {}
    chosen = plan(world, targets)
    performed(world, chosen, None)  # a first delivery only creates, and others may hold a SAS of a key that is gone
    for _ in range(rounds):
        for name, way in ways(world, targets).items():
            laps.setdefault(name, []).append(lap(world, chosen, way))
    return laps


def lap(world: World, plan: Plan, way: Way) -> Lap:
    """Measure one run."""
    ends = frozenset({plan.targets[0].secret, plan.targets[-1].secret})
    consumer = Consumer(world, ends)
    before = calls(world)
    with consumer.reading():
        began = time.perf_counter()
        way(plan)
        seconds = time.perf_counter() - began
    made = calls(world)
    made.subtract(before)
    made["blob"] -= consumer.requests
    return Lap(seconds, made, consumer.requests, consumer.refused)


def calls(world: World) -> Counter[str]:
    """What each service was asked so far; storage notes those that it refuses as such."""
    asked = [event for event in world.journal.events() if event.phase == "before" or event.action == "refuse"]
    return Counter(event.service for event in asked) + Counter(ssh=commands(world))


def commands(world: World) -> int:
    """How many commands the master was given so far."""
    if isinstance(world.master, Master):
        return len(world.master.commands)
    return world.master.log.read_text().count("Starting session: command")


def row(name: str, base: float, laps: list[Lap]) -> None:
    """Print one way's figures."""
    seconds = statistics.median(lap.seconds for lap in laps)
    counts = [f"{statistics.median_high(lap.calls[service] for lap in laps):8}" for service in SERVICES]
    refused, requests = sum(lap.refused for lap in laps), sum(lap.requests for lap in laps)
    print(f"  {name:<40}{seconds:7.2f}   {seconds / base:5.2f} {''.join(counts)}   {refused} of {requests}")
