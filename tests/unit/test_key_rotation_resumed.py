"""What is asked for while something else is pending, and force that is said now or was said then."""

import pytest

from rotator import errors
from rotator.pending import Operation
from tests.unit.examples import TARGET
from tests.unit.test_key_rotation import key_of
from tests.unit.test_key_rotation_grace import end_the_process
from tests.unit.world import FAR, World

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE
UNREACHABLE = errors.UnreachableError("far does not answer")


def test_regeneration_that_is_pending_is_finished_and_then_both_keys_are_revoked() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.perform(REGENERATE, forced=True)
    world.network.failing.clear()
    found = world.perform(REVOKE)
    assert (key_of(found).operation, key_of(found).outcome) == ("revoke", "done")
    assert world.account.regenerated == ["key2", "key1", "key2"]
    assert None not in world.signers()


def test_revocation_is_not_begun_while_the_pending_regeneration_cannot_be_finished() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.perform(REGENERATE, forced=True)
    found = world.perform(REVOKE)
    assert (key_of(found).operation, key_of(found).outcome) == ("regenerate", "unfinished")
    assert world.account.regenerated == ["key2"]


def test_forced_revocation_is_begun_all_the_same() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.perform(REGENERATE, forced=True)
    found = world.perform(REVOKE, forced=True)
    assert (key_of(found).operation, key_of(found).regenerated) == ("revoke", ("key1", "key2"))
    assert key_of(found).cut_off == ("default/storage-sas@far could not be given another SAS before",)
    assert world.account.regenerated == ["key2", "key1", "key2"]
    assert world.signers() == ["key1", None]


def test_asking_for_one_key_while_a_revocation_is_pending_finishes_the_revocation() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.perform(REVOKE)
    world.network.failing.clear()
    found = world.perform(REGENERATE)
    assert (key_of(found).operation, key_of(found).outcome) == ("revoke", "done")
    assert world.account.regenerated == ["key2", "key1"]


def test_revocation_that_was_remembered_but_not_begun_stays_one_when_one_key_is_asked_for() -> None:
    world = World().settled()
    world.calls.meddle("before", "regenerate", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.perform(REVOKE)
    found = world.perform(REGENERATE)
    assert (key_of(found).operation, key_of(found).regenerated) == ("revoke", ("key2", "key1"))


def test_force_may_be_said_later() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.perform(REVOKE)
    assert key_of(world.perform(REVOKE)).regenerated == ()
    assert key_of(world.perform(REVOKE, forced=True)).regenerated == ("key1",)
    assert world.account.regenerated == ["key2", "key1"]


def test_force_is_remembered_for_the_run_that_goes_on() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.calls.meddle("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.perform(REVOKE, forced=True)
    world.again()
    assert key_of(world.timer()).regenerated == ("key1",)
