import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from tests.sandbox.conftest import Azure

VAULT = "https://vault.azure.net"


def send(azure: Azure, header: str | None, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    headers = {} if header is None else {"X-IDENTITY-HEADER": header}
    request = urllib.request.Request(f"{azure.identity.url}?{urllib.parse.urlencode(query)}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def query(**changes: str) -> dict[str, str]:
    return {"api-version": "2019-08-01", "resource": VAULT} | changes


def test_the_sdk_gets_a_token_that_names_the_identity(azure: Azure) -> None:
    with ManagedIdentityCredential() as credential:
        token = credential.get_token(f"{VAULT}/.default").token
    claims = azure.identity.claims(token)
    assert claims is not None
    assert claims["aud"] == VAULT
    assert claims["appid"] == azure.identity.client_id
    assert claims["oid"] == azure.identity.object_id
    assert claims["nbf"] < claims["iat"] < claims["exp"]


def test_a_user_assigned_identity_is_asked_for_by_client_id(azure: Azure) -> None:
    azure.identity.user_assigned["11111111-0000-0000-0000-000000000000"] = "object-1"
    with ManagedIdentityCredential(client_id="11111111-0000-0000-0000-000000000000") as credential:
        token = credential.get_token(f"{VAULT}/.default").token
    assert (azure.identity.claims(token) or {})["oid"] == "object-1"


def test_an_unknown_client_id_is_refused(azure: Azure) -> None:
    with ManagedIdentityCredential(client_id="unknown") as credential, pytest.raises(CredentialUnavailableError):
        credential.get_token(f"{VAULT}/.default")


@pytest.mark.parametrize(
    ("header", "asked", "status"),
    [
        (None, query(), 401),
        ("wrong", query(), 403),
        ("right", query(resource=""), 400),
        ("right", query(resource="https://example.org"), 400),
        ("right", query(client_id="unknown"), 400),
        ("right", query() | {"api-version": "2017-09-01"}, 400),
        ("right", query(), 200),
    ],
)
def test_statuses(azure: Azure, header: str | None, asked: dict[str, str], status: int) -> None:
    sent = azure.identity.header if header == "right" else header
    answered, body = send(azure, sent, asked)
    assert answered == status
    assert ("access_token" in body) == (status == 200)


def test_it_fails_when_told_to(azure: Azure) -> None:
    azure.identity.fail_with = 503
    assert send(azure, azure.identity.header, query())[0] == 503


def test_it_fails_as_often_as_told_to(azure: Azure) -> None:
    azure.identity.fail_with, azure.identity.fail_times = 401, 2
    assert [send(azure, azure.identity.header, query())[0] for _ in range(3)] == [401, 401, 200]


def test_a_token_of_somebody_else_is_not_ours(azure: Azure) -> None:
    token = azure.identity.issue(VAULT)
    assert azure.identity.claims(token) is not None
    assert azure.identity.claims(token[:-2] + "xx") is None
    assert azure.identity.claims("nonsense") is None


def test_the_sdk_reports_a_refusal_as_a_failure_to_authenticate(azure: Azure) -> None:
    azure.identity.fail_with = 400  # the SDK would retry a 500 for seconds
    with ManagedIdentityCredential() as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(f"{VAULT}/.default")
