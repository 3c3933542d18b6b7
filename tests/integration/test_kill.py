"""The process is killed with SIGKILL at each step; the cluster keeps a working SAS, and the next run finishes."""

import signal
from collections.abc import Iterator

import pytest

from sandbox.world import World
from tests.integration.conftest import Cluster, environment, outcome, rotate
from tests.integration.killing import Step, kill_at, steps_of, worth_killing
from tests.integration.warm import Warm

FORCED = ("rotate", "--force", "--json")


@pytest.fixture
def warm(world: World) -> Iterator[Warm]:
    with Warm(environment(world)) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_a_process_killed_at_any_step_leaves_a_working_sas_and_the_next_run_finishes(
    world: World, warm: Warm, strategy: str
) -> None:
    rotate(world, KUBERNETES_SECRET_STRATEGY=strategy)
    cluster = Cluster(world)
    every = steps_of(world, warm, *FORCED, KUBERNETES_SECRET_STRATEGY=strategy)
    assert {step.service for step in every} == {"identity", "vault", "blob", "master", "cluster"}

    steps, killed = worth_killing(every), 0
    for step in steps:
        killed += kill_at(world, warm, step, *FORCED, KUBERNETES_SECRET_STRATEGY=strategy) == -signal.SIGKILL
        assert cluster.works_soon(), step
    # The last steps may be over before the signal arrives.
    assert killed >= len(steps) - 4

    finished = outcome(rotate(world, KUBERNETES_SECRET_STRATEGY=strategy))
    assert finished["outcome"] in {"rotated", "unchanged"}
    assert cluster.works()


def test_a_first_rotation_killed_before_its_end_is_finished_by_the_next(world: World, warm: Warm) -> None:
    for step in (Step("vault", "set-definition", "after", 1), Step("cluster", "create", "before", 1)):
        kill_at(world, warm, step, *FORCED)
    rotate(world)
    assert Cluster(world).works()
