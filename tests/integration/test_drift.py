"""A Secret that somebody deleted or changed is repaired by the next run, which says so wherever runs are told."""

import base64
import dataclasses
import json
import logging
import signal
from collections.abc import Callable, Iterator

import pytest

from rotator.reporting.report import Report, Trigger
from rotator.rotation import state
from sandbox.server.faults import Fault
from sandbox.world import ACCOUNT, APP_ACCOUNT, SECRET_NAME, World
from tests import secrets_in
from tests.integration.conftest import (
    Cluster,
    Keys,
    command_line,
    environment,
    happened,
    options_for,
    outcome,
    plain,
    regenerate,
    revoke,
    rotate,
    unspoilt,
)
from tests.integration.killing import Step, kill_at
from tests.integration.warm import Warm

CONTAINER = "rotation-reports"
FOREIGN = base64.b64encode(b"somebody else's").decode()


@pytest.fixture(scope="module")
def world_with_chat() -> Iterator[World]:
    """With a chat service that takes messages."""
    with World(dataclasses.replace(options_for("sandbox"), webhook=True)) as running:
        yield running


@pytest.fixture
def world(world_with_chat: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with unspoilt(world_with_chat, monkeypatch) as clean:
        messages(clean).clear()
        yield clean
        clean.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)


@pytest.fixture
def rotated(world: World) -> World:
    assert not timer(world).failed
    return world


def timer(world: World, **settings: str) -> Report:
    return rotate(world, Trigger.TIMER, forced=False, **settings)


def messages(world: World) -> list[dict[str, str]]:
    assert world.webhook
    return world.webhook.received


def tag(world: World) -> str | None:
    """What the vault remembers of deliveries."""
    definitions = Keys(world).record.definitions.values()
    return next((definition.tags.get(state.DELIVERED_TAG) for definition in definitions), None)


def patch(world: World, document: object) -> None:
    Cluster(world).kubectl("patch", "secret", SECRET_NAME, "--patch", json.dumps(document))


def delete(world: World) -> None:
    Cluster(world).kubectl("delete", "secret", SECRET_NAME)


def replace(world: World) -> None:
    delete(world)
    Cluster(world).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=secretKey=theirs")


def change(world: World) -> None:
    patch(world, {"data": {"secretKey": FOREIGN}})


def remove_key(world: World) -> None:
    patch(world, {"data": {"secretKey": None}})


def strip(world: World) -> None:
    patch(world, {"metadata": {"annotations": None}})


ALTERATIONS = [
    pytest.param(delete, "drift: somebody deleted the Secret", id="deleted"),
    pytest.param(change, "drift: somebody changed the value", id="changed"),
    pytest.param(remove_key, "drift: somebody removed the data key", id="key removed"),
    pytest.param(strip, "drift: somebody replaced the Secret", id="annotations stripped"),
    pytest.param(replace, "drift: somebody replaced the Secret", id="replaced"),
]


# Repaired, and reported


