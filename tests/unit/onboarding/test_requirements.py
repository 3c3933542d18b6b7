"""What onboarding checks before it changes anything; each refusal has the command that fixes it."""

import dataclasses
import datetime

import pytest

from rotator.azure.errors import RbacVaultError
from rotator.azure.resource_facts import AppFacts
from rotator.delivery.errors import HostKeyRejectedError
from rotator.onboarding import requirements
from rotator.onboarding.errors import OnboardingError, SharedKeyError
from rotator.plan.host_keys import HostKey
from tests.fakes.examples import RESOURCE_ID
from tests.unit.onboarding.examples import APP, KEY, MASTER, STORAGE_FACTS, VAULT, request

TWO = {"a": "A", "b": "B"}  # object ids by client id


def test_a_vault_with_access_policies_is_accepted() -> None:
    assert requirements.check_vault(request(), VAULT).text == "myvault uses access policies"


def test_a_vault_in_rbac_mode_is_refused_with_the_command_that_changes_it() -> None:
    with pytest.raises(RbacVaultError) as refused:
        requirements.check_vault(request(), dataclasses.replace(VAULT, rbac=True))
    assert "az keyvault update --name myvault --enable-rbac-authorization false" in refused.value.remedy


def test_another_vault_than_the_plans_is_refused() -> None:
    with pytest.raises(OnboardingError, match=r"KEYVAULT_BASEURL is .*, but the vault is https://other"):
        requirements.check_vault(request(), dataclasses.replace(VAULT, url="https://other.vault.azure.net"))


def test_an_account_without_shared_keys_is_refused_with_the_command_that_allows_them() -> None:
    with pytest.raises(SharedKeyError) as refused:
        requirements.check_account(request(), dataclasses.replace(STORAGE_FACTS, shared_key=False))
    assert refused.value.remedy == f"az storage account update --ids {RESOURCE_ID} --allow-shared-key-access true"


@pytest.mark.parametrize(("hours", "text"), [(None, "it accepts"), (4, "it accepts"), (3, "it may refuse the SAS")])
def test_a_sas_policy_shorter_than_the_sas_is_reported(hours: int | None, text: str) -> None:
    limit = datetime.timedelta(hours=hours) if hours else None
    step = requirements.check_account(request(), dataclasses.replace(STORAGE_FACTS, sas_limit=limit))
    assert text in step.text


def test_a_pinned_host_key_is_accepted() -> None:
    assert "shows the expected ssh-ed25519 SHA256:47DEQpj8" in requirements.check_host_key(MASTER, (KEY,)).text


def test_any_host_key_is_shown_where_none_is_pinned() -> None:
    step = requirements.check_host_key(dataclasses.replace(MASTER, pins=()), (KEY,))
    assert (step.text, step.equivalent) == (
        f"rotator@master.example.com:22 shows {KEY}",
        "ssh-keyscan -p 22 master.example.com | ssh-keygen -lf -",
    )


def test_another_host_key_than_the_pinned_one_is_refused() -> None:
    with pytest.raises(HostKeyRejectedError, match="nothing was changed"):
        requirements.check_host_key(MASTER, (HostKey("ssh-ed25519", b"another"),))


@pytest.mark.parametrize(
    ("app", "found"),
    [
        (None, None),
        (dataclasses.replace(APP, principal="own"), "own"),
        (dataclasses.replace(APP, principals={"client": "assigned"}), "assigned"),
        (dataclasses.replace(APP, principal="own", principals=TWO, settings={"AZURE_CLIENT_ID": "b"}), "B"),
    ],
)
def test_the_apps_identity_is_the_one_that_it_signs_in_as(app: AppFacts | None, found: str | None) -> None:
    assert requirements.app_principal(request(), app) == found


def test_an_identity_that_the_operator_names_is_taken() -> None:
    assert requirements.app_principal(request(app_principal="named"), APP) == "named"


def test_an_app_without_an_identity_is_refused() -> None:
    with pytest.raises(OnboardingError, match="myapp has no identity"):
        requirements.app_principal(request(), APP)
