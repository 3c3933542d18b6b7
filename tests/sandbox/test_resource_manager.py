"""Resource Manager of the sandbox, through Microsoft's own clients."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ManagedIdentityCredential
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.models import (
    AccessPolicyEntry,
    Permissions,
    VaultAccessPolicyParameters,
    VaultAccessPolicyProperties,
)
from azure.mgmt.storage import StorageManagementClient

from sandbox import world
from sandbox.resource_manager import roles, versions
from sandbox.server import faults
from tests import surroundings

GROUP = "sandbox"
STRANGER = ("11111111-0000-0000-0000-000000000000", "11111111-0000-0000-0000-000000000001")
API_VERSIONS = {"Microsoft.Web": "2024-04-01", "Microsoft.Authorization": "2022-04-01"}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[world.World]:
    with world.World() as started:
        client_id, object_id = STRANGER
        started.identity.user_assigned[client_id] = object_id
        yield surroundings.enter(started, monkeypatch)


@pytest.fixture
def credential() -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential() as made:
        yield made


def address(running: world.World) -> dict[str, Any]:
    """Where the management clients find this Resource Manager."""
    url = running.resource_manager.url
    return {"base_url": url, "credential_scopes": [f"{url}/.default"]}


@pytest.fixture
def vaults(running: world.World, credential: ManagedIdentityCredential) -> Iterator[KeyVaultManagementClient]:
    where = address(running) | {"api_version": versions.NEWEST["microsoft.keyvault"]}
    with KeyVaultManagementClient(credential, running.account.subscription_id, **where) as client:
        yield client


@pytest.fixture
def storage(running: world.World, credential: ManagedIdentityCredential) -> Iterator[StorageManagementClient]:
    where = address(running) | {"api_version": versions.NEWEST["microsoft.storage"]}
    with StorageManagementClient(credential, running.account.subscription_id, **where) as client:
        yield client


def send(
    running: world.World, method: str, path: str, body: Any = None, *, client_id: str | None = None, **query: str
) -> HttpResponse:
    """Send with azure-mgmt-core alone; the api-version is that of the path's last provider."""
    url = running.resource_manager.url
    provider = path.rpartition("/providers/")[2].partition("/")[0]
    parameters = {"api-version": API_VERSIONS.get(provider, "2024-01-01")} | query
    with ManagedIdentityCredential(client_id=client_id) as credential:
        policies = [
            RetryPolicy(retry_backoff_factor=0.01),
            ARMChallengeAuthenticationPolicy(credential, f"{url}/.default"),
        ]
        with ARMPipelineClient[HttpRequest, HttpResponse](url, policies=policies) as client:
            response = client.send_request(HttpRequest(method, f"{url}{path}", params=parameters, json=body))
            response.read()
            return response


