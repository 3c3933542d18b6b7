"""What the sandbox's blob service does beyond the contract with Azurite."""

import datetime
import http.client

import pytest

from sandbox.azure import account_sas
from sandbox.server import faults
from tests.sandbox.conftest import ACCOUNT, Azure

FIELDS = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "r", "se": "2099-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def _content(azure: Azure) -> None:
    azure.blob.put_container(ACCOUNT, "pictures")
    azure.blob.put_blob(ACCOUNT, "pictures", "hello.txt", b"hello", "text/plain")


def get(azure: Azure, key: str = "key1", **changes: str) -> tuple[int, str]:
    sas = account_sas.token(ACCOUNT, azure.account.keys[key], FIELDS | changes)
    return get_with(azure, sas)


def get_with(azure: Azure, sas: str) -> tuple[int, str]:
    context = azure.authority.client_context()
    connection = http.client.HTTPSConnection("127.0.0.1", azure.blob.port, context=context, timeout=5)
    try:
        connection.request("GET", f"/{ACCOUNT}/pictures/hello.txt?{sas}")
        with connection.getresponse() as response:
            return response.status, response.headers.get("x-ms-error-code", "")
    finally:
        connection.close()


def test_codes_are_azure_s(azure: Azure) -> None:
    assert get(azure, se="2020-01-01T00:00:00Z") == (403, "AuthenticationFailed")
    assert get_with(azure, "sv=2018-03-28&ss=b&srt=sco&sp=r&se=2099-01-01&sig=AAAA") == (403, "AuthenticationFailed")
    assert get_with(azure, "") == (401, "NoAuthenticationInformation")
    assert get(azure, spr="http") == (403, "AuthorizationProtocolMismatch")


def test_a_sas_is_judged_by_the_service_s_clock(azure: Azure) -> None:
    azure.blob.clock_skew = datetime.timedelta(days=100 * 365)
    assert get(azure) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("allowed", "status"),
    [("127.0.0.1", 200), ("127.0.0.0-127.0.0.9", 200), ("10.1.2.3", 403), ("10.0.0.0-10.0.0.9", 403)],
)
def test_the_address_range_is_enforced(azure: Azure, allowed: str, status: int) -> None:
    assert get(azure, sip=allowed)[0] == status


def test_a_regenerated_key_s_sas_is_refused_at_once(azure: Azure) -> None:
    old = account_sas.token(ACCOUNT, azure.account.keys["key1"], FIELDS)
    assert get_with(azure, old)[0] == 200
    azure.account.regenerate("key1")
    assert get_with(azure, old) == (403, "AuthenticationFailed")
    assert get(azure)[0] == 200


def test_a_new_signature_warms_up(azure: Azure) -> None:
    azure.blob.warm_up_requests = 2
    assert [get(azure)[0] for _ in range(3)] == [403, 403, 200]
    assert get(azure, "key2") == (403, "AuthenticationFailed")


def test_everything_is_refused_when_told_to(azure: Azure) -> None:
    azure.blob.refuse_all = True
    assert get(azure) == (403, "AuthenticationFailed")
    assert [event.detail for event in azure.journal.events("blob")] == ["get-blob AuthenticationFailed"]


def test_faults_come_first(azure: Azure) -> None:
    azure.blob.faults.append(faults.Fault(path=f"/{ACCOUNT}/pictures", status=503, code="ServerBusy"))
    assert get(azure) == (503, "ServerBusy")
    assert get(azure)[0] == 200
    azure.blob.faults.append(faults.Fault(status=0))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(azure)


def test_requests_are_journalled_without_the_sas(azure: Azure) -> None:
    get(azure)
    assert [(event.action, event.detail, event.phase) for event in azure.journal.events("blob")] == [
        ("get-blob", "pictures/hello.txt", "before"),
        ("get-blob", "pictures/hello.txt", "after"),
    ]
