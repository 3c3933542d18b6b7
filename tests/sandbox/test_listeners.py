"""Where notifications and telemetry go: the incoming webhook, and Application Insights' ingestion."""

import contextlib
import gzip
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import world
from sandbox.listeners import insights, webhook
from sandbox.options import Options
from sandbox.server import faults

Answer = tuple[int, str, http.client.HTTPMessage]


@pytest.fixture(scope="module")
def running() -> Iterator[world.World]:
    with world.World(Options(webhook=True, insights=True)) as started:
        yield started


@pytest.fixture
def hook(running: world.World) -> webhook.Webhook:
    assert running.webhook is not None
    running.webhook.received.clear()
    return running.webhook


@pytest.fixture
def ingestion(running: world.World) -> insights.Insights:
    assert running.insights is not None
    running.insights.envelopes.clear()
    running.insights.require_token = False
    return running.insights


def send(
    running: world.World, url: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    parts = urllib.parse.urlsplit(url)
    context = running.authority.client_context()
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, parts.path, body, {"Content-Type": "application/json"} | (headers or {}))
        with connection.getresponse() as response:
            return response.status, response.read().decode(), response.headers


def notify(running: world.World, message: Any) -> Answer:
    return send(running, running.settings["NOTIFY_WEBHOOK_URL"], json.dumps(message).encode())


def endpoint(running: world.World) -> str:
    string = running.settings["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    return dict(part.split("=", 1) for part in string.split(";"))["IngestionEndpoint"].rstrip("/")


def track(running: world.World, body: bytes, **headers: str) -> tuple[int, Any]:
    status, text, _ = send(
        running, f"{endpoint(running)}/v2.1/track", gzip.compress(body), {"Content-Encoding": "gzip"} | headers
    )
    return status, json.loads(text)


def envelope(running: world.World, name: str = "Request") -> dict[str, Any]:
    assert running.insights is not None
    return {"ver": 1, "name": name, "iKey": running.insights.instrumentation_key}


def test_message_is_kept(running: world.World, hook: webhook.Webhook) -> None:
    assert notify(running, {"text": "SAS expires soon"})[:2] == (200, "ok")
    assert hook.received == [{"text": "SAS expires soon"}]


def test_webhook_wants_its_token_a_post_and_a_json_object(running: world.World, hook: webhook.Webhook) -> None:
    assert send(running, hook.url.replace(hook.token, "guessed"), b"{}")[0] == 404
    assert send(running, hook.url, b"{}", method="PUT")[0] == 405
    assert notify(running, ["text"])[:2] == (400, "invalid_payload")
    assert hook.received == []


def test_token_of_the_webhook_is_a_secret(running: world.World, hook: webhook.Webhook) -> None:
    assert hook.token in running.secret_values()


def test_throttled_message_is_not_kept_and_says_when_to_come_back(running: world.World, hook: webhook.Webhook) -> None:
    hook.faults.append(faults.Fault(status=429, headers={"Retry-After": "1"}))
    status, _, headers = notify(running, {"text": "one"})
    assert (status, headers["Retry-After"]) == (429, "1")
    assert notify(running, {"text": "two"})[0] == 200
    assert hook.received == [{"text": "two"}]


def test_webhook_may_drop_the_connection(running: world.World, hook: webhook.Webhook) -> None:
    hook.faults.append(faults.Fault(status=0, carried_out=True))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        notify(running, {"text": "one"})
    assert hook.received == [{"text": "one"}]


def test_webhook_may_take_its_time(running: world.World, hook: webhook.Webhook) -> None:
    hook.faults.append(faults.Fault(status=200, code="ok", delay=0.3, carried_out=True))
    began = time.monotonic()
    assert notify(running, {"text": "one"})[:2] == (200, "ok")
    assert time.monotonic() - began >= 0.3
    assert hook.received == [{"text": "one"}]


@pytest.mark.parametrize("separator", ["lines", "array"])
def test_telemetry_is_taken_in_either_form(running: world.World, ingestion: insights.Insights, separator: str) -> None:
    items = [envelope(running), envelope(running, "Metric")]
    text = "\n".join(map(json.dumps, items)) if separator == "lines" else json.dumps(items)
    assert track(running, text.encode()) == (200, {"itemsReceived": 2, "itemsAccepted": 2, "errors": []})
    assert ingestion.envelopes == items


def test_telemetry_for_another_resource_is_refused(running: world.World, ingestion: insights.Insights) -> None:
    stray = {**envelope(running), "iKey": "00000000-0000-0000-0000-000000000000"}
    status, answer = track(running, json.dumps([stray, envelope(running)]).encode())
    assert (status, answer["itemsAccepted"]) == (206, 1)
    assert answer["errors"] == [{"index": 0, "statusCode": 400, "message": "Invalid instrumentation key"}]
    assert track(running, json.dumps([stray]).encode())[0] == 400
    assert track(running, b"[{")[0] == 400
    assert ingestion.envelopes == [envelope(running)]


def test_telemetry_may_need_a_token_for_azure_monitor(running: world.World, ingestion: insights.Insights) -> None:
    ingestion.require_token = True
    body = json.dumps([envelope(running)]).encode()
    wrong = running.identity.issue("https://vault.azure.net")
    right = running.identity.issue("https://monitor.azure.com")
    assert track(running, body)[0] == 401
    assert track(running, body, Authorization=f"Bearer {wrong}")[0] == 401
    assert track(running, body, Authorization=f"Bearer {right}")[0] == 200


@pytest.mark.parametrize("status", [402, 429, 500])
def test_ingestion_may_refuse(running: world.World, ingestion: insights.Insights, status: int) -> None:
    ingestion.faults.append(faults.Fault(path="/v2.1", status=status, headers={"Retry-After": "1"}))
    body = json.dumps([envelope(running)]).encode()
    assert track(running, body)[0] == status
    assert track(running, body)[0] == 200
    assert len(ingestion.envelopes) == 1


def test_nobody_watches_live_metrics(running: world.World) -> None:
    status, _, headers = send(running, f"{endpoint(running)}/QuickPulseService.svc/ping", b"[]")
    assert (status, headers["x-ms-qps-subscribed"]) == (200, "false")


def test_neither_is_there_unless_asked_for() -> None:
    with world.World() as plain:
        assert plain.webhook is None
        assert plain.insights is None
        assert not {"NOTIFY_WEBHOOK_URL", "APPLICATIONINSIGHTS_CONNECTION_STRING"} & plain.settings.keys()
