"""What the worlds of the issuers other than Key Vault have, and lack, as the rotator's identity finds it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import BlobServiceClient, generate_account_sas, generate_container_sas

from sandbox import world
from sandbox.issuers import Issuer
from sandbox.options import Options
from sandbox.resource_manager import locks, roles
from tests import surroundings
from tests.sandbox.test_user_delegation import HOUR, now

OTHERS: tuple[Issuer, ...] = ("storagekey", "userdelegation")


@pytest.fixture(scope="module", params=OTHERS)
def each(request: pytest.FixtureRequest) -> Iterator[world.World]:
    with world.World(Options(issuer=request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def storagekey() -> Iterator[world.World]:
    with world.World(Options(issuer="storagekey")) as running:
        yield running


@contextlib.contextmanager
def credential(running: world.World) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=running.settings.get("AZURE_CLIENT_ID")) as made:
        yield made


def secret(running: world.World) -> str:
    with credential(running) as signed_in, SecretClient(running.settings["KEYVAULT_BASEURL"], signed_in) as client:
        return client.get_secret(world.KEY_SECRET).value or ""


@contextlib.contextmanager
def accounts(running: world.World, client_id: str | None = "") -> Iterator[Any]:
    """The account's operations as the rotator, or as another identity."""
    url = running.resource_manager.url
    where: dict[str, Any] = {"base_url": url, "credential_scopes": [f"{url}/.default"], "retry_total": 0}
    chosen = running.settings["AZURE_CLIENT_ID"] if client_id == "" else client_id
    with (
        ManagedIdentityCredential(client_id=chosen) as signed_in,
        StorageManagementClient(signed_in, running.account.subscription_id, **where) as client,
    ):
        yield client.storage_accounts


def code(raised: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str | None]:
    assert raised.value.error is not None
    return raised.value.status_code, raised.value.error.code


def test_the_vault_is_in_rbac_mode_and_manages_no_account(each: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.enter(each, monkeypatch)
    assert each.vault.rbac
    assert not each.vault.policies
    assert not each.vault.storage.accounts
    assert secret(each).startswith("-----BEGIN")
    with (
        credential(each) as signed_in,
        SecretClient(each.settings["KEYVAULT_BASEURL"], signed_in) as client,
        pytest.raises(HttpResponseError) as raised,
    ):
        client.set_secret("another", "value")
    assert "ForbiddenByRbac" in str(raised.value)


def test_without_its_role_the_rotator_reads_no_secret(each: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.enter(each, monkeypatch)
    before = list(each.resource_manager.role_assignments)
    each.rights.unassign(roles.KEY_VAULT_SECRETS_USER)
    with pytest.raises(HttpResponseError) as raised:
        secret(each)
    each.resource_manager.role_assignments = before
    assert raised.value.status_code == 403


def test_the_app_reaches_its_own_storage(each: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.enter(each, monkeypatch)
    endpoint = each.settings["AzureWebJobsStorage__blobServiceUri"]
    verify = str(each.authority.ca_path)
    with credential(each) as signed_in, BlobServiceClient(endpoint, signed_in, connection_verify=verify) as client:
        client.create_container("locks")
        assert [one.name for one in client.list_containers()] == ["locks"]


def test_the_settings_name_the_issuer_and_no_managed_account(each: world.World) -> None:
    assert each.settings["SAS_ISSUER"] == each.options.issuer
    assert each.settings["STORAGE_ACCOUNT_ID"] == each.account.resource_id
    assert "KEYVAULT_STORAGE_NAME" not in each.settings
    assert ("SAS_CONTAINER" in each.settings) == (each.options.issuer == "userdelegation")


def test_keys_are_listed_and_regenerated_by_their_operator(
    storagekey: world.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.enter(storagekey, monkeypatch)
    with accounts(storagekey) as mine:
        listed = {key.key_name: key for key in mine.list_keys("sandbox", world.ACCOUNT).keys_property}
        assert {name: key.value for name, key in listed.items()} == storagekey.account.keys
        assert all(key.creation_time for key in listed.values())
        mine.regenerate_key("sandbox", world.ACCOUNT, {"keyName": "key2"})
        del storagekey.account.key_created["key1"]
        again = {key.key_name: key for key in mine.list_keys("sandbox", world.ACCOUNT).keys_property}
        assert again["key1"].creation_time is None
        assert again["key2"].creation_time > listed["key2"].creation_time
        with pytest.raises(HttpResponseError) as raised:
            mine.get_properties("sandbox", world.ACCOUNT)
    assert code(raised) == (403, "AuthorizationFailed")
    storagekey.rights.assign(roles.READER, storagekey.account.resource_id)
    with accounts(storagekey) as mine:
        found = mine.get_properties("sandbox", world.ACCOUNT)
    assert found.key_creation_time.key1 is None
    assert found.key_creation_time.key2 == again["key2"].creation_time


def test_a_key_signs_sas_of_today_s_version(storagekey: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.enter(storagekey, monkeypatch)
    key = storagekey.account.keys["key1"]
    limits: dict[str, Any] = {"start": now() - HOUR, "expiry": now() + HOUR, "encryption_scope": "scope-1"}
    account_sas = generate_account_sas(world.ACCOUNT, key, "sco", "rl", **limits)
    service_sas = generate_container_sas(world.ACCOUNT, world.CONTAINER, key, permission="rl", **limits)
    assert [storagekey.blob_status(sas) for sas in (account_sas, service_sas)] == [200, 200]
    storagekey.account.regenerate("key1")
    assert [storagekey.blob_status(sas) for sas in (account_sas, service_sas)] == [403, 403]
    assert key in storagekey.secret_values()


def test_the_other_issuer_s_identity_may_not_list_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with world.World(Options(issuer="userdelegation")) as running:
        surroundings.enter(running, monkeypatch)
        with accounts(running) as mine, pytest.raises(HttpResponseError) as raised:
            mine.list_keys("sandbox", world.ACCOUNT)
        assert code(raised) == (403, "AuthorizationFailed")
        running.allow_issuer("storagekey")
        with accounts(running) as mine:
            assert len(mine.list_keys("sandbox", world.ACCOUNT).keys_property) == 2
        assert running.issuer_settings("storagekey")["SAS_ISSUER"] == "storagekey"
        assert "SAS_CONTAINER" not in running.issuer_settings("storagekey")
        running.allow_issuer("keyvault")
        assert running.vault.policies[running.app_object_id] >= {"secrets/get", "storage/setsas"}
        assert secret(running).startswith("-----BEGIN")
        assert running.issuer_settings("keyvault")["KEYVAULT_STORAGE_NAME"] in running.vault.storage.accounts


def test_a_read_only_lock_keeps_even_operators_from_keys(
    storagekey: world.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.enter(storagekey, monkeypatch)
    group = storagekey.account.resource_id.partition("/providers/")[0]
    storagekey.resource_manager.locks.append(locks.Lock(group, "frozen"))
    try:
        with accounts(storagekey) as mine:
            with pytest.raises(HttpResponseError) as listing:
                mine.list_keys("sandbox", world.ACCOUNT)
            with pytest.raises(HttpResponseError) as regenerating:
                mine.regenerate_key("sandbox", world.ACCOUNT, {"keyName": "key2"})
        assert code(listing) == code(regenerating) == (409, "ScopeLocked")
    finally:
        storagekey.resource_manager.locks.clear()
    storagekey.resource_manager.locks.append(locks.Lock(group, "kept", locks.CAN_NOT_DELETE))
    with accounts(storagekey) as mine:
        assert mine.list_keys("sandbox", world.ACCOUNT)
    storagekey.resource_manager.locks.clear()
