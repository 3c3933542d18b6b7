"""`python -m rotator onboard` against the sandbox: from an empty vault to a rotation that works."""

import contextlib
import dataclasses
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rotator import app
from rotator.azure import identity
from rotator.azure.errors import ManagedAccountNotFoundError
from rotator.azure.managed_account import StorageBundle
from rotator.commands import cli
from rotator.onboarding.vault_setup import VaultSetup
from rotator.plan.account import Account
from rotator.reporting.report import Trigger
from sandbox.azure.accounts import StorageAccount
from sandbox.key_vault.errors import POLICY_CODES
from sandbox.master import keys
from sandbox.master.server import Master
from sandbox.resource_manager import roles
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import APP_ACCOUNT, KEY_SECRET, PASSPHRASE_SECRET, World
from tests import secrets_in, surroundings
from tests.integration.conftest import ROOT, Cluster, options_for

FINGERPRINT = "KUBERNETES_SSH_FINGERPRINT"


def prepare(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    ids = {
        "STORAGE_ACCOUNT_ID": world.account.resource_id,
        "KEY_VAULT_ID": world.vault_id,
        "FUNCTION_APP_ID": world.function_app_id,
        "KEY_VAULT_SERVICE_PRINCIPAL_ID": world.vault.service_principal_id,
    }
    for name, text in ids.items():
        monkeypatch.setenv(name, text)
    return surroundings.enter(world, monkeypatch)


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing is onboarded: no managed account, no SSH key, no access policy."""
    with World(dataclasses.replace(options_for("sandbox"), onboarded=False)) as running:
        yield prepare(running, monkeypatch)


def onboard(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["onboard", *arguments])


def state(world: World) -> dict[str, Any]:
    """Everything that onboarding may change."""
    managed = world.vault.storage.accounts
    return {
        "policies": {who: sorted(verbs) for who, verbs in world.vault.policies.items()},
        "accounts": {
            name: (one.active_key, one.auto_regenerate, one.regeneration_period) for name, one in managed.items()
        },
        "secrets": {name: len(versions) for name, versions in world.vault.secrets.secrets.items()},
        "settings": dict(world.resource_manager.sites[world.function_app_id].app_settings),
    }


def refused(world: World, *arguments: str, status: int = 1) -> str:
    """What an onboarding says that must end with this status, and change nothing."""
    before = state(world)
    result = onboard(*arguments)
    assert result.exit_code == status
    assert state(world) == before
    return result.output


def authorize(world: World, result: Result) -> None:
    """Do on the master what the last line of the output says."""
    line = result.output.rpartition("--public-key '")[2].partition("'")[0]
    assert isinstance(world.master, Master)
    world.master.authorized_keys.append(line)


def test_from_nothing_to_a_rotation_that_works(empty: World) -> None:
    result = onboard("--yes")
    assert result.exit_code == 0, result.output
    authorize(empty, result)
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    platform = {name: empty.settings[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE")}
    report = app.rotate(trigger=Trigger.CLI, forced=False, environment={**settings, **platform})
    assert report.counts() == "1 rotated"
    assert Cluster(empty).works()


def test_the_app_gets_what_a_rotation_needs_and_no_more(empty: World) -> None:
    onboard("--yes")
    wanted = {"secrets/get", "storage/get", "storage/getsas", "storage/setsas", "storage/recover"}
    assert empty.vault.policies[empty.app_object_id] == wanted


def test_settings_of_others_stay(empty: World) -> None:
    before = dict(empty.resource_manager.sites[empty.function_app_id].app_settings)
    onboard("--yes")
    after = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert before.items() <= after.items()


def test_a_second_onboarding_changes_nothing(empty: World) -> None:
    onboard("--yes")
    before = state(empty)
    result = onboard("--yes")
    assert result.exit_code == 0
    assert state(empty) == before
    assert "done" not in result.output


def test_a_dry_run_changes_nothing_and_names_each_step(empty: World) -> None:
    before = state(empty)
    result = onboard("--dry-run")
    assert result.exit_code == 0
    assert state(empty) == before
    empty.vault.policies[empty.identity.object_id] = {"storage/get", "storage/getsas", "storage/list", "secrets/get"}
    empty.vault.policies[empty.identity.object_id] |= {"storage/set", "storage/update", "storage/recover"}
    empty.vault.policies[empty.identity.object_id] |= {"secrets/set", "secrets/recover"}
    before = state(empty)
    whole = onboard("--dry-run").output
    assert state(empty) == before
    for title in ("managed account", "app's access policy", "SSH key", "app settings"):
        assert f"would do  {title}" in whole


def test_each_step_names_a_command_that_does_the_same(empty: World) -> None:
    steps = [json.loads(line) for line in onboard("--yes", "--json").output.splitlines()]
    equivalents = {step["step"]: step["equivalent"] for step in steps if step["did"] == "done"}
    assert equivalents["managed account"].startswith(
        f"az rest --method put --resource https://0.0.1 --url '{empty.vault.url}/storage/"
    )
    assert equivalents["app's access policy"].startswith("az keyvault set-policy --name sandbox --object-id")
    assert equivalents["SSH key"].startswith("az keyvault secret set --vault-name sandbox --name privatekey")
    assert equivalents["app settings"].startswith("az functionapp config appsettings set --ids /subscriptions/")
    assert "ssh-keyscan" in next(step["equivalent"] for step in steps if step["step"] == "host key")


HOOK = "https://hooks.example.com/services/T000/B000/0123456789abcdef"


@pytest.mark.parametrize("hook", [HOOK, HOOK.replace("https", "http")])
def test_a_webhooks_url_is_set_and_told_nowhere(empty: World, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    monkeypatch.setenv("NOTIFY_WEBHOOK_URL", hook)
    outputs = [onboard("--dry-run").output, onboard("--yes", "--json", "-v", "--debug").output]
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert settings["NOTIFY_WEBHOOK_URL"] == hook
    # Done again there is nothing to change, and with another pin only that.
    outputs += [onboard("--yes").output, onboard("--yes", "--json").output]
    settings[FINGERPRINT] = "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    outputs.append(onboard("--yes").output)
    assert "0123456789abcdef" not in "".join(outputs)
    assert "'@<JSON file with NOTIFY_WEBHOOK_URL>'" in outputs[1]
    assert [line for line in outputs[4].splitlines() if "appsettings" in line] == [
        f"          $ az functionapp config appsettings set --ids {empty.function_app_id} --settings "
        f"'{FINGERPRINT}={empty.settings[FINGERPRINT]}'"
    ]


def test_settings_that_are_as_wanted_need_no_command(empty: World) -> None:
    onboard("--yes")
    last = json.loads(onboard("--yes", "--json").output.splitlines()[-1])
    assert (last["step"], last["did"], last["equivalent"]) == ("app settings", "unchanged", "")


def test_settings_that_somebody_changed_meanwhile_stay_as_changed(empty: World) -> None:
    """Between the question and the writing; only ours are written."""
    site = empty.resource_manager.sites[empty.function_app_id]
    site.app_settings |= {"THEIRS": "before", "GONE": "before"}

    def colleague(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("vault", "set-secret", "after"):
            del site.app_settings["GONE"]
            site.app_settings |= {"THEIRS": "after", "NEW": "after", FINGERPRINT: "of another"}

    cancel = empty.journal.subscribe(colleague)
    assert onboard("--yes").exit_code == 0
    cancel()
    assert (site.app_settings["THEIRS"], site.app_settings["NEW"]) == ("after", "after")
    assert "GONE" not in site.app_settings
    assert site.app_settings[FINGERPRINT] == empty.settings[FINGERPRINT]


def test_a_resource_groups_name_is_one_word_of_each_command(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.account.allow_shared_key_access = False
    group = empty.account.resource_id.split("/")[4]
    odd = empty.account.resource_id.replace(f"/{group}/", "/our(own)group/")
    empty.account.resource_group = "our(own)group"
    role = roles.Assignment(odd, roles.CONTRIBUTOR, empty.identity.object_id)
    empty.resource_manager.role_assignments.append(role)
    monkeypatch.setenv("STORAGE_ACCOUNT_ID", odd)
    assert f"--ids '{odd}' --allow" in onboard("--yes").output


@pytest.mark.parametrize("code", POLICY_CODES)
def test_an_access_policy_that_takes_its_time_is_waited_for(empty: World, code: str) -> None:
    empty.vault.policy_delay, empty.vault.policy_code = 1.5, code
    result = onboard("--yes", "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith("not yet (")
    assert f" answered 403 (Forbidden, {code}) for managed account" in result.stderr
    assert "retrying for up to 180 s; Ctrl-C is safe" in result.stderr
    assert all(json.loads(line)["step"] for line in result.stdout.splitlines())
    assert KEY_SECRET in empty.vault.secrets.secrets


def test_a_policy_that_names_an_application_too_is_not_taken_for_the_operators(empty: World) -> None:
    everything = {"secrets/all", "storage/all"}
    for object_id in (empty.identity.object_id, empty.app_object_id):
        empty.vault.compound_policies[object_id, "an application"] = set(everything)
    assert onboard("--yes").exit_code == 0
    assert empty.vault.policies[empty.app_object_id]
    assert empty.vault.policies[empty.identity.object_id]
    assert list(empty.vault.compound_policies.values()) == [everything, everything]


def test_a_vault_in_rbac_mode_is_refused(empty: World) -> None:
    empty.vault.rbac = True
    output = refused(empty, "--yes")
    assert "--enable-rbac-authorization false" in output


def test_key_vault_without_its_role_is_refused(empty: World) -> None:
    manager = empty.resource_manager
    manager.role_assignments[:] = [
        one for one in manager.role_assignments if one.principal_id != empty.vault.service_principal_id
    ]
    output = refused(empty, "--yes")
    assert "az role assignment create --role 'Storage Account Key Operator Service Role'" in output


def test_an_app_that_rotates_keys_gets_what_that_needs(empty: World) -> None:
    role = roles.Assignment(empty.account.resource_id, roles.KEY_OPERATOR, empty.app_object_id)
    empty.resource_manager.role_assignments.append(role)

    assert onboard("--yes", "--key-rotation").exit_code == 0

    assert empty.vault.policies[empty.app_object_id] >= {"storage/regeneratekey", "storage/get"}


def test_a_period_means_key_rotation_and_that_the_vault_leaves_keys_alone(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_ROTATION_PERIOD", "P90D")
    role = roles.Assignment(empty.account.resource_id, roles.KEY_OPERATOR, empty.app_object_id)
    empty.resource_manager.role_assignments.append(role)

    assert onboard("--yes").exit_code == 0

    assert "storage/regeneratekey" in empty.vault.policies[empty.app_object_id]
    assert not empty.vault.storage.accounts[empty.account.name].auto_regenerate


def test_an_app_without_the_role_for_key_rotation_is_refused(empty: World) -> None:
    output = refused(empty, "--yes", "--key-rotation")
    assert empty.app_object_id in output
    assert "az role assignment create" in output


def test_the_apps_role_is_not_taken_for_key_vaults(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY_VAULT_SERVICE_PRINCIPAL_ID", raising=False)
    operators = (empty.identity.object_id, empty.vault.service_principal_id)
    manager = empty.resource_manager
    group = [one for one in manager.role_assignments if one.scope != empty.account.resource_id]
    assert all(one.principal_id in operators for one in manager.role_assignments if one not in group)
    role = roles.Assignment(empty.account.resource_id, roles.KEY_OPERATOR, empty.app_object_id)
    manager.role_assignments[:] = [*(dataclasses.replace(one, principal_type="User") for one in group), role]
    assert "Key Vault's application lacks" in refused(empty, "--yes", "--key-rotation")


def test_an_operator_who_may_not_list_keys_is_refused(empty: World) -> None:
    manager, operator = empty.resource_manager, empty.identity.object_id
    kept = [one for one in manager.role_assignments if one.principal_id != operator]
    group = empty.account.resource_id.partition("/providers/")[0]
    reader = roles.Assignment(group, roles.READER, operator)
    site = roles.Assignment(empty.function_app_id, roles.CONTRIBUTOR, operator)
    manager.role_assignments[:] = [*kept, reader, site]
    output = refused(empty, "--yes")
    assert f"--assignee {operator}" in output


def test_an_account_without_shared_key_access_is_refused(empty: World) -> None:
    empty.account.allow_shared_key_access = False
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "--allow-shared-key-access true" in result.output


def test_an_account_managed_under_another_name_is_refused(empty: World) -> None:
    empty.vault.storage.manage(empty.account, "othername")
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "KEYVAULT_STORAGE_NAME=othername" in result.output
    assert KEY_SECRET not in empty.vault.secrets.secrets
    assert empty.app_object_id not in empty.vault.policies


def test_a_name_that_manages_another_account_is_refused(empty: World) -> None:
    other = next(account for account in empty.storage.values() if account is not empty.account)
    empty.vault.storage.manage(other, empty.account.name)
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "manages another storage account" in result.output
    assert KEY_SECRET not in empty.vault.secrets.secrets


def test_an_account_managed_already_keeps_its_active_key(empty: World) -> None:
    empty.vault.storage.manage(empty.account).active_key = "key2"
    result = onboard("--yes", "--active-key", "key1", "--regeneration-period", "P60D")
    assert result.exit_code == 0
    managed = empty.vault.storage.accounts[empty.account.name]
    assert (managed.active_key, managed.regeneration_period) == ("key2", "P60D")
    assert '{"autoRegenerateKey": true, "regenerationPeriod": "P60D"}' in result.output
    assert "activeKeyName" not in result.output


def manage_and_delete(world: World, account: StorageAccount) -> None:
    """The vault managed an account under our account's name, until somebody deleted that."""
    storage = world.vault.storage
    storage.deleted_accounts[world.account.name] = storage.manage(account)
    storage.accounts.clear()


def test_a_deleted_managed_account_is_recovered_as_it_was_and_changed_as_asked_for(empty: World) -> None:
    manage_and_delete(empty, empty.account)
    empty.vault.storage.deleted_accounts[empty.account.name].active_key = "key2"
    result = onboard("--yes", "--no-auto-regenerate")
    assert result.exit_code == 0
    assert f"--url '{empty.vault.url}/deletedstorage/{empty.account.name}/recover?" in result.output
    managed = empty.vault.storage.accounts[empty.account.name]
    assert (managed.active_key, managed.auto_regenerate) == ("key2", False)


@pytest.mark.parametrize(("times", "in_time"), [(3, True), (99, False)])
def test_a_recovery_that_takes_its_time_is_waited_for_so_long_only(empty: World, times: int, in_time: bool) -> None:
    manage_and_delete(empty, empty.account)
    empty.vault.policies[empty.identity.object_id] = {"storage/recover", "storage/update"}
    empty.vault.faults.append(Fault("PATCH", "/storage", 404, "StorageAccountNotFound", times=times))
    wanted = StorageBundle(empty.account.resource_id, "key1", auto_regenerate=False, period=None)
    account = Account(vault=empty.vault.url, managed_account=empty.account.name)
    refused = contextlib.nullcontext() if in_time else pytest.raises(ManagedAccountNotFoundError)
    with (
        contextlib.closing(identity.credential(None)) as credential,
        contextlib.closing(VaultSetup(account, credential, sleep=lambda _seconds: None)) as setup,
        refused,
    ):
        setup.recover(wanted)
    assert empty.vault.storage.accounts[empty.account.name].auto_regenerate is not in_time


def test_a_deleted_managed_account_of_the_same_name_that_was_another_stays_deleted(empty: World) -> None:
    manage_and_delete(empty, empty.storage[APP_ACCOUNT])
    result = onboard("--yes")
    assert result.exit_code == 1
    assert f"another storage account as '{empty.account.name}'" in result.output
    assert empty.vault.storage.accounts == {}


def test_a_vault_that_refuses_this_network_is_told_at_once(empty: World) -> None:
    empty.vault.firewall = {"192.0.2.0/24"}
    output = refused(empty, "--yes")
    assert "let this network through the vault's firewall" in output


def test_the_last_step_is_told_with_this_master_and_this_secret(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SECRET_STRATEGY", "apply")
    monkeypatch.setenv("KUBERNETES_KUBECTL", "sudo k3s kubectl")
    monkeypatch.setenv("KUBERNETES_SECRET_KEY", "token")
    last = onboard("--yes").output.splitlines()[-1]
    assert f"ssh -p {empty.settings['KUBERNETES_SSH_PORT']} " in last
    assert "--data-key token --kubectl 'sudo k3s kubectl' --no-create --public-key 'ssh-ed25519 " in last


def test_an_unknown_host_key_that_nobody_confirms_stops_everything(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FINGERPRINT)
    output = refused(empty, "--yes")
    assert "nobody is here to confirm" in output
    assert empty.settings[FINGERPRINT] in output


def test_another_host_key_than_the_expected_stops_everything(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FINGERPRINT, "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
    output = refused(empty, "--yes")
    assert "47DEQpj8" in output


def test_changes_that_nobody_agrees_to_are_not_made(empty: World) -> None:
    output = refused(empty)
    assert "Pass --yes" in output


@pytest.mark.parametrize(("answer", "pinned"), [("y", True), ("n", False)])
def test_a_person_is_shown_the_host_key_and_asked(
    empty: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, pinned: bool
) -> None:
    shown = empty.settings[FINGERPRINT]
    monkeypatch.delenv(FINGERPRINT)
    before, saved = state(empty), tmp_path / "saved"
    done, output = _in_a_terminal(["onboard", "--save-settings", str(saved)], f"{answer}\n")
    assert (done == 0) is pinned, output
    assert shown in output
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert (settings.get(FINGERPRINT) == shown) is pinned
    assert (saved.exists() and saved.read_text() == f"{FINGERPRINT}={shown}\n") is pinned
    assert pinned or state(empty) == before


def _in_a_terminal(arguments: list[str], typed: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rotator", *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    os.write(ours, typed.encode())
    output, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    return process.returncode, output


def test_a_key_from_a_file_is_put_into_the_vault(empty: World, tmp_path: Path) -> None:
    pair = keys.generate("ed25519")
    file = tmp_path / "id_ed25519"
    file.write_text(pair.private_text)
    result = onboard("--yes", "--ssh-key", str(file))
    assert result.exit_code == 0
    assert empty.vault.secrets.get(KEY_SECRET, "").value == pair.private_text
    assert pair.public_line.split()[1] in result.output


def test_a_key_with_a_passphrase_comes_with_it(empty: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SSH_PASSPHRASE_SECRET", PASSPHRASE_SECRET)
    pair = keys.generate("ed25519", with_passphrase=True)
    key, phrase = tmp_path / "key", tmp_path / "phrase"
    key.write_text(pair.private_text)
    phrase.write_text(f"{pair.passphrase}\n")
    assert onboard("--yes", "--ssh-key", str(key), "--passphrase-file", str(phrase)).exit_code == 0
    assert empty.vault.secrets.get(PASSPHRASE_SECRET, "").value == pair.passphrase


def test_a_new_key_is_encrypted_where_a_passphrase_is_wanted(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SSH_PASSPHRASE_SECRET", PASSPHRASE_SECRET)
    result = onboard("--yes")
    assert result.exit_code == 0, result.output
    authorize(empty, result)
    empty.vault.permissions |= {"storage/getsas", "storage/setsas"}
    report = app.rotate(trigger=Trigger.CLI, forced=True, environment=dict(os.environ))
    assert report.counts() == "1 rotated"


def test_a_file_for_settings_that_cannot_be_written_is_named(empty: World, tmp_path: Path) -> None:
    result = onboard("--yes", "--save-settings", str(tmp_path / "nowhere" / "saved"))
    assert result.exit_code == 1
    assert "nowhere/saved cannot be written (No such file or directory): KUBERNETES_SSH_FINGERPRINT=" in result.output


def test_a_sandbox_that_was_stopped_is_told_as_that(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/tmp/sandbox-stopped/tls/ca.pem")
    output = refused(empty, "--yes")
    assert "REQUESTS_CA_BUNDLE names /tmp/sandbox-stopped/tls/ca.pem, which is not there" in output
    assert "defect" not in output


def test_a_file_without_a_key_changes_nothing(empty: World, tmp_path: Path) -> None:
    file = tmp_path / "id_ed25519.pub"
    file.write_text(empty.key_pair.public_line)
    output = refused(empty, "--yes", "--ssh-key", str(file))
    assert "public half" in output


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("STORAGE_ACCOUNT_ID", "mystorage", "Microsoft.Storage/storageAccounts"),
        ("KEY_VAULT_ID", "myvault", "Microsoft.KeyVault/vaults"),
        ("FUNCTION_APP_ID", "myapp", "Microsoft.Web/sites"),
        ("KUBERNETES_SECRET_NAME", "Not Valid", "KUBERNETES_SECRET_NAME"),
        ("KUBERNETES_DNS", "", "KUBERNETES_DNS"),
    ],
)
def test_bad_input_names_the_setting(
    empty: World, monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    monkeypatch.setenv(name, text)
    output = refused(empty, "--yes", status=2)
    assert words in output


def test_keys_may_not_be_regenerated_faster_than_a_sas_expires(empty: World) -> None:
    result = onboard("--yes", "--regeneration-period", "PT4H")
    assert result.exit_code == 2
    assert "SAS_VALIDITY" in result.output


def test_an_interrupted_onboarding_is_finished_by_the_next(empty: World) -> None:
    manager = empty.resource_manager
    manager.faults.append(Fault("PUT", f"{empty.function_app_id}/config", 500, "Boom", times=9))
    first = onboard("--yes")
    assert first.exit_code == 1
    held = empty.vault.secrets.get(KEY_SECRET, "").value
    manager.faults.clear()
    assert onboard("--yes").exit_code == 0
    assert empty.vault.secrets.get(KEY_SECRET, "").value == held
    assert FINGERPRINT in manager.sites[empty.function_app_id].app_settings


def test_no_secret_is_told(empty: World) -> None:
    output = onboard("--yes").output + onboard("--yes", "--json").output
    held = empty.vault.secrets.get(KEY_SECRET, "").value
    values = [*empty.secret_values(), *(line for line in held.splitlines() if not line.startswith("-----"))]
    assert [value[:6] for value in values for form in secrets_in.forms(value) if form in output] == []


@pytest.mark.parametrize("name", ["STORAGE_ACCOUNT_ID", "KEY_VAULT_ID", "FUNCTION_APP_ID"])
def test_a_resource_that_is_not_there_is_named(empty: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, os.environ[name] + "x")
    output = refused(empty, "--yes")
    assert "answered 404" in output


def test_an_operator_without_any_role_is_told_so(empty: World) -> None:
    empty.resource_manager.role_assignments.clear()
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "answered 403" in result.output


def test_a_resource_manager_that_does_not_answer_is_told(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.resource_manager.faults.append(Fault(status=0, times=99))
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "does not answer" in result.output


def test_the_url_of_another_vault_is_refused(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYVAULT_BASEURL", "https://another.vault.azure.net")
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "KEYVAULT_BASEURL is https://another.vault.azure.net" in result.output


def test_an_app_without_an_identity_is_refused_before_it_is_changed(empty: World) -> None:
    site = empty.resource_manager.sites[empty.function_app_id]
    site.user_assigned.clear()
    before = dict(site.app_settings)
    result = onboard("--yes")
    assert result.exit_code == 1
    assert "Assign it a managed identity" in result.output
    assert site.app_settings == before
    assert empty.vault.storage.accounts == {}


def test_a_system_assigned_identity_is_found_too(empty: World) -> None:
    site = empty.resource_manager.sites[empty.function_app_id]
    site.user_assigned.clear()
    del site.app_settings["AZURE_CLIENT_ID"]
    site.principal_id = "11111111-2222-3333-4444-555555555555"
    assert onboard("--yes").exit_code == 0
    assert site.principal_id in empty.vault.policies


def test_settings_of_others_are_not_told(empty: World) -> None:
    empty.resource_manager.sites[empty.function_app_id].app_settings["OTHERS"] = "their-connection-string"
    assert "their-connection-string" not in onboard("--yes").output


def test_a_second_onboarding_keeps_the_period_that_was_chosen(empty: World) -> None:
    onboard("--yes", "--regeneration-period", "P90D")
    assert onboard("--yes").exit_code == 0
    assert empty.vault.storage.accounts[empty.account.name].regeneration_period == "P90D"


def test_a_master_that_only_the_app_reaches_is_taken_unseen(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SSH_PORT", "1")
    assert onboard("--yes").exit_code == 1
    assert onboard("--yes", "--unseen-host").exit_code == 0
    settings = empty.resource_manager.sites[empty.function_app_id].app_settings
    assert settings[FINGERPRINT] == empty.settings[FINGERPRINT]


def test_a_master_is_not_taken_unseen_without_a_fingerprint(empty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FINGERPRINT)
    result = onboard("--yes", "--unseen-host")
    assert result.exit_code == 2
    assert FINGERPRINT in result.output


def test_the_operator_may_plan_afterwards(empty: World) -> None:
    authorize(empty, onboard("--yes"))
    assert CliRunner().invoke(cli.main, ["plan"]).exit_code == 0
