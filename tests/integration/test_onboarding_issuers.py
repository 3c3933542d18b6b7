"""Onboarding with the issuers that need no managed storage: roles instead, each step shown, and a rotation works."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from rotator import app
from rotator.commands import cli
from rotator.reporting.report import Trigger
from sandbox.issuers import Issuer
from sandbox.options import Options
from sandbox.resource_manager import roles
from sandbox.world import World
from tests import secrets_in
from tests.integration.conftest import PROOF_SECONDS, Cluster, settings_for
from tests.integration.test_onboarding import authorize, prepare

ISSUERS: tuple[Issuer, ...] = ("storagekey", "userdelegation")


@pytest.fixture(params=ISSUERS)
def empty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing is set up: the app has no role, and whoever onboards may assign some."""
    with World(Options(issuer=request.param, onboarded=False)) as world:
        prepare(world, monkeypatch)
        monkeypatch.delenv("AZURE_CLIENT_ID")  # whoever onboards is not the app
        monkeypatch.setenv("SAS_PERMISSIONS", "r")
        manager = world.resource_manager
        needed = (roles.KEY_VAULT_SECRETS_USER, roles.KEY_OPERATOR, roles.STORAGE_BLOB_DELEGATOR)
        for role in (*needed, roles.STORAGE_BLOB_DATA_READER):
            world.rights.unassign(role)
        group = world.account.resource_id.partition("/providers/")[0]
        manager.role_assignments.append(roles.Assignment(group, roles.OWNER, world.identity.object_id))
        yield world


def onboard(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["onboard", *arguments])


def held(world: World) -> set[str]:
    """The app's roles, but for that on its own storage."""
    mine = [one for one in world.resource_manager.role_assignments if one.principal_id == world.app_object_id]
    return {world.resource_manager.role_definitions[one.role].name for one in mine} - {"Storage Blob Data Owner"}


def needed(world: World) -> set[str]:
    if world.options.issuer == "storagekey":
        return {"Key Vault Secrets User", "Storage Account Key Operator Service Role"}
    return {"Key Vault Secrets User", "Storage Blob Delegator", "Storage Blob Data Reader"}


def test_from_nothing_to_a_rotation_that_works(empty: World) -> None:
    dry = onboard("--dry-run")
    assert dry.exit_code == 0, dry.output
    assert held(empty) == set()
    done = onboard("--yes")
    assert done.exit_code == 0, done.output
    assert secrets_in.found(empty, done.output) == []
    assert "managed account" not in done.output
    assert "access policy" not in done.output
    assert held(empty) == needed(empty)
    assert empty.vault.storage.accounts == {}
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert settings["SAS_ISSUER"] == empty.options.issuer
    assert settings["STORAGE_ACCOUNT_ID"] == empty.account.resource_id
    assert "KEYVAULT_STORAGE_NAME" not in settings

    authorize(empty, done)
    given = settings_for(empty, SAS_PERMISSIONS="r")
    assert not app.rotate(trigger=Trigger.CLI, environment=given, proof_seconds=PROOF_SECONDS).failed
    assert Cluster(empty).works()

    again = onboard("--yes", "--json")
    assert again.exit_code == 0, again.output
    assert '"did": "done"' not in again.output


def test_an_operator_who_may_not_assign_roles_is_told_the_command(empty: World) -> None:
    manager = empty.resource_manager
    manager.role_assignments[:] = [one for one in manager.role_assignments if one.role != roles.OWNER]
    refused = onboard("--yes")
    assert refused.exit_code == 1
    assert "you may not assign roles" in refused.output
    assert "az role assignment create --role 'Key Vault Secrets User'" in refused.output
    assert held(empty) == set()


def test_the_issuer_is_an_option_too(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = empty.options.issuer
    monkeypatch.delenv("SAS_ISSUER")
    done = onboard("--yes", "--issuer", issuer)
    assert done.exit_code == 0, done.output
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert settings["SAS_ISSUER"] == issuer
