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
    assert found.settings == {"SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
    assert found.problems == ()
    assert found.plan is not None
    assert found.plan.account.issuer is IssuerKind.STORAGEKEY


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
    ("given", "removed"),
    [
        ({"SAS_SERVICES": "b"}, {"SAS_SERVICES": ""}),
        ({"SAS_RESOURCE_TYPES": "co"}, {"SAS_RESOURCE_TYPES": ""}),
        ({"SAS_PERMISSIONS": "rwu"}, {"SAS_PERMISSIONS": "rw"}),
        ({"SAS_PERMISSIONS": "u"}, {"SAS_PERMISSIONS": ""}),
        ({"SAS_PERMISSIONS": "rl"}, {}),
    ],
)
def test_what_the_new_issuer_refuses_is_removed(given: dict[str, str], removed: dict[str, str]) -> None:
    found = change({**KEYVAULT, **CONTAINER, **given}, "userdelegation")
    issuer = {"SAS_ISSUER": "userdelegation", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
    assert (found.settings, found.problems) == ({**issuer, **removed}, ())


def test_a_validity_beyond_a_delegation_key_s_life_is_a_problem() -> None:
    (problem,) = change({**KEYVAULT, **CONTAINER, "SAS_VALIDITY": "P30D"}, "userdelegation").problems
    assert problem.startswith("SAS_VALIDITY is too long")


def test_the_way_back_takes_the_container_out_and_names_the_managed_account() -> None:
    found = change({**DELEGATED, "SAS_IP": "203.0.113.7"}, "keyvault")
    assert found.settings == {
        "SAS_ISSUER": "keyvault",
        "SAS_CONTAINER": "",
        "SAS_IP": "",
        "KEYVAULT_STORAGE_NAME": "mystorage",
    }
    assert found.problems == ()


def test_a_managed_account_that_is_named_already_keeps_its_name() -> None:
    assert "KEYVAULT_STORAGE_NAME" not in change({**DELEGATED, "KEYVAULT_STORAGE_NAME": "other"}, "keyvault").settings


@pytest.mark.parametrize("wrong", [{"KUBERNETES_DNS": ""}, {"KUBERNETES_DNS": "", **CONTAINER}])
def test_settings_that_are_wrong_already_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.SettingsError, match="KUBERNETES_DNS"):
        change({**KEYVAULT, **wrong}, "userdelegation")
