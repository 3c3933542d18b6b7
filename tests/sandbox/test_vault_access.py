import http.client
import urllib.parse
from collections.abc import Mapping

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest
from azure.keyvault.secrets import SecretClient

from sandbox.key_vault import errors
from sandbox.server import faults
from tests.sandbox.conftest import Azure


def status_and_challenge(azure: Azure, headers: Mapping[str, str]) -> tuple[int, str]:
    context = azure.authority.client_context()
    connection = http.client.HTTPSConnection(urllib.parse.urlsplit(azure.vault.url).netloc, context=context, timeout=5)
    try:
        connection.request("GET", "/secrets/greeting/?api-version=7.4", headers=dict(headers))
        with connection.getresponse() as response:
            return response.status, response.headers.get("WWW-Authenticate", "")
    finally:
        connection.close()


def test_a_secret_is_read_with_the_sdk_s_defaults(azure: Azure, client: SecretClient) -> None:
    azure.vault.secrets.put("greeting", "hello", "text/plain")
    secret = client.get_secret("greeting")
    assert secret.value == "hello"
    assert secret.properties.content_type == "text/plain"
    assert secret.properties.version
    assert [(event.action, event.detail, event.phase) for event in azure.journal.events("vault")] == [
        ("get-secret", "greeting", "before"),
        ("get-secret", "greeting", "after"),
    ]


def test_versions_are_kept(azure: Azure, client: SecretClient) -> None:
    azure.vault.permissions |= {"secrets/set", "secrets/list"}
    first = client.set_secret("greeting", "hello").properties.version
    client.set_secret("greeting", "goodbye", tags={"a": "b"})
    assert client.get_secret("greeting").value == "goodbye"
    assert client.get_secret("greeting", first).value == "hello"
    assert len(list(client.list_properties_of_secret_versions("greeting"))) == 2
    assert [found.name for found in client.list_properties_of_secrets()] == ["greeting"]


def test_a_deleted_secret_s_name_is_taken_until_it_is_recovered(azure: Azure, client: SecretClient) -> None:
    azure.vault.permissions |= {"secrets/set", "secrets/delete", "secrets/recover"}
    client.set_secret("greeting", "hello")
    client.begin_delete_secret("greeting").wait()
    with pytest.raises(HttpResponseError) as raised:
        client.set_secret("greeting", "again")
    assert raised.value.status_code == 409
    assert raised.value.error is not None
    assert raised.value.error.innererror == {"code": "ObjectIsDeletedButRecoverable"}
    client.begin_recover_deleted_secret("greeting").wait()
    assert client.get_secret("greeting").value == "hello"


def test_a_missing_secret_is_a_404(azure: Azure, client: SecretClient) -> None:
    with pytest.raises(ResourceNotFoundError) as raised:
        client.get_secret("absent")
    assert raised.value.error is not None
    assert raised.value.error.code == "SecretNotFound"


@pytest.mark.parametrize("code", errors.POLICY_CODES)
def test_a_missing_permission_names_the_identity(azure: Azure, client: SecretClient, code: str) -> None:
    azure.vault.permissions.clear()
    azure.vault.policy_code = code
    with pytest.raises(HttpResponseError) as raised:
        client.get_secret("greeting")
    assert raised.value.status_code == 403
    assert raised.value.error is not None
    assert (raised.value.error.code, raised.value.error.innererror) == ("Forbidden", {"code": code})
    named = f"appid={azure.identity.client_id};oid={azure.identity.object_id};numgroups=0;iss={azure.identity.issuer}"
    assert f"'{named}' does not have secrets get permission on key vault 'sandbox;location=" in raised.value.message


def test_a_policy_that_names_an_application_too_allows_the_object_alone_nothing(
    azure: Azure, client: SecretClient
) -> None:
    azure.vault.permissions.clear()
    azure.vault.compound_policies[azure.identity.object_id, "application"] = {"secrets/get"}
    with pytest.raises(HttpResponseError, match=r"use on-behalf-of \(OBO\) flow") as raised:
        client.get_secret("greeting")
    assert raised.value.error is not None
    assert raised.value.error.innererror == {"code": "ForbiddenByPolicy"}
    with pytest.raises(HttpResponseError, match="does not have secrets list permission"):
        list(client.list_properties_of_secrets())


def test_a_request_without_a_token_is_challenged(azure: Azure) -> None:
    status, challenge = status_and_challenge(azure, {})
    assert status == 401
    assert challenge.startswith('Bearer authorization="https://login.windows.net/')
    assert f'resource="{azure.vault.resource}"' in challenge


def test_tokens_for_others_expired_or_made_up_are_refused(azure: Azure) -> None:
    azure.vault.secrets.put("greeting", "hello")
    issue = azure.identity.issue
    for token, status in (
        (issue(azure.vault.resource), 200),
        (issue("https://storage.azure.com"), 401),
        (issue(azure.vault.resource, lifetime=-1), 401),
        (issue(azure.vault.resource)[:-3] + "abc", 401),
    ):
        assert status_and_challenge(azure, {"Authorization": f"Bearer {token}"})[0] == status


