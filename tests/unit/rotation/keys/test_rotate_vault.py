"""What the vault does by itself, or not as told, around a key rotation."""

import pytest

from rotator import errors
from rotator.azure.errors import KeyAccessForbiddenError, VaultUnavailableError, VaultUnreachableError
from rotator.rotation import state
from rotator.rotation.state import Operation
from tests.fakes.examples import LONG_AGO, TARGET
from tests.fakes.world import World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE


def test_active_key_that_the_vault_changed_before_is_the_one_that_is_kept() -> None:
    world = World().settled()
    world.vault.regenerate_by_itself()
    world.rotate()
    world.clock.forward(hours=5)
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ("key1",))
    assert (world.account.regenerated, world.signers()) == (["key2", "key1"], ["key1"])


def test_regeneration_by_the_vault_just_before_is_waited_out() -> None:
    world = World().settled()
    world.vault.regenerate_by_itself()
    with pytest.raises(errors.KeyInUseError, match="key1 may be in use"):
        world.run_operation(REGENERATE)


@pytest.mark.parametrize(("operation", "keys"), [(REGENERATE, ["key2"]), (REVOKE, ["key2", "key1"])])
@pytest.mark.parametrize("call", ["start", "store"])
def test_regeneration_by_the_vault_after_the_look_counts_as_ours(
    operation: Operation, keys: list[str], call: str
) -> None:
    world = World().settled()
    world.calls.hook("after", call, world.vault.regenerate_by_itself)
    found = world.run_operation(operation)
    assert key_of(found).outcome == "done"
    assert key_of(found).regenerated == tuple(keys[1:])
    assert world.account.regenerated == keys
    assert world.signers() == ["key2"]


@pytest.mark.parametrize("operation", Operation)
def test_regeneration_by_the_vault_after_ours_is_followed(operation: Operation) -> None:
    world = World().settled()
    world.calls.hook(
        "after", "regenerate", lambda: world.calls.hook("before", "mint", world.vault.regenerate_by_itself)
    )
    found = world.run_operation(operation)
    assert key_of(found).outcome == "done"
    assert world.account.regenerated == ["key2", "key1"]
    assert world.signers() == ["key1"]


def test_regeneration_by_the_vault_in_the_grace_leaves_nothing_to_revoke() -> None:
    world = World().settled()
    world.calls.hook("after", "sleep", world.vault.regenerate_by_itself)
    found = world.run_operation(REVOKE)
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ("key2",))
    assert world.account.regenerated == ["key2", "key1"]
    assert world.signers() == ["key2"]


def test_key_that_was_made_active_again_is_not_revoked_under_what_was_just_issued() -> None:
    world = World().settled()
    world.calls.hook("after", "sleep", lambda: world.vault.activate("key1"))
    found = world.run_operation(REVOKE)
    assert (key_of(found).outcome, key_of(found).remaining) == ("unfinished", ("key1",))
    assert failure_of(found).error == "ActiveKeyError"
    assert failure_of(found).message == (
        "key1 is the vault's active key now, and regenerating it would end the SAS that were just issued"
    )
    assert world.account.regenerated == ["key2"]
    assert world.signers() == ["key2"]


def test_active_key_that_is_switched_right_before_it_would_be_regenerated_is_left() -> None:
    world = World().settled()
    world.calls.hook("after", "store", lambda: world.vault.activate("key2"))
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, failure_of(found).error) == ("unfinished", "ActiveKeyError")
    assert world.account.regenerated == []
    assert None not in world.signers()


def test_rotation_that_met_a_switched_key_begins_anew_with_the_other_one() -> None:
    world = World().settled()
    world.calls.hook("after", "store", lambda: world.vault.activate("key2"))
    world.run_operation(REGENERATE)
    world.clock.forward(hours=5)
    world.rotate()
    found = world.timer()
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ("key1",))
    assert (world.account.regenerated, world.signers()) == (["key1"], ["key1"])


