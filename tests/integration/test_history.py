"""The audit: what runs did is kept, holds no secret, and is told again by `python -m rotator history`."""

import contextlib
import dataclasses
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rotator.azure import identity
from rotator.azure.errors import ArchiveError
from rotator.commands import history as history_command
from rotator.plan import loader
from rotator.reporting import archive
from rotator.reporting.archive import Archive
from rotator.reporting.report import Report, Trigger
from sandbox.server.faults import Fault
from sandbox.world import APP_ACCOUNT, World
from tests import secrets_in
from tests.integration.conftest import (
    ROOT,
    Cluster,
    environment,
    happened,
    outcome,
    plain,
    regenerate,
    revoke,
    rotate,
    settings_for,
)
from tests.integration.test_manners import CONTROL, in_terminal

CONTAINER = "rotation-reports"
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
BOUND = 40.0
KEEP = """
import contextlib, os
from rotator import app
from rotator.azure import identity
from rotator.plan import loader
from rotator.reporting import archive
from rotator.reporting.report import Trigger
report = app.rotate(trigger=Trigger.CLI, forced=True)
plan = loader.load()
with contextlib.closing(identity.credential(None)) as own, archive.opened(plan, os.environ, own) as kept:
    kept.save(report)
"""


@contextlib.contextmanager
def opened(world: World, **settings: str) -> Iterator[Archive]:
    """The archive as a run opens it."""
    given = settings_for(world, REPORT_CONTAINER=CONTAINER, **settings)
    plan = loader.load(given)
    with (
        contextlib.closing(identity.credential(plan.client_id)) as credential,
        archive.opened(plan, given, credential) as kept,
    ):
        yield kept


def kept(world: World, report: Report) -> Report:
    with opened(world) as reports:
        reports.save(report)
    return report


def history(world: World, *arguments: str, **settings: str) -> Result:
    """The command, in a terminal that is wide enough for each report to be a line."""
    given = settings_for(world, REPORT_CONTAINER=CONTAINER, COLUMNS="220", **settings)
    return CliRunner().invoke(history_command.history, arguments, env=given)


def output_of(world: World, *arguments: str) -> str:
    done = history(world, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def empty(world: World) -> World:
    """Nothing was kept yet."""
    world.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)
    return world


def reports_path() -> str:
    return f"/{APP_ACCOUNT}/{CONTAINER}/"


# Kept


def test_reports_of_real_runs_are_read_back_equal(stack: World) -> None:
    reports = [rotate(stack, Trigger.TIMER), rotate(stack), rotate(stack, KUBERNETES_SSH_PORT="9")]
    reports += [regenerate(stack, forced=True), revoke(stack, forced=True)]
    for each in reports:
        kept(stack, each)
    with opened(stack) as found:
        assert [found.find(each.run) for each in reports] == [each.as_json() for each in reports]
        recent = found.recent(len(reports), LONG_AGO)
    assert sorted(each["run"] for each in recent) == sorted(each.run for each in reports)
    assert [outcome(each)["outcome"] for each in reports] == ["rotated", "unchanged", "failed", "rotated", "rotated"]


def test_what_is_kept_holds_no_secret(empty: World) -> None:
    rotate(empty)
    old = Cluster(empty).value()
    for report in (rotate(empty, forced=True), regenerate(empty, forced=True), revoke(empty, forced=True)):
        kept(empty, report)
    rotate(empty, forced=True)
    blobs = empty.blob.containers[APP_ACCOUNT][CONTAINER].blobs
    assert len(blobs) == 3
    written = "".join(f"{name} {blob.metadata} {blob.data.decode()}" for name, blob in blobs.items())
    assert not secrets_in.found(empty, written, old, Cluster(empty).value())


def test_a_secret_that_got_into_a_report_is_masked(empty: World) -> None:
    rotate(empty)
    token = Cluster(empty).value()
    report = kept(empty, dataclasses.replace(rotate(empty), warnings=(f"odd: {token}",), asked_by=f"?{token}"))
    with opened(empty) as found:
        text = json.dumps(found.find(report.run))
    assert not secrets_in.found(empty, text, token)
    assert "odd: " in text


def test_an_upload_whose_answer_is_lost_is_kept_once(empty: World) -> None:
    first = kept(empty, rotate(empty))
    report, before = rotate(empty), len(empty.journal.events())
    empty.blob.faults.append(Fault("PUT", reports_path(), status=0, carried_out=True))
    kept(empty, report)
    assert len(happened(empty, "put-blob", before)) == 1
    with opened(empty) as found:
        assert {each["run"] for each in found.recent(9, LONG_AGO)} == {first.run, report.run}


