"""What a move takes: whose roles were looked at, what Key Vault goes on doing, and what consumers will notice."""

import dataclasses

import pytest

from rotator.azure.permissions import Principal
from rotator.checks import move
from rotator.checks.move import Move
from rotator.plan import issuer_change
from rotator.plan.account import IssuerKind
from tests.fakes import checks
from tests.fakes.examples import RESOURCE_ID
from tests.fakes.world import World
from tests.unit.plan.test_issuer_change import CONTAINER, DELEGATED, KEYVAULT

ME = Principal("11111111-1111-1111-1111-111111111111", "User", "me")
APP = "22222222-2222-2222-2222-222222222222"
FUNCTION_APP = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/sites/a"
HERE = {**KEYVAULT, **CONTAINER}


def found(
    environment: dict[str, str], issuer: IssuerKind = IssuerKind.USERDELEGATION, regenerates: bool = False
) -> Move:
    world, account = World(), checks.Account()
    world.vault.auto_regenerate = regenerates
    account.granted = {"actions": [], "dataActions": []}
    former = issuer_change.former_plan(environment)
    change = issuer_change.propose(environment, former, issuer, RESOURCE_ID)
    assert change.plan
    context = checks.context(world, account=account)
    context = dataclasses.replace(context, plan=change.plan, environment=environment, sign_in=lambda: ME)
    return move.preview(change, context, "")


def commands(move: Move) -> list[str]:
    return [finding.command for finding in (*move.missing, *move.remarks)]


def test_roles_are_assigned_to_the_app_where_azd_s_environment_names_it() -> None:
    shown = found({**HERE, "ROTATOR_PRINCIPAL_ID": APP, "FUNCTION_APP_ID": FUNCTION_APP})
    assert f"the app's identity is {APP}" in shown.note
    assert all(f"--assignee-object-id {APP} " in command for command in commands(shown))


def test_an_app_whose_identity_is_not_known_is_looked_up_and_filled_in() -> None:
    shown = found({**HERE, "FUNCTION_APP_ID": FUNCTION_APP})
    assert f"az functionapp identity show --ids {FUNCTION_APP}" in shown.note
    assert all("--assignee-object-id <object id of the identity> " in command for command in commands(shown))


def test_without_an_app_in_sight_roles_are_those_of_whoever_runs_it() -> None:
    shown = found(HERE)
    assert "another identity may have others" in shown.note
    assert "POST /api/check" in shown.note
    assert all(f"--assignee-object-id {ME.object_id} " in command for command in commands(shown))


@pytest.mark.parametrize(
    "itself", [{"IDENTITY_ENDPOINT": "http://localhost/token"}, {"ROTATOR_PRINCIPAL_ID": ME.object_id}]
)
def test_the_app_itself_is_told_nothing_of_another_identity(itself: dict[str, str]) -> None:
    assert found({**HERE, **itself}).note == ""


@pytest.mark.parametrize("issuer", [IssuerKind.STORAGEKEY, IssuerKind.USERDELEGATION])
def test_keys_that_key_vault_goes_on_regenerating_are_noted_with_the_command_that_ends_that(issuer: IssuerKind) -> None:
    (left,) = [one for one in found(HERE, issuer, regenerates=True).remarks if one.check == "managed account"]
    assert "regenerating" in left.text
    assert left.command.endswith(f"--storage-account {RESOURCE_ID} --no-auto-regenerate")
    assert [one for one in found(HERE, issuer).remarks if one.check == "managed account"] == []


def test_what_a_sas_will_be_is_said_even_where_it_is_set_already() -> None:
    effects = found({**HERE, "SAS_PERMISSIONS": "rl"}).effects
    assert any(effect.startswith("a SAS will be for the container pictures instead of") for effect in effects)
    assert any(effect.startswith("a SAS will allow rl: SAS_PERMISSIONS has to be") for effect in effects)


def test_a_change_of_permissions_names_both() -> None:
    assert any("will allow rw instead of rwu" in effect for effect in found(HERE).effects)


def test_the_way_back_names_what_key_vault_needs_and_the_permissions_that_are_taken_out() -> None:
    effects = "\n".join(found({**DELEGATED, "SAS_PERMISSIONS": "rl"}, IssuerKind.KEYVAULT).effects)
    assert "access policies" in effects
    assert "onboard --issuer keyvault" in effects
    assert "a SAS will allow rwu instead of rl" in effects
    assert "SAS_PERMISSIONS is removed" in effects


def test_a_container_without_a_role_may_be_one_that_does_not_exist() -> None:
    (data,) = [one for one in found(HERE).missing if one.check == "role for data"]
    assert "there is no such container: check SAS_CONTAINER" in data.remedy
