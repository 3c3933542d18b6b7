import datetime

import pytest

from rotator import errors
from rotator.azure.errors import FunctionAppForbiddenError, ResourceManagerError
from rotator.azure.function_endpoint import Answer
from rotator.azure.function_facts import SiteFacts
from rotator.deployment.errors import (
    DeploymentError,
    FunctionsNotListedError,
    RunFailedError,
    TimerSilentError,
)
from rotator.deployment.progress import Progress, ProgressKind, Stage
from tests.fakes.deployment import BUSY, FAILED_REPORT, REPORT, STATUS, Ended, FakeApp, answering, finish

URL = "https://myapp.azurewebsites.net"


def warnings(ended: Ended) -> list[str]:
    return ended.texts(Stage.APP, ProgressKind.WARNING)


def test_deployment_ends_when_the_app_has_run_and_its_timer_will() -> None:
    ended = finish(FakeApp(listed_after=2))
    assert ended.error is None
    done = [line for line in ended.lines if line.kind is ProgressKind.DONE]
    assert [line.stage for line in done] == [Stage.FUNCTIONS, Stage.RUN, Stage.TIMER]
    assert done[1].report is not None
    assert done[1].text == f"run {REPORT['run']} did what is due"
    assert done[2].text.startswith("next run at 2026-07-01T12:30:00Z")


def test_second_time_ends_as_well_with_one_sync() -> None:
    app = FakeApp(listed_after=2)
    assert [finish(app).error for _ in range(2)] == [None, None]
    assert app.syncs == 3


@pytest.mark.parametrize(
    ("app", "endpoint", "kind", "code"),
    [
        (FakeApp(listed_after=None), None, FunctionsNotListedError, 4),
        (FakeApp(), answering(rotate=Answer(502, FAILED_REPORT)), RunFailedError, 6),
        (FakeApp(), answering(rotate=Answer(409, BUSY)), errors.BusyError, 3),
        (FakeApp(), answering(status=Answer(200, STATUS | {"timer": None})), TimerSilentError, 5),
    ],
)
def test_each_other_end_has_its_exit_code(
    app: FakeApp, endpoint: object, kind: type[errors.RotatorError], code: int
) -> None:
    ended = finish(app, endpoint)  # type: ignore[arg-type]  # None or a FakeEndpoint
    assert isinstance(ended.error, kind)
    assert ended.error.exit_code == code
    assert ended.error.remedy


def test_run_that_failed_is_shown_with_its_report() -> None:
    ended = finish(FakeApp(), answering(rotate=Answer(502, FAILED_REPORT)))
    (failed,) = [line for line in ended.lines if line.kind is ProgressKind.FAILED]
    assert failed.report is not None
    assert failed.report["targets"] == FAILED_REPORT["targets"]


def test_without_permission_to_list_keys_it_ends_after_the_functions_are_listed() -> None:
    ended = finish(FakeApp(forbidden=frozenset({"key"})))
    assert isinstance(ended.error, FunctionAppForbiddenError)
    assert ended.texts(Stage.FUNCTIONS, ProgressKind.DONE) == ["all 8 functions are listed"]


def test_keys_of_a_host_that_is_starting_are_waited_for() -> None:
    app = FakeApp(forbidden=frozenset({"setting"}))
    app.starting = 3
    ended = finish(app)
    assert ended.error is None
    assert "BadRequest" in ended.texts(Stage.FUNCTIONS, ProgressKind.WAITING)[0]


def test_keys_that_cannot_be_read_end_the_wait() -> None:
    class Broken(FakeApp):
        def key(self, function: str) -> object:  # type: ignore[override]
            raise ResourceManagerError(f"no keys of {function}")

    ended = finish(Broken())
    assert str(ended.error) == "no keys of rotate_now"
    assert "no keys of rotate_now" in ended.texts(Stage.RUN, ProgressKind.WAITING)[0]


def test_app_without_a_host_name_ends_at_once() -> None:
    ended = finish(FakeApp(facts=SiteFacts(None, None)))
    assert isinstance(ended.error, DeploymentError)
    assert ended.lines == []


@pytest.mark.parametrize(("python", "warned"), [((3, 11), True), ((3, 9), True), ((3, 12), False), (None, False)])
def test_python_of_an_old_image_is_warned_of(python: tuple[int, int] | None, warned: bool) -> None:
    found = warnings(finish(FakeApp(facts=SiteFacts(URL, python))))
    assert bool(found) is warned
    assert all("glibc 2.31" in text for text in found)


def test_time_zone_is_warned_of() -> None:
    (found,) = warnings(finish(FakeApp(settings={"WEBSITE_TIME_ZONE": "W. Europe Standard Time"})))
    assert "WEBSITE_TIME_ZONE" in found


def test_who_may_not_list_the_settings_gets_no_warning_of_them() -> None:
    ended = finish(FakeApp(settings={"WEBSITE_TIME_ZONE": "x"}, forbidden=frozenset({"setting"})))
    assert (warnings(ended), ended.error) == ([], None)


def test_line_as_json_has_every_field() -> None:
    until = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)
    assert Progress(Stage.TIMER, ProgressKind.DONE, "done", next_run=until).as_json() == {
        "step": "timer",
        "did": "done",
        "text": "done",
        "report": None,
        "next_run": "2026-07-01T12:00:00Z",
        "sas_until": None,
    }


def test_failed_run_and_a_silent_timer_are_both_told() -> None:
    endpoint = answering(rotate=Answer(502, FAILED_REPORT), status=Answer(200, STATUS | {"timer": None}))
    ended = finish(FakeApp(), endpoint)
    assert isinstance(ended.error, TimerSilentError)
    assert f"run {FAILED_REPORT['run']} failed" in str(ended.error)
    assert RunFailedError.remedy in ended.error.remedy