def test_trouble_that_passes_does_no_harm(empty: World) -> None:
    kept(empty, rotate(empty))
    report = rotate(empty)
    empty.blob.faults.append(Fault("PUT", reports_path(), status=503, code="ServerBusy", times=3))
    kept(empty, report)
    with opened(empty) as found:
        assert found.find(report.run) == report.as_json()


def test_a_run_that_is_killed_before_the_answer_has_its_report_kept(empty: World) -> None:
    kept(empty, rotate(empty))
    before = len(empty.journal.events())
    empty.blob.faults.append(Fault("PUT", reports_path(), status=0, carried_out=True, delay=0.0))
    given = environment(empty, REPORT_CONTAINER=CONTAINER)
    with subprocess.Popen([sys.executable, "-c", KEEP], env=given, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not happened(empty, "put-blob", before) and time.monotonic() < until:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
    [written] = happened(empty, "put-blob", before)
    name = written.detail.removeprefix(f"{CONTAINER}/")
    with opened(empty) as found:
        report = found.find(name.rpartition("/")[2].removesuffix(".json"))
    assert (report["trigger"], report["failed"]) == ("cli", False)
    assert rotate(empty, forced=True).failed is False


def test_a_report_is_kept_by_the_identity_that_the_storage_names(empty: World) -> None:
    object_ids: list[str] = []
    empty.blob.authorizes = lambda object_id, _action, _scope: not object_ids.append(object_id)  # type: ignore[func-returns-value]
    kept(empty, rotate(empty))
    with opened(empty, AzureWebJobsStorage__clientId=empty.app_client_id) as found:
        assert found.recent(1, LONG_AGO)
    assert object_ids[-1] == empty.app_object_id


# Not kept


def refused(world: World, **settings: str) -> ArchiveError:
    report, started = rotate(world), time.monotonic()
    with pytest.raises(ArchiveError) as raised, opened(world, **settings) as found:
        found.save(report)
    assert time.monotonic() - started < BOUND
    output = "".join(traceback.format_exception(raised.value)) + raised.value.remedy
    assert not secrets_in.found(world, output)
    return raised.value


def test_an_identity_without_a_role_is_told_what_it_needs(empty: World) -> None:
    report = rotate(empty)
    empty.blob.authorizes = lambda *_asked: False
    with pytest.raises(ArchiveError, match="answered 403 AuthorizationPermissionMismatch") as raised:
        kept(empty, report)
    for name in ("REPORT_CONTAINER", "AzureWebJobsStorage__blobServiceUri", "Storage Blob Data Owner"):
        assert name in raised.value.remedy


def test_an_unreachable_storage_is_found_out_in_bounded_time(empty: World) -> None:
    key = empty.account.keys["key1"]
    by_key = f"AccountName=sandboxaccount;AccountKey={key};BlobEndpoint=http://127.0.0.1:9/sandboxaccount"
    error = refused(empty, AzureWebJobsStorage=by_key)
    assert str(error) == "the app's own storage 127.0.0.1:9/sandboxaccount does not answer: the connection is refused"


def test_a_connection_string_that_is_none_is_not_quoted(empty: World) -> None:
    error = refused(empty, AzureWebJobsStorage=f"AccountKey={empty.account.keys['key1']}")
    assert "is not a storage's connection string" in str(error)


# Told


def test_runs_are_listed_with_what_they_did(empty: World) -> None:
    runs = [
        dataclasses.replace(rotate(empty, Trigger.TIMER), asked_by="timer"),
        rotate(empty),
        dataclasses.replace(regenerate(empty, forced=True), asked_by="anna@laptop"),
        rotate(empty, Trigger.HTTP, KUBERNETES_SSH_PORT="9"),
    ]
    for each in runs:
        kept(empty, each)
    lines = [plain(line).strip() for line in output_of(empty).splitlines()]
    assert lines[0] == "WHEN RUN ASKED BY OUTCOME WHAT"
    stamps = [f"{each.started:%Y-%m-%d %H:%M:%SZ} {each.run}" for each in runs]
    assert sorted(lines[1:]) == sorted(
        [
            f"{stamps[0]} timer rotated there is no Secret yet; the SAS definition was set",
            f"{stamps[1]} cli unchanged its SAS is fresh",
            f"{stamps[2]} anna@laptop rotated the SAS was signed by key1, which is no longer the active key; "
            "regenerate done: asked for",
            f"{stamps[3]} http failed UnreachableError",
        ]
    )


@pytest.mark.parametrize("width", [40, 80])
def test_in_a_narrow_terminal_a_run_s_name_is_whole(empty: World, width: int) -> None:
    report = kept(empty, rotate(empty))
    _, sent = in_terminal(empty, "history", REPORT_CONTAINER=CONTAINER, COLUMNS=str(width))
    output = CONTROL.sub("", sent)
    assert re.search(rf"^(RUN +)?{report.run}\b", output, re.MULTILINE)
    assert "the SAS definition was" in plain(output)
    assert max(map(len, output.splitlines())) <= width


def test_no_more_are_listed_than_asked_for(empty: World) -> None:
    for _ in range(3):
        kept(empty, rotate(empty))
    assert len(output_of(empty, "--limit", "2").splitlines()) == 3
    assert len(json.loads(output_of(empty, "--limit", "1", "--json"))["reports"]) == 1


def test_nothing_is_listed_where_nothing_was_kept(empty: World) -> None:
    assert output_of(empty, "--days", "7") == "no report was kept in the last 7 days\n"
    assert json.loads(output_of(empty, "--json")) == {"reports": [], "timer": None}


def test_one_run_is_told_with_all_that_its_report_says(empty: World) -> None:
    rotate(empty)
    report = kept(empty, regenerate(empty, forced=True))
    output, target = plain(output_of(empty, report.run)), outcome(report)
    assert output.startswith(f"run {report.run}: rotated trigger http")
    assert "default/storage-sas@127.0.0.1: rotated strategy recreate reason the SAS was signed by key1" in output
    for name in ("digest", "previous_digest", "expires", "signing_key", "proof", "fingerprint"):
        assert f"{name.replace('_', ' ')} {target[name]}" in output
    assert "regenerate: done reason asked for active key key2 regenerated key2" in output


def test_one_run_is_told_as_json(empty: World) -> None:
    report = kept(empty, rotate(empty))
    assert json.loads(output_of(empty, report.run, "--json")) == report.as_json()


def test_what_somebody_else_put_there_is_listed_as_no_report(empty: World) -> None:
    kept(empty, rotate(empty))
    name = f"{datetime.datetime.now(datetime.UTC):%Y/%m/%d}/notes.txt"
    empty.blob.put_blob(APP_ACCOUNT, CONTAINER, name, b"\x1b[31mmilk, eggs", "text/plain")
    assert f"no report {name}: this is no report of a run" in plain(output_of(empty))
    listed: list[dict[str, Any]] = json.loads(output_of(empty, "--json"))["reports"]
    assert {"blob": name, "problem": "this is no report of a run"} in listed


@pytest.mark.parametrize(("status", "code"), [(404, "BlobNotFound"), (409, "BlobArchived")])
def test_one_report_that_cannot_be_read_hides_no_other(empty: World, status: int, code: str) -> None:
    one, other = kept(empty, rotate(empty)), kept(empty, rotate(empty))
    path = f"{reports_path()}{one.started:%Y/%m/%d}/{one.run}.json"
    empty.blob.faults.append(Fault("GET", path, status=status, code=code))
    listed: list[dict[str, Any]] = json.loads(output_of(empty, "--json"))["reports"]
    assert other.as_json() in listed
    [odd] = [each for each in listed if "problem" in each]
    assert odd["blob"].endswith(f"{one.run}.json")
    assert odd["problem"].endswith(f" answered {status} {code}")


def test_a_storage_that_is_broken_is_told_once(empty: World) -> None:
    kept(empty, rotate(empty))
    empty.blob.faults.append(Fault("GET", reports_path(), status=500, code="InternalError", times=99))
    done = history(empty)
    assert done.exit_code == 1
    assert "answered 500 InternalError" in plain(done.stderr)


def test_an_unknown_run_is_an_error_with_a_remedy(empty: World) -> None:
    done = history(empty, "20261124T043505Z-ec886b")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no report of a run 20261124T043505Z-ec886b is kept" in done.stderr
    assert "python -m rotator history" in done.stderr
    answer = json.loads(history(empty, "20261124T043505Z-ec886b", "--json").stdout)
    assert answer["error"] == "ArchiveError"


def test_an_identity_that_may_not_read_is_told_what_it_needs(empty: World) -> None:
    empty.blob.authorizes = lambda *_asked: False
    done = history(empty)
    assert done.exit_code == 1
    assert "Storage Blob Data Owner" in plain(done.stderr)
    assert not re.search(r"Traceback|sig=", done.output)


def test_without_a_storage_the_setting_is_named(empty: World) -> None:
    done = history(empty, AzureWebJobsStorage__blobServiceUri="")
    assert done.exit_code == 2
    assert "AzureWebJobsStorage__accountName is missing" in done.stderr
