"""Command lines of `az` against the sandbox: each mends what it is printed for, and nothing else."""

import contextlib
import http.client
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from sandbox import world
from sandbox.resource_manager import roles
from sandbox.server import faults
from tests import surroundings
from tests.remedies.shell import KEY_VAULT_APPLICATION, Shell


@pytest.fixture(scope="module")
def shared() -> Iterator[world.World]:
    with world.World() as started:
        yield started


@pytest.fixture
def running(shared: world.World, monkeypatch: pytest.MonkeyPatch) -> world.World:
    return surroundings.enter(shared, monkeypatch)


@pytest.fixture
def shell(running: world.World, tmp_path: Path) -> Shell:
    return Shell(running, tmp_path)


def read_vault(running: world.World, path: str) -> HttpResponse:
    with (
        ManagedIdentityCredential() as credential,
        SecretClient(running.vault.url, credential, api_version="7.4") as client,
    ):
        return client.send_request(HttpRequest("GET", path))


def inner_code(response: HttpResponse) -> str:
    return str(response.json()["error"]["innererror"]["code"])


def list_blobs(running: world.World, account: str, headers: dict[str, str], sas: str = "") -> tuple[int, str | None]:
    """List a container's blobs; gives the status and the error code."""
    url = urllib.parse.urlsplit(running.blob.url(account))
    context = running.authority.client_context()
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=10)
    running.blob.put_container(account, "reports")
    with contextlib.closing(connection):
        query = f"restype=container&comp=list&{sas}"
        connection.request("GET", f"{url.path}/reports?{query}", headers={"x-ms-version": "2021-12-02"} | headers)
        with connection.getresponse() as response:
            response.read()
            return response.status, response.headers["x-ms-error-code"]


def as_app(running: world.World) -> dict[str, str]:
    token = running.identity.issue("https://storage.azure.com", running.app_client_id)
    return {"Authorization": f"Bearer {token}"}


def test_policy_lists_that_are_given_replace_the_former_ones(running: world.World, shell: Shell) -> None:
    policies = running.vault.policies
    policies["someone"] = {"secrets/get", "secrets/list", "storage/get"}
    line = "az keyvault set-policy --name sandbox --object-id someone --secret-permissions get set"
    shell.carry_out(line)
    assert policies["someone"] == {"secrets/get", "secrets/set", "storage/get"}
    shell.carry_out(f"{line} --storage-permissions getsas setsas")
    assert policies["someone"] == {"secrets/get", "secrets/set", "storage/getsas", "storage/setsas"}
    shell.carry_out("az keyvault set-policy --name sandbox --object-id someone --secret-permissions")
    assert policies["someone"] == {"storage/getsas", "storage/setsas"}


def test_list_that_is_asked_for_first_is_kept(running: world.World, shell: Shell) -> None:
    running.vault.policies["someone"] = {"secrets/get", "secrets/list"}
    query = "properties.accessPolicies[?objectId=='someone'].permissions.secrets[]"
    there = f'az keyvault show --name sandbox --query "{query}" --output tsv'
    assert shell.carry_out(there) == "get\nlist\n"
    line = "az keyvault set-policy --name sandbox --object-id"
    shell.carry_out(f"{line} someone --secret-permissions get set $({there})")
    assert running.vault.policies["someone"] == {"secrets/get", "secrets/list", "secrets/set"}
    assert shell.carry_out(there.replace("someone", "nobody")) == ""


def test_unknown_permission_is_refused_and_changes_nothing(running: world.World, shell: Shell) -> None:
    before = dict(running.vault.policies)
    done = shell.run("az keyvault set-policy --name sandbox --object-id someone --storage-permissions fly")
    assert done.status == 1
    assert done.stderr.startswith("ERROR: (BadRequest) ")
    assert running.vault.policies == before


def test_vault_goes_by_its_host_s_first_label_too(running: world.World, shell: Shell) -> None:
    shown = shell.carry_out("az keyvault show --name 127 --query id --output tsv")
    assert shown == f"{running.vault_id}\n"
    assert shell.run("az keyvault show --name another").status == 3


