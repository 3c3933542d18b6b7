"""A function app's functions in Resource Manager, and its front end: what is listed when, and which key opens what."""

import contextlib
import http.client
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import world
from sandbox.resource_manager import deployed, roles
from sandbox.server import faults
from tests import surroundings
from tests.sandbox.test_resource_manager import STRANGER, code, send

APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("say")
@app.route("said", methods=["POST"])
def say(req: func.HttpRequest) -> func.HttpResponse:
    words = req.get_body().decode()
    return func.HttpResponse(f"{words} {dict(req.headers).get('x-functions-key')} {dict(req.params)}", status_code=201)


@app.function_name("open")
@app.route("open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def open(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@app.function_name("break_down")
@app.route("break", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def break_down(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("no")
"""
FUNCTIONS = ("say", "open", "break_down")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.World]:
    """One world with an app in it for all tests here."""
    directory = tmp_path_factory.mktemp("app")
    (directory / "function_app.py").write_text(APP)
    (directory / "host.json").write_text('{"version": "2.0"}')
    with world.World() as started:
        client_id, object_id = STRANGER
        started.identity.user_assigned[client_id] = object_id
        started.start_app(directory, {**os.environ, "PYTHONPATH": str(Path.cwd())})
        yield started


@pytest.fixture
def running(sandbox: world.World, monkeypatch: pytest.MonkeyPatch) -> world.World:
    state = deployed.Deployed(FUNCTIONS)
    vars(sandbox.deployed).update(vars(state))
    sandbox.site.faults.clear()
    sandbox.site.prepared.clear()
    return surroundings.enter(sandbox, monkeypatch)


def listed(running: world.World) -> list[str]:
    found = send(running, "GET", f"{running.function_app_id}/functions").json()["value"]
    return [each["properties"]["name"] for each in found]


def sync(running: world.World) -> int:
    return send(running, "POST", f"{running.function_app_id}/host/default/sync").status_code


def key_of(running: world.World, function: str) -> str:
    answer = send(running, "POST", f"{running.function_app_id}/functions/{function}/listkeys")
    return str(answer.json()["default"])


def ask(
    running: world.World, method: str, path: str, body: str = "", *, key: str = "", **query: str
) -> tuple[int, str]:
    url = urllib.parse.urlsplit(running.site.origin)
    connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=running.authority.client_context())
    with contextlib.closing(connection):
        headers = {"x-functions-key": key} if key else {}
        connection.request(method, f"{path}?{urllib.parse.urlencode(query)}", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_functions_of_the_package_are_listed_with_the_platforms_own(running: world.World) -> None:
    found = send(running, "GET", f"{running.function_app_id}/functions").json()["value"]
    assert [each["name"] for each in found] == [f"sandboxrotator/{name}" for name in (*FUNCTIONS, "WarmUp")]
    assert found[0]["type"] == "Microsoft.Web/sites/functions"
    assert {each["properties"]["isDisabled"] for each in found} == {False}


def test_disabled_function_is_listed_as_such(running: world.World) -> None:
    running.deployed.disabled.add("say")
    found = send(running, "GET", f"{running.function_app_id}/functions").json()["value"]
    assert [each["properties"]["name"] for each in found if each["properties"]["isDisabled"]] == ["say"]


def test_only_warm_up_is_listed_until_the_triggers_were_synced_often_enough(running: world.World) -> None:
    running.deployed.listed_after = 2
    seen = [listed(running)]
    for _ in range(2):
        assert sync(running) == 204
        seen.append(listed(running))
    assert seen == [["WarmUp"], ["WarmUp"], [*FUNCTIONS, "WarmUp"]]


def test_host_that_fails_says_why_and_lists_no_function_of_ours(running: world.World) -> None:
    running.deployed.fail(deployed.SETTING_ERROR)
    sync(running)
    assert listed(running) == ["WarmUp"]
    status = send(running, "GET", f"{running.function_app_id}/hostruntime/admin/host/status").json()
    assert (status["state"], status["errors"]) == ("Error", [deployed.SETTING_ERROR])


def test_host_that_runs_has_no_errors(running: world.World) -> None:
    status = send(running, "GET", f"{running.function_app_id}/hostruntime/admin/host/status").json()
    assert status["state"] == "Running"
    assert "errors" not in status


def test_site_says_its_host_name_and_its_python(running: world.World) -> None:
    properties = send(running, "GET", running.function_app_id).json()["properties"]
    assert properties["defaultHostName"] == f"127.0.0.1:{running.site.port}"
    assert properties["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/functions", "functions/read"),
        ("POST", "/host/default/sync", "host/sync/action"),
        ("POST", "/functions/say/listkeys", "functions/listkeys/action"),
        ("PUT", "/functions/say/keys/mine", "functions/keys/write"),
        ("GET", "/hostruntime/admin/host/status", "hostruntime/host/read"),
    ],
)
def test_each_call_needs_an_action_that_a_website_contributor_has(
    running: world.World, method: str, path: str, action: str
) -> None:
    client_id, object_id = STRANGER
    refused = send(running, method, f"{running.function_app_id}{path}", client_id=client_id)
    assert code(refused) == (403, "AuthorizationFailed")
    assert f"'Microsoft.Web/sites/{action}'" in refused.json()["error"]["message"]
    mine = roles.Assignment(running.function_app_id, roles.WEBSITE_CONTRIBUTOR, object_id)
    running.resource_manager.role_assignments.append(mine)
    try:
        allowed = send(running, method, f"{running.function_app_id}{path}", client_id=client_id)
    finally:
        running.resource_manager.role_assignments.remove(mine)
    assert allowed.status_code < 300


def test_key_is_made_where_no_value_is_given(running: world.World) -> None:
    path = f"{running.function_app_id}/functions/say/keys"
    made = send(running, "PUT", f"{path}/mine", {"properties": {}})
    given = send(running, "PUT", f"{path}/yours", {"properties": {"value": "a value of ours"}})
    assert (made.status_code, given.json()["properties"]["value"]) == (201, "a value of ours")
    keys = send(running, "POST", f"{running.function_app_id}/functions/say/listkeys").json()
    assert set(keys) == {"default", "mine", "yours"}
    assert keys["mine"] == made.json()["properties"]["value"] != ""
    assert set(keys.values()) <= set(running.secret_values())


def test_keys_of_a_function_that_is_not_listed_are_not_found(running: world.World) -> None:
    running.deployed.listed_after = None
    answer = send(running, "POST", f"{running.function_app_id}/functions/say/listkeys")
    assert code(answer) == (404, "NotFound")


def test_functions_own_key_opens_it_in_a_header_or_in_the_query(running: world.World) -> None:
    key = key_of(running, "say")
    assert ask(running, "POST", "/api/said", "hello", key=key) == (201, "hello None {}")
    assert ask(running, "POST", "/api/said", "hello", code=key, a="b") == (201, "hello None {'a': 'b'}")
    assert ask(running, "POST", "/api/said", key=running.deployed.host_key)[0] == 201


def test_without_its_key_a_function_is_closed(running: world.World) -> None:
    key_of(running, "say")
    others = key_of(running, "open")
    for key in ("", "wrong", others):
        assert ask(running, "POST", "/api/said", key=key) == (401, "")


def test_anonymous_function_needs_no_key(running: world.World) -> None:
    assert ask(running, "GET", "/api/open") == (200, "open")


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/nothing"), ("GET", "/api/said"), ("GET", "/open")])
def test_unknown_route_or_method_is_not_found(running: world.World, method: str, path: str) -> None:
    assert ask(running, method, path)[0] == 404


def test_function_that_raises_is_a_server_error(running: world.World) -> None:
    assert ask(running, "GET", "/api/break")[0] == 500


def test_prepared_answers_come_in_their_order_and_the_last_one_stays(running: world.World) -> None:
    running.site.prepared["POST", "/api/said"] = [(409, {"n": 1}), (200, {"n": 2})]
    answers = [ask(running, "POST", "/api/said") for _ in range(3)]
    assert [(status, json.loads(body)["n"]) for status, body in answers] == [(409, 1), (200, 2), (200, 2)]


def test_fault_comes_first(running: world.World) -> None:
    running.site.faults.append(faults.Fault(path="/api/open", status=502, code="Bad Gateway"))
    assert [ask(running, "GET", "/api/open")[0] for _ in range(2)] == [502, 200]


def test_without_a_host_the_front_end_says_so() -> None:
    with world.World() as started:
        assert ask(started, "GET", "/api/open") == (503, "Function host is not running.")
