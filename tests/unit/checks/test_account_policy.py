"""What stands in the way of a SAS on the account's side: each finding's level, its text and its command, by issuer."""

import concurrent.futures
import dataclasses
import datetime
from typing import Any

import pytest

from rotator.azure.errors import ResourceManagerForbiddenError
from rotator.azure.permissions import Principal
from rotator.checks import account_policy, issuer_storagekey, issuer_userdelegation, runner, vault_permissions
from rotator.checks.context import Context
from rotator.checks.findings import Finding, Level
from rotator.checks.identity import SignedIn
from rotator.checks.interface import THE_PLAN, Check, Key, Results
from rotator.checks.storage import SasAccepted
from rotator.plan.account import Grant, IssuerKind
from tests.fakes import checks, examples
from tests.fakes.examples import RESOURCE_ID
from tests.fakes.world import World

STORAGEKEY, USERDELEGATION = IssuerKind.STORAGEKEY, IssuerKind.USERDELEGATION
IN_CONTAINER = Grant(container="pictures")
UPDATE = f"az storage account update --ids {RESOURCE_ID}"
SET = f"az resource update --ids {RESOURCE_ID} --api-version 2026-09-01 --set properties."
LOCK = f"{RESOURCE_ID}/providers/Microsoft.Authorization/locks/keep"
ANYONE = Principal()


def context(issuer: IssuerKind, **changes: Any) -> tuple[Context, checks.Account]:
    world, account = World(), checks.Account()
    grant = changes.pop("grant", IN_CONTAINER if issuer is USERDELEGATION else Grant())
    changes = {"issuer": issuer, "storage_account": RESOURCE_ID, "managed_account": "", **changes}
    world.plan = dataclasses.replace(examples.changed(world.plan, **changes), grant=grant)
    return checks.context(world, account=account), account


def found(given: Context, kind: type[Check[Any]], **earlier: Any) -> list[Finding]:
    """What one check finds, after those that it needs."""
    futures: dict[Key, concurrent.futures.Future[Any]] = {(SignedIn, THE_PLAN): checks.result(ANYONE)}
    if "accepted" in earlier:
        futures[SasAccepted, THE_PLAN] = checks.result(earlier["accepted"])
    findings: list[Finding] = []
    kinds: list[type[Check[Any]]] = [account_policy.AccountRead, kind]
    for one in dict.fromkeys(kinds):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            made = one(given, THE_PLAN)
            futures[one, THE_PLAN] = pool.submit(runner.run_check, made, Results(dict(futures)), findings.append)
    return [finding for finding in findings if finding.check == kind.name]


def only(given: Context, kind: type[Check[Any]], **earlier: Any) -> Finding:
    (finding,) = found(given, kind, **earlier)
    return finding


OFF = {"allowSharedKeyAccess": False}
BLOB_OFF = {"allowSharedKeyAccessForServices": {"blob": {"enabled": False}}}
TABLE_OFF = {"allowSharedKeyAccessForServices": {"table": {"enabled": False}}}
DENIES, PRIVATE = {"networkAcls": {"defaultAction": "Deny"}}, {"publicNetworkAccess": "Disabled"}
SHORT = {"sasExpirationPeriod": "0.04:00:00"}
UNBOUND = {"sasPolicy": {"requireUserBoundUserDelegationSasAction": "Block"}}
KEYS_OF_30 = {"keyPolicy": {"keyExpirationPeriodInDays": 30}}
WIDE = Grant(services="bt")


@pytest.mark.parametrize(
    ("issuer", "kind", "properties", "level", "command"),
    [
        (STORAGEKEY, account_policy.SharedKeyAllowed, {}, Level.OK, ""),
        (STORAGEKEY, account_policy.SharedKeyAllowed, OFF, Level.FAILURE, f"{UPDATE} --allow-shared-key-access true"),
        (
            STORAGEKEY,
            account_policy.SharedKeyAllowed,
            BLOB_OFF,
            Level.FAILURE,
            f"{SET}allowSharedKeyAccessForServices.blob.enabled=true",
        ),
        (STORAGEKEY, account_policy.SharedKeyAllowed, TABLE_OFF, Level.OK, ""),
        (
            STORAGEKEY,
            account_policy.SasPolicyMet,
            {"sasPolicy": {**SHORT, "expirationAction": "Log"}},
            Level.WARNING,
            "export SAS_VALIDITY=PT3H45M",
        ),
        (
            USERDELEGATION,
            account_policy.SasPolicyMet,
            {"sasPolicy": {**SHORT, "expirationAction": "Block"}},
            Level.FAILURE,
            "export SAS_VALIDITY=PT3H45M",
        ),
        (
            STORAGEKEY,
            account_policy.SasPolicyMet,
            {"sasPolicy": {"sasExpirationPeriod": "0.00:20:00", "expirationAction": "Block"}},
            Level.FAILURE,
            f"{UPDATE} --sas-expiration-period 0.04:15:00",
        ),
        (USERDELEGATION, account_policy.SasPolicyMet, {"sasPolicy": {"sasExpirationPeriod": "1.00:00:00"}}, "ok", ""),
        (
            USERDELEGATION,
            account_policy.SasPolicyMet,
            UNBOUND,
            Level.FAILURE,
            f"{SET}sasPolicy.requireUserBoundUserDelegationSasAction=None",
        ),
        (STORAGEKEY, account_policy.SasPolicyMet, UNBOUND, Level.OK, ""),
        (STORAGEKEY, account_policy.KeyPolicyMet, {}, Level.OK, ""),
        (STORAGEKEY, account_policy.KeyPolicyMet, KEYS_OF_30, Level.WARNING, "export KEY_ROTATION_PERIOD=P30D"),
        (USERDELEGATION, account_policy.NetworksAdmitted, {}, Level.OK, ""),
        (
            USERDELEGATION,
            account_policy.NetworksAdmitted,
            DENIES,
            Level.WARNING,
            "az storage account network-rule add --account-name mystorage --ip-address <address of this network>",
        ),
        (
            STORAGEKEY,
            account_policy.NetworksAdmitted,
            PRIVATE,
            Level.WARNING,
            f"{UPDATE} --public-network-access Enabled",
        ),
    ],
)
def test_a_property_is_found_by_name_with_its_command(
    issuer: IssuerKind, kind: type[Check[Any]], properties: dict[str, Any], level: Level, command: str
) -> None:
    given, account = context(issuer)
    account.properties = properties
    finding = only(given, kind)
    assert (finding.level, finding.command) == (level, command)