def test_vault_in_rbac_mode_takes_policies_only_once_it_is_switched(running: world.World, shell: Shell) -> None:
    running.vault.rbac = True
    policy = "az keyvault set-policy --name sandbox --object-id somebody --secret-permissions get"
    done = shell.run(policy)
    assert (done.status, "--enable-rbac-authorization" in done.stderr) == (1, True)
    shell.carry_out(f"az keyvault update --name sandbox --enable-rbac-authorization false && {policy}")
    assert running.vault.policies["somebody"] == {"secrets/get"}
    assert read_vault(running, f"/secrets/{world.KEY_SECRET}").status_code == 200


def test_address_is_let_through_the_vault_s_firewall(running: world.World, shell: Shell) -> None:
    running.vault.firewall = {"192.0.2.0/24"}
    refused = read_vault(running, f"/secrets/{world.KEY_SECRET}")
    assert (refused.status_code, inner_code(refused)) == (403, "ForbiddenByFirewall")
    assert "\r\nClient address: 127.0.0.1\r\n" in refused.json()["error"]["message"]
    shell.carry_out("az keyvault network-rule add --name sandbox --ip-address 127.0.0.1")
    assert running.vault.firewall == {"192.0.2.0/24", "127.0.0.1/32"}
    assert read_vault(running, f"/secrets/{world.KEY_SECRET}").status_code == 200


def test_secret_comes_from_a_file_as_it_is(running: world.World, shell: Shell) -> None:
    (shell.directory / "key file").write_text("first\nsecond\n")
    shell.carry_out(
        "az keyvault secret set --vault-name sandbox --name made --file 'key file' --encoding utf-8 "
        "--content-type application/x-pem-file --output none"
    )
    found = running.vault.secrets.get("made")
    assert (found.value, found.content_type) == ("first\nsecond\n", "application/x-pem-file")


def test_deleted_secret_is_recovered(running: world.World, shell: Shell) -> None:
    running.vault.secrets.put("lost", "value")
    running.vault.secrets.delete("lost")
    assert shell.run("az keyvault secret set --vault-name sandbox --name lost --value other").status == 1
    shell.carry_out("az keyvault secret recover --vault-name sandbox --name lost")
    assert running.vault.secrets.get("lost").value == "value"


def test_disabled_secret_is_enabled(running: world.World, shell: Shell) -> None:
    running.vault.secrets.put("off", "value").enabled = False
    assert inner_code(read_vault(running, "/secrets/off")) == "SecretDisabled"
    shell.carry_out("az keyvault secret set-attributes --vault-name sandbox --name off --enabled true")
    assert read_vault(running, "/secrets/off").json()["value"] == "value"


def test_public_networks_are_let_in(running: world.World, shell: Shell) -> None:
    running.vault.private = True
    assert inner_code(read_vault(running, f"/secrets/{world.KEY_SECRET}")) == "ForbiddenByConnection"
    shell.carry_out("az keyvault update --name sandbox --public-network-access Enabled")
    assert read_vault(running, f"/secrets/{world.KEY_SECRET}").status_code == 200


@pytest.mark.parametrize("role", ["'Storage Blob Data Owner'", roles.STORAGE_BLOB_DATA_OWNER])
def test_role_opens_an_account_s_blobs(running: world.World, shell: Shell, role: str) -> None:
    assignments = running.resource_manager.role_assignments
    assignments[:] = [one for one in assignments if one.principal_id != running.app_object_id]
    assert list_blobs(running, world.APP_ACCOUNT, as_app(running)) == (403, "AuthorizationPermissionMismatch")
    line = (
        f"az role assignment create --role {role} --assignee-object-id {running.app_object_id} "
        "--assignee-principal-type ServicePrincipal "
        f'--scope "$(az storage account show --name {world.APP_ACCOUNT} --query id --output tsv)"'
    )
    made = json.loads(shell.carry_out(line))
    assert list_blobs(running, world.APP_ACCOUNT, as_app(running)) == (200, None)
    assert json.loads(shell.carry_out(line)) == made


