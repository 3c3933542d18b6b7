"""The commands that mend: exactly what is to be pasted, whatever the names and values in it are."""

import dataclasses
import datetime
import shlex

import pytest

from rotator import remedies
from rotator.remedies import Remedies
from rotator.targets import ManagedAccount
from tests.unit import examples

OBJECT_ID = "11111111-1111-1111-1111-111111111111"
TERMINAL = Remedies(examples.plan(), object_id=OBJECT_ID)
PLACE = {"WEBSITE_SITE_NAME": "myrotator", "WEBSITE_RESOURCE_GROUP": "mygroup"}
APP = Remedies(examples.plan(), PLACE, OBJECT_ID)
ROTATING = Remedies(examples.plan(key_rotation_period=datetime.timedelta(days=90)), object_id=OBJECT_ID)
ROLE = "az role assignment create --role {} --assignee-object-id " + OBJECT_ID
ROLE += " --assignee-principal-type ServicePrincipal --scope {}"


def test_a_person_signs_in_and_an_app_gets_an_identity() -> None:
    assert TERMINAL.sign_in() == "az login"
    assert dataclasses.replace(TERMINAL, place={"IDENTITY_ENDPOINT": "http://169.254.129.3/msi/token"}).sign_in() == ""
    assert APP.sign_in() == "az functionapp identity assign --name myrotator --resource-group mygroup"


def test_a_setting_is_exported_in_a_terminal() -> None:
    assert TERMINAL.setting("KUBERNETES_SECRET_ADOPT", "true") == "export KUBERNETES_SECRET_ADOPT=true"


def test_a_setting_of_an_app_is_set_there() -> None:
    assert APP.setting("KUBERNETES_SECRET_ADOPT", "true") == (
        "az functionapp config appsettings set --name myrotator --resource-group mygroup "
        "--settings KUBERNETES_SECRET_ADOPT=true"
    )


@pytest.mark.parametrize("value", ["sudo k3s kubectl", "it's", 'a "b" $HOME `id` \\', "https://<account>.blob"])
@pytest.mark.parametrize("known", [TERMINAL, APP])
def test_a_setting_s_value_comes_through_a_shell_as_it_is(known: Remedies, value: str) -> None:
    assert shlex.split(known.setting("NAME", value))[-1] == f"NAME={value}"


def test_the_policy_lists_all_that_a_rotation_needs() -> None:
    assert TERMINAL.policy() == (
        f"az keyvault set-policy --name myvault --object-id {OBJECT_ID} "
        "--secret-permissions get --storage-permissions get getsas recover setsas"
    )


def test_the_policy_has_key_rotation_where_that_is_wanted() -> None:
    assert ROTATING.policy().endswith("--storage-permissions get getsas recover regeneratekey setsas")


def test_an_unknown_identity_is_to_be_filled_in() -> None:
    assert "--object-id <object id of the app's identity>" in Remedies(examples.plan()).policy()


def test_the_vault_goes_by_its_name() -> None:
    german = dataclasses.replace(examples.plan(), account=ManagedAccount("https://v2.vault.microsoftazure.de", "a"))
    assert Remedies(german).access_policies() == "az keyvault update --name v2 --enable-rbac-authorization false"


@pytest.mark.parametrize(("address", "shown"), [("192.0.2.1", "192.0.2.1"), ("", "<address>")])
def test_an_address_is_let_through_the_vault_s_firewall(address: str, shown: str) -> None:
    rule = f"az keyvault network-rule add --name myvault --ip-address {shown}"
    assert TERMINAL.through_firewall(address) == rule


def test_a_secret_is_put_from_a_file() -> None:
    line = "az keyvault secret set --vault-name myvault --name phrase --file passphrase.txt"
    assert TERMINAL.secret("phrase", "passphrase.txt") == line
    typed = TERMINAL.secret("phrase", "passphrase.txt", "application/x-pem-file")
    assert typed == f"{line} --content-type application/x-pem-file"


def test_onboarding_looks_both_ids_up() -> None:
    assert TERMINAL.onboard() == (
        'python -m rotator onboard --vault "$(az keyvault show --name myvault --query id --output tsv)" '
        '--storage-account "$(az storage account show --name mystorage --query id --output tsv)"'
    )


def test_the_key_operator_s_role_is_given_on_the_account() -> None:
    role = "81a9662b-bebf-436f-a333-f67b29880f12"
    assert TERMINAL.key_operator(examples.RESOURCE_ID) == ROLE.format(role, examples.RESOURCE_ID)


@pytest.mark.parametrize(
    "url",
    ["https://appstorage.blob.core.windows.net", "https://127.0.0.1:10000/appstorage"],
)
def test_the_blob_owner_s_role_is_given_on_the_app_s_own_storage(url: str) -> None:
    scope = '"$(az storage account show --name appstorage --query id --output tsv)"'
    assert TERMINAL.blob_owner(url) == ROLE.format("'Storage Blob Data Owner'", scope)


def test_shared_keys_are_allowed_on_the_account() -> None:
    line = "az storage account update --name mystorage --allow-shared-key-access true"
    assert TERMINAL.shared_key("mystorage") == line


@pytest.mark.parametrize("verb", ["get", "delete", "update"])
def test_a_verb_is_granted_on_that_secret_only(verb: str) -> None:
    name = f"rotator-storage-sas-{verb}"
    assert TERMINAL.grant(examples.TARGET, verb, "alice") == (
        f"kubectl --namespace default create role {name} --verb={verb} --resource=secrets --resource-name=storage-sas"
        f"; kubectl --namespace default create rolebinding {name} --role={name} --user=alice"
    )


def test_create_is_granted_without_a_name() -> None:
    name = "rotator-storage-sas-create"
    assert TERMINAL.grant(examples.TARGET, "create", "alice") == (
        f"kubectl --namespace default create role {name} --verb=create --resource=secrets"
        f"; kubectl --namespace default create rolebinding {name} --role={name} --user=alice"
    )


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("system:serviceaccount:apps:rotator", "--serviceaccount=apps:rotator"),
        ("system:serviceaccounts", "--user=system:serviceaccounts"),
        ("system:node:worker", "--user=system:node:worker"),
        ("o'neill@example.com", "--user=o'neill@example.com"),
        ("CN=a b", "--user=CN=a b"),
        (None, "--user=<the user in the kubeconfig of the master>"),
    ],
)
def test_a_verb_is_granted_to_whom_the_server_refused(user: str | None, subject: str) -> None:
    assert shlex.split(TERMINAL.grant(examples.TARGET, "get", user))[-1] == subject


def test_a_namespace_is_made() -> None:
    target = dataclasses.replace(examples.TARGET, namespace="apps")
    assert remedies.namespace(target) == "kubectl create namespace apps"
