"""`python -m rotator finish-deployment` against the sandbox: each way in which a deployment can end."""

import datetime
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from rotator import app, errors
from rotator.deployment import listing
from rotator.deployment.errors import RunRefusedError
from rotator.deployment.progress import Progress, ProgressKind, Stage
from rotator.plan import resource_id
from rotator.plan.resource_id import ResourceId
from sandbox.functions.timer import StatusBlob
from sandbox.resource_manager import deployed, roles
from sandbox.server.faults import Fault
from sandbox.world import APP_ACCOUNT, World
from tests import schemas
from tests.fakes.deployment import BUSY, REPORT, STATUS
from tests.integration.conftest import ROOT, Cluster, command_line, environment, plain, start_worker
from tests.remedies.shell import Shell

ROTATE, STATUS_OF = ("POST", "/api/rotate"), ("GET", "/api/status")
FIRES = (200, STATUS)
DONE = (200, REPORT)


@pytest.fixture
def site(world: World) -> World:
    """An app whose functions are listed, which rotates, and whose timer will fire."""
    world.deployed.functions = listing.FUNCTIONS
    world.site.prepared[ROTATE] = [DONE]
    world.site.prepared[STATUS_OF] = [FIRES]
    return world


@pytest.fixture
def running(site: World) -> Iterator[World]:
    """The app itself answers, as itself; its host has started the timer."""
    site.site.prepared.clear()
    now = datetime.datetime.now(datetime.UTC)
    next_run = now + datetime.timedelta(minutes=20)
    record = StatusBlob(site.blob, APP_ACCOUNT, "rotate_on_schedule")
    times = {"Next": next_run.isoformat(), "LastUpdated": now.isoformat()}
    record.write({"Last": "0001-01-01T00:00:00", **times})
    site.start_app(ROOT, environment(site), start_worker())
    yield site
    site.stop_app()


def hold(world: World, *held: str) -> None:
    """Leave the operator these roles alone, on the function app."""
    world.resource_manager.role_assignments[:] = [
        roles.Assignment(world.function_app_id, role, world.identity.object_id) for role in held
    ]


def finish(world: World, *, seconds: float = 0.3) -> tuple[list[Progress], errors.RotatorError | None]:
    """End the deployment in this process, with pauses that take no time unless it has to give up."""
    lines: list[Progress] = []
    resource = ResourceId.parse(world.function_app_id, resource_id.FUNCTION_APP)
    given = environment(world)
    with app.deployment(resource, lines.append, seconds=seconds, environment=given, sleep=lambda _seconds: None) as end:
        try:
            end.finish()
        except errors.RotatorError as error:
            return lines, error
    return lines, None


def texts(lines: list[Progress], stage: Stage, kind: ProgressKind) -> list[str]:
    return [line.text for line in lines if (line.stage, line.kind) == (stage, kind)]


def test_deployment_ends_with_the_next_run_and_the_expiry(site: World) -> None:
    site.deployed.listed_after = 3

    lines, error = finish(site, seconds=60)

    assert error is None
    assert site.deployed.syncs == 3
    assert "only WarmUp is; 2nd sync" in texts(lines, Stage.FUNCTIONS, ProgressKind.WAITING)[1]
    assert lines[-1].text.startswith("next run at 2026-07-01T12:30:00Z")


def test_app_itself_rotates_what_is_due_and_nothing_the_second_time(running: World) -> None:
    first = command_line(running, "finish-deployment", FUNCTION_APP_ID=running.function_app_id)

    assert (first.returncode, first.stderr) == (0, "")
    assert "rotated" in first.stdout
    last = first.stdout.splitlines()[-1]
    assert re.search(r"next run at .+ \(in (19|20) min\), SAS valid until .+ \(in (3 h 59 min|4 h)\)", last)
    value = Cluster(running).value()
    assert Cluster(running).works()

    second = command_line(running, "finish-deployment", FUNCTION_APP_ID=running.function_app_id)

    assert second.returncode == 0
    assert "unchanged" in second.stdout
    assert Cluster(running).value() == value


