"""What another issuer changes in the settings: what follows by itself is proposed, the rest is a problem by name."""

from typing import Any

import pytest

from rotator import errors
from rotator.plan import issuer_change
from rotator.plan.account import IssuerKind
from rotator.plan.issuer_change import IssuerChange
from tests.fakes.examples import RESOURCE_ID

COMMON = {
    "KEYVAULT_BASEURL": "https://myvault.vault.azure.net",
    "KUBERNETES_DNS": "master.example.com",
    "KUBERNETES_SSH_USERNAME": "rotator",
    "KUBERNETES_SSH_FINGERPRINT": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    "KUBERNETES_SECRET_NAME": "storage-sas",
}
KEYVAULT = {**COMMON, "KEYVAULT_STORAGE_NAME": "managed"}
CONTAINER = {"SAS_CONTAINER": "pictures"}
DELEGATED = {**COMMON, **CONTAINER, "SAS_ISSUER": "userdelegation", "STORAGE_ACCOUNT_ID": RESOURCE_ID}


def change(environment: dict[str, str], issuer: str, account: str | None = RESOURCE_ID) -> IssuerChange:
    former = issuer_change.former_plan(environment)
    return issuer_change.propose(environment, former, IssuerKind(issuer), account)


def test_who_keeps_the_issuer_changes_nothing() -> None:
    assert change(KEYVAULT, "keyvault").settings == {}


def test_the_account_is_the_managed_one() -> None:
    found = change(KEYVAULT, "storagekey")
    assert found.settings == {
        "SAS_ISSUER": "storagekey",
        "STORAGE_ACCOUNT_ID": RESOURCE_ID,
        "SAS_PERMISSIONS": "rwu",
    }
    assert found.problems == ()
    assert found.plan is not None
    assert found.plan.account.issuer is IssuerKind.STORAGEKEY


def test_what_is_set_here_already_is_named_all_the_same_as_the_app_may_lack_it() -> None:
    here = {"STORAGE_ACCOUNT_ID": RESOURCE_ID, "SAS_PREFIX": "reports", "SAS_IP": "203.0.113.7", **CONTAINER}
    assert change({**KEYVAULT, **here}, "userdelegation", None).settings == {
        "SAS_ISSUER": "userdelegation",
        **here,
        "SAS_PERMISSIONS": "rw",
        "SAS_SERVICES": "",
        "SAS_RESOURCE_TYPES": "",
    }


