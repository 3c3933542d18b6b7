"""What the check of the managed account says where the vault has none of the name."""

import concurrent.futures
import dataclasses
from typing import Any, NoReturn

import pytest

from rotator.azure.errors import ManagedAccountNotFoundError
from rotator.azure.permissions import Principal
from rotator.checks.findings import Finding, Level
from rotator.checks.identity import SignedIn
from rotator.checks.interface import THE_PLAN, Key, Results
from rotator.checks.runner import run_check
from rotator.checks.vault_permissions import ManagedAccountRead, VaultReachable
from tests.fakes import checks
from tests.fakes.world import World


class Emptied(checks.ProbedVault):
    """A vault that knows no managed account."""

    def managed(self) -> NoReturn:
        raise ManagedAccountNotFoundError("the vault knows no managed account 'mystorage'")


@pytest.mark.parametrize("deleted", [True, False])
def test_one_that_is_soft_deleted_is_said_to_be(deleted: bool) -> None:
    world = World()
    vault = Emptied(world.calls, world.account)
    vault.deleted = deleted
    context = dataclasses.replace(checks.context(world), vault=vault)
    earlier: dict[Key, concurrent.futures.Future[Any]] = {
        (SignedIn, THE_PLAN): checks.result(Principal()),
        (VaultReachable, THE_PLAN): checks.result(None),
    }
    findings: list[Finding] = []
    run_check(ManagedAccountRead(context, THE_PLAN), Results(earlier), findings.append)
    (finding,) = findings
    assert finding.level is Level.FAILURE
    assert ("soft-deleted, and onboarding recovers it" in finding.text) is deleted
    assert "rotator onboard" in finding.command
