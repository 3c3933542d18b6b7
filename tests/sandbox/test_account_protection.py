"""What protects a storage account in Resource Manager: policies, switches, locks, and roles of several kinds."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage.models import StorageAccountUpdateParameters

from sandbox import world
from sandbox.azure import account_sas
from sandbox.resource_manager import locks, roles
from tests import surroundings
from tests.sandbox.test_resource_manager import GROUP, STRANGER, address, code, send


@pytest.fixture(scope="module")
def started() -> Iterator[world.World]:
    with world.World() as running:
        client_id, object_id = STRANGER
        running.identity.user_assigned[client_id] = object_id
        yield running


@pytest.fixture
def running(started: world.World, monkeypatch: pytest.MonkeyPatch) -> Iterator[world.World]:
    assignments = list(started.resource_manager.role_assignments)
    yield surroundings.enter(started, monkeypatch)
    started.resource_manager.role_assignments = assignments
    account = started.account
    account.sas_policy, account.key_expiration_days, account.shared_key_services = None, None, {}
    account.private = False


@pytest.fixture
def storage(running: world.World) -> Iterator[StorageManagementClient]:
    with (
        ManagedIdentityCredential() as credential,
        StorageManagementClient(credential, running.account.subscription_id, **address(running)) as client,
    ):
        yield client


def test_policies_and_switches_of_an_account_are_shown_and_changed(
    running: world.World, storage: StorageManagementClient
) -> None:
    found = storage.storage_accounts.get_properties(GROUP, world.ACCOUNT)
    assert (found.sas_policy, found.key_policy, found.allow_shared_key_access_for_services) == (None, None, None)
    properties: dict[str, Any] = {
        "sasPolicy": {
            "sasExpirationPeriod": "0.12:00:00",
            "expirationAction": "Block",
            "requireUserBoundUserDelegationSas": True,
            "requireUserBoundUserDelegationSasAction": "Log",
        },
        "keyPolicy": {"keyExpirationPeriodInDays": 30},
        "allowSharedKeyAccessForServices": {"blob": {"enabled": False}},
    }
    changed = StorageAccountUpdateParameters({"properties": properties})
    storage.storage_accounts.update(GROUP, world.ACCOUNT, changed)
    found = storage.storage_accounts.get_properties(GROUP, world.ACCOUNT)
    assert found.sas_policy is not None
    assert found.sas_policy.require_user_bound_user_delegation_sas_action == "Log"
    assert found.key_policy is not None
    assert found.key_policy.key_expiration_period_in_days == 30
    assert found.allow_shared_key_access_for_services is not None
    assert found.allow_shared_key_access_for_services.blob is not None
    assert found.allow_shared_key_access_for_services.blob.enabled is False
    assert not running.account.takes_shared_key("blob")
    older = send(running, "GET", running.account.resource_id, **{"api-version": "2025-01-01"}).json()["properties"]
    assert older["sasPolicy"] == {"sasExpirationPeriod": "0.12:00:00", "expirationAction": "Block"}
    assert "allowSharedKeyAccessForServices" not in older
    wrong: dict[str, Any] = {"properties": {"sasPolicy": {"sasExpirationPeriod": "12h", "expirationAction": "Log"}}}
    assert code(send(running, "PATCH", running.account.resource_id, wrong)) == (400, "BadRequest")
    none = {"properties": {"sasPolicy": None, "keyPolicy": None}}
    assert "sasPolicy" not in send(running, "PATCH", running.account.resource_id, none).json()["properties"]


def test_locks_are_listed_from_above_and_go_with_a_right_that_contributors_lack(running: world.World) -> None:
    account_id, group = running.account.resource_id, running.account.resource_id.partition("/providers/")[0]
    path = f"{account_id}/providers/Microsoft.Authorization/locks"
    assert send(running, "GET", path).json() == {"value": []}
    running.resource_manager.locks += [locks.Lock(group, "frozen", notes="until Monday"), locks.Lock(account_id, "own")]
    listed = send(running, "GET", path).json()["value"]
    assert [(one["name"], one["properties"]["level"]) for one in listed] == [
        ("frozen", "ReadOnly"),
        ("own", "ReadOnly"),
    ]
    below = send(running, "GET", f"{group}/providers/Microsoft.Authorization/locks", **{"$filter": "atScope()"})
    assert [one["name"] for one in below.json()["value"]] == ["frozen"]
    assert code(send(running, "POST", f"{account_id}/listKeys")) == (409, "ScopeLocked")
    assert send(running, "GET", account_id).status_code == 200
    assert code(send(running, "DELETE", f"{path}/own")) == (403, "AuthorizationFailed")
    running.resource_manager.role_assignments.append(roles.Assignment(group, roles.OWNER, running.identity.object_id))
    assert send(running, "DELETE", f"{path}/own").status_code == 200
    assert code(send(running, "DELETE", f"{path}/own")) == (404, "LockNotFound")
    assert send(running, "DELETE", listed[0]["id"]).status_code == 200
    assert send(running, "POST", f"{account_id}/listKeys").status_code == 200


def test_a_custom_role_is_defined_and_assigned_like_the_others(running: world.World) -> None:
    group = running.account.resource_id.partition("/providers/")[0]
    action = "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action"
    path = f"{group}/providers/Microsoft.Authorization/roleDefinitions/0d7a0c1e-0000-0000-0000-000000000001"
    role = {"roleName": "Revoker", "assignableScopes": [group], "permissions": [{"actions": [action]}]}
    assert code(send(running, "PUT", path, {"properties": role})) == (403, "AuthorizationFailed")
    running.resource_manager.role_assignments.append(roles.Assignment(group, roles.OWNER, running.identity.object_id))
    made = send(running, "PUT", path, {"properties": role}).json()
    assert made["properties"] == {"roleName": "Revoker", "type": "CustomRole"}
    assert code(send(running, "PUT", path, {"properties": {}})) == (400, "BadRequest")
    listed = send(running, "GET", path.rpartition("/")[0], **{"$filter": "roleName eq 'revoker'"}).json()["value"]
    assert [one["name"] for one in listed] == [made["name"]]
    client_id, object_id = STRANGER
    revoke = f"{running.account.resource_id}/revokeUserDelegationKeys"
    assert code(send(running, "POST", revoke, client_id=client_id)) == (403, "AuthorizationFailed")
    assignment = f"{running.account.resource_id}/providers/Microsoft.Authorization/roleAssignments/one"
    body = {"properties": {"roleDefinitionId": made["id"], "principalId": object_id}}
    assert send(running, "PUT", assignment, body).status_code == 201
    assert send(running, "POST", revoke, client_id=client_id).status_code == 200
    assert send(running, "POST", revoke).status_code == 200


def test_a_role_on_a_container_opens_its_blobs(running: world.World) -> None:
    _, object_id = STRANGER
    group, container_id = (
        running.account.resource_id.partition("/providers/")[0],
        running.account.container_id("pictures"),
    )
    running.resource_manager.role_assignments.append(roles.Assignment(group, roles.OWNER, running.identity.object_id))
    path = f"{container_id}/providers/Microsoft.Authorization/roleAssignments/one"
    body = {"properties": {"roleDefinitionId": roles.STORAGE_BLOB_DATA_READER, "principalId": object_id}}
    assert send(running, "PUT", path, body).status_code == 201
    may = running.resource_manager.opens_data
    assert may(object_id, f"{roles.CONTAINERS}/blobs/read", container_id)
    assert not may(object_id, f"{roles.CONTAINERS}/blobs/write", container_id)
    assert not may(object_id, f"{roles.CONTAINERS}/blobs/read", running.account.container_id("others"))
    assert not may(object_id, f"{roles.CONTAINERS}/blobs/read", running.account.resource_id)


def test_a_private_account_refuses_every_sas(running: world.World, storage: StorageManagementClient) -> None:
    sas = account_sas.token(
        world.ACCOUNT,
        running.account.keys["key1"],
        {"sv": "2018-03-28", "ss": "b", "srt": "o", "sp": "r", "se": "2099-01-01T00:00:00Z"},
    )
    assert running.blob_status(sas) == 200
    closed = StorageAccountUpdateParameters({"properties": {"publicNetworkAccess": "Disabled"}})
    storage.storage_accounts.update(GROUP, world.ACCOUNT, closed)
    assert running.blob_status(sas) == 403
    found = storage.storage_accounts.get_properties(GROUP, world.ACCOUNT)
    assert found.public_network_access == "Disabled"
