"""The alerts' queries run over what the app writes: when each is raised, and when it is not."""

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator

import pytest

from rotator import errors
from rotator.delivery.errors import ApiServerDownError, HostKeyRejectedError, UnreachableError
from rotator.reporting.report import Failed, Outcome, Report, Rotated, TargetReport, Trigger, Unchanged, failure
from tests.infra import alerts
from tests.infra.deployments import Deployment
from tests.infra.logs import Logs, Row

HALF_HOUR = datetime.timedelta(minutes=30)
FOUR_HOURS = datetime.timedelta(hours=4)
REFUSED = failure(errors.SettingsError(["KUBERNETES_DNS is missing"]))
FAILED = failure(ApiServerDownError("the API server does not serve kubectl"))
TARGET = "default/storage-sas@master"


def minutes(count: float) -> datetime.timedelta:
    return datetime.timedelta(minutes=count)


@dataclasses.dataclass
class Workspace:
    """The log of an app, and the alerts that look at it."""

    logs: Logs
    queries: dict[str, str]
    now: datetime.datetime  # for which the queries ask by themselves

    def ran(
        self,
        ago: datetime.timedelta,
        outcome: Outcome | None = None,
        *,
        target: str = TARGET,
        trigger: Trigger = Trigger.TIMER,
        interval: datetime.timedelta | None = HALF_HOUR,
        holds_until: datetime.timedelta | None = None,
        error: Failed | None = None,
    ) -> None:
        """A run ended; a failed one saw that the target holds a SAS until then, from now."""
        began = self.now - ago
        expires = self.now + holds_until if holds_until is not None else None
        held = TargetReport(target, "recreate", outcome, {}, expires=expires) if outcome else None
        targets = (held,) if held else ()
        name = f"{began:%Y%m%dT%H%M%SZ}-{trigger}"
        self.logs.report(ago, Report(name, trigger, False, began, began, targets, interval=interval, error=error))

    def rotated(self, ago: datetime.timedelta, validity: datetime.timedelta = FOUR_HOURS) -> Rotated:
        """What a run that long ago delivered."""
        until = self.now - ago + validity
        return Rotated("it is due", "recreate", "f" * 16, until, "blobrwu4hours", "d" * 64, None, "accepted")

    def raised(self, title: str) -> list[Row]:
        return self.logs.query(self.queries[title])

    def all_raised(self) -> set[str]:
        return {title for title in self.queries if self.raised(title)}


@pytest.fixture
def app(sets: dict[str, Deployment]) -> Iterator[Workspace]:
    now = datetime.datetime.now(datetime.UTC)
    with contextlib.closing(Logs(now)) as logs:
        yield Workspace(logs, {rule.title: rule.query for rule in alerts.rules(sets["private"])}, now)


def healthy(app: Workspace, *, last: datetime.timedelta | None = None) -> None:
    """Runs of a day, the last one that long ago."""
    for count in range(48):
        ago = (last or minutes(5)) + count * HALF_HOUR
        app.ran(ago, app.rotated(ago))


def test_nothing_is_raised_while_runs_go_well(app: Workspace) -> None:
    healthy(app)
    assert app.all_raised() == set()


def test_nothing_is_raised_right_before_the_next_run(app: Workspace) -> None:
    healthy(app, last=minutes(31))
    assert app.all_raised() == set()


def test_other_lines_are_nobodys_alarm(app: Workspace) -> None:
    healthy(app)
    app.logs.line(minutes(1), '{"event": "target_failed", "error": "HostKeyRejectedError"}', 3)
    app.logs.line(minutes(1), "report not in JSON")
    app.logs.request(minutes(1), "rotate_now", success=False)
    assert app.all_raised() == set()


# SAS expires


def test_a_sas_that_ends_before_the_next_run_is_told_by_its_target(app: Workspace) -> None:
    last = FOUR_HOURS - minutes(20)
    healthy(app, last=last)
    for count in range(1, 8):
        app.ran(last - count * HALF_HOUR, FAILED)
    (row,) = app.raised("SAS expires")
    assert row["Target"] == TARGET
    assert abs(row["Expires"].replace(tzinfo=datetime.UTC) - (app.now + minutes(20))) < datetime.timedelta(seconds=2)


def test_a_sas_that_ends_later_is_not_told_though_runs_fail(app: Workspace) -> None:
    healthy(app, last=minutes(125))
    app.ran(minutes(35), FAILED)
    app.ran(minutes(5), FAILED)
    assert app.raised("SAS expires") == []