def test_a_service_beside_blobs_without_keys_is_a_warning() -> None:
    given, account = context(STORAGEKEY, grant=WIDE)
    account.properties = TABLE_OFF
    assert only(given, account_policy.SharedKeyAllowed).level is Level.WARNING


def test_networks_are_no_warning_once_storage_has_accepted_a_sas_from_here() -> None:
    given, account = context(STORAGEKEY)
    account.properties = DENIES
    finding = only(given, account_policy.NetworksAdmitted, accepted="https://mystorage.blob.core.windows.net")
    assert finding.level is Level.OK
    assert "each consumer" in finding.text


def test_keys_that_are_regenerated_often_enough_need_no_reminder() -> None:
    given, account = context(STORAGEKEY, key_rotation_period=datetime.timedelta(days=30))
    account.properties = KEYS_OF_30
    assert only(given, account_policy.KeyPolicyMet).level is Level.OK


@pytest.mark.parametrize(("issuer", "level"), [(STORAGEKEY, Level.FAILURE), (USERDELEGATION, Level.WARNING)])
def test_a_lock_is_named_with_the_command_that_deletes_it(issuer: IssuerKind, level: Level) -> None:
    given, account = context(issuer)
    account.locks.append(LOCK)
    finding = only(given, account_policy.Unlocked)
    assert (finding.level, finding.command) == (level, f"az lock delete --ids {LOCK}")


def test_without_the_role_reader_one_warning_says_what_was_not_looked_at() -> None:
    given, account = context(USERDELEGATION)
    account.failing = ResourceManagerForbiddenError("Resource Manager answered 403")
    finding = only(given, account_policy.AccountRead)
    assert finding.level is Level.WARNING
    assert "shared key access" in finding.text
    assert finding.command == _role("Reader", RESOURCE_ID)
    skipped = only(given, account_policy.SasPolicyMet)
    assert (skipped.level, skipped.text) == (Level.SKIPPED, "not checked: it needs 'storage account'")


def test_an_account_that_only_its_endpoint_names_is_not_looked_at() -> None:
    given, _ = context(USERDELEGATION, storage_account=None)
    finding = only(given, account_policy.AccountRead)
    assert finding.level is Level.WARNING
    assert finding.command == "export STORAGE_ACCOUNT_ID='<resource id of the storage account>'"
    assert only(given, issuer_userdelegation.DelegationAllowed).level is Level.SKIPPED


READING = {"dataActions": ["*/blobs/read"], "actions": []}


@pytest.mark.parametrize(
    ("kind", "level", "command"),
    [
        (
            issuer_userdelegation.DelegationAllowed,
            Level.FAILURE,
            "az role assignment create --role 'Storage Blob Delegator'",
        ),
        (
            issuer_userdelegation.DataRoleHeld,
            Level.WARNING,
            "az role assignment create --role 'Storage Blob Data Contributor'",
        ),
        (issuer_userdelegation.RevocationAllowed, Level.WARNING, "az role definition create --role-definition "),
    ],
)
def test_a_role_that_delegation_needs_is_named(kind: type[Check[Any]], level: Level, command: str) -> None:
    given, account = context(USERDELEGATION)
    account.granted = READING
    finding = only(given, kind)
    assert finding.level is level
    assert finding.command.startswith(command)
    account.granted = {"actions": ["*"], "dataActions": ["*"]}
    assert only(given, kind).level is Level.OK


@pytest.mark.parametrize(("period", "level"), [(None, Level.WARNING), (datetime.timedelta(days=90), Level.FAILURE)])
def test_regenerating_keys_is_needed_where_the_timer_does_it(period: datetime.timedelta | None, level: Level) -> None:
    given, account = context(STORAGEKEY, key_rotation_period=period)
    account.granted = READING
    assert only(given, issuer_storagekey.RegenerationAllowed).level is level


def test_the_key_that_signs_is_named() -> None:
    given, _ = context(STORAGEKEY)
    assert only(given, issuer_storagekey.SigningKeyListed).text.startswith("key1 signs")


def test_checks_of_another_issuer_do_not_apply() -> None:
    others: dict[IssuerKind, list[type[Check[Any]]]] = {
        STORAGEKEY: [vault_permissions.DefinitionRead, issuer_userdelegation.DelegationAllowed],
        USERDELEGATION: [account_policy.SharedKeyAllowed, issuer_storagekey.SigningKeyListed],
        IssuerKind.KEYVAULT: [vault_permissions.VaultMode, issuer_userdelegation.DataRoleHeld],
    }
    for issuer, kinds in others.items():
        given, _ = context(issuer)
        assert [kind for kind in kinds if kind.subjects(given.plan)] == []


def _role(name: str, scope: str) -> str:
    return f"az role assignment create --role {name} --assignee-object-id <object id of the identity> --scope {scope}"
