"""The triggers, called as the Functions worker calls them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import function_app
from rotator import app, errors
from rotator.settings import Settings
from tests.unit.test_config import SAMPLE

ROOT = Path(function_app.__file__).parent


def user_function(trigger: Any) -> Callable[..., Any]:
    """The plain function under its decorators."""
    function: Callable[..., Any] = trigger._function.get_user_function()
    return function


class Timer:
    def __init__(self, *, past_due: bool = False) -> None:
        self.past_due = past_due


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SAMPLE.items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def busy() -> Iterator[None]:
    """A run in progress."""
    with app._running:
        yield


def post(body: bytes = b"") -> tuple[int, dict[str, Any]]:
    request = func.HttpRequest("POST", "https://myapp.azurewebsites.net/api/rotate", body=body)
    answer = user_function(function_app.rotate_now)(request)
    assert answer.mimetype == "application/json"
    return answer.status_code, json.loads(answer.get_body())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"not json", "the body must be empty or a JSON object"),
        (b"[]", "the body must be empty or a JSON object"),
        (b"null", "the body must be empty or a JSON object"),
        (b'"now"', "the body must be empty or a JSON object"),
        (b"\xff\xfe\xfd", "the body must be empty or a JSON object"),
        (b"{", "the body must be empty or a JSON object"),
        (b'{"b": 1, "a": 2}', "the body has unknown fields: a, b"),
    ],
)
@pytest.mark.usefixtures("settings", "busy")
def test_bad_body_is_answered_400_before_anything_is_looked_at(body: bytes, problem: str) -> None:
    assert post(body) == (400, {"error": "BadRequest", "message": problem})


@pytest.mark.parametrize("body", [b"", b"{}", b" {} \n"])
def test_settings_errors_are_answered_500_with_each_problem(body: bytes) -> None:
    status, answer = post(body)
    assert status == 500
    assert answer["error"] == "SettingsError"
    assert all(name in answer["message"] for name in SAMPLE)
    assert answer["remedy"] == "Correct these app settings; nothing was changed."


@pytest.mark.usefixtures("settings", "busy")
def test_rotation_while_one_is_running_is_answered_409() -> None:
    status, answer = post()
    assert (status, answer["error"]) == (409, "BusyError")


def test_settings_errors_are_told_even_while_a_run_is_in_progress(busy: None) -> None:
    assert post()[0] == 500


def test_health_is_answered_200_without_detail_and_without_settings() -> None:
    answer = user_function(function_app.health)(func.HttpRequest("GET", "https://x/api/health", body=b""))
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"status": "ok"})


def test_settings_errors_fail_the_timers_invocation() -> None:
    with pytest.raises(errors.SettingsError):
        user_function(function_app.rotate_on_schedule)(Timer())


@pytest.mark.usefixtures("settings", "busy")
def test_timer_leaves_the_work_to_the_run_in_progress(caplog: pytest.LogCaptureFixture) -> None:
    user_function(function_app.rotate_on_schedule)(Timer())
    assert "a rotation is running already: this firing is left to it" in caplog.text


@pytest.mark.usefixtures("settings", "busy")
@pytest.mark.parametrize("past_due", [True, False])
def test_past_due_timer_is_logged(caplog: pytest.LogCaptureFixture, past_due: bool) -> None:
    user_function(function_app.rotate_on_schedule)(Timer(past_due=past_due))
    assert ("the timer is past due" in caplog.text) is past_due


def fresh(code: str, **environment: str) -> str:
    """What a new Python prints."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=known | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_import_of_the_triggers_imports_no_sdk() -> None:
    heavy = "('azure.identity', 'azure.keyvault', 'azure.mgmt', 'azure.core', 'paramiko', 'pydantic', 'croniter')"
    code = f"import sys, function_app; print([name for name in sys.modules if name.startswith({heavy})])"
    assert fresh(code) == "[]"


@pytest.mark.parametrize(
    ("environment", "schedule"),
    [
        ({}, "0 */30 * * * *"),
        ({"ROTATION_SCHEDULE": "  "}, "0 */30 * * * *"),
        ({"ROTATION_SCHEDULE": "0 0 * * * *"}, "%ROTATION_SCHEDULE%"),
    ],
)
def test_schedule_is_the_settings_where_there_is_one_and_the_default_otherwise(
    environment: dict[str, str], schedule: str
) -> None:
    code = """if True:
        import function_app, json
        functions = {each.get_function_name(): each for each in function_app.app.get_functions()}
        timer = functions["rotate_on_schedule"].get_dict_repr()["bindings"][0]
        print(timer["schedule"], timer["useMonitor"], timer["runOnStartup"], sep="|")
    """
    assert fresh(code, **environment) == f"{schedule}|True|False"


def test_routes_methods_and_access_are_as_documented() -> None:
    code = """if True:
        import function_app, json
        for each in function_app.app.get_functions():
            trigger = each.get_dict_repr()["bindings"][0]
            print(each.get_function_name(), trigger["type"], trigger.get("route"), trigger.get("authLevel"),
                  *[getattr(method, "value", method) for method in trigger.get("methods", [])])
    """
    assert fresh(code).splitlines() == [
        "rotate_on_schedule timerTrigger None None",
        "rotate_now httpTrigger rotate FUNCTION POST",
        "health httpTrigger health ANONYMOUS GET",
    ]
