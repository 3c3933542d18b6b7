"""The commands that repair: exactly what is to be pasted, whatever the names and values in it are."""

import dataclasses
import datetime
import shlex

import pytest

from rotator.azure.permissions import Principal
from rotator.checks import remedies
from rotator.checks.remedies import Remedies
from rotator.delivery.ssh import login_secrets
from rotator.delivery.ssh.login_secrets import VaultSecret
from rotator.plan.account import Account, Grant, IssuerKind
from tests.fakes import examples

OBJECT_ID = "11111111-1111-1111-1111-111111111111"
ME = Principal(OBJECT_ID, "ServicePrincipal", "me")
TERMINAL = Remedies(examples.plan())
CLIENT_ID = "22222222-2222-2222-2222-222222222222"
KEY_OPERATOR = "'Storage Account Key Operator Service Role'"
PLACE = {"WEBSITE_SITE_NAME": "myrotator", "WEBSITE_RESOURCE_GROUP": "mygroup"}
APP = Remedies(examples.plan(), PLACE)
ROTATING = Remedies(examples.plan(key_rotation_period=datetime.timedelta(days=90)))
ROLE = "az role assignment create --role {} --assignee-object-id " + OBJECT_ID
ROLE += " --assignee-principal-type ServicePrincipal --scope {}"


def stored(name: str, file: str, content_type: str = "") -> VaultSecret:
    return VaultSecret(name, "a secret", file, content_type)


def test_a_person_signs_in_and_an_app_gets_an_identity() -> None:
    assert TERMINAL.sign_in() == "az login"
    assert (
        dataclasses.replace(TERMINAL, environment={"IDENTITY_ENDPOINT": "http://169.254.129.3/msi/token"}).sign_in()
        == ""
    )
    assert APP.sign_in() == "az functionapp identity assign --name myrotator --resource-group mygroup"


def test_an_app_that_is_to_use_a_certain_identity_gets_just_that() -> None:
    certain = dataclasses.replace(APP, plan=examples.plan(client_id=CLIENT_ID))
    assert certain.sign_in() == (
        "az functionapp identity assign --name myrotator --resource-group mygroup --identities "
        f'"$(az identity list --query "[?clientId==\'{CLIENT_ID}\'].id" --output tsv)"'
    )


def test_a_setting_is_exported_in_a_terminal() -> None:
    assert TERMINAL.setting("KUBERNETES_SECRET_ADOPT", "true") == "export KUBERNETES_SECRET_ADOPT=true"


def test_a_setting_of_an_app_is_set_there() -> None:
    assert APP.setting("KUBERNETES_SECRET_ADOPT", "true") == (
        "az functionapp config appsettings set --name myrotator --resource-group mygroup "
        "--settings KUBERNETES_SECRET_ADOPT=true"
    )


@pytest.mark.parametrize("value", ["sudo k3s kubectl", "it's", 'a "b" $HOME `id` \\', "https://<account>.blob"])
@pytest.mark.parametrize("known", [TERMINAL, APP])
def test_a_setting_s_value_reaches_the_program_as_it_is(known: Remedies, value: str) -> None:
    assert shlex.split(known.setting("NAME", value))[-1] == f"NAME={value}"


def with_those_there(kind: str, verbs: str) -> str:
    query = f"properties.accessPolicies[?objectId=='{OBJECT_ID}' && applicationId==null].permissions.{kind}[]"
    return f'{verbs} $(az keyvault show --name myvault --query "{query}" --output tsv)'


def test_the_policy_lists_all_that_a_rotation_needs_and_what_is_there() -> None:
    assert TERMINAL.policy(ME) == (
        f"az keyvault set-policy --name myvault --object-id {OBJECT_ID} "
        f"--secret-permissions {with_those_there('secrets', 'get')} "
        f"--storage-permissions {with_those_there('storage', 'get getsas recover setsas')}"
    )


