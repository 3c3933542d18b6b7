"""What checks of storage report where storage does not judge a SAS, each compared with what a run makes of it."""

import concurrent.futures
import dataclasses
from typing import Any

import pytest

from rotator.azure.errors import StorageUnreachableError
from rotator.checks import runner, storage
from rotator.checks.findings import Checkup, Finding, Level
from rotator.checks.interface import THE_PLAN, Check, Key, Results
from rotator.checks.issuer_keyvault import DefinitionPresent
from rotator.checks.kubernetes_secret import LiveSecretRead
from rotator.checks.vault_permissions import DefinitionRead, PrivateKeyRead
from rotator.delivery.ssh import login_secrets
from rotator.redaction import SecretText
from tests.fakes import checks, examples
from tests.fakes.world import World

SET = "https://mystorage.blob.core.windows.net"
BUSY = StorageUnreachableError(f"{SET} answered 503 ServerBusy, which neither accepts nor refuses the SAS")
STORAGE: tuple[type[Check[Any]], ...] = (storage.SasIssued, storage.SasAccepted, storage.LiveSasAccepted)


@pytest.fixture
def world() -> World:
    return World().settled()


def check(world: World, **changes: Any) -> Checkup:
    """Check a SAS and storage, after what earlier checks would have found."""
    world.plan = examples.changed(world.plan, **changes)
    context, findings = checks.context(world), list[Finding]()
    futures: dict[Key, concurrent.futures.Future[Any]] = {
        (PrivateKeyRead, login_secrets.private_key(examples.CLUSTER)): checks.result(SecretText("the private key")),
        (DefinitionRead, THE_PLAN): checks.result(world.vault.stored(world.plan.grant)),
        (DefinitionPresent, THE_PLAN): checks.result(True),
        (LiveSecretRead, examples.TARGET): checks.result(examples.held(world.master.secrets["storage-sas"])),
    }
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for kind in STORAGE:
            for subject in kind.subjects(context.plan):
                results = Results(dict(futures), subject)
                futures[kind, subject] = pool.submit(runner.run_check, kind(context, subject), results, findings.append)
    return Checkup(world.clock(), world.clock(), tuple(findings))


def levels(checkup: Checkup, name: str) -> set[Level]:
    return {finding.level for finding in checkup.findings if finding.check == name}


@pytest.mark.parametrize(("endpoint", "level"), [(SET, Level.FAILURE), (None, Level.WARNING)])
def test_storage_that_judges_no_sas_is_a_failure_only_where_it_was_set(
    world: World, endpoint: str | None, level: Level
) -> None:
    world.calls.failing["prove"] = BUSY
    checkup = check(world, blob_endpoint=endpoint)
    assert levels(checkup, "storage") - {Level.OK} == {level}
    assert checkup.failed == world.rotate(forced=True).failed


def test_what_consumers_have_may_be_left_untried(world: World) -> None:
    """It is replaced, whatever storage says of it."""
    world.calls.hook("after", "prove", lambda: world.calls.failing.update(prove=BUSY))
    checkup = check(world)
    assert levels(checkup, "storage") == {Level.OK}
    assert levels(checkup, "held SAS") == {Level.WARNING}
    world.again()
    assert not world.rotate(forced=True).failed


def test_where_no_sas_is_tried_that_of_consumers_is_not_either(world: World) -> None:
    world.calls.failing["prove"] = BUSY
    checkup = check(world, prove=False)
    assert levels(checkup, "held SAS") == {Level.SKIPPED}
    assert checkup.failed == world.rotate(forced=True).failed


@pytest.mark.parametrize(
    "grants", [{"ss": None}, {"sv": "2022-11-02"}], ids=["something else than an account SAS", "another version"]
)
def test_what_another_definition_mints_is_no_failure_as_a_rotation_sets_it(
    world: World, grants: dict[str, str | None]
) -> None:
    world.vault.definitions["blobrwu4hours"] = dataclasses.replace(examples.DEFINITION, permissions="r")
    world.vault.grants = grants
    world.calls.hook("after", "store", world.vault.grants.clear)
    checkup = check(world)
    assert levels(checkup, "SAS") == {Level.SKIPPED}
    assert checkup.failed == world.rotate(forced=True).failed