def test_what_the_app_may_have_and_the_next_issuer_refuses_is_removed_whoever_set_it() -> None:
    with_keys = {**COMMON, "SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
    found = change({**with_keys, **CONTAINER, "SAS_BLOB": "logo.png", "SAS_PERMISSIONS": "r"}, "userdelegation")
    assert found.settings == {
        "SAS_ISSUER": "userdelegation",
        "STORAGE_ACCOUNT_ID": RESOURCE_ID,
        "SAS_CONTAINER": "pictures",
        "SAS_PREFIX": "",
        "SAS_BLOB": "logo.png",
        "SAS_PERMISSIONS": "r",
        "SAS_SERVICES": "",
        "SAS_RESOURCE_TYPES": "",
    }
    assert found.problems == ()


def test_what_nobody_knows_yet_is_to_be_filled_in() -> None:
    settings = change(KEYVAULT, "userdelegation", None).settings
    assert settings["SAS_CONTAINER"] == "<container>"
    assert settings["STORAGE_ACCOUNT_ID"] == "<resource id of the storage account>"


def test_a_blob_endpoint_is_enough_where_the_account_is_not_known() -> None:
    endpoint = {"STORAGE_BLOB_ENDPOINT": "https://mystorage.blob.core.windows.net"}
    found = change({**KEYVAULT, **CONTAINER, **endpoint}, "userdelegation", None)
    assert found.problems == ()
    assert found.settings["STORAGE_BLOB_ENDPOINT"] == endpoint["STORAGE_BLOB_ENDPOINT"]
    assert "STORAGE_ACCOUNT_ID" not in found.settings


def test_an_account_that_is_not_known_is_a_problem() -> None:
    (problem,) = change(KEYVAULT, "storagekey", None).problems
    assert problem.startswith("STORAGE_ACCOUNT_ID is missing")


def test_a_container_has_to_be_named_and_what_else_is_wrong_is_looked_up_without() -> None:
    found = change(KEYVAULT, "userdelegation")
    (problem,) = found.problems
    assert problem.startswith("SAS_CONTAINER is missing")
    assert found.plan is not None
    assert not found.container_known


def test_the_container_may_be_set_before_the_issuer() -> None:
    found = change({**KEYVAULT, **CONTAINER}, "userdelegation")
    assert found.former.grant.container is None
    assert (found.problems, found.container_known) == ((), True)


@pytest.mark.parametrize(
    ("given", "permissions"),
    [
        ({}, "rw"),
        ({"SAS_SERVICES": "b", "SAS_RESOURCE_TYPES": "co"}, "rw"),
        ({"SAS_PERMISSIONS": "rwu"}, "rw"),
        ({"SAS_PERMISSIONS": "u"}, ""),
        ({"SAS_PERMISSIONS": "rl"}, "rl"),
    ],
)
def test_what_the_new_issuer_refuses_is_removed(given: dict[str, str], permissions: str) -> None:
    found = change({**KEYVAULT, **CONTAINER, **given}, "userdelegation")
    assert (found.settings["SAS_PERMISSIONS"], found.problems) == (permissions, ())
    assert {found.settings[name] for name in ("SAS_SERVICES", "SAS_RESOURCE_TYPES")} == {""}


def test_a_validity_beyond_a_delegation_key_s_life_is_a_problem() -> None:
    (problem,) = change({**KEYVAULT, **CONTAINER, "SAS_VALIDITY": "P30D"}, "userdelegation").problems
    assert problem.startswith("SAS_VALIDITY is too long")


REMOVED = dict.fromkeys(("SAS_CONTAINER", "SAS_PREFIX", "SAS_BLOB", "SAS_IP", "SAS_ENCRYPTION_SCOPE"), "")


def test_the_way_back_takes_the_container_out_with_its_permissions_and_names_the_managed_account() -> None:
    found = change({**DELEGATED, "SAS_IP": "203.0.113.7", "SAS_PERMISSIONS": "rl"}, "keyvault")
    assert found.settings == {
        "SAS_ISSUER": "keyvault",
        "KEYVAULT_STORAGE_NAME": "mystorage",
        **REMOVED,
        "SAS_PERMISSIONS": "",
    }
    assert found.problems == ()


def test_an_account_sas_keeps_its_permissions_on_the_way_back() -> None:
    with_keys = {**COMMON, "SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
    assert change({**with_keys, "SAS_PERMISSIONS": "rlt"}, "keyvault").settings["SAS_PERMISSIONS"] == "rl"


def test_a_managed_account_that_is_named_already_keeps_its_name() -> None:
    settings = change({**DELEGATED, "KEYVAULT_STORAGE_NAME": "other"}, "keyvault").settings
    assert settings["KEYVAULT_STORAGE_NAME"] == "other"


@pytest.mark.parametrize("wrong", [{"KUBERNETES_DNS": ""}, {"KUBERNETES_DNS": "", **CONTAINER}])
def test_settings_that_are_wrong_already_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.SettingsError, match="KUBERNETES_DNS"):
        change({**KEYVAULT, **wrong}, "userdelegation")


def test_only_what_is_wrong_already_is_refused() -> None:
    with pytest.raises(errors.SettingsError) as refused:
        change({**DELEGATED, "KUBERNETES_DNS": ""}, "storagekey")
    assert len(refused.value.problems) == 1
