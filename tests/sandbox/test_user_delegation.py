"""User delegation keys and SAS of the sandbox, by the real SDKs, with the roles that they take and no others."""

import contextlib
import datetime
import http.client
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)

from sandbox import world
from sandbox.options import Options
from sandbox.resource_manager import roles
from tests import surroundings

HOUR = datetime.timedelta(hours=1)
DAY = 24 * HOUR
CONTAINER = world.CONTAINER


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def started() -> Iterator[world.World]:
    with world.World(Options(issuer="userdelegation")) as running:
        running.blob.put_blob(world.ACCOUNT, CONTAINER, "a/b/deep.txt", b"deep", "text/plain")
        running.blob.put_blob(world.ACCOUNT, CONTAINER, "a/beside.txt", b"beside", "text/plain")
        yield running


@pytest.fixture
def running(started: world.World, monkeypatch: pytest.MonkeyPatch) -> Iterator[world.World]:
    assignments = list(started.resource_manager.role_assignments)
    yield surroundings.enter(started, monkeypatch)
    started.resource_manager.role_assignments = assignments
    account = started.account
    account.sas_policy, account.shared_key_services = None, {}
    account.allow_shared_key_access = True
    account.delegation_keys.revocation_delay = 0.0
    account.delegation_keys.settle()
    started.resource_manager.locks.clear()
    started.blob.clock_skew = datetime.timedelta()


@contextlib.contextmanager
def service(running: world.World) -> Iterator[BlobServiceClient]:
    verify = str(running.authority.ca_path)
    endpoint = running.settings["STORAGE_BLOB_ENDPOINT"]
    with (
        ManagedIdentityCredential(client_id=running.settings["AZURE_CLIENT_ID"]) as credential,
        BlobServiceClient(endpoint, credential=credential, connection_verify=verify, retry_total=0) as client,
    ):
        yield client


def delegation_key(
    running: world.World, start: datetime.timedelta = -HOUR, expiry: datetime.timedelta = 6 * DAY
) -> UserDelegationKey:
    with service(running) as client:
        return client.get_user_delegation_key(now() + start, now() + expiry)


def signed(running: world.World, key: UserDelegationKey | None = None, blob: str = "", **options: Any) -> str:
    """A SAS for the container, or for one blob or directory."""
    common: dict[str, Any] = {
        "permission": "rl",
        "start": now() - HOUR,
        "expiry": now() + HOUR,
        "user_delegation_key": key or delegation_key(running),
        **options,
    }
    if blob:
        return generate_blob_sas(world.ACCOUNT, CONTAINER, blob, **common)
    return generate_container_sas(world.ACCOUNT, CONTAINER, **common)


def ask(
    running: world.World, sas: str, blob: str = "hello.txt", method: str = "GET", **headers: str
) -> tuple[int, str, str]:
    """Status, error code, and the detail of the error."""
    url = urllib.parse.urlsplit(f"{running.settings['STORAGE_BLOB_ENDPOINT']}/{CONTAINER}")
    context = running.authority.client_context()
    connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=context, timeout=5)
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    with contextlib.closing(connection):
        target = f"{url.path}/{blob}?{sas}" if blob else f"{url.path}?{sas}"
        connection.request(method, target, body=b"" if method == "PUT" else None, headers=sent)
        with connection.getresponse() as response:
            detail = response.read().decode("utf-8", "replace").partition("<AuthenticationErrorDetail>")[2]
            return response.status, response.headers.get("x-ms-error-code", ""), detail.partition("</")[0]


def container(running: world.World, sas: str) -> ContainerClient:
    verify = str(running.authority.ca_path)
    endpoint = running.settings["STORAGE_BLOB_ENDPOINT"]
    return ContainerClient(endpoint, CONTAINER, credential=sas, connection_verify=verify, retry_total=0)


def failure(raised: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, Any]:
    return raised.value.status_code, raised.value.error_code  # type: ignore[attr-defined]


