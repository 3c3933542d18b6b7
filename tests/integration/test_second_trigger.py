"""A second way to fire, for when the timer does not: what is due, once for each scheduled time, whoever calls."""

import datetime
import json
import urllib.parse
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import pytest

from rotator import app, errors
from rotator.azure.host_storage.blob_lease import CONTAINER
from rotator.reporting.report import Trigger
from rotator.rotation.request import Request
from sandbox.blob.store import Blob
from sandbox.functions.host import FunctionsHost
from sandbox.functions.timer import StatusBlob
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import APP_ACCOUNT, World
from tests.integration.conftest import Cluster, functions_host, rotate, settings_for

ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {"essentials": {"alertRule": "timer-silent-call", "monitorCondition": "Fired"}, "alertContext": {}},
}
RESOLVED = {**ALERT, "data": {"essentials": {"alertRule": "timer-silent-call", "monitorCondition": "Resolved"}}}
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def running(sandbox_world: World) -> Iterator[FunctionsHost]:
    with functions_host(sandbox_world) as host:
        yield host


@pytest.fixture
def host(world: World, running: FunctionsHost) -> FunctionsHost:
    """The same app for each test, in a world in which nothing ever ran."""
    world.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)
    return running


def call(host: FunctionsHost, body: object = "") -> tuple[int, str]:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = host.request("rotate_due", "POST", "/api/rotate-due", text)
    found = json.loads(answer["body"])
    assert set(found) == {"status"}
    return answer["status"], found["status"]


def lease_blob(world: World) -> Blob:
    (found,) = world.blob.containers[APP_ACCOUNT][CONTAINER].blobs.values()
    return found


def let_time_pass(world: World, time: datetime.timedelta) -> None:
    """Have the last run be over for so long."""
    metadata = lease_blob(world).metadata
    ended = datetime.datetime.fromisoformat(urllib.parse.unquote(metadata["ended"])) - time
    metadata["ended"] = f"{ended:%Y-%m-%dT%H:%M:%SZ}"


def last_report(host: FunctionsHost) -> dict[str, Any]:
    lines = [line.partition(" report ")[2] or line.partition(": report ")[2] for line in host.log if "report {" in line]
    found: dict[str, Any] = json.loads(lines[-1][lines[-1].index("{") :])
    return found


def test_where_nothing_ran_yet_it_rotates_what_is_due(world: World, host: FunctionsHost) -> None:
    assert call(host, ALERT) == (200, "done")
    assert Cluster(world).works()


@pytest.mark.parametrize(
    ("body", "trigger", "asked_by"),
    [
        (ALERT, "alert", "an alert"),
        ({"trigger": "workflow"}, "workflow", "a workflow"),
        ("", "http", "a function key"),
        ("not json", "http", "a function key"),
        ({"trigger": "timer"}, "http", "a function key"),
        ({"schemaId": "AzureMonitorMetricAlert"}, "http", "a function key"),
        ({**ALERT, "data": None}, "alert", "an alert"),
    ],
)
def test_the_report_says_what_called(
    world: World, host: FunctionsHost, body: object, trigger: str, asked_by: str
) -> None:
    assert call(host, body) == (200, "done")
    report = last_report(host)
    assert (report["trigger"], report["asked_by"], report["forced"]) == (trigger, asked_by, False)


def test_once_for_each_scheduled_time_whoever_calls(world: World, host: FunctionsHost) -> None:
    assert call(host, ALERT) == (200, "done")
    seen = len(world.journal.events())
    for body in (ALERT, {"trigger": "workflow"}, ""):
        assert call(host, body) == (200, "not due")
    assert {event.service for event in world.journal.events()[seen:]} <= {"blob", "identity"}  # nor is the vault asked
    let_time_pass(world, HOUR)
    assert call(host, ALERT) == (200, "done")
    assert call(host, ALERT) == (200, "not due")


@pytest.mark.parametrize("trigger", [Trigger.TIMER, Trigger.CLI])
def test_a_run_of_another_trigger_counts(world: World, host: FunctionsHost, trigger: Trigger) -> None:
    rotate(world, trigger)
    assert call(host, ALERT) == (200, "not due")
    let_time_pass(world, HOUR)
    assert call(host, ALERT) == (200, "done")


