"""Where a plan's values were written in a file, messages name that place, and no app setting that nobody set."""

import datetime
import re

import pytest

from rotator import sas
from rotator.azure.errors import StorageUnreachableError
from rotator.azure.managed_account import StorageBundle
from rotator.checks.remedies import Remedies
from rotator.delivery import manifest
from rotator.delivery.errors import NotOursError, PrivateKeyError
from rotator.delivery.ssh import private_key
from rotator.issuers import keyvault
from rotator.issuers.proof import StorageProver
from rotator.plan import consistency
from rotator.redaction import SecretText
from tests.fakes.examples import CLUSTER, RESOURCE_ID, TARGET, TOKEN, document, held, in_a_file, plan
from tests.fakes.world import World

DAY = datetime.timedelta(days=1)
PLACE = "in rotation.yaml, line 12"
OF_MODELS = re.compile(r"KUBERNETES_|KEYVAULT_|STORAGE_BLOB|SAS_VALIDITY|KEY_ROTATION|ROTATION_SCHEDULE")


def named(text: str) -> set[str]:
    """The values that the text names by their place; fails for one that goes by a setting's name."""
    assert OF_MODELS.search(text) is None, text
    return set(re.findall(rf"(\w+) {PLACE}", text))


def test_warnings_about_a_plan_name_places() -> None:
    found = in_a_file(plan(schedule="0 0 6 * * MON-SUN"))
    warned = "\n".join(consistency.warnings(found, "Europe/Rome"))
    assert named(warned) == {"validity", "schedule"}


def test_warnings_about_the_vault_name_places() -> None:
    found = in_a_file(plan(schedule="0 0 6 * * *", key_rotation_period=90 * DAY))
    hourly = StorageBundle(RESOURCE_ID, "key1", auto_regenerate=True, period=DAY / 24)
    warned = "\n".join(keyvault.period_warnings(hourly, found))
    assert named(warned) == {"validity", "schedule", "key_rotation_period"}


def test_a_sas_that_is_not_tried_says_which_endpoint_is_not_written() -> None:
    world = World()
    world.vault.may_read = False
    world.plan = in_a_file(plan(blob_endpoint=None))
    (target,) = world.rotate().targets
    assert named(str(target.outcome)) == {"blob_endpoint"}


def test_storage_that_does_not_answer_names_the_endpoints_place() -> None:
    account = in_a_file(plan()).account
    prover = StorageProver(seconds=0, quick=True, named=account.origin("blob_endpoint"))
    with pytest.raises(StorageUnreachableError) as caught:
        prover.prove(sas.parse(SecretText(TOKEN)), "https://127.0.0.1:1")
    assert named(caught.value.remedy) == {"blob_endpoint"}


def test_a_secret_of_somebody_else_names_the_targets_places() -> None:
    with pytest.raises(NotOursError) as caught:
        manifest.check_owner(held(document({"other": "x"})), in_a_file(TARGET))
    assert named(caught.value.remedy) == {"secret", "adopt"}


def test_a_key_without_its_passphrase_names_the_clusters_place() -> None:
    key = private_key.generate(SecretText("correct horse"))
    with pytest.raises(PrivateKeyError) as caught:
        private_key.load(key, None, in_a_file(CLUSTER).origin("passphrase_secret"))
    assert named(caught.value.remedy) == {"passphrase_secret"}


def test_no_command_sets_what_is_not_an_app_setting() -> None:
    remedies = Remedies(plan(), {})
    assert remedies.setting(TARGET.setting("adopt"), "true") == "export KUBERNETES_SECRET_ADOPT=true"
    assert remedies.setting(in_a_file(TARGET).setting("adopt"), "true") == ""
