"""Checks of identity and vault, each made to fail: the remedy is shown, and its command ends the failure."""

import dataclasses
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from rotator import app, errors
from rotator.azure import permissions
from rotator.checks.findings import Finding, Level
from rotator.reporting.report import Trigger
from sandbox.master import keys
from sandbox.resource_manager.roles import CONTRIBUTOR, KEY_OPERATOR
from sandbox.server.faults import Fault
from sandbox.world import ACCOUNT, KEY_SECRET, World
from tests.integration.checkups import Examiner, examined, levels, only, state, written, wrong
from tests.integration.conftest import Cluster, Keys, host_timer, regenerate, settings_for
from tests.remedies.shell import Shell

SECRETS_GET = "vault permission secrets get"
STORAGE_GET = "vault permission storage get"
PHRASE = "correct horse battery staple"
ROTATING = {"KEY_ROTATION_PERIOD": "P90D"}
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def examiner(rotated: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    with examined(rotated, tmp_path, caplog) as one:
        yield one


def test_what_a_rotation_changes_would_be_noticed(examiner: Examiner) -> None:
    world = examiner.world
    world.vault.storage.accounts[ACCOUNT].definitions.clear()
    before, seen = state(world), len(world.journal.events())
    assert examiner.rotates()
    after = state(world)
    assert [part for part in before if before[part] == after[part]] == []
    actions = {event.action for event in written(world, seen)}
    assert actions >= {"set-definition", "delete", "create", "acquire-lease", "release-lease"}


def test_where_nothing_is_wrong_everything_is_ok(examiner: Examiner) -> None:
    checkup = examiner.check(REPORT_CONTAINER="reports")
    assert {finding.level for finding in checkup.findings} == {Level.OK}
    assert [finding for finding in checkup.findings if finding.remedy or finding.command] == []


def test_before_the_first_run_what_is_not_there_yet_is_a_warning(examiner: Examiner) -> None:
    definitions = examiner.world.vault.storage.accounts[ACCOUNT].definitions
    definitions.clear()
    Cluster(examiner.world).kubectl("delete", "secret", "storage-sas")
    checkup = examiner.check()
    assert wrong(checkup) == {("SAS definition", Level.WARNING), ("Secret", Level.WARNING)}
    assert not checkup.failed
    examiner.repaired(only(checkup, "Secret", Level.WARNING))


def test_settings_that_are_odd_are_reported(examiner: Examiner) -> None:
    finding = examiner.warning("settings", KUBERNETES_SSH_FINGERPRINT="MD5:" + ":".join(["ab"] * 16))
    assert "MD5" in finding.text


# Identity


def test_without_an_identity_only_what_needs_none_is_looked_at(examiner: Examiner) -> None:
    examiner.world.identity.fail_with = 400
    checkup = examiner.check()
    finding = only(checkup, "identity", Level.FAILURE)
    assert "AZURE_CLIENT_ID" in finding.remedy
    assert finding.command == ""  # in Azure, an identity that is there but refused is not had by a command
    assert {one.check for one in checkup.findings if one.level is Level.OK} == {
        "settings",
        "failing runs",
        "Python",
        "vault",
        "master",
        "host key",
        "storage",
    }
    examiner.world.identity.fail_with = None
    assert wrong(examiner.check()) == set()


def findings_in(shell: Shell) -> dict[str, dict[str, str]]:
    """What a check in that shell finds, by its name."""
    found = json.loads(shell.run("python -m rotator check --json").output)
    return {finding["check"]: finding for finding in found["findings"]}


def test_a_person_signs_in_by_the_command_and_is_given_roles_as_a_person(examiner: Examiner) -> None:
    shell = examiner.shell
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        del shell.environment[name]
    shell.environment["AZURE_TOKEN_CREDENTIALS"] = "AzureCliCredential"  # else it looks for others, in the network too
    shell.sign_out()
    finding = findings_in(shell)["identity"]
    assert (finding["level"], finding["command"]) == ("failure", "az login")
    shell.carry_out(finding["command"])
    found = findings_in(shell)
    assert found["identity"]["level"] == "ok"
    assert f"{shell.object_id} --assignee-principal-type User" in found["lease"]["command"]
    shell.carry_out(found["lease"]["command"])
    assert findings_in(shell)["lease"]["level"] == "ok"


PLACE = {"WEBSITE_SITE_NAME": "sandboxrotator", "WEBSITE_RESOURCE_GROUP": "sandbox"}
OLD_IMAGE = {("Python", Level.WARNING)} if sys.version_info < (3, 12) else set()


def test_an_app_gets_its_identity_by_the_command(examiner: Examiner) -> None:
    world = examiner.world
    world.identity.unassigned = {world.identity.client_id}
    host_timer(world).start(datetime.datetime.now(datetime.UTC))
    assert wrong(examiner.repaired(examiner.failing("identity", **PLACE), **PLACE)) == OLD_IMAGE
    site = world.resource_manager.sites[world.function_app_id]
    assert site.principal_id == world.identity.object_id


def test_an_app_gets_the_very_identity_that_it_is_to_use_by_the_command(examiner: Examiner) -> None:
    world = examiner.world
    site = world.resource_manager.sites[world.function_app_id]
    world.identity.unassigned, site.user_assigned = {world.app_client_id}, {}
    host_timer(world).start(datetime.datetime.now(datetime.UTC))
    place = PLACE | {"AZURE_CLIENT_ID": world.app_client_id}
    assert wrong(examiner.repaired(examiner.failing("identity", **place), **place)) == OLD_IMAGE
    assert list(site.user_assigned.values()) == [(world.app_client_id, world.app_object_id)]
    assert site.principal_id is None


def test_the_identity_is_named_by_its_ids(examiner: Examiner) -> None:
    finding = only(examiner.check(), "identity", Level.OK)
    assert examiner.world.identity.object_id in finding.text
    assert examiner.world.identity.client_id in finding.text


# Reaching the vault


def test_a_vault_that_does_not_answer_is_reported_with_its_address(examiner: Examiner) -> None:
    checkup = examiner.check(KEYVAULT_BASEURL="https://127.0.0.1:9")
    finding = only(checkup, "vault", Level.FAILURE)
    assert "https://127.0.0.1:9" in finding.text
    assert finding.remedy
    assert wrong(checkup) == {("vault", Level.FAILURE)}


def test_an_address_is_let_through_the_firewall(examiner: Examiner) -> None:
    examiner.world.vault.firewall = {"192.0.2.0/24"}
    finding = examiner.failing(SECRETS_GET)
    assert finding.command == "az keyvault network-rule add --name 127 --ip-address 127.0.0.1"
    assert wrong(examiner.repaired(finding)) == set()
    assert examiner.world.vault.firewall == {"192.0.2.0/24", "127.0.0.1/32"}


def test_a_vault_without_public_networks_is_not_said_to_need_another_rule(examiner: Examiner) -> None:
    examiner.world.vault.private = True
    finding = examiner.failing(SECRETS_GET)
    assert "private endpoint" in finding.remedy
    assert finding.command == ""  # whether a vault is to be opened to the world is for a person to decide
    examiner.shell.carry_out(finding.remedy.rpartition(": ")[2])
    assert wrong(examiner.check()) == set()


@pytest.mark.parametrize("minutes", [2, -2])
def test_a_vault_s_clock_that_is_off_is_reported(examiner: Examiner, minutes: int) -> None:
    examiner.world.vault.clock_skew = minutes * MINUTE
    finding = examiner.harmless("vault")
    assert ("ahead of" if minutes > 0 else "behind") in finding.text
    assert "timedatectl set-ntp true" in finding.remedy


@pytest.mark.parametrize(
    ("minutes", "validity"), [(10, "PT4H"), (-10, "PT4H"), (4, "PT15M")], ids=["ahead", "behind", "for a short SAS"]
)
def test_a_vault_s_clock_by_which_sas_live_too_long_or_too_short_is_a_failure(
    examiner: Examiner, minutes: int, validity: str
) -> None:
    short = {"SAS_VALIDITY": validity, "ROTATION_SCHEDULE": "0 */5 * * * *"}
    examiner.world.vault.clock_skew = minutes * MINUTE
    examiner.failing("vault", **short)
    examiner.world.vault.clock_skew = datetime.timedelta()
    assert not examiner.check(**short).failed


# Permissions


def test_a_vault_that_decides_by_roles_is_switched(examiner: Examiner) -> None:
    examiner.world.vault.rbac = True
    checkup = examiner.check()
    finding = only(checkup, SECRETS_GET, Level.FAILURE)
    assert "RBAC" in finding.text
    for permission in (STORAGE_GET, "vault permission storage getsas", "vault permission storage setsas"):
        assert [one.command for one in checkup.findings if one.check == permission] == [finding.command]
    assert wrong(examiner.repaired(finding)) == set()


@pytest.mark.parametrize(
    "permission", ["secrets/get", "storage/get", "storage/getsas", "storage/setsas", "storage/regeneratekey"]
)
def test_a_permission_that_is_missing_is_granted(examiner: Examiner, permission: str) -> None:
    vault = examiner.world.vault
    vault.storage.accounts[ACCOUNT].auto_regenerate = False
    vault.permissions = vault.permissions - {permission}
    check = f"vault permission {permission.replace('/', ' ')}"
    finding = examiner.failing(check, **ROTATING)
    assert repr(permission.replace("/", " ")) in finding.text
    assert examiner.world.identity.object_id in finding.command
    assert wrong(examiner.repaired(finding, **ROTATING)) == set()


@pytest.mark.parametrize("permission", ["secrets/get", "storage/getsas"])
def test_a_plain_rotation_fails_without_a_permission_too(examiner: Examiner, permission: str) -> None:
    examiner.world.vault.permissions = examiner.world.vault.permissions - {permission}
    assert examiner.failing(f"vault permission {permission.replace('/', ' ')}")


def test_setsas_is_needed_only_to_change_the_definition(examiner: Examiner) -> None:
    examiner.world.vault.permissions = examiner.world.vault.permissions - {"storage/setsas"}
    changed = {"SAS_PERMISSIONS": "r"}
    assert "setsas" in examiner.failing("vault permission storage setsas", **changed).text
    finding = examiner.warning("vault permission storage setsas")
    assert examiner.rotates()
    examiner.repaired(finding)


def test_without_storage_get_a_rotation_works_so_it_is_a_warning(examiner: Examiner) -> None:
    vault = examiner.world.vault
    vault.permissions = vault.permissions - {"storage/get"}
    checkup = examiner.check()
    assert wrong(checkup) == {(STORAGE_GET, Level.WARNING)}
    assert levels(checkup, "managed account") == {Level.SKIPPED}
    examiner.repaired(examiner.harmless(STORAGE_GET))


class AtAccount(Fault):
    """One of the managed account's record alone, not of what is below it."""

    def matches(self, request: web.BaseRequest) -> bool:
        return super().matches(request) and request.path == self.path


def test_what_else_keeps_the_account_s_record_from_being_read_fails_a_rotation(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # retries have their own tests
    fault = AtAccount("GET", f"/storage/{ACCOUNT}", 500, "InternalServerError", times=99)
    examiner.world.vault.faults.append(fault)
    assert "answered 500" in examiner.failing(STORAGE_GET).text


def test_what_is_granted_is_what_a_rotation_needs_and_no_more(examiner: Examiner) -> None:
    vault = examiner.world.vault
    vault.permissions = set()
    examiner.shell.carry_out(examiner.failing(SECRETS_GET).command)
    assert vault.permissions == {"secrets/get", "storage/get", "storage/getsas", "storage/setsas", "storage/recover"}
    assert wrong(examiner.check()) == set()


def of_check(examiner: Examiner) -> str:
    return examiner.failing("vault permission storage getsas").command


def of_rotation(examiner: Examiner) -> str:
    """The command at the end of a rotation's remedy."""
    report = app.rotate(trigger=Trigger.CLI, forced=True, environment=settings_for(examiner.world), proof_seconds=0.0)
    (target,) = report.as_json()["targets"]
    return str(target["remedy"].partition(": ")[2])


@pytest.mark.parametrize("command", [of_check, of_rotation])
def test_what_is_granted_takes_nothing_away(examiner: Examiner, command: Callable[[Examiner], str]) -> None:
    """An operator's own identity may have more than a rotation needs."""
    vault = examiner.world.vault
    before = vault.permissions | {"secrets/list", "secrets/set", "storage/regeneratekey", "storage/list"}
    vault.permissions = before - {"storage/getsas"}
    examiner.shell.carry_out(command(examiner))
    assert vault.permissions == before | {"storage/recover"}
    assert wrong(examiner.check()) == set()


def test_of_a_policy_that_names_an_application_too_nothing_is_granted(examiner: Examiner) -> None:
    vault, object_id = examiner.world.vault, examiner.world.identity.object_id
    vault.permissions = set()
    vault.compound_policies[object_id, "an application"] = {"secrets/all", "storage/all"}
    finding = examiner.failing(SECRETS_GET)
    assert "names an application too" in finding.text
    examiner.repaired(finding)
    assert vault.permissions == {"secrets/get", "storage/get", "storage/getsas", "storage/setsas", "storage/recover"}


def test_regeneratekey_is_looked_at_only_where_the_timer_needs_it(examiner: Examiner) -> None:
    vault = examiner.world.vault
    vault.permissions = vault.permissions - {"storage/regeneratekey"}
    assert wrong(examiner.check()) == set()


def test_the_role_on_the_account_is_given(examiner: Examiner) -> None:
    world = examiner.world
    world.vault.storage.accounts[ACCOUNT].auto_regenerate = False
    roles = world.resource_manager.role_assignments
    mine = {KEY_OPERATOR, CONTRIBUTOR}
    roles[:] = [one for one in roles if not (one.principal_id == world.identity.object_id and one.role in mine)]
    finding = examiner.failing("account keys", **ROTATING)
    assert f"--scope {world.account.resource_id}" in finding.command
    assert wrong(examiner.repaired(finding, **ROTATING)) == set()


@pytest.mark.parametrize("whose", ["the identity's", "Key Vault's own"])
@pytest.mark.parametrize("may_read", [True, False])
def test_a_role_that_lacks_for_regenerating_is_given(examiner: Examiner, whose: str, may_read: bool) -> None:
    """No permission in the vault repairs that Resource Manager refuses."""
    world = examiner.world
    world.vault.asks_first, world.vault.storage.accounts[ACCOUNT].auto_regenerate = True, False
    lacking = world.identity.object_id if whose == "the identity's" else world.vault.service_principal_id
    roles = world.resource_manager.role_assignments
    roles[:] = [one for one in roles if one.principal_id != lacking or one.role not in permissions.KEY_ROLES]
    if not may_read:
        world.vault.permissions = world.vault.permissions - {"storage/get"}
    finding = examiner.failing("vault permission storage regeneratekey", **ROTATING)
    assert "Resource Manager refuses" in finding.text
    command = finding.command.replace("<resource id of the storage account>", world.account.resource_id)
    assert (command == finding.command) is may_read
    examiner.repaired(dataclasses.replace(finding, command=command), **ROTATING)


def test_that_the_vault_itself_lacks_its_role_shows_only_when_a_key_is_regenerated(examiner: Examiner) -> None:
    """So the check doesn't claim that keys can be regenerated."""
    world = examiner.world
    world.vault.storage.accounts[ACCOUNT].auto_regenerate = False
    roles = world.resource_manager.role_assignments
    roles[:] = [one for one in roles if one.principal_id != world.vault.service_principal_id]
    finding = only(examiner.check(**ROTATING), "vault permission storage regeneratekey", Level.OK)
    assert "whether Resource Manager would shows only in a rotation" in finding.text
    assert not examiner.rotates(**ROTATING)


def test_an_app_that_lives_on_the_account_s_keys_regenerates_none(examiner: Examiner) -> None:
    key = examiner.world.account.keys["key1"]
    opened = {"DEPLOYMENT_STORAGE_CONNECTION_STRING": f"AccountName={ACCOUNT};AccountKey={key}"}
    finding = examiner.failing("account keys", **ROTATING, **opened)
    assert "DEPLOYMENT_STORAGE_CONNECTION_STRING" in finding.text
    assert "managed identity" in finding.remedy


# The managed account and its definition


@pytest.mark.parametrize(("period", "level"), [("P3M", Level.OK), ("P1Y", Level.OK), ("monthly", Level.WARNING)])
def test_period_in_months_or_one_that_cannot_be_read_keeps_no_rotation_from_succeeding(
    examiner: Examiner, period: str, level: Level
) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].regeneration_period = period
    found = examiner.check()
    assert max(each.level for each in found.findings if each.check == "managed account") is level
    assert not found.failed


def test_of_two_that_regenerate_keys_the_vault_is_stopped(examiner: Examiner) -> None:
    finding = examiner.harmless("managed account", **ROTATING)
    assert "the vault regenerates keys by itself too" in finding.text
    assert finding.command.endswith(" --no-auto-regenerate")
    examiner.shell.carry_out(f"{finding.command} --yes")
    assert wrong(examiner.check(**ROTATING)) == set()


def test_a_vault_that_regenerates_keys_too_often_is_reported(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].regeneration_period = "PT2H"
    finding = examiner.harmless("managed account")
    assert "is longer than the vault's regeneration period" in finding.text
    assert finding.command == ""


def test_a_key_rotation_that_is_not_done_is_gone_on_with_by_a_run(examiner: Examiner) -> None:
    examiner.world.vault.faults.append(Fault("POST", f"/storage/{ACCOUNT}/regeneratekey", 409, "Conflict"))
    assert regenerate(examiner.world).failed
    assert Keys(examiner.world).pending()
    finding = examiner.harmless("SAS definition")
    assert "began to regenerate keys and did not finish" in finding.text
    assert not Keys(examiner.world).pending()
    assert wrong(examiner.check()) == set()


@pytest.mark.parametrize("name", [ACCOUNT, "another"])
def test_onboarding_lets_the_vault_manage_the_account_once_a_person_confirms_it(examiner: Examiner, name: str) -> None:
    """At a terminal `onboard` asks, and --yes is the answer; else the command is run as it is printed.

    What the vault calls the account need not be its own name.
    """
    examiner.world.vault.storage.accounts = {}
    called = {"KEYVAULT_STORAGE_NAME": name}
    checkup = examiner.check(**called)
    assert checkup.failed
    command = unmanaged(checkup.findings).command
    assert command.startswith("python -m rotator onboard --vault ")
    examiner.shell.environment |= called
    examiner.shell.carry_out(f"{command} --yes")
    accounts = examiner.world.vault.storage.accounts
    assert {known: one.account for known, one in accounts.items()} == {name: examiner.world.account}
    assert not examiner.check(**called).failed


def unmanaged(findings: tuple[Finding, ...]) -> Finding:
    """The line which says that the vault does not know the account."""
    return next(one for one in findings if one.check == STORAGE_GET and "knows no managed account" in one.text)


def test_an_unknown_account_is_a_failure_in_each_line_that_tells_it(examiner: Examiner) -> None:
    checkup = examiner.check(KEYVAULT_STORAGE_NAME="another")
    assert unmanaged(checkup.findings).level is Level.FAILURE
    assert not any("Do nothing" in one.remedy for one in checkup.findings)


def test_a_missing_definition_is_set_by_a_run(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].definitions.clear()
    checkup = examiner.check()
    assert wrong(checkup) == {("SAS definition", Level.WARNING)}
    assert levels(checkup, "storage") == {Level.OK, Level.SKIPPED}
    examiner.repaired(only(checkup, "SAS definition", Level.WARNING))


def test_a_definition_that_somebody_changed_is_set_by_a_run(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].definitions["blobrwu4hours"].validity_period = "PT1H"
    checkup = examiner.check()
    assert not checkup.failed
    assert wrong(examiner.repaired(only(checkup, "SAS definition", Level.WARNING))) == set()


def test_a_definition_that_is_wanted_otherwise_is_set_by_a_run(examiner: Examiner) -> None:
    wanted = {"SAS_PERMISSIONS": "rl"}
    checkup = examiner.check(**wanted)
    assert not checkup.failed
    finding = only(checkup, "SAS definition", Level.WARNING)
    examiner.shell.environment |= wanted
    assert wrong(examiner.repaired(finding, **wanted)) == set()


def test_a_definition_that_a_run_would_recover_is_no_failure(examiner: Examiner) -> None:
    managed = examiner.world.vault.storage.accounts[ACCOUNT]
    examiner.world.vault.permissions = examiner.world.vault.permissions | {"storage/recover"}
    managed.delete("blobrwu4hours")
    assert "the next rotation recovers and sets it" in examiner.harmless("SAS definition").text


def test_a_definition_that_no_run_may_recover_is_a_failure(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].delete("blobrwu4hours")
    assert "storage/recover" not in examiner.world.vault.permissions
    checkup = examiner.check()
    assert not any("Do nothing" in one.remedy for one in checkup.findings)
    finding = examiner.failing("vault permission storage setsas")
    assert "lacks the permission 'storage recover'" in finding.text
    examiner.repaired(finding)
    assert examiner.rotates()
    assert wrong(examiner.check()) == set()


def test_a_definition_that_a_run_would_enable_is_no_failure(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].definitions["blobrwu4hours"].enabled = False
    checkup = examiner.check()
    assert examiner.rotates()
    assert not checkup.failed


# The SSH key in the vault


def put_key(examiner: Examiner, pair: keys.KeyPair) -> None:
    examiner.world.vault.secrets.put(KEY_SECRET, pair.private_text)
    examiner.world.master.authorized_keys.append(pair.public_line)


def save(examiner: Examiner, name: str, text: str) -> None:
    (examiner.shell.directory / name).write_text(text)


def test_a_missing_key_is_put_into_the_vault(examiner: Examiner) -> None:
    del examiner.world.vault.secrets.secrets[KEY_SECRET]
    finding = examiner.failing(SECRETS_GET)
    assert "python -m rotator onboard" in finding.remedy
    assert "az keyvault" not in finding.remedy  # the command beside it has the secret's own name
    save(examiner, "id_ed25519", examiner.world.key_pair.private_text)
    assert wrong(examiner.repaired(finding)) == set()


def test_a_disabled_key_is_enabled(examiner: Examiner) -> None:
    versions = examiner.world.vault.secrets.secrets[KEY_SECRET]
    versions[-1].enabled = False
    try:
        finding = examiner.failing(SECRETS_GET)
        assert "disabled" in finding.text
        examiner.repaired(finding)
    finally:
        versions[-1].enabled = True


def test_a_deleted_key_is_recovered(examiner: Examiner) -> None:
    secrets = examiner.world.vault.secrets
    secrets.delete(KEY_SECRET)
    save(examiner, "id_ed25519", examiner.world.key_pair.private_text)
    try:
        examiner.repaired(examiner.failing(SECRETS_GET))
    finally:
        secrets.deleted.clear()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: text.replace("\n", " "), "lost its line breaks"),
        (lambda text: text[:200] + text[210:], "damaged"),
        (lambda _: keys.generate("ed25519").public_line, "public half"),
        (lambda _: "hunter2 hunter2", "holds no SSH private key"),
    ],
    ids=["in one line", "cut", "public", "something else"],
)
def test_a_damaged_key_is_replaced(examiner: Examiner, damage: Callable[[str], str], expected: str) -> None:
    examiner.world.vault.secrets.put(KEY_SECRET, damage(examiner.world.key_pair.private_text))
    finding = examiner.failing("SSH key")
    assert expected in finding.text
    save(examiner, "id_ed25519", examiner.world.key_pair.private_text)
    assert wrong(examiner.repaired(finding)) == set()


