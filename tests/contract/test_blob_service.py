"""What the sandbox's blob service and Azurite must agree on, so that a SAS judged by one is judged so by the other.

Azurite answers AuthorizationFailure where Azure and the sandbox say AuthenticationFailed, and 403 where they say 401:
the status class is what counts there.
"""

import contextlib
import hashlib
import http.client
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.paging import PageIterator
from azure.storage.blob import BlobClient, BlobLeaseClient

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


def test_a_list_comes_in_pages_of_the_size_that_is_asked_for(blobs: BlobUnderTest) -> None:
    with blobs.container(blobs.sas()) as container:
        names = [f"page/{number}" for number in range(5)]
        for name in names:
            container.upload_blob(name, b"", overwrite=True)
        pages = container.list_blobs("page/", results_per_page=2).by_page()
        assert isinstance(pages, PageIterator)
        first = [blob.name for blob in next(pages)]
        assert first == names[:2]
        rest = container.list_blobs("page/", results_per_page=2).by_page(pages.continuation_token)
        assert [[blob.name for blob in page] for page in rest] == [names[2:4], names[4:]]


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


@pytest.fixture
def lock(blobs: BlobUnderTest) -> Iterator[BlobClient]:
    """A blob of its own for each test, without a lease."""
    with blobs.container(blobs.sas()) as container, container.get_blob_client(f"lock-{uuid.uuid4()}") as blob:
        blob.upload_blob(b"", metadata={"holder": "nobody"})
        yield blob


@contextlib.contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(HttpResponseError) as raised:
        yield
    assert (raised.value.status_code, raised.value.error_code) == (status, code)  # type: ignore[attr-defined]


def holding(lock: BlobClient) -> tuple[str, str, str | None]:
    lease = lock.get_blob_properties().lease
    return lease.status, lease.state, lease.duration


def test_a_lease_is_held_by_one_until_it_is_released(lock: BlobClient) -> None:
    assert holding(lock) == ("unlocked", "available", None)
    lease, other = BlobLeaseClient(lock), BlobLeaseClient(lock)
    lease.acquire(15)
    assert holding(lock) == ("locked", "leased", "fixed")
    with refused(409, "LeaseAlreadyPresent"):
        other.acquire(15)
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        other.renew()
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        other.release()
    BlobLeaseClient(lock, lease.id).acquire(-1)
    assert holding(lock) == ("locked", "leased", "infinite")
    lease.renew()
    held = lease.id
    lease.release()
    assert holding(lock) == ("unlocked", "available", None)
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        BlobLeaseClient(lock, held).renew()
    other.acquire(60)


@pytest.mark.parametrize("seconds", [0, 14, 61])
def test_a_lease_lasts_15_to_60_seconds(lock: BlobClient, seconds: int) -> None:
    with refused(400, "InvalidHeaderValue"):
        BlobLeaseClient(lock).acquire(seconds)


