"""A key rotation is killed with SIGKILL at each step; one further run finishes it, and no key is regenerated twice."""

import itertools
import signal
from collections.abc import Iterator

import pytest

from sandbox.world import World
from tests.integration.conftest import Keys, environment, regenerate, revoke
from tests.integration.interrupted import BOTH, Beginning, Ending
from tests.integration.killing import Step, kill_at, steps_of
from tests.integration.warm import TIMER, Warm

BY_HAND = ("rotate", "--regenerate-key", "--json")
REVOKE = ("revoke", "--json")
# The period is for the timer alone.
SETTINGS = {"KEY_ROTATION_PERIOD": "P90D"}


@pytest.fixture
def warm(world: World) -> Iterator[Warm]:
    with Warm(environment(world, **SETTINGS)) as running:
        yield running


def worth_killing(steps: list[Step]) -> list[Step]:
    """All of them, but not both ends of a reading: the process never gets its answer, and nothing else comes of it."""
    return [step for step in steps if not (step.reads and step.phase == "after")]


def kill_everywhere(world: World, warm: Warm, words: tuple[str, ...], *endings: Ending) -> None:
    """Of several endings, each takes its turn."""
    beginning = Beginning(world)
    beginning.again()
    steps = steps_of(world, warm, *words)
    assert {step.service for step in steps} == {"identity", "vault", "resource-manager", "blob", "master", "cluster"}
    assert Keys(world).regenerated(beginning.values) == endings[0].regenerated

    killed = 0
    for step, ending in zip(worth_killing(steps), itertools.cycle(endings), strict=False):
        beginning.again()
        killed += kill_at(world, warm, step, *words) == -signal.SIGKILL
        ending.reach(world, beginning, step)
    # The last steps may be over before the signal arrives.
    assert killed >= len(worth_killing(steps)) - 4


@pytest.mark.timeout(300)
class TestOneKey:
    def test_killed_by_hand_it_is_finished_by_the_timer(self, world: World, warm: Warm) -> None:
        kill_everywhere(world, warm, BY_HAND, Ending(regenerate, by_timer=True, regenerated=["key2"]))

    def test_killed_by_the_timer_it_is_finished_by_hand(self, world: World, warm: Warm) -> None:
        kill_everywhere(world, warm, (TIMER,), Ending(regenerate, by_timer=False, regenerated=["key2"]))


@pytest.mark.timeout(300)
class TestBothKeys:  # a class of its own, as the tests of a class run one after the other
    def test_a_revocation_is_finished_by_the_timer_or_by_asking_again(self, world: World, warm: Warm) -> None:
        endings = [Ending(revoke, by_timer=by_timer, regenerated=BOTH) for by_timer in (True, False)]
        kill_everywhere(world, warm, REVOKE, *endings)
