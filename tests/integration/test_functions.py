"""The functions through the programming model, on Python 3.13 and later by Azure's own runtime."""

import json
import sys
from collections.abc import Iterator

import pytest

from sandbox.functions.host import FunctionsHost
from sandbox.server.faults import Fault
from sandbox.world import World
from tests.integration.conftest import ROOT, Cluster, environment

WRONG_PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.fixture
def host(world: World) -> Iterator[FunctionsHost]:
    with FunctionsHost(ROOT, environment(world)) as running:
        yield running


def test_the_app_indexes_on_azures_runtime_where_there_is_one(host: FunctionsHost) -> None:
    assert sorted(host.functions) == [
        "check",
        "health",
        "ready",
        "revoke_now",
        "rotate_due",
        "rotate_now",
        "rotate_on_schedule",
        "status",
    ]
    expected = "azure-functions-runtime" if sys.version_info >= (3, 13) else "azure-functions"
    assert host.engine == expected


def test_the_timer_rotates_what_is_due(world: World, host: FunctionsHost) -> None:
    assert host.fire_timer("rotate_on_schedule")["ok"]
    assert Cluster(world).works()
    first = Cluster(world).value()

    assert host.fire_timer("rotate_on_schedule", past_due=True)["ok"]
    assert Cluster(world).value() == first
    assert any("past due" in line for line in host.log)


def test_a_failed_rotation_fails_the_timers_invocation(world: World, host: FunctionsHost) -> None:
    world.vault.faults.append(Fault(path="/secrets/privatekey", status=403, code="Forbidden"))

    result = host.fire_timer("rotate_on_schedule")

    assert not result["ok"]
    assert "1 failed" in result["exception"]


def test_http_forces_a_rotation_and_answers_with_the_report(world: World, host: FunctionsHost) -> None:
    host.fire_timer("rotate_on_schedule")
    first = Cluster(world).value()

    answer = host.request("rotate_now", "POST", "/api/rotate", "{}")

    assert answer["status"] == 200
    report = json.loads(answer["body"])
    assert report["forced"]
    assert report["targets"][0]["outcome"] == "rotated"
    assert Cluster(world).value() != first
    assert Cluster(world).works()


def test_http_answers_502_with_the_report_when_a_target_failed(world: World, host: FunctionsHost) -> None:
    world.vault.faults.append(Fault(path="/secrets/privatekey", status=403, code="Forbidden"))

    answer = host.request("rotate_now", "POST", "/api/rotate")

    assert answer["status"] == 502
    assert json.loads(answer["body"])["targets"][0]["error"] == "VaultForbiddenError"


@pytest.mark.parametrize("body", ["not json", "[]", '"text"', '{"unknown": 1}'])
def test_http_refuses_a_bad_body(host: FunctionsHost, body: str) -> None:
    answer = host.request("rotate_now", "POST", "/api/rotate", body)

    assert answer["status"] == 400
    assert "body" in json.loads(answer["body"])["message"]


def test_http_answers_500_with_what_is_wrong_in_the_settings(world: World) -> None:
    with FunctionsHost(ROOT, environment(world, KUBERNETES_SSH_FINGERPRINT="nonsense", SAS_VALIDITY="1h")) as host:
        answer = host.request("rotate_now", "POST", "/api/rotate")
        timer = host.fire_timer("rotate_on_schedule")

    assert answer["status"] == 500
    message = json.loads(answer["body"])["message"]
    assert "KUBERNETES_SSH_FINGERPRINT" in message
    assert "SAS_VALIDITY" in message
    assert not timer["ok"]
    assert "SAS_VALIDITY" in timer["exception"]


def test_health_tells_nothing_but_that_it_is_up(host: FunctionsHost) -> None:
    answer = host.request("health", "GET", "/api/health")

    assert (answer["status"], json.loads(answer["body"])) == (200, {"status": "ok"})
