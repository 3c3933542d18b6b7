"""The time that a revocation gives consumers to see the new SAS, before each key that dies."""

import datetime

import pytest

from rotator.delivery.errors import UnreachableError
from rotator.rotation.state import Operation
from tests.fakes.examples import LONG_AGO, TARGET, plan
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import key_of

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE
UNREACHABLE = UnreachableError("far does not answer")


def end_the_process() -> None:
    raise KeyboardInterrupt


def test_grace_is_counted_from_the_newest_delivery() -> None:
    world = World(TARGET, FAR).settled()
    world.calls.hook("after", "write", lambda: world.clock.forward(seconds=30))
    world.run_operation(REVOKE)
    assert world.slept == [120.0]


def test_no_grace_is_waited_for_where_none_is_set() -> None:
    world = World().settled()
    world.plan = plan(revoke_grace=datetime.timedelta(0))
    assert key_of(world.run_operation(REVOKE)).outcome == "done"
    assert world.slept == []


def test_resuming_run_waits_for_what_is_left_of_the_grace() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    assert key_of(world.run_operation(REVOKE)).outcome == "unfinished"
    world.again()
    world.network.failing.clear()
    world.clock.forward(seconds=100)
    world.timer()
    assert world.slept == [120.0]  # the far one has its SAS just now


def test_resuming_run_whose_targets_have_had_their_sas_for_a_while_waits_for_the_rest_only() -> None:
    world = World().settled()
    world.calls.hook("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE)
    world.again()
    world.clock.forward(seconds=50)
    assert key_of(world.timer()).outcome == "done"
    assert world.slept == [70.0]


def test_resuming_run_long_after_does_not_wait() -> None:
    world = World().settled()
    world.calls.hook("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE)
    world.again()
    world.clock.forward(minutes=10)
    assert key_of(world.timer()).outcome == "done"
    assert world.slept == []


def test_clock_that_went_back_makes_no_run_wait_for_longer_than_the_grace() -> None:
    world = World().settled()
    world.calls.hook("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE)
    world.again()
    world.clock.forward(minutes=-30)
    assert key_of(world.timer()).outcome == "done"
    assert world.slept == [120.0]


def test_consumers_get_time_before_the_first_key_dies_too_if_a_target_has_just_left_it() -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.activate("key1")
    world.run_operation(REVOKE)
    assert world.slept == [120.0, 120.0]


def test_consumers_get_that_time_also_where_the_vaults_record_does_not_tell_that_the_key_was_active() -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.active, world.vault.updated = "key1", LONG_AGO
    world.run_operation(REVOKE)
    assert world.slept == [120.0, 120.0]


def test_revocation_right_after_a_key_rotation_gives_consumers_time_before_each_key() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    world.run_operation(REVOKE)
    assert world.slept == [120.0, 120.0]
    assert world.account.regenerated == ["key2", "key1", "key2"]