def test_failed_run_ends_with_6_and_its_report(running: World) -> None:
    running.vault.faults.append(Fault(path="/secrets/privatekey", status=403, code="Forbidden", times=9))

    done = command_line(running, "finish-deployment", FUNCTION_APP_ID=running.function_app_id)

    assert done.returncode == 6
    assert "VaultForbiddenError" in done.stdout
    assert "the functions are listed, but run" in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (deployed.SETTING_ERROR, "app setting"),
        (deployed.IMPORT_ERROR, "remote build"),
        (deployed.STORAGE_ERROR, "Storage Blob Data Owner"),
        (deployed.IMAGE_ERROR, "Python 3.13"),
    ],
)
def test_functions_that_are_never_listed_end_with_what_the_host_says(site: World, error: str, words: str) -> None:
    site.deployed.fail(error)

    _, ended = finish(site)

    assert ended is not None
    assert ended.exit_code == 4
    assert "the host is in the state Error" in str(ended)
    assert " ".join(error.split())[:150] in str(ended)
    assert words in ended.remedy


def test_functions_that_are_never_listed_end_with_4(site: World) -> None:
    site.deployed.fail(deployed.IMPORT_ERROR)

    done = command_line(site, "finish-deployment", "--timeout", "1", FUNCTION_APP_ID=site.function_app_id)

    assert done.returncode == 4
    assert "waiting for the functions to be listed: only WarmUp is" in plain(done.stdout)
    assert "No module named 'croniter'" in done.stderr


def test_disabled_function_ends_with_the_setting_that_disables_it(site: World) -> None:
    site.deployed.disabled.add("rotate_on_schedule")

    _, ended = finish(site)

    assert ended is not None
    assert (ended.code, ended.exit_code) == ("FunctionsDisabledError", 4)
    assert "AzureWebJobs.rotate_on_schedule.Disabled" in ended.remedy


def test_run_in_progress_is_waited_for(site: World) -> None:
    site.site.prepared[ROTATE] = [(409, BUSY), (409, BUSY), DONE]

    lines, error = finish(site, seconds=60)

    assert error is None
    assert "run 1 is in progress" in texts(lines, Stage.RUN, ProgressKind.WAITING)[1]


def test_run_in_progress_all_the_time_ends_with_3(site: World) -> None:
    site.site.prepared[ROTATE] = [(409, BUSY)]

    _, ended = finish(site)

    assert isinstance(ended, errors.BusyError)
    assert ended.exit_code == 3


def test_wrong_settings_of_the_app_end_with_its_own_words(site: World) -> None:
    wrong = errors.SettingsError(["SAS_VALIDITY is wrong"])
    site.site.prepared[ROTATE] = [(500, wrong.as_json())]

    _, ended = finish(site)

    assert isinstance(ended, RunRefusedError)
    assert (str(ended), ended.remedy, ended.exit_code) == (str(wrong), wrong.remedy, 1)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=404), Fault(status=0), Fault(status=502)])
def test_app_that_has_just_started_is_asked_again(site: World, fault: Fault) -> None:
    fault.times = 2
    site.site.faults.append(fault)
    assert finish(site, seconds=60)[1] is None


def test_host_that_has_just_started_is_asked_again_for_functions_and_keys(site: World) -> None:
    site.deployed.listed_after = 1
    path = f"{site.function_app_id}/functions"
    site.resource_manager.faults.append(Fault(path=path, status=400, code="BadRequest", times=2))
    site.resource_manager.faults.append(Fault("POST", f"{path}/rotate_now", status=400, code="BadRequest", times=2))

    lines, error = finish(site, seconds=60)

    assert error is None
    assert "400 (BadRequest)" in texts(lines, Stage.FUNCTIONS, ProgressKind.WAITING)[0]


def test_timer_that_is_silent_ends_with_5(site: World) -> None:
    missed = {"last": None, "next": "2026-07-01T11:00:00Z", "missed": ["2026-07-01T11:00:00Z"]}
    site.site.prepared[STATUS_OF] = [(200, STATUS | {"timer": missed})]

    _, ended = finish(site)

    assert ended is not None
    assert (ended.exit_code, ended.code) == (5, "TimerSilentError")
    assert "should have fired at 2026-07-01T11:00:00Z and did not" in str(ended)


def test_website_contributor_may_do_all_of_it(site: World) -> None:
    site.deployed.listed_after = 1
    hold(site, roles.WEBSITE_CONTRIBUTOR)
    lines, error = finish(site, seconds=60)
    assert error is None
    assert [line for line in lines if line.kind is ProgressKind.WARNING] == []