def test_a_key_says_whose_it_is_and_when_it_is_valid(running: world.World) -> None:
    key = delegation_key(running, expiry=7 * DAY - HOUR)
    assert (key.signed_oid, key.signed_tid) == (running.app_object_id, running.identity.tenant_id)
    assert (key.signed_service, key.signed_version) == ("b", "2026-10-06")
    assert datetime.datetime.fromisoformat(str(key.signed_expiry)) < now() + 7 * DAY
    assert key.value in running.secret_values()


@pytest.mark.parametrize(
    ("start", "expiry"),
    [
        (-HOUR, 7 * DAY + HOUR / 60),
        (-8 * DAY, DAY),
        (-HOUR, -HOUR / 60),
        (2 * HOUR, HOUR),
    ],
)
def test_a_key_for_another_time_is_refused_as_the_service_does(
    running: world.World, start: datetime.timedelta, expiry: datetime.timedelta
) -> None:
    with pytest.raises(HttpResponseError) as raised:
        delegation_key(running, start, expiry)
    assert failure(raised) == (400, "InvalidXmlNodeValue")


def test_a_key_is_only_for_those_with_the_action_on_the_whole_account(running: world.World) -> None:
    running.rights.unassign(roles.STORAGE_BLOB_DELEGATOR)
    with pytest.raises(HttpResponseError) as raised:  # the reader's role has the action too, but on the container
        delegation_key(running)
    assert failure(raised) == (403, "AuthorizationPermissionMismatch")
    running.rights.assign(roles.STORAGE_BLOB_DATA_READER, running.account.resource_id)
    assert delegation_key(running).value


