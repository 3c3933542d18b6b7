"""Who may do what in the vault: access policies, RBAC mode, and roles on the storage account."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from sandbox import world
from sandbox.key_vault.state import SAMPLE_PERMISSIONS
from sandbox.options import Options
from sandbox.resource_manager import roles
from tests import surroundings

EVERY = {"storage/all", "secrets/all"}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[world.World]:
    """As a deployment leaves it, before anybody onboards."""
    with world.World(Options(onboarded=False)) as started:
        yield surroundings.enter(started, monkeypatch)


@pytest.fixture
def onboarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[world.World]:
    with world.World() as started:
        yield surroundings.enter(started, monkeypatch)


def send(
    running: world.World, method: str, path: str, body: dict[str, Any] | None = None, client_id: str | None = None
) -> HttpResponse:
    with (
        ManagedIdentityCredential(client_id=client_id) as credential,
        SecretClient(running.vault.url, credential, api_version="7.4") as client,
    ):
        return client.send_request(HttpRequest(method, path, json=body))


def inner_code(response: HttpResponse) -> str:
    return str(response.json()["error"]["innererror"]["code"])


def manage(running: world.World, client_id: str | None = None) -> HttpResponse:
    body = {"resourceId": running.account.resource_id, "activeKeyName": "key1", "autoRegenerateKey": True}
    return send(running, "PUT", f"/storage/{world.ACCOUNT}", body, client_id)


def unassign(running: world.World, principal_id: str) -> None:
    assignments = running.resource_manager.role_assignments
    assignments[:] = [one for one in assignments if one.principal_id != principal_id]


def test_the_app_s_identity_and_the_operator_have_policies_of_their_own(onboarded: world.World) -> None:
    app = onboarded.app_client_id
    onboarded.vault.permissions.add("secrets/list")
    assert send(onboarded, "GET", "/secrets").status_code == 200
    refused = send(onboarded, "GET", "/secrets", client_id=app)
    assert (refused.status_code, inner_code(refused)) == (403, "ForbiddenByPolicy")
    assert f"oid={onboarded.app_object_id}" in refused.json()["error"]["message"]
    assert send(onboarded, "GET", f"/secrets/{world.KEY_SECRET}", client_id=app).status_code == 200


def test_an_identity_without_a_policy_may_do_nothing(onboarded: world.World) -> None:
    del onboarded.vault.policies[onboarded.app_object_id]
    refused = send(onboarded, "GET", f"/secrets/{world.KEY_SECRET}", client_id=onboarded.app_client_id)
    assert inner_code(refused) == "ForbiddenByPolicy"
    onboarded.vault.policies[onboarded.app_object_id] = {"secrets/all"}
    found = send(onboarded, "GET", f"/secrets/{world.KEY_SECRET}", client_id=onboarded.app_client_id)
    assert found.status_code == 200


def test_the_minimum_is_that_of_the_sample_for_both() -> None:
    with world.World(Options(minimal_permissions=True)) as running:
        assert running.vault.permissions == SAMPLE_PERMISSIONS
        assert running.vault.policies[running.app_object_id] == SAMPLE_PERMISSIONS


def test_a_policy_can_take_a_while_to_be_known_everywhere(onboarded: world.World) -> None:
    onboarded.vault.policy_delay = 3600
    onboarded.vault.set_policy(onboarded.identity.object_id, {"secrets/list"})
    assert onboarded.vault.permissions == {"secrets/list"}
    assert inner_code(send(onboarded, "GET", "/secrets")) == "ForbiddenByPolicy"
    assert send(onboarded, "GET", f"/secrets/{world.KEY_SECRET}").status_code == 200
    onboarded.vault.settle()
    assert send(onboarded, "GET", "/secrets").status_code == 200
    assert inner_code(send(onboarded, "GET", f"/secrets/{world.KEY_SECRET}")) == "ForbiddenByPolicy"


def test_no_policy_counts_in_rbac_mode(onboarded: world.World) -> None:
    onboarded.vault.permissions |= EVERY
    onboarded.vault.rbac = True
    for path in (f"/secrets/{world.KEY_SECRET}", f"/storage/{world.ACCOUNT}"):
        refused = send(onboarded, "GET", path)
        assert (refused.status_code, inner_code(refused)) == (403, "ForbiddenByRbac")


@pytest.mark.parametrize("status", [400, 403])
def test_key_vault_s_own_application_needs_the_role_on_the_account(bare: world.World, status: int) -> None:
    bare.vault.permissions |= EVERY
    bare.vault.service_status = status
    unassign(bare, bare.vault.service_principal_id)
    refused = manage(bare)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, "Forbidden")
    assert "Key vault service doesn't have proper permissions" in refused.json()["error"]["message"]
    assert bare.vault.storage.accounts == {}


def test_the_caller_needs_the_role_on_the_account_as_well(bare: world.World) -> None:
    bare.vault.policies[bare.app_object_id] = set(EVERY)
    refused = manage(bare, bare.app_client_id)
    assert refused.status_code == 403
    message = refused.json()["error"]["message"]
    assert f"object id '{bare.app_object_id}'" in message
    assert "Microsoft.Storage/storageAccounts/listkeys/action" in message
    role = roles.Assignment(bare.account.resource_id, roles.KEY_OPERATOR, bare.app_object_id)
    bare.resource_manager.role_assignments.append(role)
    assert manage(bare, bare.app_client_id).status_code == 200
    assert bare.vault.storage.accounts[world.ACCOUNT].account is bare.account


def test_regenerating_a_key_needs_both_roles_too(onboarded: world.World) -> None:
    onboarded.vault.permissions |= EVERY
    path, body = f"/storage/{world.ACCOUNT}/regeneratekey", {"keyName": "key2"}
    assert send(onboarded, "POST", path, body).status_code == 200
    keys = dict(onboarded.account.keys)
    for principal_id, status in ((onboarded.vault.service_principal_id, 400), (onboarded.identity.object_id, 403)):
        unassign(onboarded, principal_id)
        assert send(onboarded, "POST", path, body).status_code == status
    assert onboarded.account.keys == keys


def test_a_bare_world_has_nothing_of_an_onboarding(bare: world.World) -> None:
    assert bare.vault.storage.accounts == {}
    assert bare.vault.secrets.secrets == {}
    assert bare.master.authorized_keys == []
    assert bare.vault.policies == {}
    with (
        ManagedIdentityCredential() as credential,
        SecretClient(bare.vault.url, credential, api_version="7.4") as client,
        pytest.raises(HttpResponseError, match="does not have secrets get permission"),
    ):
        client.get_secret(world.KEY_SECRET)


def test_a_bare_vault_manages_the_account_once_it_is_told_to(bare: world.World) -> None:
    bare.vault.permissions |= EVERY
    made = manage(bare)
    assert made.status_code == 200
    assert made.json()["resourceId"] == bare.account.resource_id
    definition = {
        "templateUri": "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
        "sasType": "account",
        "validityPeriod": "PT4H",
    }
    assert send(bare, "PUT", f"/storage/{world.ACCOUNT}/sas/blobs", definition).status_code == 200
    sas = send(bare, "GET", f"/secrets/{world.ACCOUNT}-blobs").json()["value"]
    assert bare.blob_status(sas) == 200
