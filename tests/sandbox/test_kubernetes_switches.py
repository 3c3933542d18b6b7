"""What the sandbox's API server does beyond the contract with the real one."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.server import KubernetesServer
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.server import background, certificates, journal

SECRETS = "/api/v1/namespaces/default/secrets"
DRY_RUN = f"{SECRETS}?dryRun=All"
MANIFEST = {"metadata": {"name": "storage-sas"}, "stringData": {"key": "one"}}
OTHER = {"metadata": {"name": "other"}, "stringData": {"key": "one"}}


class Client:
    """Sends requests with the token of the kubeconfig, or with the one given."""

    def __init__(self, api: KubernetesApi, server: KubernetesServer, authority: certificates.Authority) -> None:
        self._context = authority.client_context()
        self.api = api
        self.server = server

    def send(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=self._context, timeout=5)
        headers = {"Authorization": f"Bearer {token or self.api.token}", "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())


@pytest.fixture
def record() -> journal.Journal:
    return journal.Journal()


@pytest.fixture
def client(
    loop: background.Background, authority: certificates.Authority, record: journal.Journal, tmp_path: Path
) -> Iterator[Client]:
    api = KubernetesApi(record, tmp_path)
    server = KubernetesServer(api, authority)
    with loop.serving(server):
        yield Client(api, server, authority)


def test_unknown_token_is_unauthorized(client: Client) -> None:
    assert client.send("GET", SECRETS, token="unknown")[1]["reason"] == "Unauthorized"


def test_quota_is_checked_before_existence_and_in_dry_runs_too(client: Client) -> None:
    client.api.quota = 1
    assert client.send("POST", SECRETS, MANIFEST)[0] == 201
    status, answer = client.send("POST", DRY_RUN, MANIFEST)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["message"] == (
        'secrets "storage-sas" is forbidden: exceeded quota: sandbox, '
        "requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1"
    )
    client.api.quota = 2
    assert client.send("POST", DRY_RUN, MANIFEST)[1]["reason"] == "AlreadyExists"


def test_lagging_quota_still_counts_what_was_deleted(client: Client) -> None:
    client.api.quota, client.api.quota_lags = 1, True
    client.send("POST", SECRETS, MANIFEST)
    client.send("DELETE", f"{SECRETS}/storage-sas")
    assert client.send("POST", SECRETS, MANIFEST)[0] == 403
    client.api.quota_lags = False
    assert client.send("POST", SECRETS, MANIFEST)[0] == 201


def test_a_webhook_refuses_what_lacks_a_label_in_dry_runs_too(client: Client) -> None:
    client.api.required_labels.add("team")
    assert "team must be labelled" in client.send("POST", DRY_RUN, MANIFEST)[1]["message"]
    labelled = {**MANIFEST, "metadata": {"name": "storage-sas", "labels": {"team": "a"}}}
    assert client.send("POST", SECRETS, labelled)[0] == 201
    assert client.send("PUT", f"{SECRETS}/storage-sas", MANIFEST)[0] == 403
    assert client.send("PATCH", f"{SECRETS}/storage-sas", {"metadata": {"labels": {"b": "c"}}})[0] == 200


def test_faults_are_used_up_in_order_and_tell_dry_runs_apart(client: Client) -> None:
    client.api.faults += [
        KubernetesFault("create", dry_run=False),
        KubernetesFault("create", 503, "ServiceUnavailable", "try later"),
    ]
    assert client.send("POST", DRY_RUN, MANIFEST)[0] == 503
    assert client.send("POST", DRY_RUN, MANIFEST)[0] == 201
    assert client.send("POST", SECRETS, MANIFEST)[1]["reason"] == "InternalError"
    assert client.api.secrets == {}
    assert client.send("POST", SECRETS, MANIFEST)[0] == 201


def test_fault_may_hide_that_the_request_was_carried_out(client: Client, record: journal.Journal) -> None:
    client.api.faults.append(KubernetesFault("create", carried_out=True))
    assert client.send("POST", SECRETS, MANIFEST)[0] == 500
    assert [change.type for change in client.api.history] == ["ADDED"]
    phases = [(event.action, event.detail, event.phase) for event in record.events("cluster")]
    assert phases == [("create", "default/storage-sas", "before"), ("create", "default/storage-sas", "after")]


def test_server_that_is_down_drops_the_connection(client: Client) -> None:
    client.api.down = True
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.send("GET", SECRETS)
    client.api.down = False
    assert client.send("GET", SECRETS)[0] == 200


def test_denied_verb_is_refused_before_the_namespace_is_looked_at(client: Client) -> None:
    client.api.denied.add("create")
    status, answer = client.send("POST", "/api/v1/namespaces/nowhere/secrets", MANIFEST)
    assert (status, answer["reason"]) == (403, "Forbidden")


def test_history_has_what_was_persisted_and_nothing_else(client: Client, record: journal.Journal) -> None:
    created = client.send("POST", SECRETS, MANIFEST)[1]
    path = f"{SECRETS}/storage-sas"
    client.send("PUT", path, MANIFEST)  # the same again
    client.send("PUT", f"{path}?dryRun=All", {**MANIFEST, "stringData": {"key": "two"}})
    client.send("PATCH", path, {"metadata": {"labels": {"a": "b"}}})
    client.send("DELETE", f"{path}?dryRun=All")
    client.send("DELETE", path, {"dryRun": ["All"]})
    client.send("DELETE", path)
    history = client.api.history
    assert [change.type for change in history] == ["ADDED", "MODIFIED", "DELETED"]
    assert {(change.namespace, change.name, change.uid) for change in history} == {
        ("default", "storage-sas", created["metadata"]["uid"])
    }
    actions = [event.action for event in record.events("cluster") if event.phase == "after"]
    assert actions == ["create", "update", "dry-run-update", "patch", "dry-run-delete", "dry-run-delete", "delete"]


def test_namespaces_can_be_made_and_hold_secrets_of_their_own(client: Client) -> None:
    assert client.send("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})[0] == 201
    assert client.send("POST", "/api/v1/namespaces/team/secrets", OTHER)[0] == 201
    assert ("team", "other") in client.api.secrets
    everything = client.send("GET", "/api/v1/secrets")[1]
    assert [item["metadata"]["namespace"] for item in everything["items"]] == ["team"]


def test_watches_end_with_the_server(client: Client, loop: background.Background) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", client.server.port, context=client._context, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", f"{SECRETS}?watch=true", headers={"Authorization": f"Bearer {client.api.token}"})
        with connection.getresponse() as response:
            client.send("POST", SECRETS, MANIFEST)
            assert json.loads(response.readline())["type"] == "ADDED"
            loop.run(client.server.stop())
            with contextlib.suppress(ConnectionError, http.client.IncompleteRead):
                assert response.readline() == b""