def test_key_vault_goes_by_its_application_id(running: world.World, shell: Shell) -> None:
    scope, key_vault = running.account.resource_id, running.vault.service_principal_id
    assignments = running.resource_manager.role_assignments
    assignments[:] = [one for one in assignments if one.principal_id != key_vault]
    line = f"az role assignment create --role {roles.KEY_OPERATOR} --scope {scope} --assignee"
    shell.carry_out(f"{line} {KEY_VAULT_APPLICATION}")
    action = "Microsoft.Storage/storageAccounts/listkeys/action"
    assert running.resource_manager.authorizes(key_vault, action, scope)
    assert "Cannot find user or service principal" in shell.run(f"{line} nobody").stderr


def test_role_is_given_to_a_principal_as_what_it_is(running: world.World, shell: Shell) -> None:
    line = f"az role assignment create --role Reader --scope {running.account.resource_id}"
    person = f"{line} --assignee-object-id {shell.object_id}"
    assert "UnmatchedPrincipalType" in shell.run(f"{person} --assignee-principal-type ServicePrincipal").stderr
    made = json.loads(shell.carry_out(person))
    assert made["properties"]["principalType"] == "User"
    service = f"{line} --assignee-object-id {running.app_object_id}"
    assert "UnmatchedPrincipalType" in shell.run(f"{service} --assignee-principal-type User").stderr


def test_role_that_does_not_exist_is_an_error(running: world.World, shell: Shell) -> None:
    line = f"az role assignment create --assignee {running.app_object_id} --scope {running.account.resource_id} --role"
    assert "Role 'Nobody' doesn't exist." in shell.run(f"{line} Nobody").stderr
    assert "RoleDefinitionDoesNotExist" in shell.run(f"{line} 00000000-0000-0000-0000-000000000000").stderr


def test_account_takes_sas_again(running: world.World, shell: Shell) -> None:
    running.account.allow_shared_key_access = False
    assert list_blobs(running, world.ACCOUNT, {}, "sig=any") == (403, "KeyBasedAuthenticationNotPermitted")
    assert list_blobs(running, world.ACCOUNT, as_app(running)) == (403, "AuthorizationPermissionMismatch")
    shell.carry_out(f"az storage account update --name {world.ACCOUNT} --allow-shared-key-access true")
    assert list_blobs(running, world.ACCOUNT, {}, "sig=any") == (403, "AuthenticationFailed")
    running.account.allow_shared_key_access = False
    shell.carry_out(f"az storage account update --ids {running.account.resource_id} --allow-shared-key-access")
    assert running.account.allow_shared_key_access


def test_address_is_let_through_an_account_s_firewall(running: world.World, shell: Shell) -> None:
    running.storage[world.APP_ACCOUNT].firewall = set()
    assert list_blobs(running, world.APP_ACCOUNT, {}) == (403, "AuthorizationFailure")
    line = f"az storage account network-rule add --account-name {world.APP_ACCOUNT} --ip-address 127.0.0.1"
    shell.carry_out(line)
    assert list_blobs(running, world.APP_ACCOUNT, {}) == (401, "NoAuthenticationInformation")


def test_app_settings_of_others_stay(running: world.World, shell: Shell) -> None:
    settings = dict(running.resource_manager.sites[running.function_app_id].app_settings)
    site = "az functionapp config appsettings set --name sandboxrotator --resource-group sandbox"
    printed = shell.carry_out(f"{site} --settings SAS_VALIDITY=PT8H 'PINS=ssh-ed25519 SHA256:a=b'")
    after = running.resource_manager.sites[running.function_app_id].app_settings
    assert after == settings | {"SAS_VALIDITY": "PT8H", "PINS": "ssh-ed25519 SHA256:a=b"}
    assert "PT8H" not in printed
    assert shell.run(f"{site} --settings SAS_VALIDITY").status == 2
    shell.carry_out(
        f"az functionapp config appsettings set --ids {running.function_app_id} --settings SAS_VALIDITY=PT6H"
    )
    assert running.resource_manager.sites[running.function_app_id].app_settings["SAS_VALIDITY"] == "PT6H"