def test_the_policy_has_key_rotation_where_that_is_wanted() -> None:
    wanted = with_those_there("storage", "get getsas recover regeneratekey setsas")
    assert ROTATING.policy(ME).endswith(f"--storage-permissions {wanted}")


def test_an_unknown_identity_is_to_be_filled_in() -> None:
    assert "--object-id <object id of the identity> " in TERMINAL.policy(Principal())


def test_the_vault_goes_by_its_name() -> None:
    german = dataclasses.replace(
        examples.plan(), account=Account(vault="https://v2.vault.microsoftazure.de", managed_account="a")
    )
    assert Remedies(german).access_policies() == "az keyvault update --name v2 --enable-rbac-authorization false"


@pytest.mark.parametrize(("address", "shown"), [("192.0.2.1", "192.0.2.1"), ("", "<address>")])
def test_the_vault_s_firewall_admits_an_address(address: str, shown: str) -> None:
    rule = f"az keyvault network-rule add --name myvault --ip-address {shown}"
    assert TERMINAL.through_firewall(address) == rule


def test_a_secret_is_written_from_a_file() -> None:
    line = "az keyvault secret set --vault-name myvault --name phrase --file passphrase.txt"
    assert TERMINAL.upload(stored("phrase", "passphrase.txt")) == line
    typed = TERMINAL.upload(stored("phrase", "passphrase.txt", "application/x-pem-file"))
    assert typed == f"{line} --content-type application/x-pem-file"


@pytest.mark.parametrize(
    ("endpoint", "account"),
    [
        ("https://mainaccount.blob.core.windows.net", "mainaccount"),
        ("https://mainaccount.z6.blob.storage.azure.net", "mainaccount"),
        ("https://127.0.0.1:10000/mainaccount", "mainaccount"),
        ("https://blobs.example.com", "<name of the storage account>"),
        (None, "<name of the storage account>"),
    ],
)
def test_onboarding_looks_both_ids_up_and_takes_no_name_in_the_vault_for_the_account_s(
    endpoint: str | None, account: str
) -> None:
    known = dataclasses.replace(TERMINAL, plan=examples.plan(blob_endpoint=endpoint))
    assert known.onboard() == (
        'python -m rotator onboard --vault "$(az keyvault show --name myvault --query id --output tsv)" '
        f'--storage-account "$(az storage account show --name {account} --query id --output tsv)"'
    )


def test_the_key_operator_s_role_is_assigned_on_the_account() -> None:
    assert TERMINAL.key_operator(examples.RESOURCE_ID, ME) == ROLE.format(KEY_OPERATOR, examples.RESOURCE_ID)


@pytest.mark.parametrize(
    ("vault", "application"),
    [
        ("https://myvault.vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"),
        ("https://myvault.vault.usgovcloudapi.net", "7e7c393b-45d0-48b1-a35e-2905ddf8183c"),
    ],
)
def test_both_get_the_key_operator_s_role_where_who_lacks_it_is_not_known(vault: str, application: str) -> None:
    plan = dataclasses.replace(examples.plan(), account=Account(vault=vault, managed_account="a"))
    assert Remedies(plan).key_operators(examples.RESOURCE_ID, ME) == (
        f"az role assignment create --role {KEY_OPERATOR} --assignee {application} --scope {examples.RESOURCE_ID}; "
        + ROLE.format(KEY_OPERATOR, examples.RESOURCE_ID)
    )


@pytest.mark.parametrize(
    "url",
    ["https://appstorage.blob.core.windows.net", "https://127.0.0.1:10000/appstorage"],
)
def test_the_blob_owner_s_role_is_assigned_on_the_app_s_own_storage(url: str) -> None:
    scope = '"$(az storage account show --name appstorage --query id --output tsv)"'
    assert TERMINAL.blob_owner(url, ME) == ROLE.format("'Storage Blob Data Owner'", scope)


