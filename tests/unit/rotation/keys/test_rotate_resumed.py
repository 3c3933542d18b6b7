"""What is asked for while something else is pending, and force that is said now or was said then."""

import pytest

from rotator import errors
from rotator.azure.errors import ResourceManagerForbiddenError, VaultForbiddenError, VaultUnavailableError
from rotator.delivery.errors import UnreachableError
from rotator.rotation import state
from rotator.rotation.state import Operation
from tests.fakes.examples import TARGET
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_revoke_grace import end_the_process
from tests.unit.rotation.keys.test_rotate import key_of

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE
UNREACHABLE = UnreachableError("far does not answer")


def test_revocation_moves_what_a_pending_regeneration_left_behind_and_takes_its_place() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REGENERATE, forced=True)
    world.network.failing.clear()
    found = world.run_operation(REVOKE)
    assert (key_of(found).operation, key_of(found).outcome) == ("revoke", "done")
    assert world.account.regenerated == ["key2", "key1", "key2"]
    assert None not in world.signers()


def test_revocation_is_refused_while_a_target_of_the_pending_regeneration_cannot_be_looked_at() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REGENERATE, forced=True)
    with pytest.raises(errors.KeyInUseError, match="revoke was refused, no key was regenerated"):
        world.run_operation(REVOKE)
    assert world.account.regenerated == ["key2"]


def test_forced_revocation_that_left_a_target_behind_does_not_stand_in_for_the_next_one() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REVOKE, forced=True)
    assert world.account.regenerated == ["key2", "key1"]
    found = world.run_operation(REVOKE, forced=True)
    assert key_of(found).regenerated == ("key2", "key1")
    world.network.failing.clear()
    assert key_of(world.timer()).outcome == "done"
    assert world.account.regenerated == ["key2", "key1"] * 2
    assert set(world.signers()) == {"key1"}


def test_revocation_that_ends_while_it_gives_consumers_time_for_its_first_key_is_not_lost() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    world.calls.hook("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE)
    world.again()
    found = key_of(world.timer())
    assert (found.operation, found.outcome) == ("revoke", "done")


def test_permission_that_is_missing_for_a_moment_does_not_make_a_revocation_forgotten() -> None:
    world = World().settled()
    world.calls.failing["regenerate"] = VaultUnavailableError("down")
    assert key_of(world.run_operation(REVOKE)).outcome == "unfinished"
    world.again()
    world.calls.failing["regenerate"] = VaultForbiddenError("no permission yet")
    assert key_of(world.timer()).outcome == "unfinished"
    world.again()
    world.calls.failing.clear()
    found = key_of(world.timer())
    assert (found.operation, found.outcome) == ("revoke", "done")


def test_force_for_one_key_does_not_force_the_revocation_that_is_pending() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REVOKE)
    found = world.run_operation(REGENERATE, forced=True)
    assert (key_of(found).operation, key_of(found).outcome) == ("revoke", "unfinished")
    assert world.account.regenerated == ["key2"]


def test_forced_revocation_is_begun_all_the_same() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REGENERATE, forced=True)
    found = world.run_operation(REVOKE, forced=True)
    assert (key_of(found).operation, key_of(found).regenerated) == ("revoke", ("key1", "key2"))
    assert key_of(found).cut_off == ("default/storage-sas@far did not get another SAS before",)
    assert world.account.regenerated == ["key2", "key1", "key2"]
    assert world.signers() == ["key1", None]


def test_asking_for_one_key_while_a_revocation_is_pending_finishes_the_revocation() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REVOKE)
    world.network.failing.clear()
    found = world.run_operation(REGENERATE)
    assert (key_of(found).operation, key_of(found).outcome) == ("revoke", "done")
    assert world.account.regenerated == ["key2", "key1"]


def test_revocation_that_was_remembered_but_not_begun_stays_one_when_one_key_is_asked_for() -> None:
    world = World().settled()
    world.calls.hook("before", "regenerate", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE)
    found = world.run_operation(REGENERATE)
    assert (key_of(found).operation, key_of(found).regenerated) == ("revoke", ("key2", "key1"))


def test_force_may_be_said_later() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REVOKE)
    assert key_of(world.run_operation(REVOKE)).regenerated == ()
    assert key_of(world.run_operation(REVOKE, forced=True)).regenerated == ("key1",)
    assert world.account.regenerated == ["key2", "key1"]


def test_force_is_remembered_for_the_run_that_goes_on() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.calls.hook("before", "sleep", end_the_process)
    with pytest.raises(KeyboardInterrupt):
        world.run_operation(REVOKE, forced=True)
    world.again()
    assert key_of(world.timer()).regenerated == ("key1",)


def test_a_revocation_whose_keys_cannot_be_listed_is_reported_as_one() -> None:
    world = World().settled()
    world.vault.tags = {state.PENDING_TAG: state.begin(REVOKE, "key2", world.keys(), forced=False, run="r").text()}
    world.calls.failing["keys"] = ResourceManagerForbiddenError("no role")
    found = key_of(world.timer())
    assert (found.operation, found.outcome, found.reason) == ("revoke", "failed", "an earlier run asked for it")
