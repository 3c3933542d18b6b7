"""Runs of the schedule, and plain ones: which of them look at the keys, and what they do about them."""

import datetime
from collections.abc import Callable

import pytest

from rotator import errors
from rotator.azure.errors import (
    IdentityError,
    KeyAccessForbiddenError,
    LeaseUnavailableError,
    OwnStorageError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    VaultUnreachableError,
)
from rotator.delivery.errors import UnreachableError
from rotator.plan.plan import Target
from rotator.reporting.report import KeyOutcome, KeyReport, Report, Rotated
from rotator.rotation import state
from tests.fakes.examples import TARGET, plan
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of
from tests.unit.rotation.test_run import outcome

Look = Callable[[World], Report]
PERIOD = datetime.timedelta(days=90)
UNREADABLE = "the tag rotator-pending on the SAS definition is not one that this version writes"


def aged(*targets: Target) -> World:
    """A world in which the active key is older than it may get."""
    world = World(*targets).settled()
    world.plan = plan(*world.targets, key_rotation_period=PERIOD)
    return world


def test_timer_has_an_aged_key_replaced() -> None:
    world = aged(TARGET, FAR)
    found = world.timer()
    assert key_of(found) == KeyReport(
        "regenerate", KeyOutcome.DONE, "key1 was made at 2026-01-01T00:00:00Z, more than P90D ago", "key2", ("key2",)
    )
    assert (world.account.regenerated, world.signers()) == (["key2"], ["key2", "key2"])


def test_each_key_gets_as_old_as_it_may() -> None:
    world = aged()
    world.timer()
    seen: list[str] = []
    for _ in range(100):
        world.clock.forward(days=1)
        world.timer()
        seen.append(world.vault.active)
    assert (seen.index("key1"), world.account.regenerated) == (90 - 1, ["key2", "key1"])


@pytest.mark.parametrize("age", [PERIOD - datetime.timedelta(seconds=1), datetime.timedelta(0)])
def test_key_that_is_young_enough_is_left(age: datetime.timedelta) -> None:
    world = aged()
    world.account.made["key1"] = world.clock() - age
    assert world.timer().key is None
    assert world.account.regenerated == []


def test_key_of_which_azure_knows_no_age_is_old() -> None:
    world = aged()
    world.account.made["key1"] = None
    assert key_of(world.timer()).reason == "key1 is older than Azure's record of its age"
    assert world.account.regenerated == ["key2"]


def test_rotation_that_was_asked_for_looks_at_no_keys_age() -> None:
    world = aged()
    found = world.http()
    assert (found.key, world.account.regenerated, "keys" in world.calls.names) == (None, [], False)


def test_timer_without_a_period_lists_no_keys() -> None:
    world = World().settled()
    assert world.timer().key is None
    assert "keys" not in world.calls.names


def test_aged_key_waits_while_the_other_may_be_in_use_and_the_run_has_not_failed() -> None:
    world = aged()
    world.vault.activate("key2")
    world.rotate()
    world.vault.activate("key1")
    world.again()
    found = world.timer()
    assert (key_of(found).outcome, key_of(found).reason) == (
        "waiting",
        "key1 was made at 2026-01-01T00:00:00Z, more than P90D ago",
    )
    assert failure_of(found).error == "KeyInUseError"
    assert "until 2026-07-01T17:00:00Z" in failure_of(found).message
    assert (found.failed, world.account.regenerated) == (False, [])
    assert isinstance(outcome(found), Rotated)
    assert world.signers() == ["key1"]


def test_key_that_waited_is_replaced_as_soon_as_nothing_stands_in_the_way() -> None:
    world = aged()
    world.vault.activate("key2")
    world.rotate()
    world.vault.activate("key1")
    assert key_of(world.timer()).outcome == "waiting"
    world.clock.forward(hours=4, minutes=6)
    assert key_of(world.timer()).outcome == "done"


def test_timer_never_forces_a_key_out_of_use() -> None:
    world = aged(TARGET, FAR)
    world.network.failing["far"] = UnreachableError("far does not answer")
    found = world.timer()
    assert (key_of(found).outcome, key_of(found).cut_off, world.account.regenerated) == ("waiting", (), [])
    assert found.failed  # by the target, as ever


@pytest.mark.parametrize("look", [World.timer, World.http])
@pytest.mark.parametrize(
    "error",
    [ResourceManagerForbiddenError("no role"), ResourceManagerError("503"), IdentityError("")],
)
def test_keys_that_cannot_be_listed_keep_no_target_from_its_sas(look: Look, error: errors.RotatorError) -> None:
    world = aged()
    world.vault.tags = {state.PENDING_TAG: "regenerate first=key2 forced=false run=r key1=a key2=b"}
    world.calls.failing["keys"] = error
    found = look(world)
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, failure_of(found).error, found.failed) == ("failed", type(error).__name__, True)
    assert world.signers() == ["key1"]


def test_failure_of_what_nobody_asked_for_does_not_say_that_it_was_asked_for() -> None:
    world = aged()
    world.calls.failing["keys"] = ResourceManagerForbiddenError("no role")
    assert key_of(world.timer()).reason != "asked for"


def test_vault_that_may_not_be_read_keeps_no_target_from_its_sas() -> None:
    world = aged()
    world.vault.may_read = False
    found = world.timer()
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, failure_of(found).error) == ("failed", "VaultForbiddenError")


def test_vault_that_does_not_answer_is_reported_for_each_target() -> None:
    world = aged(TARGET, FAR)
    world.calls.failing["stored"] = VaultUnreachableError("no answer")
    found = world.timer()
    assert (found.counts(), found.key) == ("2 failed", None)


@pytest.mark.parametrize("error", [OwnStorageError("the app would stop"), LeaseUnavailableError("no storage")])
def test_refusal_to_touch_the_keys_keeps_no_target_from_its_sas(error: errors.RotatorError) -> None:
    world = aged()
    world.calls.failing["admit"] = error
    found = world.timer()
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, failure_of(found).error) == ("failed", type(error).__name__)
    assert world.account.regenerated == []


@pytest.mark.parametrize("text", ["regenerate", "revoke first=key3 forced=true run=r key1=a key2=b", "?", " "])
@pytest.mark.parametrize("look", [World.timer, World.http])
def test_tag_that_cannot_be_read_is_told_and_stops_the_keys_only(look: Look, text: str) -> None:
    world = aged()
    world.vault.tags = {state.PENDING_TAG: text, "team": "blue"}
    found = look(world)
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, failure_of(found).message, found.failed) == ("failed", UNREADABLE, True)
    assert (world.account.regenerated, world.vault.tags_without_deliveries) == (
        [],
        {state.PENDING_TAG: text, "team": "blue"},
    )


def test_tag_without_a_value_means_nothing_is_pending() -> None:
    world = World().settled()
    world.vault.tags = {state.PENDING_TAG: ""}
    assert world.timer().key is None


def test_run_without_permission_to_regenerate_leaves_the_plain_rotation_and_says_so() -> None:
    world = aged()
    world.calls.failing["regenerate"] = KeyAccessForbiddenError("the caller may not")
    found = world.timer()
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, failure_of(found).error, world.vault.tags_without_deliveries) == (
        "failed",
        "KeyAccessForbiddenError",
        {},
    )