def code(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def app_settings(running: world.World) -> dict[str, str]:
    return running.resource_manager.sites[running.function_app_id].app_settings


def test_the_vault_says_its_mode_its_url_and_its_policies(
    running: world.World, vaults: KeyVaultManagementClient
) -> None:
    found = vaults.vaults.get(GROUP, "sandbox")
    assert found.id == running.vault_id
    properties = found.properties
    assert properties.vault_uri == f"{running.vault.url}/"
    assert properties.enable_rbac_authorization is False
    assert (properties.enable_soft_delete, properties.enable_purge_protection) == (True, True)
    assert properties.public_network_access == "Enabled"
    policies = {one.object_id: one.permissions for one in properties.access_policies or []}
    assert set(policies) == {running.identity.object_id, running.app_object_id}
    assert policies[running.app_object_id].secrets == ["get"]
    assert policies[running.app_object_id].storage == ["get", "getsas", "regeneratekey", "setsas"]


def test_an_added_policy_joins_what_the_object_id_has(running: world.World, vaults: KeyVaultManagementClient) -> None:
    before = set(running.vault.policies[running.app_object_id])
    entry = AccessPolicyEntry(
        tenant_id=running.resource_manager.tenant_id,
        object_id=running.app_object_id,
        permissions=Permissions(storage=["regeneratekey"]),
    )
    parameters = VaultAccessPolicyParameters(properties=VaultAccessPolicyProperties(access_policies=[entry]))
    answer = vaults.vaults.update_access_policy(GROUP, "sandbox", "add", parameters)
    assert running.vault.policies[running.app_object_id] == before | {"storage/regeneratekey"}
    answered = {one.object_id: one.permissions.storage for one in answer.properties.access_policies}
    assert "regeneratekey" in (answered[running.app_object_id] or [])


def test_a_policy_that_names_an_application_too_is_another_one(
    running: world.World, vaults: KeyVaultManagementClient
) -> None:
    before = set(running.vault.policies[running.app_object_id])
    entry = AccessPolicyEntry(
        tenant_id=running.resource_manager.tenant_id,
        object_id=running.app_object_id,
        application_id="11111111-1111-1111-1111-111111111111",
        permissions=Permissions(storage=["list"]),
    )
    parameters = VaultAccessPolicyParameters(properties=VaultAccessPolicyProperties(access_policies=[entry]))
    answer = vaults.vaults.update_access_policy(GROUP, "sandbox", "add", parameters)
    assert running.vault.policies[running.app_object_id] == before
    answered = [one.application_id for one in answer.properties.access_policies if one.object_id == entry.object_id]
    assert answered == [None, entry.application_id]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("replace", {"storage/get"}),
        ("remove", {"secrets/get", "storage/setsas", "storage/getsas", "storage/regeneratekey"}),
    ],
)
def test_a_policy_is_replaced_or_taken_away(running: world.World, kind: str, expected: set[str]) -> None:
    entry = policy(running, {"storage": ["Get"]})
    response = send(running, "PUT", f"{running.vault_id}/accessPolicies/{kind}", entry)
    assert response.status_code == 200
    assert running.vault.policies[running.app_object_id] == expected
    assert "secrets/get" in running.vault.permissions


def policy(running: world.World, permissions: dict[str, list[str]], **changes: str) -> dict[str, Any]:
    entry = {"tenantId": running.resource_manager.tenant_id, "objectId": running.app_object_id, **changes}
    return {"properties": {"accessPolicies": [{**entry, "permissions": permissions}]}}


def test_a_wrong_policy_is_refused_and_changes_nothing(running: world.World) -> None:
    before = {object_id: set(permissions) for object_id, permissions in running.vault.policies.items()}
    without: dict[str, Any] = {"properties": {}}
    for body in (
        policy(running, {"storage": ["mint"]}),
        policy(running, {"secret": ["get"]}),
        policy(running, {"storage": ["get"]}, tenantId="22222222-0000-0000-0000-000000000000"),
        policy(running, {"storage": ["get"]}, objectId=""),
        without,
    ):
        response = send(running, "PUT", f"{running.vault_id}/accessPolicies/add", body)
        assert code(response) == (400, "BadRequest")
    assert running.vault.policies == before


def test_an_account_s_properties_are_read(running: world.World, storage: StorageManagementClient) -> None:
    account = running.account
    account.sas_policy = {"sasExpirationPeriod": "1.00:00:00", "expirationAction": "Log"}
    account.key_expiration_days = 60
    found = storage.storage_accounts.get_properties(GROUP, account.name)
    assert (found.id, found.kind, found.location) == (account.resource_id, "StorageV2", "westeurope")
    assert found.allow_shared_key_access is True
    assert found.minimum_tls_version == "TLS1_2"
    assert found.key_creation_time.key1 == account.key_created["key1"]
    assert found.sas_policy.sas_expiration_period == "1.00:00:00"
    assert found.key_policy.key_expiration_period_in_days == 60
    assert found.primary_endpoints.blob == f"{running.settings['STORAGE_BLOB_ENDPOINT']}/"