def test_a_key_that_needs_a_passphrase_gets_one_by_two_commands(examiner: Examiner) -> None:
    pair = keys.generate("ed25519", with_passphrase=True)
    put_key(examiner, pair)
    needs = examiner.failing("SSH key")
    assert needs.command == "export KUBERNETES_SSH_PASSPHRASE_SECRET=privatekey-passphrase"
    examiner.shell.carry_out(needs.command)
    lacks = examiner.failing("passphrase")
    save(examiner, "passphrase.txt", pair.passphrase or "")
    assert wrong(examiner.repaired(lacks)) == set()


def test_a_disabled_passphrase_is_enabled(examiner: Examiner) -> None:
    pair = keys.generate("ed25519", with_passphrase=True)
    put_key(examiner, pair)
    examiner.world.vault.secrets.put("phrase", pair.passphrase or "").enabled = False
    configured = {"KUBERNETES_SSH_PASSPHRASE_SECRET": "phrase"}
    finding = examiner.failing("passphrase", **configured)
    assert "disabled" in finding.text
    assert wrong(examiner.repaired(finding, **configured)) == set()


def test_a_wrong_passphrase_is_replaced(examiner: Examiner) -> None:
    pair = keys.generate("ed25519", with_passphrase=True)
    put_key(examiner, pair)
    examiner.world.vault.secrets.put("phrase", PHRASE)
    configured = {"KUBERNETES_SSH_PASSPHRASE_SECRET": "phrase"}
    finding = examiner.failing("SSH key", **configured)
    save(examiner, "passphrase.txt", pair.passphrase or "")
    assert wrong(examiner.repaired(finding, **configured)) == set()


