"""A key rotation is killed with SIGKILL at each step; one further run finishes it, and no key is regenerated twice."""

import signal
from collections.abc import Iterator

import pytest

from sandbox.world import World
from tests.integration.conftest import Keys, environment, regenerate, revoke
from tests.integration.interrupted import BOTH, Beginning, Ending
from tests.integration.killing import Step, kill_at, steps_of, worth_killing
from tests.integration.warm import TIMER, Warm

BY_HAND = ("rotate", "--regenerate-key", "--json")
REVOKE = ("revoke", "--json")
# The period is for the timer alone.
SETTINGS = {"KEY_ROTATION_PERIOD": "P90D"}


@pytest.fixture
def warm(world: World) -> Iterator[Warm]:
    with Warm(environment(world, **SETTINGS)) as running:
        yield running


@pytest.fixture
def warm_storagekey(storagekey: World) -> Iterator[Warm]:
    with Warm(environment(storagekey, **SETTINGS)) as running:
        yield running


Way = tuple[tuple[str, ...], Ending]  # how a key rotation begins, and what has to finish it


def kill_everywhere(world: World, warm: Warm, *ways: Way, since: str | None = None) -> None:
    """At each step, or from the first one of this kind on; of several ways each has its turn."""
    beginning = Beginning(world)
    taken: list[list[Step]] = []
    for words, ending in ways:
        beginning.again()
        steps = steps_of(world, warm, *words)
        assert {step.service for step in steps} == {
            "identity",
            "vault",
            "resource-manager",
            "blob",
            "master",
            "cluster",
        }
        assert Keys(world).regenerated(beginning.values) == ending.regenerated
        worth = worth_killing(steps)
        first = next(number for number, step in enumerate(worth) if since in (None, step.action))
        taken.append(worth[first:])

    killed = 0
    for number in range(max(map(len, taken))):
        (words, ending), steps = ways[number % len(ways)], taken[number % len(ways)]
        if number < len(steps):
            beginning.again()
            killed += kill_at(world, warm, steps[number], *words) == -signal.SIGKILL
            ending.reach(world, beginning, steps[number])
    # The last steps may be over before the signal arrives.
    assert killed >= max(map(len, taken)) - 4


@pytest.mark.timeout(300)
class TestOneKey:
    def test_killed_by_hand_it_is_finished_by_the_timer_and_the_other_way_round(self, world: World, warm: Warm) -> None:
        by_hand = BY_HAND, Ending(regenerate, by_timer=True, regenerated=["key2"])
        by_timer = (TIMER,), Ending(regenerate, by_timer=False, regenerated=["key2"])
        kill_everywhere(world, warm, by_hand, by_timer)


WAYS_TO_REVOKE = [(REVOKE, Ending(revoke, by_timer=by_timer, regenerated=BOTH)) for by_timer in (True, False)]


@pytest.mark.timeout(300)
class TestBothKeys:  # a class of its own, as the tests of a class run one after the other
    def test_a_revocation_is_finished_by_the_timer_or_by_asking_again(self, world: World, warm: Warm) -> None:
        """What it does before it regenerates a key, a key rotation does too."""
        kill_everywhere(world, warm, *WAYS_TO_REVOKE, since="regenerate-key")


@pytest.mark.timeout(300)
class TestSignedHere:
    def test_a_revocation_of_keys_that_sign_here_is_finished_likewise(
        self, storagekey: World, warm_storagekey: Warm
    ) -> None:
        kill_everywhere(storagekey, warm_storagekey, *WAYS_TO_REVOKE)