def test_a_leased_blob_is_changed_with_its_lease_id_only(lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    stranger = BlobLeaseClient(lock)
    with refused(412, "LeaseIdMissing"):
        lock.upload_blob(b"mine", overwrite=True)
    with refused(412, "LeaseIdMissing"):
        lock.set_blob_metadata({})
    with refused(412, "LeaseIdMissing"):
        lock.delete_blob()
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        lock.upload_blob(b"mine", overwrite=True, lease=stranger)
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        lock.download_blob(lease=stranger)
    lock.upload_blob(b"mine", overwrite=True, lease=lease)
    lock.set_blob_metadata({"holder": "me"}, lease=lease)
    assert lock.download_blob().readall() == lock.download_blob(lease=lease).readall() == b"mine"
    assert holding(lock) == ("locked", "leased", "fixed")
    lock.delete_blob(lease=lease)


def test_a_lease_id_without_a_lease_is_refused(lock: BlobClient) -> None:
    with refused(412, "LeaseNotPresentWithBlobOperation"):
        lock.upload_blob(b"", overwrite=True, lease=BlobLeaseClient(lock))


def test_a_lease_gets_another_id(lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    first, second = lease.id, str(uuid.uuid4())
    lease.change(second)
    lease.renew()
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        BlobLeaseClient(lock, first).renew()
    lease.release()
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        BlobLeaseClient(lock, second).change(first)


def test_a_broken_lease_cannot_be_renewed(lock: BlobClient) -> None:
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        BlobLeaseClient(lock).break_lease()
    lease = lock.acquire_lease(60)
    assert 0 < BlobLeaseClient(lock).break_lease(20) <= 20
    assert holding(lock) == ("locked", "breaking", None)
    with refused(409, "LeaseIsBrokenAndCannotBeRenewed"):
        lease.renew()
    with refused(409, "LeaseIsBreakingAndCannotBeChanged"):
        lease.change(lease.id)
    with refused(409, "LeaseAlreadyPresent"):
        lock.acquire_lease(15)
    assert BlobLeaseClient(lock).break_lease(0) == 0
    assert holding(lock) == ("unlocked", "broken", None)
    lock.acquire_lease(15)


def test_leasing_needs_to_write(blobs: BlobUnderTest, lock: BlobClient) -> None:
    with blobs.container(blobs.sas(sp="rlcd")) as container, refused(403, "AuthorizationPermissionMismatch"):
        container.get_blob_client(lock.blob_name).acquire_lease(15)


def test_metadata_is_replaced_as_a_whole(lock: BlobClient) -> None:
    assert lock.get_blob_properties().metadata == {"holder": "nobody"}
    lock.set_blob_metadata({"run": "r1", "since": "2026-11-24T10:00:00Z"})
    assert lock.get_blob_properties().metadata == {"run": "r1", "since": "2026-11-24T10:00:00Z"}
    assert lock.download_blob().properties.metadata == {"run": "r1", "since": "2026-11-24T10:00:00Z"}
    lock.upload_blob(b"", overwrite=True)
    assert lock.get_blob_properties().metadata == {}
    with refused(400, "InvalidMetadata"):
        lock.set_blob_metadata({"run-id": "r1"})


def test_what_is_asked_of_another_version_is_refused(lock: BlobClient) -> None:
    first = lock.get_blob_properties().etag
    lease = lock.acquire_lease(15, etag=first, match_condition=MatchConditions.IfNotModified)
    assert lock.get_blob_properties().etag == first
    lock.set_blob_metadata({}, lease=lease)
    unchanged: dict[str, Any] = {"etag": first, "match_condition": MatchConditions.IfNotModified}
    with refused(412, "ConditionNotMet"):
        lock.upload_blob(b"", overwrite=True, lease=lease, **unchanged)
    with refused(412, "ConditionNotMet"):
        lock.set_blob_metadata({}, lease=lease, **unchanged)
    with refused(412, "ConditionNotMet"):
        lock.delete_blob(lease=lease, **unchanged)
    with refused(412, "ConditionNotMet"):
        lock.download_blob(**unchanged)


def test_a_version_already_known_is_not_sent_again(lock: BlobClient) -> None:
    known: dict[str, Any] = {"etag": lock.get_blob_properties().etag, "match_condition": MatchConditions.IfModified}
    with pytest.raises(HttpResponseError) as raised:
        lock.download_blob(**known)
    assert raised.value.status_code == 304
    lock.set_blob_metadata({})
    assert lock.download_blob(**known).readall() == b""


def test_a_blob_that_is_not_there_has_no_version(blobs: BlobUnderTest) -> None:
    with blobs.container(blobs.sas()) as container, refused(412, "ConditionNotMet"):
        container.upload_blob("absent", b"", overwrite=True, match_condition=MatchConditions.IfPresent)


def test_an_answer_has_what_clients_read_of_it(blobs: BlobUnderTest) -> None:
    seen: list[Mapping[str, str]] = []

    def look(response: Any) -> None:
        seen.append(response.http_response.headers)

    with blobs.container(blobs.sas()) as client, client.get_blob_client("hello.txt") as hello:
        found = hello.get_blob_properties(raw_response_hook=look)
        client.get_container_properties(raw_response_hook=look)
        with pytest.raises(HttpResponseError):
            client.get_blob_client("absent").get_blob_properties(raw_response_hook=look)
    assert found.server_encrypted
    assert found.creation_time
    assert found.content_settings.content_md5 == bytearray(hashlib.md5(b"hello", usedforsecurity=False).digest())
    assert len({one["x-ms-request-id"] for one in seen}) == 3
    # Azurite's refusals have neither, and its version is its newest.
    assert all(one["x-ms-version"] and one["x-ms-client-request-id"] for one in seen[:2])