def test_keys_are_listed_and_regenerated(running: world.World, storage: StorageManagementClient) -> None:
    before = dict(running.account.keys)
    listed = storage.storage_accounts.list_keys(GROUP, running.account.name).keys_property or []
    assert {key.key_name: key.value for key in listed} == before
    made = storage.storage_accounts.regenerate_key(GROUP, running.account.name, {"keyName": "key2"}).keys_property or []
    after = {key.key_name: key.value for key in made}
    assert after == running.account.keys
    assert (after["key1"], after["key2"] != before["key2"]) == (before["key1"], True)
    with pytest.raises(HttpResponseError) as raised:
        storage.storage_accounts.regenerate_key(GROUP, running.account.name, {"keyName": "key3"})
    assert raised.value.status_code == 400


def test_the_app_s_own_account_is_there_as_well(storage: StorageManagementClient) -> None:
    assert storage.storage_accounts.get_properties(GROUP, world.APP_ACCOUNT).name == world.APP_ACCOUNT


def test_what_does_not_exist_is_a_404_that_says_what(running: world.World, storage: StorageManagementClient) -> None:
    with pytest.raises(ResourceNotFoundError) as raised:
        storage.storage_accounts.get_properties(GROUP, "unknown")
    assert raised.value.error is not None
    assert raised.value.error.code == "ResourceNotFound"
    owner = roles.Assignment("/subscriptions", roles.OWNER, running.identity.object_id)
    running.resource_manager.role_assignments.append(owner)
    elsewhere = running.vault_id.replace("resourceGroups/sandbox", "resourceGroups/other")
    assert code(send(running, "GET", elsewhere)) == (404, "ResourceGroupNotFound")
    elsewhere = running.vault_id.replace("/subscriptions/0", "/subscriptions/1")
    assert code(send(running, "GET", elsewhere)) == (404, "SubscriptionNotFound")
    assert code(send(running, "GET", f"{running.vault_id}/nothing")) == (404, "InvalidResourceType")


def test_letter_case_does_not_count_in_a_path(running: world.World) -> None:
    assert send(running, "GET", running.vault_id.upper()).json()["id"] == running.vault_id


def test_a_function_app_says_its_identity(running: world.World) -> None:
    found = send(running, "GET", running.function_app_id).json()
    assert found["kind"] == "functionapp,linux"
    assert found["identity"]["type"] == "UserAssigned"
    ((identity_id, identity),) = found["identity"]["userAssignedIdentities"].items()
    assert "/Microsoft.ManagedIdentity/userAssignedIdentities/" in identity_id
    assert identity == {"clientId": running.app_client_id, "principalId": running.app_object_id}
    assert running.identity.user_assigned[running.app_client_id] == running.app_object_id


def test_a_function_app_can_have_a_system_assigned_identity_or_none(running: world.World) -> None:
    site = running.resource_manager.sites[running.function_app_id]
    site.principal_id = "object-1"
    both = send(running, "GET", running.function_app_id).json()["identity"]
    assert (both["type"], both["principalId"]) == ("SystemAssigned, UserAssigned", "object-1")
    site.principal_id = None
    site.user_assigned.clear()
    assert "identity" not in send(running, "GET", running.function_app_id).json()


def test_app_settings_are_listed_by_post_and_replaced_as_a_whole(running: world.World) -> None:
    path = f"{running.function_app_id}/config/appsettings"
    held = send(running, "POST", f"{path}/list").json()["properties"]
    assert held["FOREIGN"] == "stays"
    assert held["AzureWebJobsStorage__accountName"] == world.APP_ACCOUNT
    assert send(running, "PUT", path, {"properties": {**held, "NEW": "1"}}).status_code == 200
    assert app_settings(running) == {**held, "NEW": "1"}
    assert send(running, "PUT", path, {"properties": {"ONLY": "1"}}).json()["properties"] == {"ONLY": "1"}
    assert app_settings(running) == {"ONLY": "1"}


def test_app_settings_are_texts_and_are_not_read_with_get(running: world.World) -> None:
    path = f"{running.function_app_id}/config/appsettings"
    held = app_settings(running)
    assert code(send(running, "PUT", path, {"properties": {"NUMBER": 1}})) == (400, "BadRequest")
    assert code(send(running, "GET", path)) == (405, "MethodNotAllowed")
    assert app_settings(running) == held