def test_throttling_is_retried_by_the_sdk(azure: Azure, client: SecretClient) -> None:
    azure.vault.secrets.put("greeting", "hello")
    azure.vault.faults.append(faults.Fault(path="/secrets/greeting", headers={"Retry-After": "0"}, times=2))
    assert client.get_secret("greeting").value == "hello"
    assert len(azure.journal.events("vault")) == 2


def test_a_fault_meant_for_another_path_is_not_used_up(azure: Azure, client: SecretClient) -> None:
    azure.vault.secrets.put("greeting", "hello")
    azure.vault.faults.append(faults.Fault(method="PUT", path="/secrets/greeting"))
    azure.vault.faults.append(faults.Fault(path="/storage"))
    assert client.get_secret("greeting").value == "hello"
    assert [fault.times for fault in azure.vault.faults] == [1, 1]


def test_an_answer_can_get_lost_after_the_request_took_effect(azure: Azure, client: SecretClient) -> None:
    azure.vault.permissions.add("secrets/set")
    azure.vault.faults.append(faults.Fault("PUT", status=503, carried_out=True))
    client.set_secret("greeting", "hello")  # the SDK tries again
    assert len(azure.vault.secrets.secrets["greeting"]) == 2


def test_a_connection_can_be_cut(azure: Azure, client: SecretClient) -> None:
    azure.vault.faults.append(faults.Fault(status=0, times=10))
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        client.get_secret("greeting")


@pytest.mark.parametrize(
    ("version", "status"),
    [("7.0", 200), ("7.3", 200), ("7.4", 200), ("2025-07-01", 200), ("6.9", 400), ("2026-04-01", 400)],
)
def test_managed_storage_is_in_some_api_versions_only(
    azure: Azure, client: SecretClient, version: str, status: int
) -> None:
    azure.vault.permissions.add("storage/list")
    response = client.send_request(HttpRequest("GET", f"/storage?api-version={version}"))
    assert response.status_code == status


def test_an_answer_says_where_it_comes_from(azure: Azure, client: SecretClient) -> None:
    """Whatever it is: each of these was recorded, or is in an error report of somebody's."""
    request = HttpRequest("GET", "/secrets/absent", headers={"x-ms-client-request-id": "asked"})
    azure.vault.faults.append(faults.Fault(path="/secrets/faulty", status=500))
    answers = [
        client.send_request(request),
        client.send_request(HttpRequest("GET", "/secrets/faulty"), retry_total=0),
        client.send_request(HttpRequest("GET", "/storage")),
    ]
    assert [answer.status_code for answer in answers] == [404, 500, 403]
    for answer in answers:
        found = answer.headers
        assert (found["x-ms-keyvault-region"], found["cache-control"]) == ("westeurope", "no-cache")
        assert found["x-ms-keyvault-network-info"] == "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"
        assert found["x-ms-keyvault-service-version"]
        assert found["strict-transport-security"] == "max-age=31536000;includeSubDomains"
    assert answers[0].headers["x-ms-client-request-id"] == "asked"
    assert len({answer.headers["x-ms-request-id"] for answer in answers}) == len(answers)


def test_a_deletion_and_a_recovery_of_a_secret_can_take_a_while(azure: Azure, client: SecretClient) -> None:
    azure.vault.permissions |= {"secrets/set", "secrets/delete", "secrets/recover"}
    azure.vault.deletion_seconds = azure.vault.recovery_seconds = 3600
    client.set_secret("greeting", "hello")
    client.send_request(HttpRequest("DELETE", "/secrets/greeting")).raise_for_status()

    def refused(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, str]:
        answer = client.send_request(HttpRequest(method, path, json=body))
        error = answer.json()["error"]
        return answer.status_code, error.get("innererror", error)["code"]

    recover = ("POST", "/deletedsecrets/greeting/recover")
    assert refused("GET", "/secrets/greeting") == (404, "SecretNotFound")
    assert refused("GET", "/deletedsecrets/greeting") == (404, "SecretNotFound")
    assert refused(*recover) == (404, "SecretNotFound")
    assert refused("PUT", "/secrets/greeting", {"value": "new"}) == (409, "ObjectIsBeingDeleted")
    azure.vault.secrets.settle()
    assert refused("PUT", "/secrets/greeting", {"value": "new"}) == (409, "ObjectIsDeletedButRecoverable")
    client.send_request(HttpRequest(*recover)).raise_for_status()
    assert refused("GET", "/secrets/greeting") == (404, "SecretNotFound")
    assert refused("PUT", "/secrets/greeting", {"value": "new"}) == (409, "ObjectIsBeingRecovered")
    azure.vault.secrets.settle()
    assert client.get_secret("greeting").value == "hello"