@pytest.mark.parametrize(
    ("kind", "expected"), [("User", "--assignee-principal-type User --scope"), ("", f"{OBJECT_ID} --scope")]
)
def test_a_role_is_assigned_with_the_principal_s_type_where_that_is_known(kind: str, expected: str) -> None:
    assert expected in TERMINAL.key_operator(examples.RESOURCE_ID, Principal(OBJECT_ID, kind))


def test_an_account_s_firewall_admits_a_network() -> None:
    line = "az storage account network-rule add --account-name appstorage --ip-address <address of this network>"
    assert TERMINAL.through_storage_firewall("https://appstorage.blob.core.windows.net") == line


def test_shared_keys_are_allowed_on_the_account() -> None:
    line = "az storage account update --name mystorage --allow-shared-key-access true"
    assert TERMINAL.shared_key("mystorage") == line


GRANT = (
    "kubectl --namespace default create role {0} --verb={1} --resource=secrets{2} --dry-run=client --output=yaml"
    " | kubectl --namespace default auth reconcile --filename=-; "
    "kubectl --namespace default create rolebinding {0} --role={0} --user=alice --dry-run=client --output=yaml"
    " | kubectl --namespace default auth reconcile --filename=-"
)


@pytest.mark.parametrize("verb", ["get", "delete", "update"])
def test_a_verb_is_granted_on_that_secret_only(verb: str) -> None:
    name, only = f"rotator-storage-sas-{verb}", " --resource-name=storage-sas"
    assert TERMINAL.grant(examples.TARGET, verb, "alice") == GRANT.format(name, verb, only)


def test_create_is_granted_without_a_name() -> None:
    granted = TERMINAL.grant(examples.TARGET, "create", "alice")
    assert granted == GRANT.format("rotator-storage-sas-create", "create", "")


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("system:serviceaccount:apps:rotator", "--serviceaccount=apps:rotator"),
        ("system:serviceaccounts", "--user=system:serviceaccounts"),
        ("system:node:worker", "--user=system:node:worker"),
        ("o'neill@example.com", "--user=o'neill@example.com"),
        ("CN=a b", "--user=CN=a b"),
    ],
)
def test_a_verb_is_granted_to_the_user_that_the_server_refused(user: str | None, subject: str) -> None:
    assert subject in shlex.split(TERMINAL.grant(examples.TARGET, "get", user))


def test_a_user_whom_nobody_named_is_to_be_filled_in() -> None:
    assert " --user=<the user in the kubeconfig of the master> " in TERMINAL.grant(examples.TARGET, "get", None)


ODD = "it's (a) $name; `id`"


@pytest.mark.parametrize(
    ("line", "before"),
    [
        (Remedies(examples.plan(), {"WEBSITE_SITE_NAME": ODD}).sign_in(), "--name"),
        (Remedies(examples.plan(), PLACE | {"WEBSITE_RESOURCE_GROUP": ODD}).sign_in(), "--resource-group"),
        (TERMINAL.through_firewall(ODD), "--ip-address"),
        (TERMINAL.upload(stored(ODD, "file")), "--name"),
        (TERMINAL.upload(stored("name", ODD)), "--file"),
        (TERMINAL.recover(stored(ODD, "file")), "--name"),
        (TERMINAL.enable(ODD), "--name"),
        (TERMINAL.shared_key(ODD), "--name"),
        (TERMINAL.key_operator(ODD, ME), "--scope"),
        (TERMINAL.key_operator("id", Principal(ODD)), "--assignee-object-id"),
        (TERMINAL.through_storage_firewall(f"https://127.0.0.1/{ODD}"), "--account-name"),
    ],
)
def test_whatever_is_in_a_command_reaches_the_program_as_it_is(line: str, before: str) -> None:
    words = shlex.split(line)
    assert ODD in (words[words.index(before) + 1 :])


def test_a_namespace_is_created() -> None:
    target = dataclasses.replace(examples.TARGET, namespace="apps")
    assert remedies.namespace(target) == "kubectl create namespace apps"


