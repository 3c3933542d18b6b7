"""Checks of storage, lease and reports, each made to fail; and checks at once with others, in their own process."""

import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator import app
from rotator.azure import identity
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.blob_lease import BlobLease
from rotator.azure.host_storage.lease import Holder
from rotator.checks.findings import Checkup, Finding, Level
from sandbox.resource_manager.roles import STORAGE_BLOB_DATA_OWNER, STORAGE_BLOB_DATA_READER
from sandbox.server.journal import Event
from sandbox.world import ACCOUNT, APP_ACCOUNT, World
from tests import secrets_in
from tests.integration.checkups import Examiner, examined, levels, only, state, wrong
from tests.integration.conftest import Cluster, command_line, outcome, plain, rotate, settings_for

HOLDER = Holder("20261124T120000Z-abcdef", "cli", "laptop", datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC))
MINUTE = datetime.timedelta(minutes=1)
OWN = "AzureWebJobsStorage__blobServiceUri"
REPORTS = {"REPORT_CONTAINER": "reports"}
WRONG_PIN = {"KUBERNETES_SSH_FINGERPRINT": "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}


@pytest.fixture
def examiner(rotated: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    with examined(rotated, tmp_path, caplog) as one:
        yield one


# Storage


def test_storage_that_refuses_the_sas_is_reported_with_its_words(examiner: Examiner) -> None:
    examiner.world.blob.refuse_all = True
    finding = examiner.failing("storage")
    assert "answered 403 AuthenticationFailed" in finding.text
    assert "regenerated outside Key Vault" in finding.remedy
    examiner.world.blob.refuse_all = False
    assert wrong(examiner.check()) == set()


def test_an_account_that_takes_no_shared_key_is_opened(examiner: Examiner) -> None:
    examiner.world.account.allow_shared_key_access = False
    finding = examiner.failing("storage")
    assert "KeyBasedAuthenticationNotPermitted" in finding.text
    assert wrong(examiner.repaired(finding)) == set()


def test_storage_that_does_not_answer_is_reported_with_its_address(examiner: Examiner) -> None:
    finding = examiner.failing("storage", STORAGE_BLOB_ENDPOINT="https://127.0.0.1:9/account")
    assert "https://127.0.0.1:9/account" in finding.text
    assert finding.remedy


def test_an_unknown_endpoint_is_a_warning_until_it_is_set(examiner: Examiner) -> None:
    vault = examiner.world.vault
    vault.permissions = vault.permissions - {"storage/get"}
    examiner.shell.environment["STORAGE_BLOB_ENDPOINT"] = ""
    finding = examiner.warning("storage")
    assert "without trying it on storage" in finding.text
    # Which account it is only a person knows.
    endpoint = examiner.world.blob.url(ACCOUNT)
    examiner.shell.carry_out(finding.command.replace("https://<account>.blob.core.windows.net", endpoint))
    assert levels(examiner.check(), "storage") == {Level.OK}


def test_a_trial_that_is_switched_off_is_a_warning(examiner: Examiner) -> None:
    examiner.shell.environment["ROTATION_PROVE"] = "false"
    finding = examiner.warning("storage")
    assert finding.command == "export ROTATION_PROVE=true"
    examiner.repaired(finding)


def test_storage_out_of_reach_is_no_failure_where_no_sas_is_tried(examiner: Examiner) -> None:
    untried = {"ROTATION_PROVE": "false", "STORAGE_BLOB_ENDPOINT": "https://127.0.0.1:9/account"}
    assert "without trying it on storage" in examiner.harmless("storage", **untried).text


@pytest.mark.parametrize("minutes", [2, -2])
def test_storage_s_clock_that_is_off_is_reported(examiner: Examiner, minutes: int) -> None:
    examiner.world.blob.clock_skew = minutes * MINUTE
    finding = only(examiner.check(), "storage", Level.WARNING)
    assert ("ahead of" if minutes > 0 else "behind") in finding.text
    examiner.world.blob.clock_skew = datetime.timedelta()
    assert wrong(examiner.check()) == set()


@pytest.mark.parametrize("minutes", [10, -10])
def test_storage_s_clock_fails_no_rotation_while_a_sas_is_accepted(examiner: Examiner, minutes: int) -> None:
    examiner.world.blob.clock_skew = minutes * MINUTE
    examiner.harmless("storage")


def test_storage_s_clock_that_makes_it_refuse_a_sas_is_a_failure(examiner: Examiner) -> None:
    examiner.world.blob.clock_skew = datetime.timedelta(hours=5)
    assert "answered 403 AuthenticationFailed" in examiner.failing("storage").text


def test_what_another_definition_mints_may_be_refused_as_a_rotation_sets_it(examiner: Examiner) -> None:
    definition = examiner.world.vault.storage.accounts[ACCOUNT].definitions["blobrwu4hours"]
    definition.template_uri = definition.template_uri.replace("2018-03-28", "2022-11-02")
    finding = examiner.harmless("storage")
    assert "the next rotation sets the SAS definition" in finding.text
    assert wrong(examiner.check()) == set()


def test_an_account_that_takes_no_shared_key_is_a_failure_whatever_the_definition(examiner: Examiner) -> None:
    examiner.world.account.allow_shared_key_access = False
    examiner.repaired(examiner.failing("storage", SAS_PERMISSIONS="rl"))


def test_a_sas_that_is_not_what_was_asked_for_is_a_failure(examiner: Examiner) -> None:
    examiner.world.vault.tamper = lambda sas: sas.replace("sp=rwu", "sp=r")
    finding = examiner.failing("SAS")
    assert "permissions are 'r' instead of 'rwu'" in finding.text


# The app's own storage


def without_role(world: World) -> None:
    roles = world.resource_manager.role_assignments
    me, owner = world.identity.object_id, STORAGE_BLOB_DATA_OWNER
    roles[:] = [one for one in roles if not (one.principal_id == me and one.role == owner)]


@pytest.mark.parametrize("check", ["lease", "reports"])
def test_the_role_on_the_app_s_own_storage_is_given(examiner: Examiner, check: str) -> None:
    without_role(examiner.world)
    finding = examiner.warning(check, **REPORTS)
    assert "403" in finding.text
    assert f"--name {APP_ACCOUNT} " in finding.command
    assert wrong(examiner.repaired(finding, **REPORTS)) == set()


@pytest.mark.parametrize("check", ["lease", "reports"])
def test_own_storage_that_may_only_be_read_is_reported(examiner: Examiner, check: str) -> None:
    roles = examiner.world.resource_manager.role_assignments
    reader = STORAGE_BLOB_DATA_READER
    owned = [one for one in roles if one.role == STORAGE_BLOB_DATA_OWNER]
    without_role(examiner.world)
    roles.extend(dataclasses.replace(one, role=reader) for one in owned)
    finding = examiner.warning(check, **REPORTS)
    assert "AuthorizationPermissionMismatch" in finding.text
    examiner.repaired(finding, **REPORTS)


def test_own_storage_that_does_not_answer_is_not_repaired_by_a_role(examiner: Examiner) -> None:
    finding = examiner.warning("lease", **{OWN: "https://127.0.0.1:9/appstorage"})
    assert "does not answer" in finding.text
    assert "role assignment" not in finding.command


def with_this_network(finding: Finding) -> Finding:
    """Fill in what storage does not name."""
    command = finding.command.replace("<address of this network>", "127.0.0.1")
    assert command != finding.command
    return dataclasses.replace(finding, command=command)


@pytest.mark.parametrize("check", ["lease", "reports"])
def test_own_storage_behind_a_firewall_is_repaired_by_a_rule_and_not_by_a_role(examiner: Examiner, check: str) -> None:
    examiner.world.storage[APP_ACCOUNT].firewall = set()
    finding = examiner.warning(check, **REPORTS)
    assert "AuthorizationFailure" in finding.text
    assert "role assignment" not in finding.command
    examiner.repaired(with_this_network(finding), **REPORTS)


def test_storage_behind_a_firewall_is_reported(examiner: Examiner) -> None:
    examiner.world.account.firewall = set()
    finding = examiner.failing("storage")
    assert "storage firewall" in finding.remedy
    examiner.repaired(with_this_network(finding))


def test_the_role_is_given_to_the_identity_that_opens_the_app_s_own_storage(examiner: Examiner) -> None:
    """It need not be the one that opens the vault."""
    world = examiner.world
    other = {"AzureWebJobsStorage__clientId": world.app_client_id}
    roles = world.resource_manager.role_assignments
    roles[:] = [one for one in roles if one.principal_id != world.app_object_id]
    finding = examiner.warning("lease", **other)
    assert f"--assignee-object-id {world.app_object_id} " in finding.command
    examiner.repaired(finding, **other)


def test_without_own_storage_nothing_keeps_runs_apart(examiner: Examiner) -> None:
    checkup = examiner.check(**{OWN: ""})
    finding = only(checkup, "lease", Level.WARNING)
    assert "AzureWebJobsStorage__accountName" in finding.remedy
    assert not checkup.failed
    assert own_storage_by(examiner, finding) == f"https://{APP_ACCOUNT}.blob.core.windows.net"


def own_storage_by(examiner: Examiner, finding: Finding) -> str | None:
    """Where the app's own storage is after the command, with its name filled in; that is not in the sandbox."""
    before = {name: text for name, text in examiner.shell.environment.items() if not name.startswith("AzureWebJobs")}
    done = examiner.shell.run(finding.command.replace("<account>", APP_ACCOUNT))
    storage = storage_settings.find(before | done.exported)
    return storage.blob_url if storage else None


@pytest.mark.parametrize("settings", [{}, {OWN: ""}], ids=["no role", "no storage"])
def test_without_a_lease_no_key_is_rotated(examiner: Examiner, settings: dict[str, str]) -> None:
    without_role(examiner.world)
    examiner.failing("lease", KEY_ROTATION_PERIOD="P90D", **settings)


def test_without_own_storage_reports_have_no_place(examiner: Examiner) -> None:
    finding = examiner.warning("reports", **({OWN: ""} | REPORTS))
    assert "REPORT_CONTAINER is set" in finding.text
    assert own_storage_by(examiner, finding) == f"https://{APP_ACCOUNT}.blob.core.windows.net"


def test_a_container_that_is_not_there_yet_is_not_made(examiner: Examiner) -> None:
    absent = {"REPORT_CONTAINER": "not-there-yet"}
    assert "the next run creates it" in only(examiner.check(**absent), "reports", Level.OK).text
    assert examiner.rotates(**absent)
    assert "exists" in only(examiner.check(**absent), "reports", Level.OK).text


# Warnings are no failures


SKEW = datetime.timedelta(minutes=10)
ODDITIES: dict[str, tuple[Callable[[World], object], dict[str, str]]] = {
    "lease": (without_role, {}),
    "reports": (lambda _: None, REPORTS | {OWN: "https://127.0.0.1:9/appstorage"}),
    "SAS definition": (lambda world: world.vault.storage.accounts[ACCOUNT].definitions.clear(), {}),
    "Secret": (lambda world: Cluster(world).kubectl("delete", "secret", "storage-sas"), {}),
    "held SAS": (lambda world: world.account.regenerate("key1"), {}),
    "vault permission storage get": (lambda world: forbid(world, "storage/get"), {}),
    "master clock": (lambda world: setattr(world.master, "clock_skew", SKEW), {}),
}


def forbid(world: World, permission: str) -> None:
    world.vault.permissions = world.vault.permissions - {permission}


@pytest.mark.parametrize("check", ODDITIES)
def test_a_warning_keeps_no_rotation_from_succeeding(examiner: Examiner, check: str) -> None:
    act, settings = ODDITIES[check]
    act(examiner.world)
    examiner.harmless(check, **settings)


# At once with others


@contextlib.contextmanager
def held(world: World) -> Iterator[None]:
    """Another run holds the lease."""
    storage = storage_settings.find(world.settings)
    assert storage
    with (
        contextlib.closing(identity.credential(None)) as credential,
        BlobLease(storage, f"127.0.0.1/{ACCOUNT}", HOLDER, credential),
    ):
        yield


def test_a_run_in_progress_is_named(examiner: Examiner) -> None:
    with held(examiner.world):
        finding = examiner.warning("lease")
    assert "run 20261124T120000Z-abcdef (cli) on host laptop since 2026-11-24T12:00:00Z" in finding.text
    assert wrong(examiner.check()) == set()


def test_two_checks_at_once_find_the_same(examiner: Examiner) -> None:
    world, before = examiner.world, state(examiner.world)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: app.check(environment=settings_for(world)), range(2)))
    assert [wrong(one) for one in both] == [set(), set()]
    assert state(world) == before


