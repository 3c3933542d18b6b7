"""When the timer fired, by the host's own record: for status, history and check, whoever asked for the last run."""

import datetime
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator import app, timestamps
from rotator.checks.findings import Level
from rotator.plan import schedule
from rotator.reporting.status import Status
from sandbox.functions.timer import CONTAINER, HostTimer
from sandbox.world import APP_ACCOUNT, World
from tests.integration.checkups import Examiner, examined, levels, only
from tests.integration.conftest import command_line, functions_host, host_timer, plain, rotate, settings_for

NO_STORAGE = {"AzureWebJobsStorage__blobServiceUri": ""}
KEPT = "rotation-reports"
REPORTS = {"REPORT_CONTAINER": KEPT}
IN_AZURE = {"WEBSITE_SITE_NAME": "sandboxrotator"}
SECOND = datetime.timedelta(seconds=1)
HALF_HOUR = datetime.timedelta(minutes=30)
HOUR = datetime.timedelta(hours=1)


def status(world: World, **settings: str) -> Status:
    return app.status(environment=settings_for(world, **settings))


def latest(before: datetime.datetime) -> datetime.datetime:
    """The last time up to then at which the schedule fires."""
    return schedule.following(schedule.DEFAULT, before - HALF_HOUR)


@pytest.fixture
def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def timer(rotated: World, now: datetime.datetime) -> HostTimer:
    """A timer that was started three hours ago."""
    found = host_timer(rotated)
    found.start(now - 3 * HOUR)
    return found


@pytest.fixture
def silent(timer: HostTimer, now: datetime.datetime) -> datetime.datetime:
    """When a timer fired last that has stood still for two hours."""
    timer.advance(now - 2 * HOUR)
    timer.stopped = True
    timer.advance(now)
    return latest(now - 2 * HOUR)


