"""Checks of each issuer against the sandbox: what stands in the way is found by name, and its command ends that."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator import wiring
from rotator.checks import account_policy, issuer_storagekey, issuer_userdelegation, runner, storage, vault_permissions
from rotator.checks.findings import Checkup, Finding, Level
from rotator.checks.identity import SignedIn
from rotator.checks.interface import Check
from rotator.plan import loader
from sandbox.issuers import Issuer
from sandbox.options import Options
from sandbox.resource_manager import locks, roles
from sandbox.world import World
from tests import secrets_in, surroundings
from tests.integration.checkups import levels, only, wrong
from tests.integration.conftest import settings_for
from tests.remedies.shell import Shell

# All that is about issuers, without masters and clusters.
CHECKS: tuple[type[Check[Any]], ...] = (
    SignedIn,
    vault_permissions.VaultReachable,
    vault_permissions.PrivateKeyRead,
    vault_permissions.VaultMode,
    issuer_storagekey.SigningKeyListed,
    issuer_storagekey.RegenerationAllowed,
    issuer_userdelegation.DelegationAllowed,
    issuer_userdelegation.DataRoleHeld,
    issuer_userdelegation.RevocationAllowed,
    storage.SasIssued,
    storage.SasAccepted,
    account_policy.AccountRead,
    account_policy.SharedKeyAllowed,
    account_policy.SasPolicyMet,
    account_policy.KeyPolicyMet,
    account_policy.NetworksAdmitted,
    account_policy.Unlocked,
)
REVOKER = "0e8ac7f4-0000-4000-8000-000000000001"


@dataclasses.dataclass
class Examined:
    """A world whose rotator has all that its issuer needs, may look at the account, and may revoke keys."""

    world: World
    shell: Shell

    def check(self) -> Checkup:
        settings = settings_for(self.world, SAS_PERMISSIONS="r")
        plan = loader.load(settings)
        with (
            wiring.signed_in(plan.client_id) as credential,
            wiring.check_context(plan, credential, settings, proof_seconds=0.0) as context,
        ):
            checkup = runner.run(CHECKS, context, runner.NoProgress())
        assert secrets_in.found(self.world, repr(checkup)) == []
        return checkup

    def repaired(self, finding: Finding) -> None:
        self.shell.carry_out(finding.command)
        assert levels(self.check(), finding.check) == {Level.OK}


@pytest.fixture(scope="module", params=["storagekey", "userdelegation"])
def shared(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(Options(issuer=request.param)) as world:
        role = roles.Definition("Revoker", ("Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action",))
        world.resource_manager.role_definitions[REVOKER] = role
        for one in (roles.READER, REVOKER):
            world.rights.assign(one, world.account.resource_id)
        yield world


@pytest.fixture
def examined(shared: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examined]:
    surroundings.enter(shared, monkeypatch)
    manager, account = shared.resource_manager, dict(vars(shared.account))
    held, definitions = list(manager.role_assignments), dict(manager.role_definitions)
    yield Examined(shared, Shell(shared, tmp_path))
    vars(shared.account).update(account)
    shared.account.shared_key_services = {}
    shared.vault.rbac = True
    manager.role_assignments[:], manager.locks = held, []
    manager.role_definitions.clear()
    manager.role_definitions.update(definitions)


def test_where_nothing_is_wrong_everything_is_ok(examined: Examined) -> None:
    assert wrong(examined.check()) == set()


def key_access_off(world: World) -> None:
    world.account.allow_shared_key_access = False


def blob_key_access_off(world: World) -> None:
    world.account.shared_key_services = {"blob": False}


def sas_too_long(world: World) -> None:
    world.account.sas_policy = {"sasExpirationPeriod": "0.04:00:00", "expirationAction": "Log"}


def sas_much_too_long(world: World) -> None:
    world.account.sas_policy = {"sasExpirationPeriod": "0.00:30:00", "expirationAction": "Block"}


def unbound_refused(world: World) -> None:
    world.account.sas_policy = {
        "sasExpirationPeriod": "7.00:00:00",
        "expirationAction": "Log",
        "requireUserBoundUserDelegationSas": True,
        "requireUserBoundUserDelegationSasAction": "Block",
    }


def keys_expire(world: World) -> None:
    world.account.key_expiration_days = 60


def networks_shut(world: World) -> None:
    world.account.firewall = {"203.0.113.0/24"}


def locked(world: World) -> None:
    group = world.account.resource_id.partition("/providers/")[0]
    world.resource_manager.locks.append(locks.Lock(group, "keep"))


def without(role: str) -> Callable[[World], None]:
    return lambda world: world.rights.unassign(role)


def access_policies(world: World) -> None:
    world.vault.rbac = False
    world.vault.policies[world.rights.principal_id] = {"secrets/get"}


STORAGEKEY, USERDELEGATION = "storagekey", "userdelegation"
BOTH = (STORAGEKEY, USERDELEGATION)


@pytest.mark.parametrize(
    ("issuers", "change", "expected"),
    [
        ((STORAGEKEY,), key_access_off, ("shared key access", Level.FAILURE, "az storage account update")),
        ((STORAGEKEY,), key_access_off, ("storage", Level.FAILURE, "az storage account update")),
        ((USERDELEGATION,), key_access_off, ("storage", Level.OK, "")),
        ((STORAGEKEY,), blob_key_access_off, ("shared key access", Level.FAILURE, "az resource update")),
        ((USERDELEGATION,), blob_key_access_off, ("storage", Level.OK, "")),
        (BOTH, sas_too_long, ("SAS policy", Level.WARNING, "export SAS_VALIDITY=PT3H45M")),
        (BOTH, sas_much_too_long, ("SAS policy", Level.FAILURE, "az storage account update")),
        (BOTH, sas_much_too_long, ("storage", Level.FAILURE, "")),
        ((USERDELEGATION,), unbound_refused, ("SAS policy", Level.FAILURE, "az resource update")),
        ((STORAGEKEY,), unbound_refused, ("SAS policy", Level.OK, "")),
        ((STORAGEKEY,), keys_expire, ("key policy", Level.WARNING, "export KEY_ROTATION_PERIOD=P60D")),
        (BOTH, networks_shut, ("storage networks", Level.WARNING, "az storage account network-rule add")),
        ((STORAGEKEY,), locked, ("locks", Level.FAILURE, "az lock delete")),
        ((STORAGEKEY,), locked, ("signing key", Level.FAILURE, "")),
        ((USERDELEGATION,), locked, ("locks", Level.WARNING, "az lock delete")),
        (BOTH, without(roles.READER), ("storage account", Level.WARNING, "az role assignment create")),
        (BOTH, without(roles.KEY_VAULT_SECRETS_USER), ("vault permission secrets get", Level.FAILURE, "az role")),
        ((STORAGEKEY,), without(roles.KEY_OPERATOR), ("signing key", Level.FAILURE, "az role assignment create")),
        (
            (STORAGEKEY,),
            without(roles.KEY_OPERATOR),
            ("role for key regeneration", Level.WARNING, "az role assignment create"),
        ),
        ((USERDELEGATION,), without(roles.STORAGE_BLOB_DELEGATOR), ("SAS", Level.FAILURE, "az role")),
        ((USERDELEGATION,), without(roles.STORAGE_BLOB_DELEGATOR), ("role for delegation", Level.FAILURE, "az role")),
        ((USERDELEGATION,), without(roles.STORAGE_BLOB_DATA_READER), ("role for data", Level.FAILURE, "az role")),
        ((USERDELEGATION,), without(roles.STORAGE_BLOB_DATA_READER), ("storage", Level.FAILURE, "az role")),
        ((USERDELEGATION,), without(REVOKER), ("role for revocation", Level.WARNING, "az role definition create")),
    ],
)
def test_what_stands_in_the_way_is_named_and_its_command_ends_that(
    examined: Examined, issuers: tuple[Issuer, ...], change: Callable[[World], None], expected: tuple[str, Level, str]
) -> None:
    if examined.world.options.issuer not in issuers:
        return
    check, level, command = expected
    change(examined.world)
    checkup = examined.check()
    if level is Level.OK:
        assert levels(checkup, check) == {Level.OK}
        return
    finding = only(checkup, check, level)
    assert finding.command.startswith(command)
    if command.startswith("az") and "<" not in finding.command:
        examined.repaired(finding)


def test_a_vault_with_access_policies_works_and_rbac_mode_is_suggested(examined: Examined) -> None:
    access_policies(examined.world)
    checkup = examined.check()
    assert wrong(checkup) == set()
    finding = only(checkup, "vault mode", Level.OK)
    assert "access policies" in finding.text
    examined.world.rights.unassign(roles.KEY_VAULT_SECRETS_USER)
    examined.shell.carry_out(finding.command)
    assert examined.world.vault.rbac
    after = examined.check()
    assert wrong(after) == set()
    assert only(after, "vault mode", Level.OK).command == ""