def test_answer_that_was_lost_is_no_reason_to_ask_twice(caplog: pytest.LogCaptureFixture) -> None:
    world = World().settled()

    def lose_the_answer() -> None:
        raise VaultUnreachableError("no answer")

    world.calls.hook("after", "regenerate", lose_the_answer)
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ("key2",))
    assert (world.calls.names.count("regenerate"), world.account.regenerated) == (1, ["key2"])
    assert '"text": "regenerated despite an error", "key": "key2", "answer": "no answer"' in caplog.messages[-2]


def test_vault_that_did_not_do_it_is_asked_again_by_the_next_run_only() -> None:
    world = World().settled()
    world.calls.failing["regenerate"] = VaultUnavailableError("the vault answered 503")
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, failure_of(found).error) == ("unfinished", "VaultUnavailableError")
    assert (key_of(found).remaining, world.calls.names.count("regenerate")) == (("key2",), 1)
    assert world.signers() == ["key1"]
    world.again()
    again = world.timer()
    assert key_of(again).reason == f"run {found.run} asked for it"
    assert (key_of(again).outcome, world.account.regenerated, world.signers()) == ("done", ["key2"], ["key2"])


def test_missing_permission_is_told_at_once_and_nothing_stays_remembered() -> None:
    world = World().settled()
    world.vault.tags = {"team": "blue"}
    world.calls.failing["regenerate"] = KeyAccessForbiddenError("the caller may not")
    with pytest.raises(KeyAccessForbiddenError):
        world.run_operation(REGENERATE)
    assert (world.vault.tags_without_deliveries, world.signers()) == ({"team": "blue"}, ["key1"])


def test_permission_that_is_missing_for_the_second_key_only_leaves_it_unfinished() -> None:
    world = World().settled()
    forbidden = KeyAccessForbiddenError("the caller may not")
    world.calls.hook("after", "sleep", lambda: world.calls.failing.update(regenerate=forbidden))
    found = world.run_operation(REVOKE)
    assert (key_of(found).outcome, failure_of(found).error) == ("unfinished", "KeyAccessForbiddenError")
    assert (key_of(found).remaining, state.PENDING_TAG in world.vault.tags) == (("key1",), True)
    assert world.signers() == ["key2"]


def test_vault_that_says_done_but_changes_nothing_is_found_out() -> None:
    world = World().settled()
    world.vault.regenerates = world.vault.activates = False
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, key_of(found).regenerated) == ("unfinished", ())
    assert failure_of(found).message == (
        "the vault says that it regenerated key2, but the account has the same key as before"
    )
    assert (world.signers(), state.PENDING_TAG in world.vault.tags) == (["key1"], True)


def test_vault_that_switches_without_regenerating_leaves_every_target_with_a_sas_that_works() -> None:
    world = World(TARGET).settled()
    world.vault.regenerates = False
    assert key_of(world.run_operation(REVOKE)).outcome == "unfinished"
    assert None not in world.signers()


@pytest.mark.parametrize("operation", Operation)
def test_vault_that_does_not_make_the_new_key_the_active_one_stops_there(operation: Operation) -> None:
    world = World().settled()
    world.vault.activates = False
    found = world.run_operation(operation)
    assert (key_of(found).outcome, failure_of(found).error) == ("unfinished", "ActiveKeyError")
    assert failure_of(found).message == "key2 was regenerated, but key1 is the vault's active key"
    assert (world.account.regenerated, world.signers()) == (["key2"], ["key1"])
    world.vault.activate("key2")
    assert key_of(world.timer()).outcome == "done"
    assert world.signers() == ["key2"]


@pytest.mark.parametrize("operation", Operation)
def test_key_that_somebody_regenerates_outside_the_vault_can_be_mended_by_force(operation: Operation) -> None:
    world = World().settled()
    world.account.regenerate("key1")
    assert world.signers() == [None]
    assert key_of(world.run_operation(operation, forced=True)).outcome == "done"
    assert world.signers() == ["key2"]


def test_record_that_was_changed_long_ago_keeps_nobody_waiting() -> None:
    world = World().settled()
    world.vault.updated = LONG_AGO.replace(month=3)
    assert key_of(world.run_operation(REGENERATE)).outcome == "done"