def test_no_sas_opens_a_key(running: world.World) -> None:
    verify = str(running.authority.ca_path)
    endpoint = running.settings["STORAGE_BLOB_ENDPOINT"]
    with (
        BlobServiceClient(endpoint, credential=signed(running), connection_verify=verify) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        client.get_user_delegation_key(now(), now() + DAY)
    assert failure(raised) == (403, "AuthenticationFailed")


def test_a_delegated_sas_reads_and_lists_its_container(running: world.World) -> None:
    with container(running, signed(running)) as client:
        assert client.download_blob("hello.txt").readall() == b"Hello from the sandbox.\n"
        assert {blob.name for blob in client.list_blobs()} >= {"hello.txt", world.PICTURE}


def test_it_can_t_read_nor_create_nor_delete_containers(running: world.World) -> None:
    running.rights.assign(roles.STORAGE_BLOB_DATA_OWNER, running.account.resource_id)
    sas = signed(running, permission="racwdl")
    for carry_out in ("get_container_properties", "delete_container", "create_container"):
        with container(running, sas) as one, pytest.raises(HttpResponseError) as refused:
            getattr(one, carry_out)()
        assert failure(refused) == (403, "AuthorizationFailure")
    verify = str(running.authority.ca_path)
    with (
        BlobServiceClient(running.settings["STORAGE_BLOB_ENDPOINT"], sas, connection_verify=verify) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        client.get_service_properties()
    assert failure(raised) == (403, "AuthenticationFailed")


@pytest.mark.parametrize("addresses", ["10.1.2.3", "10.0.0.1-10.0.0.9"])
def test_it_counts_only_from_its_addresses(running: world.World, addresses: str) -> None:
    assert ask(running, signed(running, ip=addresses))[:2] == (403, "AuthorizationSourceIPMismatch")
    assert ask(running, signed(running, ip="127.0.0.1-127.0.0.9"))[0] == 200


def test_scope_correlation_and_protocol_are_signed(running: world.World) -> None:
    sas = signed(running, encryption_scope="scope-1", correlation_id="a-guid", protocol="https")
    assert ask(running, sas)[0] == 200
    assert ask(running, sas.replace("a-guid", "another"))[:2] == (403, "AuthenticationFailed")
    assert ask(running, sas.replace("scope-1", "scope-2"))[:2] == (403, "AuthenticationFailed")


def test_it_dies_with_its_key_whatever_it_says(running: world.World) -> None:
    key = delegation_key(running, expiry=HOUR)
    sas = signed(running, key, expiry=now() + DAY)
    assert ask(running, sas)[0] == 200
    running.blob.clock_skew = 2 * HOUR
    status, code, detail = ask(running, sas)
    assert (status, code) == (403, "AuthenticationFailed")
    assert "in the specified key time frame" in detail


def test_a_key_that_was_tampered_with_signs_nothing(running: world.World) -> None:
    sas = signed(running)
    expiry = dict(urllib.parse.parse_qsl(sas))["ske"]
    later = sas.replace(urllib.parse.quote(expiry, safe=""), "2099-01-01T00%3A00%3A00Z")
    assert later != sas
    assert ask(running, later)[:2] == (403, "AuthenticationFailed")


def test_it_may_no_more_than_the_identity_that_delegated_it(running: world.World) -> None:
    sas = signed(running, permission="racwdl")
    put = {"x_ms_blob_type": "BlockBlob"}
    assert ask(running, sas)[0] == 200
    assert ask(running, sas, "new.txt", "PUT", **put)[:2] == (403, "AuthorizationPermissionMismatch")
    running.rights.assign(roles.STORAGE_BLOB_DATA_CONTRIBUTOR, running.account.container_id(CONTAINER))
    assert ask(running, sas, "new.txt", "PUT", **put)[0] == 201
    assert ask(running, sas, "new.txt", "DELETE")[0] == 202
    assert ask(running, signed(running), "new.txt", "PUT", **put)[:2] == (403, "AuthorizationPermissionMismatch")


def test_taking_the_role_away_ends_it(running: world.World) -> None:
    sas = signed(running)
    running.rights.unassign(roles.STORAGE_BLOB_DATA_READER)
    assert ask(running, sas)[:2] == (403, "AuthorizationPermissionMismatch")
    running.rights.assign(roles.STORAGE_BLOB_DATA_READER, running.account.container_id("another"))
    assert ask(running, sas)[0] == 403
    running.rights.assign(roles.STORAGE_BLOB_DATA_READER, running.account.container_id(CONTAINER))
    assert ask(running, sas)[0] == 200


def test_a_directory_s_sas_stays_within_it(running: world.World) -> None:
    sas = signed(running, blob="a/b", is_directory=True)
    assert ask(running, sas, "a/b/deep.txt")[0] == 200
    for outside in ("hello.txt", "a/beside.txt", "a/b", "a/bc/deep.txt"):
        assert ask(running, sas, outside)[:2] == (403, "AuthenticationFailed"), outside
    with container(running, sas) as client:
        assert [blob.name for blob in client.list_blobs(name_starts_with="a/b/")] == ["a/b/deep.txt"]
        for prefix in ("", "a/b", "a/"):
            with pytest.raises(HttpResponseError):
                list(client.list_blobs(name_starts_with=prefix))


def test_a_blob_s_sas_is_for_that_blob(running: world.World) -> None:
    sas = signed(running, blob="a/beside.txt", permission="r")
    assert ask(running, sas, "a/beside.txt")[0] == 200
    assert ask(running, sas, "hello.txt")[:2] == (403, "AuthenticationFailed")
    assert ask(running, f"restype=container&comp=list&{sas}", "")[0] == 403


def test_letters_out_of_order_are_refused(running: world.World) -> None:
    assert ask(running, signed(running, permission="lr"))[:2] == (403, "AuthenticationFailed")


@contextlib.contextmanager
def management(running: world.World) -> Iterator[StorageManagementClient]:
    url = running.resource_manager.url
    where: dict[str, Any] = {"base_url": url, "credential_scopes": [f"{url}/.default"], "retry_total": 0}
    with (
        ManagedIdentityCredential(client_id=running.settings["AZURE_CLIENT_ID"]) as credential,
        StorageManagementClient(credential, running.account.subscription_id, **where) as client,
    ):
        yield client


def revoke(running: world.World) -> None:
    with management(running) as client:
        client.storage_accounts.revoke_user_delegation_keys("sandbox", world.ACCOUNT)


def test_revoking_needs_an_action_that_delegators_lack(running: world.World) -> None:
    sas = signed(running)
    with pytest.raises(HttpResponseError) as raised:
        revoke(running)
    assert raised.value.error is not None
    assert (raised.value.status_code, raised.value.error.code) == (403, "AuthorizationFailed")
    assert ask(running, sas)[0] == 200


def test_revoking_ends_every_key_of_the_account_and_later_ones_count(running: world.World) -> None:
    running.rights.assign(roles.STORAGE_ACCOUNT_CONTRIBUTOR, running.account.resource_id)
    old = signed(running)
    revoke(running)
    assert ask(running, old)[:2] == (403, "AuthenticationFailed")
    assert ask(running, signed(running))[0] == 200
    assert signed(running)[-20:] not in str(running.journal.events())


def test_revoking_takes_effect_after_a_delay_where_told_to(running: world.World) -> None:
    running.rights.assign(roles.STORAGE_ACCOUNT_CONTRIBUTOR, running.account.resource_id)
    running.account.delegation_keys.revocation_delay = 3600
    old = signed(running)
    revoke(running)
    assert ask(running, old)[0] == 200
    assert ask(running, signed(running))[0] == 200
    running.account.delegation_keys.settle()
    assert ask(running, old)[0] == 403


def test_switched_off_account_keys_do_not_concern_it(running: world.World) -> None:
    running.account.allow_shared_key_access = False
    assert ask(running, signed(running))[0] == 200
    service_sas = signed(running, user_delegation_key=None, account_key=running.account.keys["key1"])
    assert ask(running, service_sas)[:2] == (403, "KeyBasedAuthenticationNotPermitted")
    running.account.allow_shared_key_access, running.account.shared_key_services = True, {"blob": False}
    assert ask(running, service_sas)[:2] == (403, "KeyBasedAuthenticationNotPermitted")
    running.account.shared_key_services = {"blob": True, "file": False}
    assert ask(running, service_sas)[0] == 200


def test_a_policy_that_wants_users_refuses_it(running: world.World) -> None:
    running.account.sas_policy = {"requireUserBoundUserDelegationSasAction": "Block"}
    assert ask(running, signed(running))[:2] == (403, "AuthenticationFailed")
    bound = signed(running, user_delegation_oid=running.identity.object_id)
    assert ask(running, bound)[:2] == (403, "AuthenticationFailed")
    token = running.identity.issue("https://storage.azure.com")
    assert ask(running, bound, Authorization=f"Bearer {token}")[0] == 200
    running.account.sas_policy = {"requireUserBoundUserDelegationSasAction": "Log"}
    assert ask(running, signed(running))[0] == 200


def test_a_policy_about_expiry_wants_a_start_and_a_short_life(running: world.World) -> None:
    running.account.sas_policy = {"sasExpirationPeriod": "0.03:00:00", "expirationAction": "Block"}
    status, code, detail = ask(running, signed(running, start=None))
    assert (status, code, detail) == (403, "AuthenticationFailed", "Policy violated by no signed start.")
    assert ask(running, signed(running, expiry=now() + 3 * HOUR))[:2] == (403, "AuthenticationFailed")
    assert ask(running, signed(running))[0] == 200


def test_a_service_sas_may_leave_limits_to_a_stored_policy(running: world.World) -> None:
    policies = running.blob.containers[world.ACCOUNT][CONTAINER].policies
    policies["readers"] = {"sp": "r", "se": "2099-01-01T00:00:00Z"}
    key = running.account.keys["key2"]
    bare = generate_container_sas(world.ACCOUNT, CONTAINER, account_key=key, policy_id="readers")
    assert ask(running, bare)[0] == 200
    assert ask(running, f"restype=container&comp=list&{bare}", "")[1] == "AuthorizationPermissionMismatch"
    twice = generate_container_sas(world.ACCOUNT, CONTAINER, account_key=key, policy_id="readers", expiry=now() + HOUR)
    assert ask(running, twice)[:2] == (403, "AuthenticationFailed")
    del policies["readers"]
    assert ask(running, bare)[:2] == (403, "AuthenticationFailed")


def test_requests_leave_no_key_in_the_journal(running: world.World) -> None:
    delegation_key(running)
    recorded = str(running.journal.events())
    assert "get-user-delegation-key" in recorded
    assert not [value for value in running.secret_values() if value in recorded]
