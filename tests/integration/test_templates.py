"""A Secret that is made by templates, on the sandbox: from its first delivery to settings that change."""

import base64
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from rotator import errors
from sandbox.options import Options
from sandbox.world import World
from tests import secrets_in, surroundings
from tests.integration.checkups import Examiner, examined
from tests.integration.conftest import (
    WORKING,
    Cluster,
    Keys,
    command_line,
    outcome,
    plain,
    regenerate,
    revoke,
    rotate,
)

BOTH = pytest.mark.parametrize("strategy", ["recreate", "apply"])
# As Velero reads it, with what stood there before; a connection string; what others may use.
DATA = """\
cloud: |
  AZURE_STORAGE_ACCOUNT={account}
  AZURE_SAS={sas}
  BEFORE={previous}
connection: "{connection_string}"
url: "{url}"
"""
SHAPED: dict[str, Any] = {
    "KUBERNETES_SECRET_DATA": DATA,
    "KUBERNETES_SECRET_LABELS": "cnpg.io/reload: true",
    "KUBERNETES_SECRET_ANNOTATIONS": '{"reloader.stakater.com/match": "true"}',
}
NOT_SHAPED: dict[str, Any] = {"KUBERNETES_SECRET_KEY": "secretKey"}


def data(world: World) -> dict[str, str]:
    held = Cluster(world).secret()
    assert held
    return {name: base64.b64decode(text).decode() for name, text in held["data"].items()}


def lines(world: World) -> dict[str, str]:
    """The variables in the file that the Secret holds."""
    return dict(line.split("=", 1) for line in data(world)["cloud"].splitlines())


def works(world: World) -> bool:
    return world.blob_status(lines(world)["AZURE_SAS"]) == WORKING


@BOTH
def test_secret_is_made_by_its_templates_and_a_second_run_leaves_it_alone(world: World, strategy: str) -> None:
    done = outcome(rotate(world, KUBERNETES_SECRET_STRATEGY=strategy, **SHAPED))
    assert done["outcome"] == "rotated", done
    found = Cluster(world).secret()
    assert found
    assert found["metadata"]["labels"]["cnpg.io/reload"] == "true"
    assert found["metadata"]["annotations"]["reloader.stakater.com/match"] == "true"
    assert found["metadata"]["annotations"]["rotator/digest"] == done["digest"]
    assert set(lines(world)) == {"AZURE_STORAGE_ACCOUNT", "AZURE_SAS", "BEFORE"}
    assert lines(world) | {"AZURE_SAS": ""} == {
        "AZURE_STORAGE_ACCOUNT": world.account.name,
        "AZURE_SAS": "",
        "BEFORE": "",
    }
    assert works(world)
    with BlobServiceClient.from_connection_string(data(world)["connection"]) as client:
        assert client.url == f"{world.blob.url(world.account.name)}/?{lines(world)['AZURE_SAS']}"
    assert data(world)["url"].endswith(f"?{lines(world)['AZURE_SAS']}")

    again = rotate(world, KUBERNETES_SECRET_STRATEGY=strategy, **SHAPED)
    assert outcome(again)["outcome"] == "unchanged"
    assert Cluster(world).secret() == found

    before = lines(world)["AZURE_SAS"]
    rotate(world, forced=True, KUBERNETES_SECRET_STRATEGY=strategy, **SHAPED)
    assert lines(world)["BEFORE"] == before


@BOTH
def test_changed_settings_are_due_and_what_they_no_longer_have_is_removed(world: World, strategy: str) -> None:
    rotate(world, KUBERNETES_SECRET_STRATEGY=strategy, **SHAPED)
    fewer = {"KUBERNETES_SECRET_DATA": json.dumps({"cloud": "AZURE_SAS={sas}\n"}), "KUBERNETES_SECRET_LABELS": "{}"}
    done = outcome(rotate(world, KUBERNETES_SECRET_STRATEGY=strategy, **{**SHAPED, **fewer}))
    assert (done["outcome"], done["reason"]) == ("rotated", "the template, type, labels or annotations were changed")
    assert set(data(world)) == {"cloud"}
    found = Cluster(world).secret()
    assert found
    assert "cnpg.io/reload" not in found["metadata"]["labels"]
    done = outcome(rotate(world, KUBERNETES_SECRET_STRATEGY=strategy, **NOT_SHAPED))
    assert (done["outcome"], done["reason"]) == ("rotated", "the data key was changed")
    assert set(data(world)) == {"secretKey"}
    assert Cluster(world).works()


