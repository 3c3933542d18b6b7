"""What the sandbox's blob service and Azurite must agree on, so that a SAS judged by one is judged so by the other.

Azurite answers AuthorizationFailure where Azure and the sandbox say AuthenticationFailed, and 403 where they say 401:
the status class is what counts there.
"""

import http.client
import urllib.parse
from xml.etree import ElementTree

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.contract.conftest import CONTAINER, BlobUnderTest

MISMATCHES = [
    ({"sp": "l"}, "AuthorizationPermissionMismatch"),
    ({"srt": "s"}, "AuthorizationResourceTypeMismatch"),
    ({"ss": "q"}, "AuthorizationServiceMismatch"),
]


def get(
    blobs: BlobUnderTest, sas: str, path: str = f"{CONTAINER}/hello.txt", account: str = "alpha"
) -> tuple[int, str, bytes]:
    """Status, error code and body."""
    url = urllib.parse.urlsplit(f"{blobs.url(account)}/{path}")
    context = blobs.authority.client_context()
    connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=context, timeout=10)
    try:
        connection.request("GET", f"{url.path}?{sas}")
        with connection.getresponse() as response:
            return response.status, response.headers.get("x-ms-error-code", ""), response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("key", ["key1", "key2"])
@pytest.mark.parametrize("version", ["2015-04-05", "2018-03-28", "2020-10-02", "2020-12-06", "2025-11-05"])
def test_a_sas_signed_with_either_key_is_accepted(blobs: BlobUnderTest, key: str, version: str) -> None:
    assert get(blobs, blobs.sas(key, sv=version)) == (200, "", b"hello")


def test_a_start_in_the_past_and_either_protocol_are_accepted(blobs: BlobUnderTest) -> None:
    assert get(blobs, blobs.sas(st="2020-01-01T00:00:00Z", spr="https,http"))[0] == 200


@pytest.mark.parametrize("change", [{"se": "2020-01-01T00:00:00Z"}, {"st": "2098-01-01T00:00:00Z"}])
def test_a_sas_outside_of_its_time_is_refused(blobs: BlobUnderTest, change: dict[str, str]) -> None:
    assert get(blobs, blobs.sas(**change))[0] == 403


def test_a_sas_of_another_account_is_refused(blobs: BlobUnderTest) -> None:
    assert get(blobs, blobs.sas(account="beta"))[0] == 403
    assert get(blobs, blobs.sas(), account="beta")[0] == 403


def test_a_tampered_sas_is_refused(blobs: BlobUnderTest) -> None:
    sas = blobs.sas(sp="l")
    assert get(blobs, sas.replace("sp=l", "sp=rl"))[0] == 403


def test_no_sas_is_refused(blobs: BlobUnderTest) -> None:
    assert get(blobs, "")[0] in (401, 403)


def test_an_unknown_account_is_a_404(blobs: BlobUnderTest) -> None:
    assert get(blobs, blobs.sas(), account="gamma")[0] == 404


@pytest.mark.parametrize(("change", "code"), MISMATCHES)
def test_a_sas_for_something_else_is_refused_with_the_reason(
    blobs: BlobUnderTest, change: dict[str, str], code: str
) -> None:
    status, header, body = get(blobs, blobs.sas(**change))
    assert (status, header) == (403, code)
    assert ElementTree.fromstring(body).findtext("Code") == code


def test_the_service_s_properties_are_a_harmless_proof(blobs: BlobUnderTest) -> None:
    query = "restype=service&comp=properties&"
    assert get(blobs, query + blobs.sas(), "")[0] == 200
    assert get(blobs, query + blobs.sas(sp="w"), "")[:2] == (403, "AuthorizationPermissionMismatch")


def test_a_bad_signature_is_noticed_before_a_missing_permission(blobs: BlobUnderTest) -> None:
    _, code, _ = get(blobs, blobs.sas(account="beta", sp="l"))
    assert code != "AuthorizationPermissionMismatch"


@pytest.mark.parametrize(
    ("path", "code"),
    [("absent/hello.txt", "ContainerNotFound"), (f"{CONTAINER}/absent.txt", "BlobNotFound")],
)
def test_what_is_not_there_is_a_404_with_the_reason(blobs: BlobUnderTest, path: str, code: str) -> None:
    assert get(blobs, blobs.sas(), path)[:2] == (404, code)


def test_the_sdk_writes_reads_lists_and_deletes(blobs: BlobUnderTest) -> None:
    with blobs.container(blobs.sas()) as container:
        container.upload_blob("folder/a.bin", b"0123456789")
        with pytest.raises(ResourceExistsError):
            container.upload_blob("folder/a.bin", b"again")
        container.upload_blob("folder/a.bin", b"0123456789abc", overwrite=True)
        assert container.download_blob("folder/a.bin").readall() == b"0123456789abc"
        assert container.download_blob("folder/a.bin", offset=2, length=3).readall() == b"234"
        assert container.get_blob_client("folder/a.bin").get_blob_properties().size == 13
        assert [found.name for found in container.list_blobs("folder/")] == ["folder/a.bin"]
        assert {found.name for found in container.list_blobs()} == {"folder/a.bin", "hello.txt"}
        container.delete_blob("folder/a.bin")
        with pytest.raises(ResourceNotFoundError):
            container.delete_blob("folder/a.bin")


def test_creating_needs_less_than_overwriting(blobs: BlobUnderTest) -> None:
    with blobs.container(blobs.sas(sp="cd")) as container:
        container.upload_blob("created.txt", b"once")
        with pytest.raises(HttpResponseError) as raised:
            container.upload_blob("created.txt", b"twice", overwrite=True)
        assert raised.value.status_code == 403
        container.delete_blob("created.txt")


def test_a_read_only_sas_cannot_write(blobs: BlobUnderTest) -> None:
    with blobs.container(blobs.sas(sp="rl")) as container:
        assert container.exists()
        with pytest.raises(HttpResponseError) as raised:
            container.upload_blob("new.txt", b"")
    assert (raised.value.status_code, raised.value.error_code) == (403, "AuthorizationPermissionMismatch")  # type: ignore[attr-defined]
