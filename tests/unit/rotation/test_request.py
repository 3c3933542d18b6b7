"""What was asked for, and the report of a run that was refused."""

import datetime
import json
import re
import socket

import pytest

from rotator import errors
from rotator.azure.errors import VaultError
from rotator.reporting.report import Failed, Trigger
from rotator.rotation import request
from rotator.rotation.request import Request
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
    }


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