def permissions(running: world.World, scope: str, client_id: str | None = None) -> list[dict[str, Any]]:
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    value: list[dict[str, Any]] = send(running, "GET", path, client_id=client_id).json()["value"]
    return value


def test_the_caller_s_permissions_come_one_entry_for_each_role(running: world.World) -> None:
    contributor, key_operator = permissions(running, running.account.resource_id)
    assert contributor["actions"] == ["*"]
    assert "Microsoft.Authorization/*/Write" in contributor["notActions"]
    assert "Microsoft.Storage/storageAccounts/listkeys/action" in key_operator["actions"]
    assert len(permissions(running, running.vault_id)) == 1
    assert permissions(running, running.account.resource_id, STRANGER[0]) == []


def principals(running: world.World, scope: str, **query: str) -> set[str]:
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
    query = {f"${name}": value for name, value in query.items()}
    value = send(running, "GET", path, **query).json()["value"]
    return {one["properties"]["principalId"] for one in value}


def test_role_assignments_are_listed_with_the_inherited_ones(running: world.World) -> None:
    operator, service = running.identity.object_id, running.vault.service_principal_id
    account, vault_id = running.account.resource_id, running.vault_id
    group = vault_id.partition("/providers/")[0]
    assert principals(running, account, filter="atScope()") == {operator, service}
    assert principals(running, vault_id) == {operator}
    assert principals(running, group, filter="atScope()") == {operator}
    assert principals(running, group) == {operator, service, running.app_object_id}
    assert principals(running, account, filter=f"principalId eq '{service}'") == {service}
    assert principals(running, account, filter=f"atScope() and assignedTo('{service}')") == {service}


def test_a_role_assignment_says_role_principal_and_scope(running: world.World) -> None:
    service, account = running.vault.service_principal_id, running.account.resource_id
    path = f"{account}/providers/Microsoft.Authorization/roleAssignments"
    (found,) = send(running, "GET", path, **{"$filter": f"principalId eq '{service}'"}).json()["value"]
    assert found["properties"]["roleDefinitionId"].endswith(f"/roleDefinitions/{roles.KEY_OPERATOR}")
    assert (found["properties"]["scope"], found["properties"]["principalType"]) == (account, "ServicePrincipal")
    assert code(send(running, "GET", path, **{"$filter": "nonsense"})) == (400, "UnsupportedFilter")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (roles.OWNER, {"read", "policies", "keys", "settings", "list-settings"}),
        (roles.CONTRIBUTOR, {"read", "policies", "keys", "settings", "list-settings"}),
        (roles.READER, {"read"}),
        (roles.KEY_OPERATOR, {"keys"}),
    ],
)
def test_a_role_allows_what_its_definition_says(running: world.World, role: str, allowed: set[str]) -> None:
    group = running.vault_id.partition("/providers/")[0]
    running.resource_manager.role_assignments.append(roles.Assignment(group, role, STRANGER[1]))
    settings = f"{running.function_app_id}/config/appsettings"
    calls = {
        "read": ("GET", running.vault_id, None),
        "policies": ("PUT", f"{running.vault_id}/accessPolicies/add", policy(running, {"storage": ["get"]})),
        "keys": ("POST", f"{running.account.resource_id}/listKeys", None),
        "settings": ("PUT", settings, {"properties": app_settings(running)}),
        "list-settings": ("POST", f"{settings}/list", None),
    }
    answers = {name: send(running, *call, client_id=STRANGER[0]).status_code for name, call in calls.items()}
    assert answers == {name: 200 if name in allowed else 403 for name in calls}


def test_no_contributor_hands_out_roles(running: world.World) -> None:
    operator, action = running.identity.object_id, "microsoft.authorization/roleAssignments/WRITE"
    assert not running.resource_manager.authorizes(operator, action, running.vault_id)


