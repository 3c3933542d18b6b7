"""`plan --issuer` against the sandbox, there and back: what is missing, and that what it proposes is enough."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from rotator import app
from rotator.commands import cli
from rotator.reporting.report import Trigger
from sandbox.issuers import Issuer
from sandbox.options import Options
from sandbox.resource_manager import roles
from sandbox.world import World
from tests import secrets_in, surroundings
from tests.integration.checkups import written
from tests.integration.conftest import PROOF_SECONDS, Cluster, settings_for


@pytest.fixture
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(Options(issuer=request.param)) as running:
        yield surroundings.enter(running, monkeypatch)


def preview(world: World, issuer: Issuer, **settings: str) -> tuple[int, dict[str, Any]]:
    since = len(world.journal.events())
    ended = CliRunner().invoke(cli.main, ["plan", "--issuer", issuer, "--json"], env=settings_for(world, **settings))
    assert secrets_in.found(world, ended.output) == []
    assert written(world, since) == []
    return ended.exit_code, json.loads(ended.stdout)


def moves(world: World, found: dict[str, Any], **settings: str) -> None:
    """The proposed settings are enough for a rotation."""
    given = settings_for(world, **{**settings, **found["settings"]})
    report = app.rotate(trigger=Trigger.CLI, environment=given, proof_seconds=PROOF_SECONDS)
    assert not report.failed
    assert Cluster(world).works()


def missing(found: dict[str, Any]) -> set[str]:
    return {finding["check"] for finding in found["missing"]}


@pytest.mark.parametrize("world", ["keyvault"], indirect=True)
def test_from_key_vault_to_delegation(world: World) -> None:
    code, found = preview(world, "userdelegation")
    assert (code, missing(found)) == (1, {"settings"})
    assert found["missing"][0]["text"].startswith("SAS_CONTAINER is missing")

    here = {"SAS_CONTAINER": "pictures", "SAS_PERMISSIONS": "ru", "SAS_SERVICES": "b"}
    world.rights.unassign(roles.CONTRIBUTOR)
    code, found = preview(world, "userdelegation", **here)
    assert (code, missing(found)) == (1, {"role for delegation", "role for data"})
    assert world.rights.principal_id in found["identity"]
    commands = [finding["command"] for finding in found["missing"]]
    assert all(command.startswith("az role assignment create") for command in commands)

    world.allow_issuer("userdelegation")
    code, found = preview(world, "userdelegation", **here)
    assert (code, missing(found)) == (0, set())
    assert found["settings"] == {
        "SAS_ISSUER": "userdelegation",
        "STORAGE_ACCOUNT_ID": world.account.resource_id,
        "SAS_CONTAINER": "pictures",
        "SAS_PERMISSIONS": "r",
        "SAS_SERVICES": "",
        "SAS_RESOURCE_TYPES": "",
    }
    assert any("the container pictures instead of the whole account" in effect for effect in found["effects"])
    moves(world, found, **here)


@pytest.mark.parametrize("world", ["userdelegation"], indirect=True)
def test_from_delegation_back_to_key_vault(world: World) -> None:
    code, found = preview(world, "keyvault")
    assert code == 1
    assert "vault permission storage getsas" in missing(found)

    world.allow_issuer("keyvault")
    code, found = preview(world, "keyvault")
    assert (code, missing(found)) == (0, set())
    assert found["settings"]["SAS_CONTAINER"] == ""
    moves(world, found)
