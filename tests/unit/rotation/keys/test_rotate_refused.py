"""What keeps a key from being regenerated, before anything is changed."""

import dataclasses
import logging

import pytest

from rotator import errors
from rotator.azure.errors import LeaseUnavailableError, OwnStorageError, VaultForbiddenError, VaultUnreachableError
from rotator.delivery.errors import UnreachableError
from rotator.rotation.state import Operation
from tests.fakes.examples import LONG_AGO, TARGET
from tests.fakes.world import FAR, HOST, World
from tests.unit.rotation.keys.test_rotate import key_of

REGENERATE = Operation.REGENERATE


def test_target_that_holds_a_sas_of_that_key_is_named_with_its_expiry() -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.active, world.vault.updated = "key1", LONG_AGO
    with pytest.raises(errors.KeyInUseError) as caught:
        world.run_operation(REGENERATE)
    assert str(caught.value) == (
        "regenerate was refused, no key was regenerated: key2 may be in use:\n"
        f"  - default/storage-sas@{HOST} holds a SAS that key2 signed, until 2026-07-01T16:00:00Z\n"
        "  - default/storage-sas@far holds a SAS that key2 signed, until 2026-07-01T16:00:00Z"
    )
    assert caught.value.remedy == (
        "Wait until 2026-07-01T16:00:00Z; or repeat it with force, if those SAS may stop working at once: the report "
        "lists what was cut off."
    )
    assert world.calls.made("store", "regenerate", "mint", "wait for") == []


def test_sas_that_was_issued_elsewhere_is_waited_for_by_the_definitions_validity() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    world.again()
    world.clock.forward(hours=1)
    with pytest.raises(errors.KeyInUseError) as caught:
        world.run_operation(REGENERATE)
    assert str(caught.value) == (
        "regenerate was refused, no key was regenerated: key1 may be in use:\n"
        "  - whoever got one may use a SAS that key1 signed before 2026-07-01T13:00:00Z, until 2026-07-01T17:05:00Z"
    )
    assert (world.calls.made("store", "regenerate"), world.account.regenerated) == ([], ["key2"])


def test_key_is_free_again_once_every_sas_of_it_has_expired() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    world.clock.forward(hours=4, minutes=4, seconds=59)
    with pytest.raises(errors.KeyInUseError):
        world.run_operation(REGENERATE)
    world.clock.forward(seconds=1)
    assert key_of(world.run_operation(REGENERATE)).regenerated == ("key1",)
    assert (world.account.regenerated, world.signers()) == (["key2", "key1"], ["key1"])


def test_target_that_cannot_be_looked_at_may_hold_a_sas_of_that_key() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UnreachableError("far does not answer")
    with pytest.raises(errors.KeyInUseError) as caught:
        world.run_operation(REGENERATE)
    assert str(caught.value).splitlines()[1:] == ["  - default/storage-sas@far cannot be read (far does not answer)"]
    assert caught.value.remedy.startswith("Repair those targets first; or repeat it with force, ")
    assert world.calls.made("store", "regenerate") == []


def test_target_that_cannot_be_looked_at_is_told_apart_from_another_of_the_same_name() -> None:
    behind = dataclasses.replace(TARGET, cluster=dataclasses.replace(TARGET.cluster, port=2222))
    world = World(behind, TARGET).settled()
    world.network.failing[str(behind.cluster)] = UnreachableError("no answer")
    with pytest.raises(errors.KeyInUseError, match="cannot be read"):
        world.run_operation(REGENERATE)


def test_force_overrides_and_says_what_it_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.activate("key1")
    with caplog.at_level(logging.WARNING):
        found = world.run_operation(REGENERATE, forced=True)
    assert key_of(found).outcome == "done"
    assert key_of(found).cut_off == (
        f"default/storage-sas@{HOST} holds a SAS that key2 signed, until 2026-07-01T16:00:00Z",
        "default/storage-sas@far holds a SAS that key2 signed, until 2026-07-01T16:00:00Z",
        "whoever got one may use a SAS that key2 signed before 2026-07-01T13:00:00Z, until 2026-07-01T17:05:00Z",
    )
    assert [text in caplog.text for text in key_of(found).cut_off] == [True] * 3
    assert (world.account.regenerated, world.signers()) == (["key2"], ["key2", "key2"])


def test_app_that_lives_on_the_account_is_refused_before_anything_is_changed() -> None:
    world = World().settled()
    world.calls.failing["admit"] = OwnStorageError("the app would stop")
    with pytest.raises(OwnStorageError):
        world.run_operation(REGENERATE, forced=True)
    assert world.calls.made("store", "regenerate", "mint", "wait for") == []


def test_run_without_a_lease_is_refused_before_anything_is_changed() -> None:
    world = World().settled()
    world.calls.failing["admit"] = LeaseUnavailableError("no storage of the app's own is set")
    with pytest.raises(LeaseUnavailableError):
        world.run_operation(REGENERATE, forced=True)
    assert world.calls.made("store", "regenerate", "mint", "wait for") == []


@pytest.mark.parametrize("call", ["stored", "managed", "keys"])
def test_failed_look_changes_nothing(call: str) -> None:
    world = World().settled()
    world.calls.failing[call] = VaultUnreachableError("no answer")
    with pytest.raises(VaultUnreachableError):
        world.run_operation(REGENERATE, forced=True)
    assert world.calls.made("store", "regenerate", "mint", "wait for") == []


def test_identity_that_may_not_read_the_account_is_told_so() -> None:
    world = World().settled()
    world.vault.may_read = False
    with pytest.raises(VaultForbiddenError, match="storage get"):
        world.run_operation(REGENERATE)


def test_asking_again_after_it_was_done_is_refused_rather_than_done_to_the_other_key() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    for _ in range(3):
        with pytest.raises(errors.KeyInUseError):
            world.run_operation(REGENERATE)
    assert world.account.regenerated == ["key2"]
