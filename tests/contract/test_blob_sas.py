"""Service SAS and user delegation SAS: what the sandbox's blob service and Azurite must judge alike.

Azurite is no judge of directories, of keys for more than seven days, of roles, addresses, users, encryption scopes and
correlation ids, nor of a SAS that outlives its key: tests/sandbox/test_user_delegation.py is about these.
"""

import contextlib
import datetime
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import UserDelegationKey, generate_blob_sas, generate_container_sas

from sandbox.azure import delegation_sas, service_sas, signatures
from tests.contract.conftest import CONTAINER, BlobUnderTest
from tests.contract.test_blob_service import get

HOUR = datetime.timedelta(hours=1)
SERVICE_VERSIONS = ("2015-04-05", "2018-03-28", "2018-11-09", "2020-10-02", "2020-12-06", "2025-11-05", "2026-10-06")
DELEGATION_VERSIONS = ("2018-11-09", "2020-02-10", "2020-12-06", "2025-07-05", "2026-04-06", "2026-10-06")
LIST = "restype=container&comp=list"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def delegation_key(blobs: BlobUnderTest, start: datetime.timedelta = -HOUR) -> UserDelegationKey:
    with blobs.service() as client:
        return client.get_user_delegation_key(now() + start, now() + 24 * HOUR)


@pytest.fixture(params=["account key", "delegation key"])
def key(request: pytest.FixtureRequest, blobs: BlobUnderTest) -> dict[str, Any]:
    """What signs a SAS: either has to be judged alike."""
    if request.param == "account key":
        return {"account_key": blobs.accounts["alpha"].keys["key2"]}
    return {"user_delegation_key": delegation_key(blobs)}


def signed(key: dict[str, Any], blob: str = "", **changes: Any) -> str:
    """A SAS for the container, or for one of its blobs."""
    options = {"permission": "rl", "start": now() - HOUR, "expiry": now() + HOUR, **key, **changes}
    if blob:
        return generate_blob_sas("alpha", CONTAINER, blob, **options)
    return generate_container_sas("alpha", CONTAINER, **options)


@contextlib.contextmanager
def refused(*codes: str) -> Iterator[None]:
    """403, with one of these codes where some are named."""
    with pytest.raises(HttpResponseError) as raised:
        yield
    assert raised.value.status_code == 403
    assert not codes or raised.value.error_code in codes  # type: ignore[attr-defined]


