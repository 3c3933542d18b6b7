"""With Key Vault as the issuer, one line says that it is deprecated, and what the recommended issuer lacks."""

import concurrent.futures
import dataclasses
from typing import Any

import pytest

from rotator.azure.permissions import Principal
from rotator.checks.findings import Finding, Level
from rotator.checks.identity import SignedIn
from rotator.checks.interface import THE_PLAN, Key, Results
from rotator.checks.issuer_keyvault import AccountManaged
from rotator.checks.recommendation import IssuerCurrent
from rotator.checks.runner import run_check
from rotator.plan import loader
from rotator.plan.account import IssuerKind
from tests.fakes import checks, examples
from tests.fakes.world import World
from tests.unit.plan.test_issuer_change import CONTAINER, KEYVAULT

NEXT = "Next step: python -m rotator plan --issuer userdelegation"


def found(environment: dict[str, str], account: checks.Account | None = None) -> Finding:
    world = World()
    world.plan = loader.load(KEYVAULT)
    context = dataclasses.replace(checks.context(world, account=account), environment=environment)
    earlier: dict[Key, concurrent.futures.Future[Any]] = {
        (SignedIn, THE_PLAN): checks.result(Principal()),
        (AccountManaged, THE_PLAN): checks.result(world.vault.managed()),
    }
    findings: list[Finding] = []
    run_check(IssuerCurrent(context, THE_PLAN), Results(earlier), findings.append)
    (finding,) = findings
    return finding


def test_it_is_no_warning_and_names_what_is_missing() -> None:
    account = checks.Account()
    account.granted = {"actions": [], "dataActions": []}
    finding = found(KEYVAULT, account)
    assert (finding.level, finding.command) == (Level.OK, "")
    assert "deprecated" in finding.text
    assert "missing for it: SAS_CONTAINER is missing" in finding.text
    assert "; role for delegation. " in finding.text
    assert finding.text.endswith(NEXT)


def test_where_nothing_is_missing_only_the_next_step_is_left() -> None:
    finding = found({**KEYVAULT, **CONTAINER})
    assert "missing" not in finding.text
    assert finding.text.endswith(f"recommended is userdelegation. {NEXT}")


@pytest.mark.parametrize("issuer", [IssuerKind.STORAGEKEY, IssuerKind.USERDELEGATION])
def test_the_other_issuers_are_recommended_nothing(issuer: IssuerKind) -> None:
    assert IssuerCurrent.subjects(examples.plan(issuer=issuer)) == ()