def test_app_gets_an_identity(running: world.World, shell: Shell) -> None:
    line = "az functionapp identity assign --name sandboxrotator --resource-group sandbox"
    identity: dict[str, Any] = json.loads(shell.carry_out(line))
    assert identity["principalId"] == running.identity.object_id
    assert running.resource_manager.sites[running.function_app_id].principal_id == running.identity.object_id
    assert running.app_client_id in json.dumps(identity["userAssignedIdentities"])


def test_app_gets_an_identity_that_goes_by_its_client_id(running: world.World, shell: Shell) -> None:
    site = running.resource_manager.sites[running.function_app_id]
    (known,), site.user_assigned, site.principal_id = site.user_assigned, {}, None
    running.identity.unassigned.add(running.app_client_id)
    with ManagedIdentityCredential(client_id=running.app_client_id) as credential:
        with pytest.raises(CredentialUnavailableError):
            credential.get_token("https://vault.azure.net/.default")
        listed = f"az identity list --query \"[?clientId=='{running.app_client_id}'].id\" --output tsv"
        assert shell.carry_out(listed) == f"{known}\n"
        line = "az functionapp identity assign --name sandboxrotator --resource-group sandbox --identities"
        assert shell.run(f'{line} ""').status == 2
        shell.carry_out(f'{line} "$({listed})"')
        assert credential.get_token("https://vault.azure.net/.default").token
    assert list(site.user_assigned) == [known]
    assert site.principal_id is None


def test_nobody_is_signed_in_before_login(running: world.World, shell: Shell) -> None:
    line = "az account get-access-token --resource https://vault.azure.net"
    shell.sign_out()
    assert "Please run 'az login'" in shell.run(line).stderr
    shell.carry_out("az login")
    claims = running.identity.claims(json.loads(shell.carry_out(line))["accessToken"]) or {}
    assert (claims["oid"], claims["aud"]) == (shell.object_id, "https://vault.azure.net")
    assert shell.run("az account get-access-token --resource https://example.com").status == 1


@pytest.mark.parametrize(
    "line",
    [
        "az",
        "az keyvault purge --name sandbox",
        "az keyvault show --name sandbox --location westeurope",
        "az keyvault set-policy --name sandbox --object someone --secret-permissions get",
        "az keyvault update --name sandbox --enable-rbac-authorization maybe",
        "az keyvault secret set --vault-name sandbox --name made",
        "az keyvault show --name sandbox --query '[].id'",
        "az functionapp identity assign --name sandboxrotator",
    ],
)
def test_what_the_stand_in_does_not_know_is_a_usage_error(shell: Shell, line: str) -> None:
    done = shell.run(line)
    assert (done.status, done.output) == (2, "")


def test_chain_ends_where_it_fails(running: world.World, shell: Shell) -> None:
    done = shell.run("az account show --query id --output tsv && az keyvault show --name another && echo unreached")
    assert (done.status, done.output) == (3, f"{running.account.subscription_id}\n")


def test_sign_in_of_the_administrator_does_not_depend_on_the_app_s(running: world.World, shell: Shell) -> None:
    running.identity.fail_with = 500
    try:
        assert json.loads(shell.carry_out("az login"))[0]["state"] == "Enabled"
        shell.carry_out("az keyvault show --name sandbox")
    finally:
        running.identity.fail_with = None


def test_refusal_of_resource_manager_is_shown(running: world.World, shell: Shell) -> None:
    running.resource_manager.faults.append(faults.Fault(status=429, code="TooManyRequests"))
    done = shell.run("az keyvault show --name sandbox")
    assert (done.status, done.stderr.startswith("ERROR: (TooManyRequests) ")) == (1, True)


def test_exported_variables_are_there_for_the_next_line(shell: Shell) -> None:
    assert shell.run("export SAS_VALIDITY='PT8H and more'").exported == {"SAS_VALIDITY": "PT8H and more"}
    assert shell.carry_out('printf %s "$SAS_VALIDITY"') == "PT8H and more"
