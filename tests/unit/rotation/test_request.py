"""What was asked for, and the report of a run that was refused."""

import dataclasses
import datetime
import json
import re
import socket

import pytest

from rotator import errors
from rotator.azure.errors import VaultError
from rotator.azure.host_storage.lease import Holder
from rotator.reporting.report import Failed, Trigger
from rotator.rotation import request
from rotator.rotation.request import Firing, Request
from rotator.rotation.state import Operation
from tests.fakes.examples import NOW, TOKEN

INTERVAL = datetime.timedelta(minutes=30)
REQUEST = Request(Trigger.HTTP, "anna@example.com", True, Operation.REVOKE, since=NOW)
REFUSED = errors.KeyInUseError("key2 may be in use")


def test_a_run_is_named_by_when_it_begins() -> None:
    assert re.fullmatch(r"20260701T120000Z-[0-9a-f]{6}", REQUEST.run)
    assert re.fullmatch(r"20260701T120000Z-[0-9a-f]{6}", request.name_at(NOW))


def test_two_runs_of_one_second_have_two_names() -> None:
    assert len({request.name_at(NOW) for _ in range(20)}) > 1


def test_names_sort_by_time() -> None:
    hours = [request.name_at(NOW + datetime.timedelta(hours=number)) for number in range(30)]
    assert sorted(hours) == hours


def test_a_request_begins_now() -> None:
    made = Request(Trigger.TIMER, "timer")
    assert abs(datetime.datetime.now(datetime.UTC) - made.since) < datetime.timedelta(seconds=5)
    assert made.run.startswith(f"{made.since:%Y%m%dT%H%M%SZ}-")


def test_a_request_keeps_its_name() -> None:
    assert Request(Trigger.TIMER, "timer", run="20260701T120000Z-abc123").run == "20260701T120000Z-abc123"
    assert REQUEST.run == REQUEST.holder.run == REQUEST.failure_report(REFUSED).run


def test_who_holds_the_lease_is_told_by_run_trigger_host_and_time() -> None:
    holder = REQUEST.holder
    assert (holder.trigger, holder.host, holder.since) == ("http", socket.gethostname(), NOW)


def test_a_refused_run_has_a_report_without_targets() -> None:
    report = REQUEST.failure_report(REFUSED, INTERVAL)
    assert report.failed
    assert report.counts() == "KeyInUseError"
    fields = report.as_json()
    assert fields.pop("finished") > "2026-07-01T12:00:00Z"
    assert fields == {
        "run": REQUEST.run,
        "trigger": "http",
        "asked_by": "anna@example.com",
        "forced": True,
        "started": "2026-07-01T12:00:00Z",
        "interval_seconds": 1800.0,
        "failed": True,
        "error": {"error": "KeyInUseError", "message": "key2 may be in use", "remedy": errors.KeyInUseError.remedy},
        "definition_changed": False,
        "warnings": [],
        "key": None,
        "targets": [],
        "past_due": False,
        "late_seconds": None,
        "interrupted": None,
        "tolerance": None,
    }


# How the timer fired

SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "late"),
    [
        ({"Last": "2026-07-01T11:30:00.0053107+00:00", "Next": "2026-07-01T12:00:00+00:00"}, 0),
        ({"Next": "2026-07-01T11:00:00+00:00"}, 3600),
        ({"Next": "2026-07-01T13:00:00+02:00"}, 3600),
        ({"Next": "2026-07-01T12:00:00.5000000+00:00"}, 0),  # the host's clock
        ({"Next": "2026-07-01T12:30:00+00:00"}, None),  # fired by hand
        ({"Next": "0001-01-01T00:00:00"}, None),
        ({"Next": 7}, None),
        ({}, None),
        (None, None),
        ("soon", None),
        ([{"Next": "2026-07-01T11:00:00+00:00"}], None),
    ],
)
@pytest.mark.parametrize("past_due", [True, False])
def test_how_late_a_run_began_is_what_the_hosts_record_tells(
    status: object, late: float | None, past_due: bool
) -> None:
    late_run = dataclasses.replace(REQUEST, firing=Firing.from_host(status, past_due=past_due))
    for report in (
        late_run.complete(REQUEST.failure_report(REFUSED), None),
        late_run.failure_report(REFUSED),
    ):
        fields = report.as_json()
        assert (fields["past_due"], fields["late_seconds"]) == (past_due, late)


def test_the_run_before_that_did_not_end_is_in_the_report() -> None:
    holder = Holder("20260701T113000Z-abc123", "timer", "host\n1", NOW - 1800 * SECOND)
    assert REQUEST.complete(REQUEST.failure_report(REFUSED), holder).as_json()["interrupted"] == {
        "run": "20260701T113000Z-abc123",
        "trigger": "timer",
        "host": "host\\n1",
        "since": "2026-07-01T11:30:00Z",
    }


# Runs that were refused


def test_without_settings_the_interval_is_not_known() -> None:
    assert REQUEST.failure_report(errors.SettingsError(["x is missing"])).as_json()["interval_seconds"] is None


@pytest.mark.parametrize("error", [ValueError(f"odd: {TOKEN}"), VaultError(f"odd: {TOKEN}")])
def test_a_refused_runs_report_holds_no_secret(error: Exception) -> None:
    text = json.dumps(REQUEST.failure_report(error).as_json())
    assert "MDEyMzQ1Njc4OWFi" not in text
    assert "odd" in text


def test_a_defect_is_told_as_one() -> None:
    error = REQUEST.failure_report(KeyError("targets")).error
    assert isinstance(error, Failed)
    assert (error.error, error.message) == ("UnexpectedError", "KeyError: 'targets'")