@pytest.fixture
def examiner(rotated: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    with examined(rotated, tmp_path, caplog) as one:
        yield one


def put_record(world: World, content: bytes, host_id: str = "sandboxrotator") -> None:
    world.blob.put_container(APP_ACCOUNT, CONTAINER)
    name = f"timers/{host_id}/Host.Functions.rotate_on_schedule/status"
    world.blob.put_blob(APP_ACCOUNT, CONTAINER, name, content, "application/octet-stream")


def lock_out(world: World) -> None:
    """Nobody may read the app's own storage any more."""
    own = world.storage[APP_ACCOUNT].resource_id
    world.blob.authorizes = lambda _object_id, _action, scope: not scope.startswith(own)


# Status


def test_status_has_when_the_timer_fired_and_fires_next(
    rotated: World, timer: HostTimer, now: datetime.datetime
) -> None:
    timer.advance(now)
    found = status(rotated)
    assert found.timer
    assert found.timer.last
    assert found.timer.last - latest(now) < SECOND
    assert (found.timer.next, found.timer.missed, found.warnings) == (latest(now) + HALF_HOUR, (), ())


def test_the_status_command_names_both_and_json_has_them(
    rotated: World, timer: HostTimer, now: datetime.datetime
) -> None:
    timer.advance(now)
    last = timestamps.text(latest(now))
    assert f"timer fired {last} (" in command_line(rotated, "status").stdout
    found = json.loads(command_line(rotated, "status", "--json").stdout)
    assert found["timer"]["last"] == last
    assert list(found)[-1] == "timer"


def test_a_silent_timer_is_a_warning_and_the_targets_are_well_all_the_same(
    rotated: World, silent: datetime.datetime
) -> None:
    assert rotate(rotated, forced=True).failed is False  # which no timer asked for
    found = status(rotated)
    assert found.well
    assert found.timer
    assert found.timer.missed[0] == silent + HALF_HOUR
    [warning] = found.warnings
    assert warning.startswith("the timer should have fired at ")


def test_the_status_command_warns_of_a_silent_timer_and_ends_with_0(rotated: World, silent: datetime.datetime) -> None:
    done = command_line(rotated, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^warning: the timer should have fired at .* and did not$", done.stdout, re.MULTILINE)
    assert f"timer fired {timestamps.text(silent)} (" in done.stdout


def test_before_it_fired_for_the_first_time_nothing_was_missed(rotated: World, now: datetime.datetime) -> None:
    host_timer(rotated).start(now)
    found = status(rotated)
    assert found.timer
    assert (found.timer.last, found.timer.missed) == (None, ())


@pytest.mark.parametrize("settings", [{}, NO_STORAGE], ids=["no host has started", "no storage is set"])
def test_without_a_record_nothing_is_known_of_the_timer(rotated: World, settings: dict[str, str]) -> None:
    found = status(rotated, **settings)
    assert (found.timer, found.warnings) == (None, ())


def test_of_a_schedule_under_a_minute_an_old_record_says_nothing(rotated: World, silent: datetime.datetime) -> None:
    found = status(rotated, ROTATION_SCHEDULE="*/20 * * * * *")
    assert (found.timer, found.warnings) == (None, ())


def test_a_record_that_may_not_be_read_is_a_warning(rotated: World, silent: datetime.datetime) -> None:
    lock_out(rotated)
    found = status(rotated)
    assert (found.well, found.timer) == (True, None)
    [warning] = found.warnings
    assert warning.startswith("when the timer fired cannot be read: the app's own storage ")
    assert warning.endswith("answered 403 AuthorizationPermissionMismatch")


def test_a_damaged_record_is_a_warning_and_no_older_one_is_taken_for_it(
    rotated: World, silent: datetime.datetime
) -> None:
    put_record(rotated, b'{"Last":"', host_id="another")
    found = status(rotated)
    assert found.timer is None
    [warning] = found.warnings
    assert "azure-webjobs-hosts/timers/another/Host.Functions.rotate_on_schedule/status" in warning


def test_after_a_deployment_with_another_host_id_the_old_record_counts_no_more(
    rotated: World, silent: datetime.datetime, now: datetime.datetime
) -> None:
    host_timer(rotated, host_id="newer").start(now)
    found = status(rotated)
    assert found.timer
    assert (found.timer.last, found.warnings) == (None, ())


def test_the_timer_of_the_app_itself_fires_and_its_run_is_followed_by_the_record(
    rotated: World, now: datetime.datetime
) -> None:
    with functions_host(rotated) as host:
        timer = host_timer(rotated, functools.partial(host.fire_timer, "rotate_on_schedule"))
        timer.start(now - HOUR)
        timer.advance(now - HALF_HOUR)
        answer = host.request("status", "GET", "/api/status")
        page = host.request("status", "GET", "/api/status", query={"format": "html"})
    assert json.loads(answer["body"])["timer"]["last"] == timestamps.text(latest(now - HALF_HOUR))
    assert "Timer fired <b>" in page["body"]


# History


def test_history_ends_with_the_timer(rotated: World, timer: HostTimer, now: datetime.datetime) -> None:
    timer.advance(now)
    rotate(rotated, REPORT_CONTAINER=KEPT)
    lines = command_line(rotated, "history", **REPORTS).stdout.splitlines()
    assert lines[-1].startswith(f"timer fired {timestamps.text(latest(now))} (")
    found = json.loads(command_line(rotated, "history", "--json", **REPORTS).stdout)
    assert list(found) == ["reports", "timer"]
    assert found["timer"]["last"] == timestamps.text(latest(now))


def test_history_warns_of_a_silent_timer_and_ends_with_0(rotated: World, silent: datetime.datetime) -> None:
    done = command_line(rotated, "history", **REPORTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: the timer should have fired at " in done.stdout
    done = command_line(rotated, "history", "--json", **REPORTS)
    assert json.loads(done.stdout)["timer"]["missed"][0] == timestamps.text(silent + HALF_HOUR)
    assert plain(done.stderr).startswith("warning: the timer should have fired at ")


def test_history_of_one_run_has_no_timer(rotated: World, silent: datetime.datetime) -> None:
    report = rotate(rotated, REPORT_CONTAINER=KEPT)
    done = command_line(rotated, "history", report.run, **REPORTS)
    assert "timer fired" not in done.stdout + done.stderr


# Check


def test_check_has_when_the_timer_fired_and_fires_next(examiner: Examiner, timer: HostTimer) -> None:
    timer.advance(datetime.datetime.now(datetime.UTC))
    assert re.match(r"fired \S+Z \(.* ago\), (fires next|is due since) \S+Z \(", only_timer(examiner, Level.OK))


def only_timer(examiner: Examiner, level: Level, **settings: str) -> str:
    finding = only(examiner.check(**settings), "timer", level)
    assert bool(finding.remedy) is (level is Level.WARNING)
    return finding.text


def test_check_warns_of_a_silent_timer_which_keeps_no_rotation_from_succeeding(
    examiner: Examiner, silent: datetime.datetime
) -> None:
    finding = examiner.harmless("timer")
    assert finding.text.startswith("should have fired at ")
    assert f" and did not; it fired {timestamps.text(silent)} (" in finding.text
    assert "Timer silent" in finding.remedy


def test_in_azure_a_timer_that_no_host_started_is_a_warning(examiner: Examiner) -> None:
    assert only_timer(examiner, Level.WARNING, **IN_AZURE).startswith("the host has no record of the timer")
    assert only_timer(examiner, Level.OK) == "no host has recorded a timer here yet"


def test_check_knows_schedules_of_which_no_record_is_kept(examiner: Examiner) -> None:
    text = only_timer(examiner, Level.OK, ROTATION_SCHEDULE="*/20 * * * * *", **IN_AZURE)
    assert text == "of a timer that fires more than once a minute the host keeps no record"


def test_check_warns_of_a_damaged_record(examiner: Examiner) -> None:
    put_record(examiner.world, b"[]")
    assert "not a timer's record" in only_timer(examiner, Level.WARNING, **IN_AZURE)


def test_check_warns_of_a_record_that_may_not_be_read(examiner: Examiner) -> None:
    lock_out(examiner.world)
    assert "403 AuthorizationPermissionMismatch" in only_timer(examiner, Level.WARNING)


def test_check_says_nothing_of_the_timer_without_a_storage(examiner: Examiner) -> None:
    assert levels(examiner.check(**NO_STORAGE), "timer") == set()