def test_the_ssh_key_and_its_passphrase_are_uploaded_as_onboarding_writes_them() -> None:
    cluster = dataclasses.replace(examples.CLUSTER, passphrase_secret="phrase")
    passphrase = login_secrets.passphrase(cluster)
    assert passphrase
    uploads = [TERMINAL.upload(each) for each in (login_secrets.private_key(cluster), passphrase)]
    assert uploads == [
        "az keyvault secret set --vault-name myvault --name privatekey --file id_ed25519 "
        "--content-type application/x-pem-file",
        "az keyvault secret set --vault-name myvault --name phrase --file passphrase.txt --content-type text/plain",
    ]


HERE = Remedies(examples.plan(issuer=IssuerKind.USERDELEGATION, storage_account=examples.RESOURCE_ID))
CONTAINER = f"{examples.RESOURCE_ID}/blobServices/default/containers/pictures"


def test_the_roles_of_delegation_are_assigned_by_their_names() -> None:
    assert HERE.delegator(examples.RESOURCE_ID, ME) == ROLE.format("'Storage Blob Delegator'", examples.RESOURCE_ID)
    assert HERE.reader(examples.RESOURCE_ID, ME) == ROLE.format("Reader", examples.RESOURCE_ID)
    reading = dataclasses.replace(HERE, plan=dataclasses.replace(HERE.plan, grant=Grant(permissions="rl")))
    assert reading.data_role(CONTAINER, ME) == ROLE.format("'Storage Blob Data Reader'", CONTAINER)


def test_a_custom_role_is_for_the_resource_group_and_assigned_on_the_account() -> None:
    group = examples.RESOURCE_ID.partition("/providers/")[0]
    create, assign = HERE.revoker(examples.RESOURCE_ID, ME).split("; ")
    assert f'"AssignableScopes": ["{group}"]' in create
    assert assign == ROLE.format("'Storage User Delegation Key Revoker'", examples.RESOURCE_ID)


def test_a_vault_with_the_ssh_key_alone_needs_no_permission_for_managed_storage() -> None:
    assert "--storage-permissions" not in HERE.policy(ME)
    vault = '"$(az keyvault show --name myvault --query id --output tsv)"'
    role = ROLE.format("'Key Vault Secrets User'", vault)
    assert HERE.secrets_user(ME) == role
    assert HERE.roles_of_vault(ME) == f"{role}; az keyvault update --name myvault --enable-rbac-authorization true"


def test_roles_and_policies_go_to_the_app_where_that_is_known_to_be_another_identity() -> None:
    app = Principal(CLIENT_ID, "ServicePrincipal")
    known = dataclasses.replace(HERE, assignee=app)
    assert known.delegator(examples.RESOURCE_ID, ME) == HERE.delegator(examples.RESOURCE_ID, app)
    assert known.revoker(examples.RESOURCE_ID, ME) == HERE.revoker(examples.RESOURCE_ID, app)
    assert known.policy(ME) == HERE.policy(app)


def test_the_vault_s_own_regeneration_is_ended_by_the_account_s_id() -> None:
    command = TERMINAL.end_regeneration(examples.RESOURCE_ID)
    assert command.endswith(f"--storage-account {examples.RESOURCE_ID} --no-auto-regenerate")


def test_several_settings_are_changed_by_one_command() -> None:
    changes = {"SAS_ISSUER": "storagekey", "SAS_CONTAINER": ""}
    assert TERMINAL.settings(changes) == "export SAS_ISSUER=storagekey; export SAS_CONTAINER=''"
    words = "--settings SAS_ISSUER=storagekey SAS_CONTAINER="
    assert APP.change(changes).endswith(f"--name myrotator --resource-group mygroup {words}")
    elsewhere = dataclasses.replace(TERMINAL, environment={"FUNCTION_APP_ID": "/subscriptions/1/sites/a"})
    assert elsewhere.change(changes) == f"az functionapp config appsettings set --ids /subscriptions/1/sites/a {words}"