def test_a_sas_that_was_issued_before_azure_looks_back_is_told_where_failed_runs_saw_it(app: Workspace) -> None:
    day = datetime.timedelta(days=1)
    app.ran(6.5 * day, app.rotated(6.5 * day, 7 * day), interval=day)
    for count in range(6):
        app.ran((0.5 + count) * day, FAILED, interval=day, holds_until=0.5 * day)
    assert [row["Target"] for row in app.raised("SAS expires")] == [TARGET]


@pytest.mark.parametrize(("ago", "raised"), [(35, False), (45, True)])
def test_a_sas_that_hardly_outlives_an_interval_is_told_only_when_its_run_is_late(
    app: Workspace, ago: int, raised: bool
) -> None:
    app.ran(minutes(ago), app.rotated(minutes(ago), minutes(55)))
    assert bool(app.raised("SAS expires")) is raised


def test_each_target_is_told_apart(app: Workspace) -> None:
    ago = FOUR_HOURS - minutes(20)
    both = tuple(TargetReport(name, "apply", app.rotated(ago), {}) for name in ("a/one@m", "a/two@m"))
    app.logs.report(ago, Report("run-1", Trigger.TIMER, False, app.now, app.now, both, interval=HALF_HOUR))
    one = TargetReport("a/one@m", "apply", app.rotated(minutes(5)), {})
    two = TargetReport("a/two@m", "apply", FAILED, {})
    app.logs.report(minutes(5), Report("run-2", Trigger.TIMER, False, app.now, app.now, (one, two), interval=HALF_HOUR))
    assert [row["Target"] for row in app.raised("SAS expires")] == ["a/two@m"]


def test_a_target_that_is_no_longer_in_the_settings_may_expire(app: Workspace) -> None:
    ago = FOUR_HOURS - minutes(20)
    app.ran(ago, app.rotated(ago), target="a/former@m")
    app.ran(minutes(5), app.rotated(minutes(5)))
    assert app.raised("SAS expires") == []


def test_a_run_that_finds_a_fresh_sas_clears_it(app: Workspace) -> None:
    app.ran(minutes(230), app.rotated(minutes(230)))
    assert app.raised("SAS expires")
    app.ran(minutes(1), Unchanged("its SAS is fresh", app.now + minutes(200)))
    assert app.raised("SAS expires") == []


# Two failed runs


def test_one_failed_run_is_not_told(app: Workspace) -> None:
    healthy(app, last=minutes(35))
    app.ran(minutes(5), FAILED)
    assert app.raised("Two failed runs") == []


@pytest.mark.parametrize(("outcome", "error"), [(FAILED, None), (None, REFUSED)], ids=["failed", "refused"])
def test_two_failed_runs_in_a_row_are_told(app: Workspace, outcome: Failed | None, error: Failed | None) -> None:
    healthy(app, last=minutes(65))
    for ago in (35, 5):
        app.ran(minutes(ago), outcome, error=error, interval=None if error else HALF_HOUR)
    assert app.raised("Two failed runs") == [{"Failures": 2}]


@pytest.mark.parametrize("trigger", [Trigger.TIMER, Trigger.HTTP])
def test_a_run_that_went_well_clears_it(app: Workspace, trigger: Trigger) -> None:
    for ago in (65, 35):
        app.ran(minutes(ago), FAILED)
    assert app.raised("Two failed runs")
    app.ran(minutes(5), app.rotated(minutes(5)), trigger=trigger)
    assert app.raised("Two failed runs") == []


def test_failed_requests_of_a_persons_do_not_count(app: Workspace) -> None:
    healthy(app, last=minutes(35))
    for ago in (20, 15, 10, 5):
        app.ran(minutes(ago), FAILED, trigger=Trigger.HTTP)
    assert app.raised("Two failed runs") == []


def test_a_line_that_came_twice_is_one_run(app: Workspace) -> None:
    healthy(app, last=minutes(35))
    app.ran(minutes(5), FAILED)
    app.ran(minutes(5), FAILED)
    assert app.raised("Two failed runs") == []


def test_killed_runs_are_known_by_the_hosts_requests(app: Workspace) -> None:
    healthy(app, last=minutes(65))
    for ago in (35, 5):
        app.logs.request(minutes(ago), "rotate_on_schedule", success=False)
    assert app.raised("Two failed runs") == [{"Failures": 2}]


# No run


def test_no_report_at_all_is_told(app: Workspace) -> None:
    assert len(app.raised("No run")) == 1


@pytest.mark.parametrize(("ago", "raised"), [(69, False), (71, True)])
def test_two_intervals_and_ten_minutes_without_a_report_are_told(app: Workspace, ago: int, raised: bool) -> None:
    healthy(app, last=minutes(ago))
    assert bool(app.raised("No run")) is raised


def test_the_interval_is_the_schedules(app: Workspace) -> None:
    app.ran(datetime.timedelta(hours=20), app.rotated(minutes(0)), interval=datetime.timedelta(hours=12))
    assert app.raised("No run") == []


