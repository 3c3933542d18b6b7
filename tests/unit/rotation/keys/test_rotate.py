"""Regenerating the key that is not in use: what is done in which order, and what keeps it from being done."""

import dataclasses
import datetime
import json
import logging

import pytest

from rotator.azure.errors import StorageRefusedError
from rotator.delivery.errors import UnreachableError
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Report, Rotated
from rotator.rotation import state
from rotator.rotation.state import Operation
from tests.fakes.examples import DEFINITION, TARGET
from tests.fakes.world import FAR, World
from tests.unit.rotation.test_run import outcome

REGENERATE = Operation.REGENERATE
STEPS = ("admit", "store", "regenerate", "mint", "prove", "wait for", "sleep", "refused")


def key_of(found: Report) -> KeyReport:
    assert found.key is not None
    return found.key


def failure_of(found: Report) -> Failed:
    failure = key_of(found).failure
    assert failure is not None
    return failure


def test_other_key_is_regenerated_and_every_target_gets_a_sas_of_it_in_this_order() -> None:
    world = World(TARGET, FAR).settled()
    found = world.run_operation(REGENERATE)
    assert world.calls.made(*STEPS) == [
        "admit",
        "mint",
        "store",
        "admit",
        "regenerate",
        "mint",
        "prove",
        "wait for",
        "wait for",
        "store",
    ]
    assert world.account.regenerated == ["key2"]
    assert world.signers() == ["key2", "key2"]
    assert key_of(found) == KeyReport("regenerate", KeyOutcome.DONE, "asked for", "key2", ("key2",))
    assert found.counts() == "2 rotated, regenerate done"
    assert not found.failed


def test_sas_of_the_old_key_stays_valid_for_whoever_has_it() -> None:
    world = World().settled()
    former = world.value(TARGET)
    world.run_operation(REGENERATE)
    assert world.account.accepts(former)
    assert world.value(TARGET) != former


def test_every_target_is_looked_at_before_anything_is_changed() -> None:
    world = World(TARGET, FAR).settled()
    world.run_operation(REGENERATE)
    before = world.calls.names[: world.calls.names.index("store")]
    assert (before.count("connect"), before.count("start")) == (2, 2)


def test_each_change_comes_right_after_a_look_at_the_lease() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    names = world.calls.names
    for change in ("store", "regenerate", "write"):
        assert [names[at - 1] for at, name in enumerate(names) if name == change] == ["fence"] * names.count(change)


def test_what_is_to_be_done_is_in_the_vault_until_it_is_done() -> None:
    world = World().settled()
    seen: list[str] = []
    world.calls.hook("before", "regenerate", lambda: seen.append(world.vault.tags[state.PENDING_TAG]))
    world.calls.hook("before", "prove", lambda: seen.append(world.vault.tags[state.PENDING_TAG]))
    run = world.run_operation(REGENERATE).run
    stamps = "key1=2026-01-01T00:00:00+00:00 key2=2026-01-01T00:00:00+00:00"
    assert seen == [f"regenerate first=key2 forced=false run={run} {stamps}"] * 2
    assert world.vault.tags_without_deliveries == {}


def test_tags_of_others_on_the_definition_are_kept() -> None:
    world = World().settled()
    world.vault.tags = {"team": "blue"}
    seen: list[str] = []
    world.calls.hook("before", "regenerate", lambda: seen.extend(world.vault.tags_without_deliveries))
    world.run_operation(REGENERATE)
    assert seen == ["team", state.PENDING_TAG]
    assert world.vault.tags_without_deliveries == {"team": "blue"}


def test_tag_that_somebody_sets_meanwhile_is_kept_too() -> None:
    world = World().settled()
    world.calls.hook("before", "prove", lambda: world.vault.tags.update(team="blue"))
    world.run_operation(REGENERATE)
    assert world.vault.tags_without_deliveries == {"team": "blue"}


def test_definition_that_differs_is_set_with_what_is_remembered() -> None:
    world = World().settled()
    world.vault.definitions[DEFINITION.name] = dataclasses.replace(DEFINITION, permissions="r")
    found = world.run_operation(REGENERATE)
    assert isinstance(outcome(found), Rotated)
    assert world.vault.definitions[DEFINITION.name] == DEFINITION
    assert world.signers() == ["key2"]


def test_first_secret_of_a_target_is_made_with_the_new_key() -> None:
    world = World()
    found = world.run_operation(REGENERATE)
    done = outcome(found)
    assert isinstance(done, Rotated)
    assert (done.act, done.signing_key) == ("create", "key2")


def test_account_whose_keys_have_no_time_of_creation_gets_a_new_key() -> None:
    world = World().settled()
    world.account.made = {"key1": None, "key2": None}
    found = world.run_operation(REGENERATE)
    assert (world.account.regenerated, world.signers()) == (["key2"], ["key2"])
    assert key_of(found).outcome == "done"


def test_key_that_was_regenerated_is_reported_although_the_look_after_it_is_forbidden() -> None:
    world = World().settled()
    world.calls.hook("after", "regenerate", lambda: setattr(world.vault, "may_read", False))
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, found.failed) == ("unfinished", True)


def test_failing_target_leaves_it_unfinished_and_the_next_run_goes_on() -> None:
    world = World(TARGET, FAR).settled()
    world.network.masters["far"].refuse = {"validate": "Error from server (Forbidden): no\n"}
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, key_of(found).remaining, found.failed) == ("unfinished", (), True)
    assert failure_of(found).message == "not every target holds a SAS of key2 yet"
    assert world.signers() == ["key2", "key1"]
    world.network.masters["far"].refuse = {}
    again = world.timer()
    assert (key_of(again).outcome, key_of(again).regenerated) == ("done", ())
    assert key_of(again).reason == f"run {found.run} began it"
    assert (world.signers(), world.account.regenerated, world.vault.tags_without_deliveries) == (
        ["key2", "key2"],
        ["key2"],
        {},
    )


def test_asking_again_for_what_is_unfinished_finishes_it_and_begins_no_other() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UnreachableError("far does not answer")
    assert key_of(world.run_operation(REGENERATE, forced=True)).outcome == "unfinished"
    assert key_of(world.run_operation(REGENERATE)).outcome == "unfinished"
    assert key_of(world.run_operation(REGENERATE, forced=True)).outcome == "unfinished"
    world.network.failing.clear()
    found = world.run_operation(REGENERATE)
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ())
    assert (world.signers(), world.account.regenerated) == (["key2", "key2"], ["key2"])


def test_sas_that_storage_refuses_is_not_delivered_and_nothing_is_forgotten() -> None:
    world = World().settled()
    world.calls.failing["prove"] = StorageRefusedError("storage answered 403")
    found = world.run_operation(REGENERATE)
    assert key_of(found).outcome == "unfinished"
    assert (world.signers(), state.PENDING_TAG in world.vault.tags) == (["key1"], True)


def test_report_of_a_key_rotation_and_its_log_hold_no_key(caplog: pytest.LogCaptureFixture) -> None:
    world = World().settled()
    values = [world.account.value("key1"), world.account.value("key2")]
    with caplog.at_level(logging.DEBUG):
        text = json.dumps(world.run_operation(REGENERATE).as_json())
    values.append(world.account.value("key2"))
    assert [value for value in values if value in text + caplog.text] == []
    assert "sig=" not in text + caplog.text


def test_report_ends_when_the_key_rotation_does() -> None:
    world = World().settled()
    world.calls.hook("after", "wait for", lambda: world.clock.forward(seconds=3))
    found = world.run_operation(REGENERATE)
    assert found.finished - found.started == datetime.timedelta(seconds=3)
