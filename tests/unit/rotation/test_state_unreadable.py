"""Tags on the SAS definition that somebody else wrote, or half of one: a warning, and never the end of a run."""

import dataclasses
import datetime
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.azure.managed_account import UNTIL_TAG as UNTIL
from rotator.azure.managed_account import StoredDefinition
from rotator.reporting.report import Report, Rotated
from rotator.rotation import state, target_status
from rotator.rotation.keys import task
from rotator.rotation.state import Operation
from tests.fakes.examples import DEFINITION, NOW, TARGET
from tests.fakes.world import World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of
from tests.unit.rotation.keys.test_rotate_by_age import aged
from tests.unit.rotation.test_run import outcome

GOOD = "regenerate first=key2 forced=false run=r key1=unknown key2=2026-01-01T00:00:00+00:00"
names = st.sampled_from([state.PENDING_TAG, UNTIL, state.DELIVERED_TAG, "team"])


@pytest.mark.parametrize("text", ["2026-12-01", "2026-12-01T00:00:00", "soon", "9999-99-99T00:00:00Z", "\n"])
def test_time_without_a_zone_stops_no_scheduled_run_whose_key_is_due(text: str) -> None:
    world = aged()
    world.vault.tags = {UNTIL: text, "team": "blue"}
    found = world.timer()
    assert isinstance(outcome(found), Rotated)
    assert (key_of(found).outcome, found.failed, world.signers()) == ("done", False, ["key2"])
    (warning,) = found.warnings
    assert warning.startswith(f"the tag {UNTIL} on the SAS definition is not one that this version writes")


@pytest.mark.parametrize("name", [UNTIL, state.PENDING_TAG, state.DELIVERED_TAG])
@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("text", ["2026-12-01", GOOD.replace("unknown", "yesterday"), "revoke", "{}"])
def test_no_tag_stops_what_was_asked_for(operation: Operation, name: str, text: str) -> None:
    world = World().settled()
    world.vault.tags = {name: text}
    found = world.run_operation(operation)
    assert (key_of(found).outcome, found.failed) == ("done", False)
    assert None not in world.signers()
    assert any(name in warning for warning in found.warnings)


@pytest.mark.parametrize("look", [World.timer, World.http])
@pytest.mark.parametrize("call", ["keys", "regenerate", "admit", "sleep", "managed"])
def test_defect_of_the_key_part_is_reported_and_keeps_no_target_from_its_sas(
    look: Callable[[World], Report], call: str
) -> None:
    world = aged()
    world.clock.forward(hours=1)
    world.vault.tags = {
        state.PENDING_TAG: state.begin(Operation.REVOKE, "key2", world.keys(), forced=False, run="r").text()
    }
    world.calls.failing[call] = TypeError("can't compare offset-naive and offset-aware datetimes")
    found = look(world)
    assert all(target.outcome.kind in {"rotated", "failed"} for target in found.targets)
    if call != "managed":  # without which there is no SAS
        assert isinstance(outcome(found), Rotated)
        assert failure_of(found).error == "UnexpectedError"
        assert world.signers() != [None]
    assert found.failed


def test_plan_and_status_warn_of_a_tag_and_go_on() -> None:
    world = aged()
    world.vault.tags = {state.PENDING_TAG: "revoke\nall", UNTIL: "2026-12-01"}
    account = world.run().account
    account.state()
    assert task.preview(world.plan, account, world.clock()) is None
    assert len(account.warnings) == 2
    found = target_status.read(world.plan, world.services)
    assert [target.state.value for target in found.targets] == ["late"]
    assert [state.PENDING_TAG in warning for warning in found.warnings] == [True, False]
    assert all(warning.isprintable() for warning in found.warnings)


def test_marks_of_deliveries_are_kept_and_other_words_dropped() -> None:
    noted = state.with_delivery({}, TARGET)[state.DELIVERED_TAG]
    mixed = {state.DELIVERED_TAG: f"hello {noted} {'x' * 230}"}
    assert state.was_delivered(mixed, TARGET)
    other = dataclasses.replace(TARGET, secret="other")
    assert state.was_delivered(state.with_delivery(mixed, other), other)


def test_tags_of_ours_and_of_others_are_no_problem() -> None:
    good = {state.PENDING_TAG: GOOD, UNTIL: "2026-12-01T00:00:00Z", "team": "?"} | state.with_delivery({}, TARGET)
    assert state.unreadable_entries(good) == ()
    assert state.unreadable_entries({state.PENDING_TAG: "", UNTIL: "", state.DELIVERED_TAG: ""}) == ()


@given(st.dictionaries(names, st.text() | st.datetimes().map(datetime.datetime.isoformat)))
def test_no_tag_is_an_exception(found: dict[str, str]) -> None:
    stored = StoredDefinition(differs=False, tags=found, validity=None)
    assert all(problem.isprintable() for problem in state.unreadable_entries(found))
    stored.tags_for(DEFINITION, NOW)
    assert state.was_delivered(state.with_delivery(found, TARGET), TARGET) in {True, False}