@pytest.mark.parametrize(("ago", "raised"), [(100, False), (140, True)])
def test_without_an_interval_it_is_an_hour(app: Workspace, ago: int, raised: bool) -> None:
    app.ran(minutes(ago), error=REFUSED, interval=None)
    assert bool(app.raised("No run")) is raised


# Timer silent, for people and for the app


SILENT = {"Timer silent", "Timer silent: call"}
OTHERS = [each for each in Trigger if each is not Trigger.TIMER]


def silent(app: Workspace) -> bool:
    raised = app.all_raised() & SILENT
    assert raised in (set(), SILENT)  # the same query
    return bool(raised)


@pytest.mark.parametrize("trigger", OTHERS)
def test_runs_that_others_ask_for_do_not_hide_a_silent_timer(app: Workspace, trigger: Trigger) -> None:
    for count in range(20):
        app.ran(minutes(5) + count * HALF_HOUR, app.rotated(minutes(5)), trigger=trigger)
        app.logs.request(minutes(5) + count * HALF_HOUR, "rotate_due", success=True)
    assert app.raised("No run") == []
    assert silent(app)


@pytest.mark.parametrize(("ago", "raised"), [(44, False), (46, True)])
def test_an_interval_and_a_quarter_of_an_hour_without_a_run_of_the_timer_are_told(
    app: Workspace, ago: int, raised: bool
) -> None:
    healthy(app, last=minutes(ago))
    app.ran(minutes(1), app.rotated(minutes(1)), trigger=Trigger.HTTP)
    assert silent(app) is raised


@pytest.mark.parametrize("success", [True, False])
@pytest.mark.parametrize(("ago", "raised"), [(44, False), (46, True)])
def test_a_run_that_left_no_report_fired_as_well(app: Workspace, ago: int, raised: bool, success: bool) -> None:
    """It was killed, or left the work to a run in progress."""
    healthy(app, last=minutes(100))
    app.logs.request(minutes(ago), "rotate_on_schedule", success=success)
    assert silent(app) is raised


def test_a_timer_whose_runs_fail_is_not_silent(app: Workspace) -> None:
    healthy(app, last=minutes(65))
    for ago in (35, 5):
        app.ran(minutes(ago), FAILED)
    assert not silent(app)


@pytest.mark.parametrize(("ago", "raised"), [(74, False), (76, True)])
def test_without_an_interval_a_silent_timer_is_told_after_an_hour_and_a_quarter(
    app: Workspace, ago: int, raised: bool
) -> None:
    app.ran(minutes(ago), error=REFUSED, interval=None)
    assert silent(app) is raised


def test_the_interval_is_the_one_that_any_run_knew_last(app: Workspace) -> None:
    half_a_day = datetime.timedelta(hours=12)
    app.ran(minutes(600), app.rotated(minutes(600)))
    assert silent(app)
    app.ran(minutes(5), app.rotated(minutes(5)), trigger=Trigger.HTTP, interval=half_a_day)
    assert not silent(app)
    app.ran(minutes(1), error=REFUSED, interval=None, trigger=Trigger.HTTP)
    assert not silent(app)


@pytest.mark.parametrize(("hours", "raised"), [(47.9, False), (48.1, True)])
def test_a_timer_that_azure_does_not_see_any_more_is_silent(app: Workspace, hours: float, raised: bool) -> None:
    """An alert looks back for two days, which `WATCH_FOR_RUNS` is for."""
    ago, interval = datetime.timedelta(hours=hours), datetime.timedelta(days=3)
    app.ran(ago, app.rotated(ago, datetime.timedelta(days=7)), interval=interval)
    app.ran(minutes(5), app.rotated(minutes(5)), trigger=Trigger.HTTP, interval=interval)
    assert silent(app) is raised


def test_an_app_that_never_ran_is_silent(app: Workspace) -> None:
    app.logs.line(minutes(1), "Host started")
    app.logs.request(minutes(1), "status", success=True)
    assert silent(app)


# Host key rejected


@pytest.mark.parametrize("whole", [False, True], ids=["a target's", "the run's"])
def test_a_rejected_host_key_is_told(app: Workspace, whole: bool) -> None:
    rejected = failure(HostKeyRejectedError("it shows another key"))
    app.ran(minutes(1), None if whole else rejected, error=rejected if whole else None)
    assert len(app.raised("Host key rejected")) == 1


def test_another_failure_is_no_rejected_host_key(app: Workspace) -> None:
    app.ran(minutes(1), failure(UnreachableError("unlike HostKeyRejectedError, no answer")))
    assert app.raised("Host key rejected") == []
