"""Before a key is regenerated, this host's clock must be that of the vault and of storage."""

import dataclasses
import datetime

import pytest

from rotator import errors
from rotator.azure.errors import NoAnswerError
from rotator.reporting.report import Rotated
from rotator.rotation.state import Operation
from tests.fakes.examples import DEFINITION
from tests.fakes.world import World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of
from tests.unit.rotation.keys.test_rotate_by_age import aged
from tests.unit.rotation.test_run import outcome

HOURS = datetime.timedelta(hours=1)
MINUTES = datetime.timedelta(minutes=1)
VAULT = "https://myvault.vault.azure.net"


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(("off", "words"), [(5 * HOURS, "18000 s ahead of"), (-5 * HOURS, "18000 s behind")])
def test_no_key_is_regenerated_by_a_clock_that_is_wrong(
    off: datetime.timedelta, words: str, operation: Operation, forced: bool
) -> None:
    world = World().settled()
    world.vault.activate("key2")  # a minute ago: what key1 signed lives for hours
    held = world.value(world.targets[0])
    world.clock.forward(minutes=1)
    world.ahead = off
    with pytest.raises((errors.ClockSkewError, errors.KeyInUseError)) as caught:
        world.run_operation(operation, forced=forced)
    if isinstance(caught.value, errors.ClockSkewError):
        assert str(caught.value) == f"no key was regenerated: this host's clock is {words} that of {VAULT}"
        assert "NTP" in caught.value.remedy
    assert (world.account.regenerated, "rotator-pending" in world.vault.tags) == ([], False)
    assert world.account.accepts(held)


def test_storage_whose_clock_differs_would_refuse_the_new_sas() -> None:
    world = World().settled()
    world.storage_ahead = 5 * HOURS
    with pytest.raises(errors.ClockSkewError, match=r"18000 s behind that of https://mystorage\.blob\."):
        world.run_operation(Operation.REGENERATE)
    assert world.account.regenerated == []


def test_vault_without_a_date_tells_its_time_by_what_it_mints() -> None:
    world = World().settled()
    world.ahead = 6 * MINUTES
    world.without_dates = True
    with pytest.raises(errors.ClockSkewError, match=r"360 s ahead of that of myvault\.vault\.azure\.net"):
        world.run_operation(Operation.REGENERATE)
    assert world.account.regenerated == []


def test_short_lived_sas_allow_less() -> None:
    world = World().settled()
    short = dataclasses.replace(DEFINITION, validity=8 * MINUTES)
    world.plan = dataclasses.replace(world.plan, grant=short)
    world.ahead = 3 * MINUTES
    with pytest.raises(errors.ClockSkewError):
        world.run_operation(Operation.REGENERATE, forced=True)
    assert world.account.regenerated == []


def test_clocks_that_differ_by_minutes_are_as_good() -> None:
    world = World().settled()
    world.ahead, world.storage_ahead = 4 * MINUTES, -MINUTES
    assert key_of(world.run_operation(Operation.REGENERATE)).outcome == "done"


def test_storage_that_cannot_be_reached_from_here_tells_no_time() -> None:
    world = World().settled()
    world.calls.failing["time at"] = NoAnswerError("no answer")
    assert key_of(world.run_operation(Operation.REGENERATE)).outcome == "done"


def test_definition_that_mints_something_else_is_found_before_a_key_is_gone() -> None:
    world = World().settled()
    world.vault.grants = {"sp": "r"}
    with pytest.raises(errors.SasError, match="permissions are 'r'"):
        world.run_operation(Operation.REGENERATE)
    assert (world.account.regenerated, "rotator-pending" in world.vault.tags) == ([], False)


def test_scheduled_run_leaves_the_keys_and_says_why() -> None:
    world = aged()
    world.clock.forward(hours=5)
    world.storage_ahead = -2 * HOURS
    found = world.timer()
    assert (key_of(found).outcome, failure_of(found).error) == ("failed", "ClockSkewError")
    assert isinstance(outcome(found), Rotated)
    assert world.account.regenerated == []


def test_clock_that_goes_wrong_amid_a_revocation_leaves_the_second_key() -> None:
    world = World().settled()
    world.calls.hook("after", "regenerate", lambda: setattr(world, "storage_ahead", 2 * HOURS))
    found = world.run_operation(Operation.REVOKE)
    assert (key_of(found).outcome, failure_of(found).error) == ("unfinished", "ClockSkewError")
    assert world.account.regenerated == ["key2"]
    world.storage_ahead = datetime.timedelta(0)
    assert key_of(world.timer()).outcome == "done"
    assert world.account.regenerated == ["key2", "key1"]
