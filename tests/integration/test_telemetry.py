"""What the real exporter sends to Application Insights. Processes of their own: a process has one set of providers."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.functions.host import FunctionsHost
from sandbox.listeners.insights import Insights
from sandbox.options import Options
from sandbox.server.faults import Fault
from sandbox.world import World
from tests import secrets_in
from tests.integration.conftest import (
    ROOT,
    Cluster,
    command_line,
    environment,
    fresh_command_line,
    functions_host,
    unspoilt,
)
from tests.integration.test_one_at_a_time import DOWN, held

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
NOBODYS_KEY = "InstrumentationKey=00000000-0000-4000-8000-000000000000"
INVOCATION = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
WARNING = "telemetry does not reach Application Insights"
OF_THE_TARGET = {"observe", "deliver"}
STEPS = {"lease", "vault", "connect", "issue", "prove"} | OF_THE_TARGET
# As the worker does it, with every instrumentation on; and a request, to show that they are.
LIKE_THE_WORKER = """
import logging, os, requests
logging.getLogger().setLevel(logging.INFO)
from azure.monitor.opentelemetry import configure_azure_monitor
configure_azure_monitor(connection_string=os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"], logger_name="")
requests.get(os.environ["STORAGE_BLOB_ENDPOINT"] + "/?before", timeout=10)
from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
context.attach(TraceContextTextMapPropagator().extract({"traceparent": os.environ["INVOCATION"]}))
from rotator import app
from rotator.reporting.report import Trigger
app.rotate(trigger=Trigger.TIMER)
"""
UNEXPECTED = """
import logging, os
from rotator import redaction
from rotator.reporting import application_insights
from rotator.reporting.report import Trigger
redaction.install()
with application_insights.reporting(os.environ, trigger=Trigger.CLI):
    secret = redaction.SecretText(os.environ["PROBE"])
    try:
        raise ValueError(secret.reveal())
    except ValueError:
        logging.getLogger("rotator.probe").exception("a defect")
"""
WHAT_IS_IMPORTED = """
import sys
from rotator import app
from rotator.reporting.report import Trigger
app.rotate(trigger=Trigger.CLI)
print([name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor"))])
"""


@pytest.fixture(scope="module")
def observed() -> Iterator[World]:
    with World(Options(insights=True)) as running:
        yield running


@pytest.fixture
def world(observed: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose Application Insights has nothing yet; whatever a test has it take in holds no secret."""
    with unspoilt(observed, monkeypatch) as clean:
        insights(clean).envelopes.clear()
        insights(clean).require_token = False
        yield clean
        assert secrets_in.found(clean, json.dumps(insights(clean).envelopes)) == []


def insights(world: World) -> Insights:
    assert world.insights
    return world.insights


def items(world: World, kind: str) -> list[dict[str, Any]]:
    """The envelopes of one kind: Metric, RemoteDependency, Message, Exception, Request."""
    return [each for each in insights(world).envelopes if each["name"].endswith(f".{kind}")]


def metrics(world: World, name: str, **properties: str) -> list[float]:
    """A metric's values with these properties, no more and no less."""
    data = [item["data"]["baseData"] for item in items(world, "Metric")]
    return [
        float(each["metrics"][0]["value"])
        for each in data
        if each["metrics"][0]["name"] == name and each.get("properties", {}) == properties
    ]


def metric(world: World, name: str, **properties: str) -> float | None:
    """The last of them."""
    return next(reversed(metrics(world, name, **properties)), None)


def spans(world: World) -> dict[str, dict[str, Any]]:
    return {item["data"]["baseData"]["name"]: item for item in items(world, "RemoteDependency")}


def messages(world: World) -> list[str]:
    return [item["data"]["baseData"]["message"] for item in items(world, "Message")]


def process(world: World, code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(world, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_rotation_sends_its_metrics(world: World) -> None:
    assert fresh_command_line(world, "rotate").returncode == 0

    assert metric(world, "rotator.rotations", outcome="rotated", trigger="cli") == 1
    assert metric(world, "rotator.runs", outcome="done", trigger="cli") == 1
    assert metric(world, "rotator.vault.calls", operation="GET secrets", status="200") == 2
    first, *_, last = metrics(world, "rotator.sas.seconds_to_expiry", target="default/storage-sas@127.0.0.1")
    assert 4 * 3600 - 60 < last < first <= 4 * 3600
    for step in STEPS - {"lease"}:
        assert metric(world, "rotator.step.duration", step=step), step
    assert metric(world, "rotator.lease.wait", outcome="acquired")


def test_each_step_is_a_span_of_the_run(world: World) -> None:
    command_line(world, "rotate")

    found = spans(world)
    root = found.pop("rotator.rotate")
    assert root["data"]["baseData"]["success"]
    assert root["data"]["baseData"]["properties"]["trigger"] == "cli"
    assert root["data"]["baseData"]["properties"]["run"] == Cluster(world).annotation("run")
    targets = [item["data"]["baseData"] for item in items(world, "RemoteDependency")]
    targets = [each for each in targets if each["name"] == "rotator.target"]
    assert {each["properties"]["target"] for each in targets} == {"default/storage-sas@127.0.0.1"}
    assert set(found) == {f"rotator.{step}" for step in STEPS | {"target"}}
    for name, span in found.items():
        above = targets if name.removeprefix("rotator.") in OF_THE_TARGET else [root["data"]["baseData"]]
        assert span["tags"]["ai.operation.id"] == root["tags"]["ai.operation.id"]
        assert span["tags"]["ai.operation.parentId"] in {each["id"] for each in above}


def test_a_terminals_decisions_are_sent_and_not_printed(world: World) -> None:
    done = command_line(world, "rotate")

    assert done.stderr == ""
    assert any(message.startswith("report {") for message in messages(world))


def test_a_throttling_vault_is_counted(world: World) -> None:
    world.vault.faults.append(Fault(path="/secrets/", headers={"Retry-After": "0"}, times=2))

    assert command_line(world, "rotate").returncode == 0

    assert metric(world, "rotator.vault.calls", operation="GET secrets", status="429") == 2
    assert metric(world, "rotator.vault.throttles", operation="GET secrets") == 2


def test_a_failure_is_told_by_its_class_alone(world: World) -> None:
    world.vault.faults.append(Fault(path="/secrets/privatekey", status=403, code="Forbidden"))

    assert command_line(world, "rotate").returncode == 1

    assert metric(world, "rotator.runs", outcome="failed", trigger="cli") == 1
    rotations = {"outcome": "failed", "trigger": "cli", "error": "VaultForbiddenError"}
    assert metric(world, "rotator.rotations", **rotations) == 1
    step, run = (spans(world)[name]["data"]["baseData"] for name in ("rotator.vault", "rotator.rotate"))
    assert not step["success"]
    assert not run["success"]
    assert step["properties"] == {"error": "VaultForbiddenError"}
    assert run["properties"]["error"] == "1 failed"


def test_a_lease_that_is_not_to_be_had_is_measured_too(world: World) -> None:
    with held(world):
        assert command_line(world, "rotate").returncode == 3
    assert metric(world, "rotator.lease.wait", outcome="busy")
    for name in ("rotator.lease", "rotator.rotate"):  # nothing failed
        span = spans(world)[name]["data"]["baseData"]
        assert (span["success"], span["properties"]["outcome"]) == (True, "busy")
    assert any('"event": "run_busy"' in message for message in messages(world))

    assert command_line(world, "rotate", **DOWN).returncode == 0
    assert metric(world, "rotator.lease.wait", outcome="unavailable")


def test_the_worker_sends_metrics_and_spans_and_leaves_logs_to_the_host(world: World) -> None:
    with functions_host(world) as host:
        assert host.fire_timer("rotate_on_schedule")["ok"]
        # Not at the process's end, which need not come.
        assert metric(world, "rotator.rotations", outcome="rotated", trigger="timer") == 1
        assert "rotator.deliver" in spans(world)
        assert host.request("rotate_now", "POST", "/api/rotate")["status"] == 200
        assert metric(world, "rotator.rotations", outcome="rotated", trigger="http") == 1

    assert messages(world) == []
    assert any("report {" in line for line in host.log)


def test_the_worker_sends_logs_where_its_host_takes_none(world: World) -> None:
    with functions_host(world, PYTHON_ENABLE_OPENTELEMETRY="true") as host:
        assert host.fire_timer("rotate_on_schedule")["ok"]
        assert any(message.startswith("report {") for message in messages(world))


def test_a_run_that_bad_settings_refuse_is_told_too(world: World) -> None:
    settings = {"PYTHON_ENABLE_OPENTELEMETRY": "true", "KUBERNETES_SSH_FINGERPRINT": "nonsense"}
    with functions_host(world, **settings) as host:
        assert not host.fire_timer("rotate_on_schedule")["ok"]
        assert any("SettingsError" in message for message in messages(world) if message.startswith("report {"))
        assert metric(world, "rotator.runs", outcome="failed", trigger="timer") == 1
        assert not spans(world)["rotator.rotate"]["data"]["baseData"]["success"]


def test_a_run_is_part_of_its_invocation(world: World) -> None:
    process(world, LIKE_THE_WORKER, INVOCATION="-".join(("00", *INVOCATION, "01")))

    found = spans(world)
    # All of them, though the distro has five a second kept.
    assert set(found) >= {f"rotator.{step}" for step in STEPS | {"rotate", "target"}}
    tags = found["rotator.rotate"]["tags"]
    assert (tags["ai.operation.id"], tags["ai.operation.parentId"]) == INVOCATION


def test_what_records_urls_is_switched_off_where_the_worker_switched_it_on(world: World) -> None:
    process(world, LIKE_THE_WORKER, INVOCATION="", OTEL_TRACES_SAMPLER="always_on")

    found = spans(world)
    requests = [span for span in found.values() if span["data"]["baseData"]["type"] == "HTTP"]
    assert ["before" in json.dumps(span) for span in requests] == [True]
    assert set(found) - {requests[0]["data"]["baseData"]["name"]} == {
        f"rotator.{s}" for s in STEPS | {"rotate", "target"}
    }
    assert metric(world, "rotator.rotations", outcome="rotated", trigger="timer") == 1
    assert len([message for message in messages(world) if message.startswith("report {")]) == 1


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the worker of earlier Pythons is not published")
def test_azures_own_worker_may_set_opentelemetry_up(world: World) -> None:
    with FunctionsHost(ROOT, environment(world, PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY="true")) as host:
        assert any("Successfully configured Azure monitor distro" in line for line in host.log)
        assert host.fire_timer("rotate_on_schedule")["ok"]
        assert metric(world, "rotator.rotations", outcome="rotated", trigger="timer") == 1
        # All of them, though the worker has five a second kept.
        assert set(spans(world)) == {f"rotator.{step}" for step in STEPS | {"rotate", "target"}}


def test_the_words_of_an_unexpected_error_are_scrubbed(world: World) -> None:
    secret = next(iter(world.account.keys.values()))

    process(world, UNEXPECTED, PROBE=secret)

    assert any("a defect" in json.dumps(envelope) for envelope in insights(world).envelopes)


def test_entra_id_is_signed_in_to_where_it_is_asked_for(world: World) -> None:
    insights(world).require_token = True

    done = command_line(world, "rotate", "-v")
    assert insights(world).envelopes == []
    assert done.stderr.count(WARNING) == 1

    settings = {"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={world.app_client_id};Authorization=AAD"}
    command_line(world, "rotate", "--force", **settings)
    assert metric(world, "rotator.runs", outcome="done", trigger="cli") == 1


def test_without_a_connection_string_nothing_of_it_is_imported(world: World) -> None:
    for nothing in ("", "  "):
        assert process(world, WHAT_IS_IMPORTED, **{CONNECTION: nothing}).stdout.strip() == "[]"
    assert process(world, WHAT_IS_IMPORTED).stdout.strip() != "[]"


@pytest.mark.parametrize("connection", ["nonsense", "InstrumentationKey=nonsense", f"{NOBODYS_KEY};IngestionEndpoint="])
def test_a_bad_connection_string_is_one_warning(world: World, connection: str) -> None:
    done = fresh_command_line(world, "rotate", "-v", **{CONNECTION: connection})

    assert done.returncode == 0
    assert done.stderr.count(WARNING) == 1
    assert done.stderr.count("azure.monitor") == 0


@pytest.mark.parametrize("listening", [False, True], ids=["closed", "mute"])
def test_an_endpoint_that_does_not_answer_is_one_warning_and_little_delay(world: World, listening: bool) -> None:
    with contextlib.closing(socket.socket()) as mute:
        mute.bind(("127.0.0.1", 0))
        if listening:
            mute.listen()
        endpoint = f"{NOBODYS_KEY};IngestionEndpoint=https://127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        done = fresh_command_line(world, "rotate", "-v", **{CONNECTION: endpoint})
        seconds = time.monotonic() - began

    assert done.returncode == 0
    assert done.stderr.count(WARNING) == 1
    assert "Traceback" not in done.stderr
    assert seconds < 60  # bounded, however slow the machine