def test_a_refusal_names_client_action_and_scope(running: world.World) -> None:
    client_id, object_id = STRANGER
    response = send(running, "POST", f"{running.account.resource_id}/listKeys", client_id=client_id)
    assert code(response) == (403, "AuthorizationFailed")
    message = response.json()["error"]["message"]
    assert message.startswith(f"The client '{client_id}' with object id '{object_id}' does not have authorization")
    assert "action 'Microsoft.Storage/storageAccounts/listkeys/action'" in message
    assert f"over scope '{running.account.resource_id}'" in message
    assert running.journal.events("resource-manager") == []


def test_a_role_on_one_resource_is_none_on_another_with_a_longer_name(running: world.World) -> None:
    running.resource_manager.role_assignments[:] = [roles.Assignment(running.vault_id[:-1], roles.OWNER, STRANGER[1])]
    assert send(running, "GET", running.vault_id, client_id=STRANGER[0]).status_code == 403


def read_vault(running: world.World, token: str | None, query: str = "api-version=2024-01-01") -> tuple[int, str]:
    """Ask for the vault without any credential policy."""
    url = running.resource_manager.url
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with ARMPipelineClient[HttpRequest, HttpResponse](url, policies=[]) as client:
        response = client.send_request(HttpRequest("GET", f"{url}{running.vault_id}?{query}", headers=headers))
        response.read()
        return (200, "") if response.status_code == 200 else code(response)


def test_tokens_are_for_resource_manager_and_valid(running: world.World) -> None:
    issue, url = running.identity.issue, running.resource_manager.url
    for audience in (url, f"{url}/", "https://management.azure.com", "https://management.azure.com/"):
        assert audience in running.identity.audiences
        assert read_vault(running, issue(audience)) == (200, "")
    assert read_vault(running, None) == (401, "AuthenticationFailed")
    assert read_vault(running, issue(running.vault.resource)) == (401, "InvalidAuthenticationTokenAudience")
    assert read_vault(running, issue(url, lifetime=-1)) == (401, "ExpiredAuthenticationToken")
    assert read_vault(running, issue(url)[:-3] + "abc") == (401, "InvalidAuthenticationToken")


def test_an_api_version_is_required(running: world.World) -> None:
    token = running.identity.issue(running.resource_manager.url)
    assert read_vault(running, token, "") == (400, "MissingApiVersionParameter")
    assert read_vault(running, token, "api-version=7.4") == (400, "InvalidApiVersionParameter")


@pytest.mark.parametrize("client", [KeyVaultManagementClient, StorageManagementClient])
def test_an_api_version_that_not_every_cloud_serves_is_refused(
    running: world.World, credential: ManagedIdentityCredential, client: Any
) -> None:
    """The SDKs' own defaults are such, of storage not in the public cloud."""
    running.resource_manager.newest_versions["microsoft.storage"] = "2025-01-01"
    with client(credential, running.account.subscription_id, **address(running)) as made:
        group = made.vaults if client is KeyVaultManagementClient else made.storage_accounts
        read = group.get if client is KeyVaultManagementClient else group.get_properties
        with pytest.raises(HttpResponseError) as raised:
            read(GROUP, "sandbox")
    assert raised.value.error is not None
    assert (raised.value.status_code, raised.value.error.code) == (400, "NoRegisteredProviderFound")


def test_keys_for_kerberos_are_listed_where_there_are_any_and_they_are_asked_for(running: world.World) -> None:
    path = f"{running.account.resource_id}/listKeys"
    made = running.account.key_created["key1"].replace(microsecond=123456)
    running.account.key_created["key1"] = made
    plain = send(running, "POST", path).json()["keys"]
    assert list(plain[0]) == ["creationTime", "keyName", "value", "permissions"]
    assert plain[0]["creationTime"] == f"{made:%Y-%m-%dT%H:%M:%S}.1234560Z"
    assert send(running, "POST", path, **{"$expand": "kerb"}).json()["keys"] == plain
    running.account.kerberos_keys = {"kerb1": "YQ==", "kerb2": "Yg=="}
    assert send(running, "POST", path).json()["keys"] == plain
    names = [one["keyName"] for one in send(running, "POST", path, **{"$expand": "kerb"}).json()["keys"]]
    assert names == ["key1", "key2", "kerb1", "kerb2"]


