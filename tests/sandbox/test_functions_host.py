"""The Functions host with an app of its own: what a request or a timer carries there, and what comes back."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.functions.host import FunctionsHost

APP = """
import json
import sys

import azure.functions as func

app = func.FunctionApp()


@app.function_name("echo")
@app.route("echo", methods=["GET"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {"headers": dict(req.headers), "params": dict(req.params), "url": req.url}
    headers = {"X-Run": "7"} if req.params else {}
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers=headers)


@app.function_name("page")
@app.route("page", methods=["GET"])
def page(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("<p>", status_code=201, mimetype="text/html")


@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="0 */30 * * * *")
def tick(timer: func.TimerRequest) -> None:
    print("told", timer.past_due, json.dumps(timer.schedule_status), file=sys.stderr, flush=True)
"""
STATUS = {
    "Last": "0001-01-01T00:00:00",
    "Next": "2026-11-30T07:30:00+00:00",
    "LastUpdated": "2026-11-30T07:23:29.6410206+00:00",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsHost]:
    directory = tmp_path_factory.mktemp("app")
    (directory / "function_app.py").write_text(APP)
    (directory / "host.json").write_text('{"version": "2.0"}')
    with FunctionsHost(directory, {**os.environ, "PYTHONPATH": str(Path.cwd())}) as running:
        yield running


def test_query_and_headers_reach_the_function(host: FunctionsHost) -> None:
    sent = {"X-MS-CLIENT-PRINCIPAL-NAME": "ops@example.com"}
    answer = host.request("echo", "GET", "/api/echo", headers=sent, query={"format": "html", "empty": ""})
    seen = json.loads(answer["body"])
    assert seen["params"] == {"format": "html", "empty": ""}
    assert seen["url"] == "http://localhost:7071/api/echo?format=html&empty="
    assert seen["headers"] == {"x-ms-client-principal-name": "ops@example.com"}


def test_query_may_be_part_of_the_path(host: FunctionsHost) -> None:
    assert json.loads(host.request("echo", "GET", "/api/echo?limit=3")["body"])["params"] == {"limit": "3"}


def test_headers_come_back_in_lower_case(host: FunctionsHost) -> None:
    answer = host.request("echo", "GET", "/api/echo", query={"a": "b"})
    assert answer["headers"] == {"content-type": "application/json", "x-run": "7"}
    answer = host.request("page", "GET", "/api/page")
    assert (answer["status"], answer["headers"]) == (201, {"content-type": "text/html; charset=utf-8"})


def test_a_timer_carries_its_record_to_the_function(host: FunctionsHost) -> None:
    assert host.fire_timer("tick", past_due=True, status=STATUS)["ok"]
    assert host.log[-1] == f"told True {json.dumps(STATUS)}"


def test_a_timer_without_a_record_carries_none(host: FunctionsHost) -> None:
    assert host.fire_timer("tick")["ok"]
    assert host.log[-1] in ("told False {}", "told False null")
