"""What a real API server says for its admission webhooks, through a real kubectl: named, quoted without values."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator import app
from rotator.checks.findings import Level
from rotator.reporting.report import Trigger
from sandbox.server import certificates
from sandbox.world import SECRET_NAME, World
from tests import secrets_in, surroundings
from tests.integration.checkups import only
from tests.integration.conftest import Cluster, options_for, rotate, settings_for

pytestmark = pytest.mark.real

APPLY = {"KUBERNETES_SECRET_STRATEGY": "apply"}
NAME = "policy.example.com"
PASSWORD = "correct horse battery staple"


class Policy(http.server.ThreadingHTTPServer):
    """An admission webhook that refuses every Secret, and says what is in it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Review)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.broken = False
        self.allows = False
        self.reason: str | None = None


class Review(http.server.BaseHTTPRequestHandler):
    """Answers AdmissionReview, https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/"""

    server: Policy

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = review["request"]["object"]["data"]
        clear = [base64.b64decode(value).decode() for value in data.values()]
        words = json.dumps([*clear, *(value.partition("sig=")[2] for value in clear), data])
        if self.server.broken:
            status, answer = 500, words.encode()
        else:
            result = {"message": words, "reason": self.server.reason}
            response = {"uid": review["request"]["uid"], "allowed": self.server.allows, "status": result}
            status, answer = 200, json.dumps({**review, "response": response}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nobody reads a log."""


@pytest.fixture(scope="module")
def real() -> Iterator[World]:
    with World(options_for("envtest")) as running:
        yield running


@pytest.fixture
def policy(tmp_path: Path) -> Iterator[Policy]:
    server = Policy(certificates.Authority(tmp_path).server_context())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def world(real: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A Secret is there, and somebody's password in it."""
    surroundings.enter(real, monkeypatch)
    assert not rotate(real, forced=True).failed
    password = base64.b64encode(PASSWORD.encode()).decode()
    Cluster(real).kubectl("patch", "secret", SECRET_NAME, "-p", json.dumps({"data": {"password": password}}))
    yield real
    Cluster(real).kubectl("delete", "validatingwebhookconfiguration", "policy", "--ignore-not-found")


def register(world: World, port: int, directory: Path, version: str = "v1", effects: str = "None") -> None:
    """Have the API server ask it for each Secret, and wait until it does."""
    authority = base64.b64encode((directory / "ca.pem").read_bytes()).decode() if port else None
    client = {"url": f"https://127.0.0.1:{port or 1}/", "caBundle": authority}
    rule = {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
    webhook: dict[str, Any] = {
        "name": NAME,
        "clientConfig": client,
        "rules": [rule],
        "sideEffects": effects,
        "timeoutSeconds": 5,
    }
    webhook |= {"admissionReviewVersions": ["v1"], "failurePolicy": "Fail"}
    document: dict[str, Any] = {
        "apiVersion": f"admissionregistration.k8s.io/{version}",
        "kind": "ValidatingWebhookConfiguration",
    }
    document |= {"metadata": {"name": "policy"}, "webhooks": [webhook]}
    Cluster(world).kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(document))
    until = time.monotonic() + 30
    probe = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "namespace": "default"}, "data": {}}
    command = ["kubectl", "--kubeconfig", str(world.cluster.kubeconfig), "create", "--dry-run=server", "-f", "-"]
    while subprocess.run(command, input=json.dumps(probe).encode(), capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < until
        time.sleep(0.2)


def refused(world: World, **settings: str) -> dict[str, Any]:
    """Check and rotate; neither says what is in the Secret, which stays as it was."""
    before = Cluster(world).value()
    environment = settings_for(world, **settings)
    checkup = app.check(environment=environment)
    (target,) = app.rotate(trigger=Trigger.CLI, forced=True, environment=environment).as_json()["targets"]
    output = json.dumps([checkup.as_json(), target], ensure_ascii=False)
    assert secrets_in.found(world, output) == []
    assert [form for form in secrets_in.forms(PASSWORD) if form in output] == []
    assert NAME in only(checkup, "dry run", Level.FAILURE).text
    assert NAME in target["message"]
    assert Cluster(world).value() == before
    found: dict[str, Any] = target
    return found


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({}, None), (APPLY, None), ({}, "AlreadyExists"), (APPLY, "Conflict")],
    ids=["recreate", "apply", "recreate, as if it were there", "apply, as if it had changed"],
)
def test_a_refusal_is_named_without_what_it_repeats(
    world: World, policy: Policy, tmp_path: Path, settings: dict[str, str], reason: str | None
) -> None:
    policy.reason = reason
    register(world, policy.server_port, tmp_path)
    target = refused(world, **settings)
    assert target["error"] == "ManifestRejectedError"
    assert f'"{NAME}" denied the request: […]' in target["message"]


def test_a_webhook_that_is_broken_is_not_taken_for_the_api_server(world: World, policy: Policy, tmp_path: Path) -> None:
    policy.broken = True
    register(world, policy.server_port, tmp_path)
    assert refused(world)["error"] == "AdmissionWebhookError"


def test_a_webhook_that_is_down_is_not_taken_for_the_api_server(world: World, policy: Policy, tmp_path: Path) -> None:
    register(world, 0, tmp_path)
    target = refused(world, **APPLY)
    assert target["error"] == "AdmissionWebhookError"
    assert "connection refused" in target["message"]


def test_a_webhook_without_dry_runs_stops_only_what_needs_one(world: World, policy: Policy, tmp_path: Path) -> None:
    policy.allows = True
    register(world, policy.server_port, tmp_path, "v1beta1", "Unknown")
    target = refused(world)
    assert target["error"] == "DryRunUnsupportedError"
    assert "KUBERNETES_SECRET_STRATEGY=apply" in target["remedy"]
    environment = settings_for(world, **APPLY)
    checkup = app.check(environment=environment)
    assert not checkup.failed
    assert only(checkup, "dry run", Level.SKIPPED)
    assert not app.rotate(trigger=Trigger.CLI, forced=True, environment=environment).failed