def test_an_answer_has_an_id_that_support_asks_for(running: world.World) -> None:
    answers = [send(running, "GET", running.vault_id), send(running, "GET", f"{running.vault_id}/nothing")]
    assert len({one.headers["x-ms-request-id"] for one in answers}) == 2
    assert all(one.headers["x-ms-correlation-request-id"] for one in answers)


def test_throttling_is_retried_by_the_sdk(running: world.World, vaults: KeyVaultManagementClient) -> None:
    running.resource_manager.faults.append(faults.Fault(headers={"Retry-After": "0"}, times=2))
    assert vaults.vaults.get(GROUP, "sandbox").name == "sandbox"
    assert [(event.action, event.detail, event.phase) for event in running.journal.events("resource-manager")] == [
        ("get-vault", "sandbox", "before"),
        ("get-vault", "sandbox", "after"),
    ]


def test_an_answer_can_get_lost_after_the_request_took_effect(running: world.World) -> None:
    running.resource_manager.faults.append(faults.Fault("PUT", status=503, code="Lost", carried_out=True))
    path = f"{running.function_app_id}/config/appsettings"
    assert send(running, "PUT", path, {"properties": {"ONLY": "1"}}).status_code == 200
    assert len(running.journal.events("resource-manager")) == 4


def test_a_connection_can_be_cut(running: world.World) -> None:
    running.resource_manager.faults.append(faults.Fault(status=0, times=99))
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        send(running, "GET", running.vault_id)


def test_a_contributor_assigns_no_roles(running: world.World) -> None:
    scope = running.account.resource_id
    definition = f"/providers/Microsoft.Authorization/roleDefinitions/{roles.READER}"
    properties = {"roleDefinitionId": definition, "principalId": running.app_object_id}
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{STRANGER[1]}"
    refused = send(running, "PUT", path, {"properties": properties})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    group = scope.partition("/providers/")[0]
    owner = roles.Assignment(group, roles.OWNER, running.identity.object_id)
    running.resource_manager.role_assignments.append(owner)
    made = send(running, "PUT", path, {"properties": properties})
    assert (made.status_code, made.json()["name"]) == (201, STRANGER[1])
    assert send(running, "PUT", path, {"properties": properties}).json()["error"]["code"] == "RoleAssignmentExists"
    assert running.resource_manager.authorizes(running.app_object_id, "Microsoft.Storage/storageAccounts/read", scope)


def test_lists_leave_out_what_the_caller_may_not_read(running: world.World) -> None:
    subscription = f"/subscriptions/{running.account.subscription_id}/providers"
    for kind, count in (("Microsoft.KeyVault/vaults", 1), ("Microsoft.Storage/storageAccounts", 2)):
        assert len(send(running, "GET", f"{subscription}/{kind}").json()["value"]) == count
        assert send(running, "GET", f"{subscription}/{kind}", client_id=STRANGER[0]).json() == {"value": []}


def test_only_what_is_sent_is_changed(running: world.World) -> None:
    rules = {"defaultAction": "Deny", "ipRules": [{"value": "192.0.2.1"}, {"value": "198.51.100.0/24"}]}
    for scope in (running.vault_id, running.account.resource_id):
        changed = send(running, "PATCH", scope, {"properties": {"networkAcls": rules}}).json()["properties"]
        assert [rule["value"] for rule in changed["networkAcls"]["ipRules"]] == ["192.0.2.1/32", "198.51.100.0/24"]
    assert (running.vault.rbac, running.account.allow_shared_key_access) == (False, True)
    open_to_all = {**rules, "defaultAction": "Allow"}
    send(
        running,
        "PATCH",
        running.vault_id,
        {"properties": {"networkAcls": open_to_all, "enableRbacAuthorization": True}},
    )
    assert (running.vault.rbac, running.vault.firewall) == (True, None)
    refused = send(running, "PATCH", running.vault_id, {"properties": {"networkAcls": {"ipRules": [{"value": "?"}]}}})
    assert refused.status_code == 400