@pytest.mark.parametrize(("alter", "why"), ALTERATIONS)
def test_drift_is_repaired_by_the_next_run_of_the_timer_and_reported(
    rotated: World, alter: Callable[[World], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    alter(rotated)
    caplog.clear()
    with caplog.at_level(logging.INFO, "rotator"):
        target = outcome(timer(rotated))
    assert (target["outcome"], target["reason"], target["drift"]) == ("rotated", why, True)
    assert Cluster(rotated).works()
    assert decisions(caplog, "target_due") == [(logging.WARNING, why)]
    assert outcome(timer(rotated))["outcome"] == "unchanged"


@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_drift_is_repaired_by_either_strategy(rotated: World, strategy: str) -> None:
    for alter in (delete, change):
        alter(rotated)
        assert outcome(timer(rotated, KUBERNETES_SECRET_STRATEGY=strategy))["drift"]
        assert Cluster(rotated).works()


def test_a_plan_tells_drift_and_leaves_it(rotated: World) -> None:
    delete(rotated)
    done = command_line(rotated, "plan", "--json")
    [target] = json.loads(done.stdout)["targets"]
    assert (target["outcome"], target["drift"]) == ("due", True)
    assert Cluster(rotated).secret() is None


def test_a_forced_run_that_finds_drift_says_so(rotated: World) -> None:
    change(rotated)
    assert outcome(rotate(rotated, forced=True))["drift"]


def test_history_and_chat_tell_drift(world: World) -> None:
    assert not timer(world, REPORT_CONTAINER=CONTAINER).failed
    delete(world)
    report = timer(world, REPORT_CONTAINER=CONTAINER)
    assert report.warnings == ()
    listed = plain(command_line(world, "history", REPORT_CONTAINER=CONTAINER, COLUMNS="220").stdout)
    assert f"{report.run} timer rotated drift: somebody deleted the Secret; drift" in listed
    [message] = messages(world)
    assert "had drifted: `drift: somebody deleted the Secret`" in message["text"]
    assert report.run in message["text"]
    assert not secrets_in.found(world, str(message), Cluster(world).value())


# No drift


def test_a_secret_that_never_was_is_no_drift(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rotator"):
        target = outcome(timer(world))
    assert (target["reason"], target["drift"]) == ("there is no Secret yet", False)
    assert decisions(caplog, "target_due") == [(logging.INFO, "there is no Secret yet")]
    assert messages(world) == []


def test_a_secret_that_was_there_before_the_first_run_is_no_drift(world: World) -> None:
    Cluster(world).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=secretKey=theirs")
    target = outcome(timer(world))
    assert (target["reason"], target["drift"]) == ("the Secret is adopted", False)


@pytest.mark.parametrize(
    "settings",
    [
        {"SAS_PERMISSIONS": "rw"},
        {"KUBERNETES_SECRET_ENCODING": "base64"},
        {"KUBERNETES_SECRET_KEY": "sas"},
        {"KUBERNETES_SECRET_NAME": "another"},
        {"SAS_DEFINITION_NAME": "another"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_changed_setting_is_no_drift(rotated: World, settings: dict[str, str]) -> None:
    target = outcome(timer(rotated, **settings))
    assert (target["outcome"], target["drift"]) == ("rotated", False)


def test_labels_and_data_of_others_are_no_drift(rotated: World) -> None:
    patch(rotated, {"data": {"theirs": FOREIGN}, "metadata": {"labels": {"team": "shop"}, "annotations": {"a": "b"}}})
    assert outcome(timer(rotated))["outcome"] == "unchanged"


# What remembers that there was a Secret


def test_the_vault_is_told_of_a_target_once(world: World) -> None:
    timer(world)
    remembered, seen = tag(world), len(world.journal.events())
    assert remembered
    assert not rotate(world, forced=True).failed
    assert happened(world, "set-definition", seen) == []
    assert tag(world) == remembered


@pytest.mark.parametrize(
    "act",
    [
        lambda world: regenerate(world, forced=True),
        lambda world: revoke(world, forced=True),
        lambda world: rotate(world, SAS_PERMISSIONS="rw"),
    ],
    ids=["key rotation", "revocation", "other definition"],
)
def test_it_is_remembered_whatever_happens_to_keys_and_definition(
    rotated: World, act: Callable[[World], Report]
) -> None:
    assert not act(rotated).failed
    delete(rotated)
    assert outcome(timer(rotated))["reason"] == "drift: somebody deleted the Secret"


def test_tags_of_others_are_kept(world: World) -> None:
    timer(world)
    [definition] = Keys(world).record.definitions.values()
    definition.tags.pop(state.DELIVERED_TAG)
    definition.tags["owner"] = "the storage team"
    assert not rotate(world, forced=True).failed
    [definition] = Keys(world).record.definitions.values()
    assert definition.tags["owner"] == "the storage team"
    assert definition.tags[state.DELIVERED_TAG]


@pytest.mark.parametrize(("status", "code"), [(403, "Forbidden"), (400, "BadParameter")])
def test_a_vault_that_refuses_the_note_is_a_warning_and_no_failure(world: World, status: int, code: str) -> None:
    timer(world)
    Keys(world).settle()
    world.vault.faults.append(Fault("PUT", f"/storage/{ACCOUNT}/sas/", status=status, code=code))
    report = rotate(world, forced=True)
    assert not report.failed
    assert Cluster(world).works()
    assert tag(world) is None
    [warning] = outcome(report)["warnings"]
    assert "was not recorded, so its deletion will not be reported as drift" in warning
    assert outcome(rotate(world, forced=True))["warnings"] == []
    assert tag(world)


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_between_delivery_and_note_is_healed_by_the_next(world: World) -> None:
    with Warm(environment(world)) as warm:
        code = kill_at(world, warm, Step("vault", "set-definition", "before", 2), "rotate", "--json")
    assert code == -signal.SIGKILL
    assert Cluster(world).works_soon()
    Keys(world).settle()  # a note that was under way did not arrive
    assert not timer(world).failed
    delete(world)
    assert outcome(timer(world))["reason"] == "drift: somebody deleted the Secret"


# Least permissions


def test_the_original_samples_permissions_are_enough_for_that() -> None:
    options = dataclasses.replace(options_for("sandbox"), minimal_permissions=True)
    with World(options) as least, pytest.MonkeyPatch.context() as patching, unspoilt(least, patching) as world:
        first = timer(world)
        delete(world)
        second = timer(world)
        assert [outcome(report)["drift"] for report in (first, second)] == [False, True]
        assert first.warnings == second.warnings == ()
        assert outcome(first)["warnings"] == outcome(second)["warnings"] == []
        assert Cluster(world).works()


def decisions(caplog: pytest.LogCaptureFixture, event: str) -> list[tuple[int, str]]:
    """Level and reason of each decision of this kind."""
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    events = [(level, json.loads(message)) for level, message in lines if message.startswith("{")]
    return [(level, line["reason"]) for level, line in events if line["event"] == event]