def test_a_passphrase_that_the_key_does_not_need_is_reported(examiner: Examiner) -> None:
    examiner.world.vault.secrets.put("phrase", PHRASE)
    finding = examiner.failing("SSH key", KUBERNETES_SSH_PASSPHRASE_SECRET="phrase")
    assert "Remove KUBERNETES_SSH_PASSPHRASE_SECRET" in finding.remedy
    assert wrong(examiner.check()) == set()


# In a function app


def test_in_an_app_a_setting_is_set_there(examiner: Examiner) -> None:
    put_key(examiner, keys.generate("ed25519", with_passphrase=True))
    finding = examiner.failing("SSH key", **PLACE)
    examiner.shell.carry_out(finding.command)
    settings = examiner.world.resource_manager.sites[examiner.world.function_app_id].app_settings
    assert settings["KUBERNETES_SSH_PASSPHRASE_SECRET"] == "privatekey-passphrase"
    assert settings["FOREIGN"] == "stays"


def test_bad_settings_are_reported_before_anything_is_asked(world: World) -> None:
    seen = len(world.journal.events())
    with pytest.raises(errors.SettingsError, match="KEYVAULT_BASEURL"):
        app.check(environment=settings_for(world, KEYVAULT_BASEURL="nonsense"))
    assert world.journal.events()[seen:] == []