def test_a_check_during_a_rotation_disturbs_neither(examiner: Examiner) -> None:
    """It begins when the rotation tries its SAS."""
    world = examiner.world
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        checks: list[concurrent.futures.Future[Checkup]] = []

        def at_the_proof(event: Event) -> None:
            if event.service == "blob" and event.action == "get-service-properties" and not checks:
                checks.append(pool.submit(app.check, environment=settings_for(world)))

        cancel = world.journal.subscribe(at_the_proof)
        try:
            report = rotate(world, forced=True)
        finally:
            cancel()
        (running,) = checks
        checkup = running.result(timeout=60)
    assert outcome(report)["outcome"] == "rotated"
    assert wrong(checkup) <= {("lease", Level.WARNING), ("Secret", Level.WARNING)}
    assert Cluster(world).works()


# On the command line


@pytest.mark.parametrize(
    ("options", "settings"),
    [("-v", {}), ("--json", {}), ("", WRONG_PIN), ("--json -v", WRONG_PIN)],
    ids=["fine, verbose", "fine, as JSON", "failing", "failing, as JSON and verbose"],
)
def test_nothing_printed_holds_a_secret(examiner: Examiner, options: str, settings: dict[str, str]) -> None:
    before = state(examiner.world)
    done = command_line(examiner.world, "check", *options.split(), **settings)
    assert done.returncode == (1 if settings else 0), done.stderr
    assert secrets_in.found(examiner.world, done.stdout + done.stderr) == []
    assert state(examiner.world) == before