def test_a_fresh_sas_is_left_as_it_is(world: World, host: FunctionsHost) -> None:
    rotate(world)
    before = Cluster(world).value()
    let_time_pass(world, HOUR)
    assert call(host, ALERT) == (200, "done")
    assert Cluster(world).value() == before


def test_an_alert_that_is_over_calls_for_nothing(world: World, host: FunctionsHost) -> None:
    assert call(host, RESOLVED) == (200, "not due")
    assert Cluster(world).secret() is None


def test_a_run_that_was_killed_is_made_up_for_at_once_and_said(world: World, host: FunctionsHost) -> None:
    rotate(world)
    killed = Request(Trigger.TIMER, "timer").holder
    lease_blob(world).metadata |= killed.as_metadata()
    assert call(host, ALERT) == (200, "done")
    report = last_report(host)
    assert report["interrupted"]["run"] == killed.run
    assert any(f"run {killed.run} (timer)" in warning and "did not end" in warning for warning in report["warnings"])


def refuse_keys(world: World) -> None:
    """Resource Manager lists the account's keys to nobody."""
    world.resource_manager.faults.append(Fault(path=world.account.resource_id, status=403, code="Forbidden", times=9))


def test_a_run_that_breaks_off_says_too_which_one_before_it_was_killed(world: World, host: FunctionsHost) -> None:
    rotate(world)
    killed = Request(Trigger.TIMER, "timer").holder
    lease_blob(world).metadata |= killed.as_metadata()
    refuse_keys(world)
    assert host.request("rotate_now", "POST", "/api/rotate", '{"regenerate_key": true}')["status"] == 500
    report = last_report(host)
    assert report["interrupted"]["run"] == killed.run
    assert any("did not end" in warning for warning in report["warnings"])


def test_an_operation_that_was_refused_is_no_run_of_the_schedule(world: World, host: FunctionsHost) -> None:
    rotate(world)
    let_time_pass(world, HOUR)
    refuse_keys(world)
    assert host.request("rotate_now", "POST", "/api/rotate", '{"regenerate_key": true}')["status"] == 500
    assert call(host, ALERT) == (200, "done")


def test_a_time_in_the_future_is_not_believed(world: World, host: FunctionsHost) -> None:
    rotate(world)
    let_time_pass(world, -720 * HOUR)
    assert call(host, ALERT) == (200, "done")


def test_two_that_call_at_once_make_one_run(world: World) -> None:
    rotate(world)
    let_time_pass(world, HOUR)
    environment = settings_for(world)
    with futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(attempt, environment) for _ in range(4)]
    assert [run.result() for run in runs].count("done") == 1


def test_what_another_instance_did_since_the_first_look_is_seen_under_the_lease(world: World) -> None:
    rotate(world)
    let_time_pass(world, HOUR)
    blob, seen = lease_blob(world), len(world.vault.minted)

    def finish_elsewhere(event: Event) -> None:
        if (event.service, event.phase) == ("blob", "after"):
            blob.metadata["ended"] = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"

    cancel = world.journal.subscribe(finish_elsewhere)
    try:
        assert (
            app.rotate_if_missed(trigger=Trigger.ALERT, environment=settings_for(world, ROTATION_PROVE="false")) is None
        )
    finally:
        cancel()
    assert len(world.vault.minted) == seen


def attempt(environment: dict[str, str]) -> str:
    try:
        report = app.rotate_if_missed(trigger=Trigger.ALERT, environment=environment)
    except errors.BusyError:
        return "busy"
    return "done" if report else "not due"


def test_a_failure_is_told_without_detail(world: World, host: FunctionsHost) -> None:
    world.vault.faults.append(Fault(path="/secrets/privatekey", status=403, code="Forbidden"))
    assert call(host, ALERT) == (502, "failed")
    assert last_report(host)["targets"][0]["error"] == "VaultForbiddenError"