def test_reader_sees_the_functions_and_is_told_the_role_for_the_rest(site: World) -> None:
    hold(site, roles.READER)

    lines, ended = finish(site)

    assert texts(lines, Stage.FUNCTIONS, ProgressKind.DONE) == ["all 8 functions are listed"]
    assert ended is not None
    assert ended.exit_code == 1
    assert "Microsoft.Web/sites/functions/listkeys/action" in str(ended)
    assert f"--role 'Website Contributor' --assignee-object-id {site.identity.object_id}" in ended.remedy


def test_reader_goes_on_listing_without_a_sync(site: World) -> None:
    site.deployed.listed_after = 1
    hold(site, roles.READER)

    lines, ended = finish(site)

    (warning,) = texts(lines, Stage.FUNCTIONS, ProgressKind.WARNING)
    assert "Microsoft.Web/sites/host/sync/action" in warning
    assert site.deployed.syncs == 0
    assert ended is not None
    assert ended.exit_code == 4


def test_stranger_is_told_the_role(site: World) -> None:
    hold(site)
    lines, ended = finish(site)
    assert (lines, getattr(ended, "code", "")) == ([], "FunctionAppForbiddenError")
    assert ended is not None
    assert "az role assignment create" in ended.remedy


def test_role_is_assigned_by_the_command_as_it_is_printed(site: World, tmp_path: Path) -> None:
    site.deployed.listed_after = 1
    hold(site)
    shell = Shell(site, tmp_path)
    _, refused = finish(site)
    assert refused is not None

    shell.carry_out(refused.remedy.partition("some minutes: ")[2])

    assert finish(site, seconds=60)[1] is None


def test_ctrl_c_says_that_the_deployment_stays(site: World) -> None:
    site.deployed.listed_after = None
    given = environment(site, FUNCTION_APP_ID=site.function_app_id, PYTHONUNBUFFERED="1")
    command = [sys.executable, "-m", "rotator", "finish-deployment"]
    with subprocess.Popen(command, env=given, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout
        assert "waiting" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert words == (
        "Interrupted. The deployment stays as it is, and a run that was asked for goes on in the app. Run it again.\n"
    )


def test_old_python_and_a_time_zone_are_warned_of(site: World) -> None:
    resource = site.resource_manager.sites[site.function_app_id]
    resource.python = "3.11"
    resource.app_settings["WEBSITE_TIME_ZONE"] = "W. Europe Standard Time"

    lines, error = finish(site)

    assert error is None
    old, zone = texts(lines, Stage.APP, ProgressKind.WARNING)
    assert "Python 3.11" in old
    assert "WEBSITE_TIME_ZONE" in zone


@pytest.mark.parametrize("value", ["", "/subscriptions/x", "sandboxrotator"])
def test_wrong_id_ends_with_2(site: World, value: str) -> None:
    done = command_line(site, "finish-deployment", FUNCTION_APP_ID=value)
    assert done.returncode == 2
    assert "--function-app" in done.stderr


def test_wrong_resource_manager_ends_with_2(site: World) -> None:
    done = command_line(
        site,
        "finish-deployment",
        FUNCTION_APP_ID=site.function_app_id,
        AZURE_RESOURCE_MANAGER="http://management.azure.com",
    )
    assert done.returncode == 2
    assert "AZURE_RESOURCE_MANAGER is wrong" in done.stderr


def test_json_has_one_line_for_each_step_and_an_error_as_the_last(site: World) -> None:
    done = command_line(site, "finish-deployment", "--json", FUNCTION_APP_ID=site.function_app_id)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["step"], line["did"]) for line in lines if line["did"] == "done"] == [
        ("functions", "done"),
        ("run", "done"),
        ("timer", "done"),
    ]
    assert lines[-1]["sas_until"] == "2026-07-01T15:00:00Z"

    hold(site)
    refused = command_line(site, "finish-deployment", "--json", FUNCTION_APP_ID=site.function_app_id)

    (error,) = (json.loads(line) for line in refused.stdout.splitlines())
    assert error["error"] == "FunctionAppForbiddenError"


def test_json_fits_its_schema_strictly(running: World) -> None:
    running.deployed.listed_after = 1
    done = command_line(running, "finish-deployment", "--json", FUNCTION_APP_ID=running.function_app_id)
    lines: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 3
    wrong = [schemas.problems("finish-deployment-step", line, schemas.strict()) for line in lines]
    assert wrong == [[]] * len(lines)