def test_the_remedy_s_command_is_printed_in_one_piece(examiner: Examiner) -> None:
    without_role(examiner.world)
    done = command_line(examiner.world, "check", COLUMNS="60")
    assert done.returncode == 0
    (command,) = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("$ az role")]
    examiner.shell.carry_out(command.removeprefix("$ "))
    assert wrong(examiner.check()) == set()


def test_json_has_what_the_table_has(examiner: Examiner) -> None:
    found = json.loads(command_line(examiner.world, "check", "--json", **WRONG_PIN).stdout)
    assert found["failed"]
    table = plain(command_line(examiner.world, "check", COLUMNS="400", **WRONG_PIN).stdout)
    assert found["findings"]
    for finding in found["findings"]:
        assert finding["check"] in table
        # Each check mints another SAS, and later.
        assert finding["check"] in {"SAS", "failing runs"} or plain(finding["text"]) in table


def test_what_storage_refuses_is_a_failure_also_where_the_account_may_not_be_read(examiner: Examiner) -> None:
    examiner.world.vault.permissions = examiner.world.vault.permissions - {"storage/get"}
    examiner.world.account.allow_shared_key_access = False
    assert "KeyBasedAuthenticationNotPermitted" in examiner.failing("storage").text


def test_an_endpoint_is_tried_before_there_is_a_definition(examiner: Examiner) -> None:
    examiner.world.vault.storage.accounts[ACCOUNT].definitions.clear()
    assert "does not answer" in examiner.failing("storage", STORAGE_BLOB_ENDPOINT="https://127.0.0.1:9/x").text


def test_consumers_that_are_refused_now_are_reported_though_a_rotation_would_work(examiner: Examiner) -> None:
    assert examiner.rotates()
    examiner.world.account.regenerate("key1")
    finding = examiner.warning("held SAS")
    assert "consumers are refused" in finding.text
    examiner.repaired(finding)
    assert Cluster(examiner.world).works()
