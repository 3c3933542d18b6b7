"""The process is killed with SIGKILL at each step; the cluster keeps a working SAS, and the next run finishes."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from sandbox.journal import Event
from sandbox.world import World
from tests.integration.conftest import ROOT, Cluster, environment, outcome, rotate

Step = tuple[str, str, str, int]  # service, action, phase, and the how-manieth of its kind


def steps_of(events: list[Event]) -> list[Step]:
    counted: Counter[tuple[str, str, str]] = Counter()
    steps = []
    for event in events:
        kind = (event.service, event.action, event.phase)
        counted[kind] += 1
        steps.append((*kind, counted[kind]))
    return steps


def run(world: World, strategy: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "rotator", "rotate", "--force", "--json"],
        env=environment(world, KUBERNETES_SECRET_STRATEGY=strategy),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_at(world: World, strategy: str, step: Step) -> int:
    """Run, and kill the process the moment it comes to `step`; gives its return code."""
    counted: Counter[tuple[str, str, str]] = Counter()
    started = threading.Event()
    process: subprocess.Popen[bytes] | None = None

    def watch(event: Event) -> None:
        kind = (event.service, event.action, event.phase)
        counted[kind] += 1
        if (*kind, counted[kind]) == step:
            started.wait()
            assert process
            os.kill(process.pid, signal.SIGKILL)

    cancel = world.journal.subscribe(watch)
    try:
        process = run(world, strategy)
        started.set()
        return process.wait(timeout=60)
    finally:
        cancel()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_a_process_killed_at_any_step_leaves_a_working_sas_and_the_next_run_finishes(
    world: World, strategy: str
) -> None:
    rotate(world, KUBERNETES_SECRET_STRATEGY=strategy)
    cluster = Cluster(world)
    seen = len(world.journal.events())
    assert run(world, strategy).wait(timeout=60) == 0
    steps = steps_of(world.journal.events()[seen:])
    assert {service for service, *_ in steps} == {"identity", "vault", "blob", "master", "cluster"}

    killed = 0
    for step in steps:
        killed += kill_at(world, strategy, step) == -signal.SIGKILL
        assert cluster.works_soon(), step
    # The last steps may be over before the signal arrives, and a reused challenge may spare the first.
    assert killed >= len(steps) - 4

    finished = outcome(rotate(world, KUBERNETES_SECRET_STRATEGY=strategy))
    assert finished["outcome"] in {"rotated", "unchanged"}
    assert cluster.works()


def test_a_first_rotation_killed_before_its_end_is_finished_by_the_next(world: World) -> None:
    for step in (("vault", "set-definition", "after", 1), ("cluster", "create", "before", 1)):
        kill_at(world, "recreate", step)
    rotate(world)
    assert Cluster(world).works()