def test_a_storage_that_does_not_answer_keeps_no_one_from_rotating_and_then_the_process_remembers(world: World) -> None:
    world.blob.faults += [Fault(path=f"/{APP_ACCOUNT}/", status=500, code="InternalError", times=99)]
    with functions_host(world) as host:
        assert call(host, ALERT) == (200, "done")
        assert call(host, ALERT) == (200, "not due")
    assert Cluster(world).works()


def test_a_run_in_progress_does_the_work(world: World, host: FunctionsHost) -> None:
    rotate(world)
    let_time_pass(world, HOUR)
    lease_blob(world).lease.carry_out("acquire", {"x-ms-lease-duration": "60"})
    assert call(host, ALERT) == (409, "busy")


def test_bad_settings_are_told_without_detail(sandbox_world: World, world: World) -> None:
    with functions_host(sandbox_world, SAS_VALIDITY="1h") as host:
        assert call(host, ALERT) == (500, "failed")
        report = last_report(host)
        assert (report["trigger"], report["error"]["error"]) == ("alert", "SettingsError")
        assert host.request("ready", "GET", "/api/ready")["status"] == 503


# What is due, by a person


def test_only_what_is_due_is_rotated_by_http_where_that_is_asked_for(world: World, host: FunctionsHost) -> None:
    rotate(world)
    before = Cluster(world).value()
    answer = host.request("rotate_now", "POST", "/api/rotate", '{"only_due": true}')
    report = json.loads(answer["body"])
    assert (answer["status"], report["forced"], report["targets"][0]["outcome"]) == (200, False, "unchanged")
    assert Cluster(world).value() == before


# Ready


def test_ready_tells_anybody_whether_runs_come_and_is_asked_of_the_storage_once_a_minute(world: World) -> None:
    rotate(world)
    with functions_host(world) as host:
        seen = len(world.journal.events())
        for _ in range(5):
            answer = host.request("ready", "GET", "/api/ready")
            assert (answer["status"], json.loads(answer["body"])) == (200, {"status": "ok"})
        looked = world.journal.events()[seen:]
        assert {event.service for event in looked} <= {"blob", "identity"}
        assert len([event for event in looked if event.service == "blob" and event.phase == "after"]) <= 3


def overdue(world: World) -> bool:
    return not app.runs_come_as_scheduled(environment=settings_for(world))


def test_a_run_is_overdue_that_should_have_come_also_where_each_is_killed(world: World) -> None:
    rotate(world)
    assert not overdue(world)
    let_time_pass(world, HOUR)
    assert overdue(world)
    lease_blob(world).metadata |= Request(Trigger.TIMER, "timer").holder.as_metadata()
    assert overdue(world)


def test_before_the_first_run_the_hosts_timer_says_when_it_is_due(world: World) -> None:
    world.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)
    assert overdue(world)
    now = datetime.datetime.now(datetime.UTC)
    for next_run, expected in ((now + HOUR, False), (now - HOUR, True)):
        record = StatusBlob(world.blob, APP_ACCOUNT, "rotate_on_schedule")
        times = {"Next": next_run.isoformat(), "LastUpdated": now.isoformat()}
        record.write({"Last": "0001-01-01T00:00:00", **times})
        assert overdue(world) is expected


def test_a_storage_that_does_not_answer_is_503_without_detail(world: World) -> None:
    world.blob.faults.append(Fault(status=503, code="ServerBusy", times=9))
    with functions_host(world) as host:
        answer = host.request("ready", "GET", "/api/ready")
    assert (answer["status"], json.loads(answer["body"])) == (503, {"status": "unavailable"})


# The plan says what may fail


def test_a_plan_says_how_many_runs_may_fail_and_until_when_help_must_come(world: World) -> None:
    first = app.plan(environment=settings_for(world)).tolerance
    assert first is not None
    assert first.failed_runs in {6, 7}  # by the time of the day
    rotate(world)
    held = app.plan(environment=settings_for(world)).tolerance
    assert held is not None
    assert held.as_json()["expires"] == Cluster(world).annotation("expires")
    due = app.plan(environment=settings_for(world, KUBERNETES_SECRET_ENCODING="base64"))
    assert due.as_json()["targets"][0]["outcome"] == "due"
    assert due.tolerance is not None
    assert due.tolerance.as_json()["expires"] == Cluster(world).annotation("expires")  # what consumers have now