def test_a_container_s_sas_reads_and_lists(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    sas = signed(key)
    assert get(blobs, sas) == (200, "", b"hello")
    with blobs.container(sas) as client:
        assert "hello.txt" in [blob.name for blob in client.list_blobs()]
        with refused("AuthorizationPermissionMismatch"):
            client.upload_blob("new.txt", b"")
        with refused("AuthorizationPermissionMismatch"):
            client.delete_blob("hello.txt")


def test_a_container_s_sas_writes_and_deletes_where_it_says_so(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    with blobs.container(signed(key, permission="racwdl")) as client:
        client.upload_blob("written.txt", b"once")
        client.upload_blob("written.txt", b"twice", overwrite=True)
        assert client.download_blob("written.txt").readall() == b"twice"
        client.delete_blob("written.txt")


def test_creating_needs_less_than_overwriting(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    with blobs.container(signed(key, permission="cd")) as client:
        client.upload_blob("created.txt", b"once")
        with refused("AuthorizationPermissionMismatch"):
            client.upload_blob("created.txt", b"twice", overwrite=True)
        client.delete_blob("created.txt")


def test_it_is_about_no_container_as_such(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    with blobs.container(signed(key, permission="racwdl")) as client:
        for carry_out in (client.get_container_properties, client.delete_container, client.create_container):
            with refused():
                carry_out()
    assert get(blobs, f"restype=service&comp=properties&{signed(key)}", "")[0] == 403
    assert get(blobs, f"comp=list&{signed(key)}", "")[0] == 403


def test_a_blob_s_sas_is_for_that_blob(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    sas = signed(key, "hello.txt", permission="r")
    assert get(blobs, sas) == (200, "", b"hello")
    assert get(blobs, sas, f"{CONTAINER}/absent.txt")[0] == 403
    assert get(blobs, f"{LIST}&{sas}", CONTAINER)[0] == 403


def test_what_is_not_there_is_a_404(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    assert get(blobs, signed(key), f"{CONTAINER}/absent.txt")[:2] == (404, "BlobNotFound")


@pytest.mark.parametrize("hours", [(-3, -1), (1, 3)])
def test_a_sas_counts_only_in_its_time(blobs: BlobUnderTest, key: dict[str, Any], hours: tuple[int, int]) -> None:
    first, last = (now() + number * HOUR for number in hours)
    assert get(blobs, signed(key, start=first, expiry=last))[0] == 403


def test_a_tampered_sas_is_refused(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    sas = signed(key, permission="l")
    assert get(blobs, sas.replace("sp=l", "sp=rl"))[0] == 403
    assert get(blobs, f"{LIST}&{sas}", CONTAINER)[0] == 200


def test_the_protocol_is_signed_and_judged(blobs: BlobUnderTest, key: dict[str, Any]) -> None:
    sas = signed(key, protocol="https")
    assert get(blobs, sas)[0] == 200
    assert get(blobs, sas.replace("spr=https", "spr=https%2Chttp"))[0] == 403


def test_a_sas_of_another_account_s_key_is_refused(blobs: BlobUnderTest) -> None:
    assert get(blobs, signed({"account_key": blobs.accounts["beta"].keys["key1"]}))[0] == 403


@pytest.mark.parametrize("version", SERVICE_VERSIONS)
def test_a_service_sas_of_each_version_is_judged_by_its_own_text(blobs: BlobUnderTest, version: str) -> None:
    fields = {"sv": version, "sr": "c", "sp": "rl", "st": "2020-01-01T00:00:00Z", "se": "2099-01-01T00:00:00Z"}
    fields |= {"spr": "https", "rsct": "text/plain"}
    signature = service_sas.signature("alpha", blobs.accounts["alpha"].keys["key1"], f"/{CONTAINER}", fields)
    assert get(blobs, urllib.parse.urlencode(fields | {"sig": signature}))[0] == 200


@pytest.mark.parametrize("version", DELEGATION_VERSIONS)
def test_a_delegation_sas_of_each_version_is_judged_by_its_own_text(blobs: BlobUnderTest, version: str) -> None:
    given = delegation_key(blobs)
    fields = {
        "sv": version,
        "sr": "b",
        "sp": "r",
        "st": "2020-01-01T00:00:00Z",
        "se": "2099-01-01T00:00:00Z",
        "skoid": given.signed_oid,
        "sktid": given.signed_tid,
        "skt": given.signed_start,
        "ske": given.signed_expiry,
        "sks": given.signed_service,
        "skv": given.signed_version,
    }
    known = {name: str(text) for name, text in fields.items()}
    text = delegation_sas.string_to_sign("alpha", f"/{CONTAINER}/hello.txt", known, delegation_sas.Request())
    signature = signatures.sign(str(given.value), text)
    assert get(blobs, urllib.parse.urlencode(known | {"sig": signature}))[0] == 200


def test_a_key_s_own_time_counts(blobs: BlobUnderTest) -> None:
    assert get(blobs, signed({"user_delegation_key": delegation_key(blobs, HOUR)}))[0] == 403


def test_a_key_that_nobody_was_given_signs_nothing(blobs: BlobUnderTest) -> None:
    given = delegation_key(blobs)
    given.value = blobs.accounts["alpha"].keys["key1"]
    assert get(blobs, signed({"user_delegation_key": given}))[0] == 403


def test_a_key_says_whose_it_is(blobs: BlobUnderTest) -> None:
    given = delegation_key(blobs)
    assert (given.signed_oid, given.signed_tid) == (blobs.tokens.object_id, blobs.tokens.tenant_id)
    assert given.signed_service == "b"


def test_a_key_is_given_for_a_token_only(blobs: BlobUnderTest) -> None:
    with blobs.service() as client, blobs.service("https://vault.azure.net") as stranger:
        assert client.get_user_delegation_key(now(), now() + HOUR).value
        with pytest.raises(HttpResponseError) as raised:
            stranger.get_user_delegation_key(now(), now() + HOUR)
    assert raised.value.status_code in (401, 403)


def test_a_stored_policy_has_what_the_sas_leaves_out(blobs: BlobUnderTest) -> None:
    key = blobs.accounts["alpha"].keys["key1"]
    sas = generate_container_sas("alpha", CONTAINER, account_key=key, policy_id="readers")
    assert get(blobs, sas)[0] == 403
    blobs.put_policy("readers", "r", now() + HOUR)
    assert get(blobs, sas) == (200, "", b"hello")
    assert get(blobs, f"{LIST}&{sas}", CONTAINER)[:2] == (403, "AuthorizationPermissionMismatch")
    blobs.put_policy("readers", "r", now() - HOUR)
    assert get(blobs, sas)[0] == 403
