"""The triggers, called as the Functions worker calls them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import azure.functions as func
import pytest

import function_app
from rotator import errors
from rotator.azure.errors import (
    LeaseLostError,
    LeaseUnavailableError,
    OwnStorageError,
    ResourceManagerForbiddenError,
    VaultForbiddenError,
)
from rotator.plan import loader
from rotator.rotation import lock
from tests.fakes.examples import BUSY, HOLDER
from tests.unit.plan.test_loader import SAMPLE

ROOT = Path(function_app.__file__).parent


def user_function(trigger: Any) -> Callable[..., Any]:
    """The plain function under its decorators."""
    function: Callable[..., Any] = trigger._function.get_user_function()
    return function


class Timer:
    def __init__(self, *, past_due: bool = False) -> None:
        self.past_due = past_due
        self.schedule_status: dict[str, str] = {}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in loader.NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SAMPLE.items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def busy() -> Iterator[None]:
    """A run in progress."""
    with lock._process_lock.held_by(HOLDER):
        yield


def post(body: bytes = b"", route: str = "rotate") -> tuple[int, dict[str, Any]]:
    request = func.HttpRequest("POST", f"https://myapp.azurewebsites.net/api/{route}", body=body)
    trigger = {"rotate": function_app.rotate_now, "revoke": function_app.revoke_now}[route]
    answer = user_function(trigger)(request)
    assert answer.mimetype == "application/json"
    return answer.status_code, json.loads(answer.get_body())


@pytest.mark.parametrize("route", ["rotate", "revoke"])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"not json", "the body must be empty or a JSON object"),
        (b"[]", "the body must be empty or a JSON object"),
        (b"null", "the body must be empty or a JSON object"),
        (b'"now"', "the body must be empty or a JSON object"),
        (b"\xff\xfe\xfd", "the body must be empty or a JSON object"),
        (b"{", "the body must be empty or a JSON object"),
        (b"[" * 100_000, "the body must be empty or a JSON object"),
        (b'{"b": 1, "a": 2}', "the body has unknown fields: a, b"),
        (b'{"Force": true}', "the body has unknown fields: Force"),
        (b'{"force": "true"}', "the fields force must be true or false"),
        (b'{"force": 1}', "the fields force must be true or false"),
        (b'{"force": null}', "the fields force must be true or false"),
    ],
)
@pytest.mark.usefixtures("settings", "busy")
def test_bad_body_is_answered_400_before_anything_is_looked_at(route: str, body: bytes, problem: str) -> None:
    assert post(body, route) == (400, {"error": "BadRequest", "message": problem})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            b'{"force": true}',
            "force goes with regenerate_key; every other rotation by HTTP is a forced one",
        ),
        (
            b'{"regenerate_key": false, "force": true}',
            "force goes with regenerate_key; every other rotation by HTTP is a forced one",
        ),
        (b'{"regenerate_key": "yes"}', "the fields regenerate_key must be true or false"),
    ],
)
@pytest.mark.usefixtures("settings", "busy")
def test_force_belongs_to_an_operation_on_the_keys(body: bytes, problem: str) -> None:
    assert post(body) == (400, {"error": "BadRequest", "message": problem})


@pytest.mark.usefixtures("settings", "busy")
def test_revocation_takes_no_other_operation() -> None:
    refusal = {"error": "BadRequest", "message": "the body has unknown fields: regenerate_key"}
    assert post(b'{"regenerate_key": true}', "revoke") == (400, refusal)


@pytest.mark.parametrize("route", ["rotate", "revoke"])
@pytest.mark.parametrize("body", [b"", b"{}", b" {} \n"])
def test_settings_errors_are_answered_500_with_each_problem(route: str, body: bytes) -> None:
    status, answer = post(body, route)
    assert status == 500
    assert answer["error"] == "SettingsError"
    assert all(name in answer["message"] for name in SAMPLE)
    assert answer["remedy"] == "Correct these app settings; nothing was changed."


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("rotate", b""),
        ("rotate", b'{"regenerate_key": true}'),
        ("rotate", b'{"regenerate_key": true, "force": true}'),
        ("rotate", b'{"regenerate_key": false}'),
        ("revoke", b""),
        ("revoke", b'{"force": true}'),
    ],
)
@pytest.mark.usefixtures("settings", "busy")
def test_second_run_is_answered_409_with_who_is_first_and_since_when(route: str, body: bytes) -> None:
    assert post(body, route) == (409, BUSY)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.KeyInUseError("key2 may be in use"), 412),
        (OwnStorageError("the app would stop"), 412),
        (LeaseUnavailableError("no storage"), 412),
        (LeaseLostError("another run has it"), 412),
        (VaultForbiddenError("no permission"), 500),
        (ResourceManagerForbiddenError("no role"), 500),
    ],
)
def test_refusal_is_told_apart_from_trouble_by_its_status(error: errors.RotatorError, status: int) -> None:
    def refuse(_options: dict[str, bool], _asker: str) -> NoReturn:
        raise error

    request = func.HttpRequest("POST", "/api/rotate", body=b"")
    answer = function_app._run_and_answer(request, set(), refuse)
    assert (answer.status_code, json.loads(answer.get_body())) == (status, error.as_json())


def test_settings_errors_are_told_even_while_a_run_is_in_progress(busy: None) -> None:
    assert post()[0] == 500


def test_health_is_answered_200_without_detail_and_without_settings() -> None:
    answer = user_function(function_app.health)(func.HttpRequest("GET", "https://x/api/health", body=b""))
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"status": "ok"})


def test_settings_errors_fail_the_timers_invocation() -> None:
    with pytest.raises(errors.SettingsError):
        user_function(function_app.rotate_on_schedule)(Timer())


@pytest.mark.usefixtures("settings")
def test_misspelt_optional_setting_fails_timer_and_http_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_NAMESPCE", "prod")
    with pytest.raises(errors.SettingsError, match="did you mean KUBERNETES_NAMESPACE"):
        user_function(function_app.rotate_on_schedule)(Timer())
    status, answer = post()
    assert (status, answer["error"]) == (500, "SettingsError")


@pytest.mark.usefixtures("settings", "busy")
def test_timer_leaves_the_work_to_the_run_in_progress(caplog: pytest.LogCaptureFixture) -> None:
    user_function(function_app.rotate_on_schedule)(Timer())
    assert '"event": "run_busy"' in caplog.text
    assert BUSY["message"] in caplog.text


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


def test_bad_settings_are_reported_without_the_sdks() -> None:
    code = """if True:
        import sys
        from rotator import app, errors
        try:
            app.status(environment={})
        except errors.SettingsError:
            print([name for name in sys.modules if name.startswith(("azure.", "paramiko"))])
    """
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
        "rotate_due httpTrigger rotate-due FUNCTION POST",
        "rotate_now httpTrigger rotate FUNCTION POST",
        "revoke_now httpTrigger revoke FUNCTION POST",
        "check httpTrigger check FUNCTION POST",
        "status httpTrigger status FUNCTION GET",
        "health httpTrigger health ANONYMOUS GET",
        "ready httpTrigger ready ANONYMOUS GET",
    ]