def test_value_that_somebody_changed_is_drift_and_repaired(world: World) -> None:
    rotate(world, **SHAPED)
    patch = json.dumps({"data": {"url": base64.b64encode(b"elsewhere").decode()}})
    Cluster(world).kubectl("patch", "secret", "storage-sas", "--patch", patch)
    done = outcome(rotate(world, **SHAPED))
    assert (done["drift"], done["reason"]) == (True, "drift: somebody changed the value of url")
    assert data(world)["url"].endswith(f"?{lines(world)['AZURE_SAS']}")


def test_sas_before_blocks_the_regeneration_of_its_key_as_long_as_it_lives(world: World) -> None:
    rotate(world, **SHAPED)
    Keys(world).record.active_key = "key2"
    assert outcome(rotate(world, **SHAPED))["outcome"] == "rotated"
    assert lines(world)["BEFORE"]
    with pytest.raises(errors.KeyInUseError, match="holds a SAS that key1 signed"):
        regenerate(world, **SHAPED)


def test_revocation_ends_each_sas_that_the_secret_held(world: World) -> None:
    rotate(world, **SHAPED)
    first = lines(world)["AZURE_SAS"]
    rotate(world, forced=True, **SHAPED)
    second = lines(world)["AZURE_SAS"]
    report = revoke(world, forced=True, **SHAPED)
    assert not report.failed
    assert report.key
    assert len(report.key.proofs) == 2
    assert [world.blob_status(each) == WORKING for each in (first, second)] == [False, False]
    assert works(world)


@pytest.fixture
def examiner(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    with examined(world, tmp_path, caplog) as made:
        yield made


def test_check_finds_that_a_template_needs_what_is_not_known(examiner: Examiner) -> None:
    assert not examiner.check(**SHAPED).failed
    examiner.world.vault.permissions.discard("storage/get")
    finding = examiner.failing("dry run", **SHAPED)
    assert "needs {account}, which is not known" in finding.text
    assert "STORAGE_BLOB_ENDPOINT" in finding.remedy


def test_secret_with_the_account_key_follows_the_keys_and_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    csi_file: dict[str, Any] = {"KUBERNETES_SECRET_PRESET": "csi-file"}
    with World(Options(issuer="storagekey")) as world:
        surroundings.enter(world, monkeypatch)
        shown = [command_line(world, "rotate", "-v", **csi_file)]
        first = data(world)["azurestorageaccountkey"]
        assert first in world.account.keys.values()
        assert outcome(rotate(world, **csi_file))["outcome"] == "unchanged"
        shown += [command_line(world, "revoke", "--force", "-v", **csi_file)]
        second = data(world)["azurestorageaccountkey"]
        assert first not in world.account.keys.values()
        assert second in world.account.keys.values()
        held = next(name for name, value in world.account.keys.items() if value == second)
        world.account.key_created[held] = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # the other one is newer
        shown += [command_line(world, "rotate", "--force", "-v", **csi_file)]
        third = data(world)["azurestorageaccountkey"]
        assert third in world.account.keys.values()
        assert third != second
        assert [each.returncode for each in shown] == [0] * 3
        emitted = plain("".join(each.stdout + each.stderr for each in shown))
        assert "itself, which is no longer the active key" in emitted
        assert "holds the account key itself" in emitted
        assert [key for key in (first, second, third) if key in emitted or key[:40] in emitted] == []
        assert secrets_in.found(world, emitted) == []
