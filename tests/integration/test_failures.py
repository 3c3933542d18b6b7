"""Things that go wrong: each has its own error, and the Secret holds a working SAS after each."""

import base64
import contextlib
import copy
import dataclasses
import datetime
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rotator import app, errors, wiring
from rotator.azure import identity
from rotator.azure.host_storage.lease import NoLease
from rotator.delivery.errors import CommandKilledError, ConnectionLostError, OutputUnboundedError, TimedOutError
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from rotator.delivery.ssh.shell import Result
from rotator.issuers.proof import StorageProver
from rotator.plan import loader
from rotator.redaction import SecretText
from rotator.reporting.report import Trigger
from rotator.rotation.run import Run
from sandbox.key_vault.errors import POLICY_CODES
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.master import keys
from sandbox.master.server import Master
from sandbox.options import Options
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import SECRET_NAME, World
from tests.integration.conftest import Cluster, outcome, rotate
from tests.integration.killing import wait_for_commands

BOTH = pytest.mark.parametrize("strategy", ["recreate", "apply"])
SAS_SECRET = "/secrets/sandboxaccount-blobrwu4hours"


@pytest.fixture
def held(rotated: World) -> str:
    """The Secret holds a working SAS; the value."""
    return Cluster(rotated).value()


def own(world: World) -> KubernetesApi:
    assert isinstance(world.cluster, KubernetesApi)
    return world.cluster


def master(world: World) -> Master:
    assert isinstance(world.master, Master)
    return world.master


def forced(world: World, **settings: str) -> dict[str, Any]:
    return outcome(rotate(world, forced=True, **settings))


# Vault


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(path=SAS_SECRET, status=403, code="Forbidden"), "VaultForbiddenError"),
        (Fault(path=SAS_SECRET, status=404, code="SecretNotFound"), "ManagedAccountNotFoundError"),
        (Fault(path=SAS_SECRET, status=429, times=99, headers={"Retry-After": "0"}), "VaultThrottledError"),
        (Fault(path=SAS_SECRET, status=503, times=99, headers={"Retry-After": "0"}), "VaultUnavailableError"),
        (Fault(path=SAS_SECRET, status=0, times=99), "VaultUnreachableError"),
        (Fault(path="/secrets/privatekey", status=404, code="SecretNotFound"), "VaultSecretNotFoundError"),
        (Fault(path="/secrets/privatekey", status=401, times=99), "IdentityError"),
    ],
)
def test_a_vault_that_fails_changes_nothing(world: World, held: str, fault: Fault, error: str) -> None:
    world.vault.faults.append(fault)

    failed = forced(world)

    assert (failed["outcome"], failed["error"]) == ("failed", error)
    assert failed["remedy"]
    assert Cluster(world).value() == held
    assert Cluster(world).works()


def test_a_throttled_vault_is_asked_again_as_it_says(world: World, held: str) -> None:
    world.vault.faults.append(Fault(path=SAS_SECRET, status=429, headers={"Retry-After": "1"}, times=2))
    began = time.monotonic()

    assert forced(world)["outcome"] == "rotated"
    assert time.monotonic() - began >= 2
    assert Cluster(world).works()


def test_a_vault_that_asks_for_an_hour_of_patience_is_not_waited_for(world: World, held: str) -> None:
    world.vault.faults.append(Fault(path=SAS_SECRET, status=429, headers={"Retry-After": "3600"}, times=9))
    began = time.monotonic()

    assert forced(world)["error"] == "VaultThrottledError"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("missing", "named"),
    [("storage/setsas", "setsas"), ("storage/getsas", "getsas"), ("secrets/get", "secrets get")],
)
def test_a_missing_permission_is_named_with_the_identity_that_lacks_it(world: World, missing: str, named: str) -> None:
    world.vault.permissions.discard(missing)

    failed = forced(world)

    assert failed["error"] == "VaultForbiddenError"
    assert named in failed["message"]
    assert world.identity.object_id in failed["message"]
    assert world.identity.object_id in failed["remedy"]


def test_an_account_that_the_vault_does_not_manage_is_named(world: World) -> None:
    failed = forced(world, KEYVAULT_STORAGE_NAME="someoneelse")

    assert failed["error"] == "ManagedAccountNotFoundError"
    assert "someoneelse" in failed["message"]


def test_a_soft_deleted_definition_is_recovered_and_set(world: World, held: str) -> None:
    world.vault.storage.accounts[world.account.name].delete("blobrwu4hours")
    world.vault.permissions.add("storage/recover")
    world.vault.recovery_seconds = 0.3

    assert forced(world)["outcome"] == "rotated"
    assert Cluster(world).works()


def test_a_soft_deleted_definition_that_may_not_be_recovered_is_told(world: World, held: str) -> None:
    world.vault.storage.accounts[world.account.name].delete("blobrwu4hours")

    failed = forced(world)

    assert failed["error"] == "VaultForbiddenError"
    assert "recover" in failed["message"]
    assert Cluster(world).value() == held
    world.vault.storage.accounts[world.account.name].deleted_definitions.clear()


def test_no_identity_is_told(world: World) -> None:
    world.identity.fail_with = 500

    assert forced(world)["error"] == "IdentityError"


@pytest.mark.parametrize(
    ("trigger", "found"),
    [(Trigger.TIMER, "rotated"), (Trigger.ALERT, "rotated"), (Trigger.HTTP, "failed"), (Trigger.CLI, "failed")],
)
def test_an_identity_endpoint_that_is_not_up_yet_is_asked_again_where_nobody_waits(
    world: World, trigger: Trigger, found: str
) -> None:
    # Every service asks for a token of its own; without a lease the vault is the first.
    storage = {"AzureWebJobsStorage__accountName": "", "AzureWebJobsStorage__blobServiceUri": ""}
    world.identity.fail_with, world.identity.fail_times = 401, 2
    assert outcome(rotate(world, trigger, forced=True, **storage))["outcome"] == found


def test_an_identity_endpoint_that_does_not_answer_is_told_as_such(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")

    assert forced(world)["error"] == "IdentityError"


@pytest.mark.parametrize("code", POLICY_CODES)
def test_the_samples_access_policy_is_enough(world: World, code: str) -> None:
    world.vault.policy_code = code
    world.vault.permissions = {"secrets/get", "storage/setsas", "storage/getsas"}

    rotated = outcome(rotate(world, STORAGE_BLOB_ENDPOINT=""))

    assert rotated["outcome"] == "rotated"
    assert rotated["proof"].startswith("left out")
    assert "STORAGE_BLOB_ENDPOINT" in rotated["warnings"][0]


# The SAS and its proof


def changed(name: str, value: str | None) -> Callable[[str], str]:
    def tamper(token: str) -> str:
        fields = dict(urllib.parse.parse_qsl(token))
        fields.pop(name, None)
        return urllib.parse.urlencode(fields if value is None else fields | {name: value})

    return tamper


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (changed("se", "2020-01-01T00:00:00Z"), "expired"),
        (changed("se", "2099-01-01T00:00:00Z"), "longer than"),
        (changed("st", "2099-01-01T00:00:00Z"), "not valid before"),
        (changed("sp", "rwdlacup"), "permissions"),
        (changed("sp", "r"), "permissions"),
        (changed("srt", "o"), "resource types"),
        (changed("ss", "bfqt"), "services"),
        (changed("spr", None), "protocol"),
        (changed("sv", "2024-11-04"), "version"),
        (changed("sip", "203.0.113.9"), "fields sip, which are not in the definition"),
        (changed("sig", None), "lacks sig"),
        (lambda _: "not a SAS", "not a query string"),
    ],
)
def test_a_sas_that_is_not_what_was_asked_for_is_not_delivered(
    world: World, held: str, tamper: Callable[[str], str], message: str
) -> None:
    world.vault.tamper = tamper

    failed = forced(world)

    assert failed["error"] == "SasError"
    assert message in failed["message"]
    assert Cluster(world).value() == held


def test_a_sas_that_storage_refuses_is_not_delivered(world: World, held: str) -> None:
    world.vault.tamper = changed("sig", "Zm9yZ2VkIHNpZ25hdHVyZSB0aGF0IGlzIG5vdCByaWdodA==")
    plan = loader.load(world.settings)
    credential = identity.credential(None)
    with contextlib.closing(credential), wiring.services(plan, credential) as wired:
        services = dataclasses.replace(wired, prover=StorageProver(seconds=1.0), fence=NoLease().fence)
        failed = outcome(Run(plan, services, trigger=Trigger.CLI, forced=True).rotate())

    assert failed["error"] == "StorageRefusedError"
    assert "AuthenticationFailed" in failed["message"]
    assert Cluster(world).value() == held


def test_a_new_sas_that_storage_accepts_only_after_a_while_is_delivered(world: World) -> None:
    world.blob.warm_up_requests = 2

    assert forced(world)["proof"] == "accepted"


def test_a_refused_permission_that_was_never_asked_for_is_a_proof(world: World) -> None:
    rotated = forced(world, SAS_PERMISSIONS="w", SAS_RESOURCE_TYPES="o")

    assert rotated["outcome"] == "rotated"
    assert "AuthorizationPermissionMismatch" in rotated["proof"] or "ResourceTypeMismatch" in rotated["proof"]


def test_storage_that_does_not_answer_stops_the_delivery_and_can_be_left_out(world: World, held: str) -> None:
    nowhere = {"STORAGE_BLOB_ENDPOINT": "https://127.0.0.1:9"}
    failed = forced(world, **nowhere)
    assert failed["error"] == "StorageUnreachableError"
    assert Cluster(world).value() == held

    assert forced(world, ROTATION_PROVE="false", **nowhere)["outcome"] == "rotated"


# SSH


def test_a_wrong_pin_is_refused_before_any_authentication(world: World, held: str) -> None:
    before = master(world).auth_attempts
    wrong = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

    failed = forced(world, KUBERNETES_SSH_FINGERPRINT=wrong)

    assert failed["error"] == "HostKeyRejectedError"
    assert master(world).auth_attempts == before
    for fingerprint in master(world).fingerprints.values():
        assert fingerprint in failed["message"]
    assert Cluster(world).value() == held


def test_several_pins_allow_a_host_key_to_be_replaced(world: World) -> None:
    old = "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    pins = f"{old}, {world.settings['KUBERNETES_SSH_FINGERPRINT']}"

    assert forced(world, KUBERNETES_SSH_FINGERPRINT=pins)["outcome"] == "rotated"


def test_a_wrong_private_key_is_refused_by_the_master(world: World, held: str) -> None:
    world.vault.secrets.put("privatekey", keys.generate("ed25519").private_text)

    failed = forced(world)

    assert failed["error"] == "AuthenticationRejectedError"
    assert "authorized_keys" in failed["remedy"]
    assert Cluster(world).value() == held


@pytest.mark.parametrize("key_type", ["ed25519", "ecdsa", "rsa"])
def test_a_private_key_with_passphrase_opens_only_with_the_right_one(
    key_type: keys.KeyType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(Options(key_type=key_type, passphrase=True)) as world:
        for name, text in world.settings.items():
            monkeypatch.setenv(name, text)
        assert outcome(rotate(world))["outcome"] == "rotated"

        named = world.settings["KUBERNETES_SSH_PASSPHRASE_SECRET"]
        world.vault.secrets.put(named, "not the passphrase")
        failed = forced(world)
        assert failed["error"] == "PrivateKeyError"
        assert "not the passphrase" not in failed["message"]
        assert forced(world, KUBERNETES_SSH_PASSPHRASE_SECRET="")["error"] == "PrivateKeyError"
        assert Cluster(world).works()


def test_no_ssh_server_is_unreachable(world: World, held: str) -> None:
    assert forced(world, KUBERNETES_SSH_PORT="9")["error"] == "UnreachableError"
    assert Cluster(world).value() == held


def test_a_server_that_is_not_ssh_is_unreachable(world: World) -> None:
    port = urllib.parse.urlsplit(world.identity.url).port

    assert forced(world, KUBERNETES_SSH_PORT=str(port))["error"] == "UnreachableError"


@pytest.fixture
def connection(world: World) -> Callable[..., Any]:
    """A connection to the sandbox's master, with limits of one's own."""
    cluster = loader.load(world.settings).targets[0].cluster
    key = SecretText(world.key_pair.private_text)
    return lambda limits=None: SshConnector(limits).open_shell(cluster, key, None)


def test_a_mute_server_times_out(world: World, connection: Callable[..., Any]) -> None:
    master(world).mute = True
    began = time.monotonic()

    with pytest.raises(TimedOutError), connection(Timeouts(handshake=0.5)):
        pass
    assert time.monotonic() - began < 5


def test_a_command_that_takes_too_long_times_out(connection: Callable[..., Any]) -> None:
    began = time.monotonic()

    with connection() as shell, pytest.raises(TimedOutError):
        shell.start("sleep 30", seconds=0.5).finish()
    assert time.monotonic() - began < 5


def test_a_command_that_is_never_answered_times_out(world: World, connection: Callable[..., Any]) -> None:
    master(world).exec_delay = 30.0

    with connection() as shell, pytest.raises(TimedOutError):
        shell.start("true", seconds=0.5).finish()


def test_status_signal_and_lost_connection_are_told_apart(world: World, connection: Callable[..., Any]) -> None:
    with connection() as shell:
        assert shell.start("exit 3", seconds=10).finish() == Result(3, "", "")
        with pytest.raises(CommandKilledError):
            shell.start("kill -9 $$", seconds=10).finish()
    with connection() as shell:
        running = shell.start("sleep 5", seconds=10)
        threading.Timer(0.3, master(world).drop_connections).start()
        with pytest.raises(ConnectionLostError):
            running.finish()
        with pytest.raises(ConnectionLostError, match="before a command could be started"):
            shell.start("true", seconds=10)


def test_much_output_on_both_streams_is_drained(connection: Callable[..., Any]) -> None:
    with connection() as shell:
        both = shell.start("head -c 3000000 /dev/zero | tee /dev/stderr", seconds=30).finish()
    assert (len(both.stdout), len(both.stderr)) == (3000000, 3000000)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_output_without_end_is_an_error_and_harms_no_other_command(connection: Callable[..., Any], stream: str) -> None:
    with connection() as shell:
        with pytest.raises(OutputUnboundedError, match="more than 16 MiB"):
            shell.start(f"yes >&{stream}", seconds=60).finish()
        with pytest.raises(OutputUnboundedError):
            shell.start(f"yes >&{stream}", seconds=60).wait_for("ready")
        assert shell.start("echo on", seconds=60).finish() == Result(0, "on\n", "")


# kubectl


@pytest.mark.parametrize(
    ("verb", "strategy"), [("get", "recreate"), ("create", "recreate"), ("delete", "recreate"), ("update", "apply")]
)
def test_a_denied_verb_is_told_in_kubectls_words(world: World, held: str, verb: str, strategy: str) -> None:
    own(world).denied.add(verb)

    failed = forced(world, KUBERNETES_SECRET_STRATEGY=strategy)

    assert failed["error"] == "KubernetesForbiddenError"
    assert f"cannot {verb} resource" in failed["message"]
    own(world).denied.clear()
    assert Cluster(world).value() == held


def test_a_full_quota_is_met_before_the_secret_is_deleted(world: World, held: str) -> None:
    own(world).quota, own(world).quota_lags = 1, True

    failed = forced(world)

    assert failed["error"] == "QuotaExceededError"
    assert "nothing was changed" in failed["message"]
    assert Cluster(world).value() == held
    assert forced(world, KUBERNETES_SECRET_STRATEGY="apply")["outcome"] == "rotated"


def test_a_delete_that_fails_once_is_tried_again(world: World, held: str) -> None:
    own(world).faults.append(KubernetesFault("delete", message="no delete today"))

    rotated = forced(world)

    assert rotated["outcome"] == "rotated"
    assert "second try: Error from server (InternalError): no delete today" in rotated["warnings"][0]
    assert Cluster(world).value() != held


def test_a_delete_that_keeps_failing_leaves_the_former_secret_where_no_late_one_meets_it(
    world: World, held: str
) -> None:
    before = copy.deepcopy(own(world).secrets["default", SECRET_NAME]["metadata"])
    own(world).faults.append(KubernetesFault("delete", message="no delete today", times=2))

    failed = forced(world)

    assert failed["outcome"] == "failed"
    assert "no delete today" in failed["message"]
    assert "holds what it held before" in failed["message"]
    assert Cluster(world).value() == held
    after = own(world).secrets["default", SECRET_NAME]["metadata"]
    assert after["uid"] == before["uid"]
    assert after["resourceVersion"] != before["resourceVersion"]
    assert forced(world)["outcome"] == "rotated"
    assert "rotator/kept" not in own(world).secrets["default", SECRET_NAME]["metadata"]["annotations"]


def test_a_delete_that_is_refused_leaves_the_former_secret(world: World, held: str) -> None:
    fault = KubernetesFault("delete", status=403, reason="Forbidden", message="a webhook says no", times=9)
    own(world).faults.append(fault)

    failed = forced(world)

    assert "a webhook says no" in failed["message"]
    assert "holds what it held before" in failed["message"]
    assert (Cluster(world).value(), fault.times) == (held, 8)


def test_a_delete_whose_answer_is_lost_is_followed_by_the_new_secret(world: World, held: str) -> None:
    own(world).faults.append(KubernetesFault("delete", message="lost on the way back", carried_out=True))

    assert forced(world)["outcome"] == "rotated"
    assert Cluster(world).value() != held
    assert Cluster(world).works()


@pytest.mark.parametrize("drifted", [False, True])
def test_a_create_that_fails_is_tried_again_with_the_new_secret(world: World, held: str, drifted: bool) -> None:
    if drifted:
        own(world).secrets["default", SECRET_NAME]["data"]["secretKey"] = base64.b64encode(b"by hand").decode()
    own(world).faults.append(KubernetesFault("create", message="no create today", dry_run=False))

    rotated = forced(world)

    assert rotated["outcome"] == "rotated"
    assert "no create today" in rotated["warnings"][0]
    assert Cluster(world).value() not in (held, "by hand")
    assert Cluster(world).works()


def test_a_create_that_is_refused_puts_the_former_secret_back(world: World, held: str) -> None:
    own(world).faults.append(KubernetesFault("create", 403, "Forbidden", "no create today", times=2, dry_run=False))

    failed = forced(world)

    assert failed["outcome"] == "failed"
    assert "no create today" in failed["message"]
    assert "put back" in failed["message"]
    assert Cluster(world).value() == held
    assert Cluster(world).works()


@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_a_secret_whose_own_words_look_like_an_error_is_delivered(world: World, held: str, strategy: str) -> None:
    words = 'Error from server (NotFound): secrets "storage-sas" not found'
    metadata = own(world).secrets["default", SECRET_NAME]["metadata"]
    metadata["annotations"]["note"] = words

    assert forced(world, KUBERNETES_SECRET_STRATEGY=strategy)["outcome"] == "rotated"
    assert Cluster(world).value() != held


def test_a_key_that_somebody_adds_between_look_and_delete_is_kept(world: World, held: str) -> None:
    changed_at: list[Event] = []

    def on_event(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("cluster", "dry-run-create", "before") and not changed_at:
            changed_at.append(event)
            secret = copy.deepcopy(own(world).secrets["default", SECRET_NAME])
            secret["data"]["late"] = "a2VwdA=="
            own(world).persist(secret)

    cancel = world.journal.subscribe(on_event)
    try:
        assert forced(world)["outcome"] == "rotated"
    finally:
        cancel()
    assert Cluster(world).value("late") == "kept"
    assert Cluster(world).works()


def test_a_create_whose_answer_is_lost_is_confirmed_all_the_same(world: World, held: str) -> None:
    fault = KubernetesFault("create", message="lost on the way back", dry_run=False, carried_out=True)
    own(world).faults.append(fault)

    rotated = forced(world)

    assert rotated["outcome"] == "rotated"
    assert "second try" in rotated["warnings"][0]
    assert Cluster(world).value() != held
    assert Cluster(world).works()


def test_an_api_server_that_goes_away_between_delete_and_create_gets_the_secret_when_it_is_back(
    world: World, held: str
) -> None:
    def on_delete(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("cluster", "delete", "after"):
            own(world).down = True
            threading.Timer(3.0, lambda: setattr(own(world), "down", False)).start()

    cancel = world.journal.subscribe(on_delete)
    try:
        rotate(world, forced=True)
    finally:
        cancel()
    assert Cluster(world).works()


def test_an_api_server_that_is_down_changes_nothing(world: World, held: str) -> None:
    own(world).down = True

    failed = forced(world)

    assert failed["error"] == "ApiServerDownError"
    own(world).down = False
    assert Cluster(world).value() == held


def test_a_refused_dry_run_deletes_nothing(world: World, held: str) -> None:
    own(world).faults.append(
        KubernetesFault("create", status=422, reason="Invalid", message="a webhook says no", dry_run=True)
    )
    history = len(own(world).history)

    failed = forced(world)

    assert failed["error"] == "ManifestRejectedError"
    assert "a webhook says no" in failed["message"]
    assert len(own(world).history) == history
    assert Cluster(world).value() == held


@BOTH
def test_a_connection_cut_while_the_manifest_is_sent_changes_nothing(world: World, held: str, strategy: str) -> None:
    history = len(own(world).history)
    master(world).drop_after_stdin_bytes = 200

    failed = forced(world, KUBERNETES_SECRET_STRATEGY=strategy)

    assert failed["error"] == "ConnectionLostError"
    time.sleep(0.5)
    assert len(own(world).history) == history
    assert Cluster(world).value() == held


@pytest.mark.parametrize("action", ["dry-run-create", "delete", "create"])
def test_a_connection_cut_in_the_middle_lets_the_master_finish(world: World, held: str, action: str) -> None:
    def cut(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("cluster", action, "before"):
            master(world).drop_connections()

    cancel = world.journal.subscribe(cut)
    try:
        failed = forced(world)
    finally:
        cancel()
    assert failed["error"] == "ConnectionLostError"
    wait_for_commands(world)
    assert Cluster(world).works()
    assert Cluster(world).value() != held
    assert outcome(rotate(world))["outcome"] == "unchanged"


def test_a_key_that_somebody_adds_in_between_is_kept(world: World, held: str) -> None:
    def on_event(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("vault", "get-definition", "before"):
            secret = own(world).secrets["default", SECRET_NAME]
            secret["data"]["late"] = "a2VwdA=="

    cancel = world.journal.subscribe(on_event)
    try:
        assert forced(world)["outcome"] == "rotated"
    finally:
        cancel()
    assert Cluster(world).value("late") == "kept"


def test_an_update_that_meets_a_newer_version_is_merged_anew(world: World, held: str) -> None:
    changed_at: list[Event] = []

    def on_event(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("cluster", "update", "before") and not changed_at:
            changed_at.append(event)
            secret = own(world).secrets["default", SECRET_NAME]
            secret["metadata"]["resourceVersion"] = str(int(secret["metadata"]["resourceVersion"]) + 1)
            secret["data"]["late"] = "a2VwdA=="

    cancel = world.journal.subscribe(on_event)
    try:
        assert forced(world, KUBERNETES_SECRET_STRATEGY="apply")["outcome"] == "rotated"
    finally:
        cancel()
    assert Cluster(world).value("late") == "kept"
    assert Cluster(world).works()


def test_a_secret_that_vanishes_before_the_delivery_is_created(world: World, held: str) -> None:
    def vanish(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("vault", "get-definition", "before"):
            own(world).secrets.pop(("default", SECRET_NAME), None)

    cancel = world.journal.subscribe(vanish)
    try:
        assert forced(world)["act"] == "create"
    finally:
        cancel()
    assert Cluster(world).works()


def test_apply_leaves_no_instant_without_the_secret_and_recreate_a_short_one(world: World, held: str) -> None:
    history = own(world).history
    seen = len(history)
    forced(world, KUBERNETES_SECRET_STRATEGY="apply")
    assert [change.type for change in history[seen:]] == ["MODIFIED"]

    seen = len(history)
    forced(world)
    assert [change.type for change in history[seen:]] == ["DELETED", "ADDED"]


def test_a_second_run_in_the_same_process_is_told_that_one_is_running(world: World) -> None:
    refused: list[BaseException] = []

    def again(event: Event) -> None:
        if (event.service, event.action, event.phase) == ("vault", "set-definition", "before"):
            try:
                app.rotate(trigger=Trigger.CLI, forced=True, environment=world.settings)
            except errors.BusyError as error:
                refused.append(error)

    cancel = world.journal.subscribe(again)
    try:
        assert outcome(rotate(world))["outcome"] == "rotated"
    finally:
        cancel()
    # The definition is set for its own sake, and then to note that the target has a SAS.
    assert len(refused) == 2


def test_the_report_tells_expiry_and_digest_as_the_cluster_does(world: World) -> None:
    rotated = forced(world)
    expires = datetime.datetime.fromisoformat(rotated["expires"])

    left = expires - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(hours=3, minutes=58) < left <= datetime.timedelta(hours=4, minutes=1)
    assert Cluster(world).annotation("fingerprint") == rotated["fingerprint"]


@BOTH
def test_a_large_secret_is_delivered_whole(world: World, held: str, strategy: str) -> None:
    large = base64.b64encode(b"x" * 700_000).decode()
    own(world).secrets["default", SECRET_NAME]["data"]["large"] = large

    assert forced(world, KUBERNETES_SECRET_STRATEGY=strategy)["outcome"] == "rotated"
    assert Cluster(world).value("large") == "x" * 700_000
    assert Cluster(world).works()


@pytest.mark.parametrize("dying", ["dryRun", "delete --raw", "secrets --validate"])
def test_a_kubectl_that_dies_before_it_reads_a_large_manifest_blocks_nothing(
    world: World, held: str, dying: str, tmp_path: Path
) -> None:
    own(world).secrets["default", SECRET_NAME]["data"]["large"] = base64.b64encode(b"x" * 200_000).decode()
    wrapper = tmp_path / "kubectl"
    real = shutil.which("kubectl")
    wrapper.write_text(
        f"""#!/bin/sh
case "$*" in *'{dying}'*) [ -e {tmp_path}/died ] || {{ : > {tmp_path}/died; exit 9; }} ;; esac
exec {real} "$@"
"""
    )
    wrapper.chmod(0o700)
    master(world).kubectl = tmp_path
    began = time.monotonic()

    rotate(world, forced=True)

    assert time.monotonic() - began < 20
    assert (tmp_path / "died").exists()
    assert Cluster(world).works()


@pytest.mark.parametrize("step", ["delete --raw", "secrets --validate"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_remote_shell_that_is_killed_leaves_the_new_secret_all_the_same(
    world: World, held: str, tmp_path: Path, step: str, phase: str
) -> None:
    """As by the kernel when memory runs out."""
    own(world).secrets["default", SECRET_NAME]["data"]["theirs"] = base64.b64encode(b"kept").decode()
    wrapper = tmp_path / "kubectl"
    kill = "kill -KILL $(ps -o sid= -p $$)"
    wrapper.write_text(
        f"""#!/bin/sh
case "$*" in *dryRun*) ;; *'{step}'*)
  [ -e {tmp_path}/killed ] || {{
    : > {tmp_path}/killed
    input=$(cat)
    [ {phase} = after ] || {kill}
    printf %s "$input" | {shutil.which("kubectl")} "$@"
    {kill}
    exit 0
  }}
esac
exec {shutil.which("kubectl")} "$@"
"""
    )
    wrapper.chmod(0o700)
    master(world).kubectl = tmp_path

    delivered = forced(world)

    assert (tmp_path / "killed").exists()
    assert delivered["outcome"] == "rotated"
    assert any("ended by a signal" in warning for warning in delivered["warnings"])
    assert Cluster(world).value() != held
    assert Cluster(world).value("theirs") == "kept"
    assert Cluster(world).works()


def test_a_startup_file_that_greets_harms_nothing(world: World) -> None:
    master(world).greeting = 'Welcome to "master 1"!\n{"kind": "Motd"}'

    assert forced(world)["outcome"] == "rotated"
    assert Cluster(world).works()
    assert app.status(environment=world.settings).well
    assert not app.check(environment=world.settings).failed


def test_a_kubeconfig_that_is_not_there_is_told(world: World, held: str) -> None:
    failed = forced(world, KUBERNETES_KUBECTL="kubectl --kubeconfig=/nowhere/config")

    assert failed["error"] == "KubeconfigError"
    assert Cluster(world).value() == held


@pytest.mark.timeout(150)
def test_a_create_that_hangs_is_given_up_and_the_new_secret_created_by_another(
    world: World, held: str, tmp_path: Path
) -> None:
    wrapper = tmp_path / "kubectl"
    wrapper.write_text(
        f"""#!/bin/sh
case "$*" in *dryRun*) ;; *'create --raw'*) [ -e {tmp_path}/hung ] || {{ : > {tmp_path}/hung; exec sleep 60; }} ;; esac
exec {shutil.which("kubectl")} "$@"
"""
    )
    wrapper.chmod(0o700)
    master(world).kubectl = tmp_path

    rotated = forced(world)

    assert (tmp_path / "hung").exists()
    assert rotated["outcome"] == "rotated"
    assert "second try" in rotated["warnings"][0]
    assert Cluster(world).value() != held
    assert Cluster(world).works()


def test_a_delete_that_is_carried_out_long_after_it_was_given_up_leaves_a_secret(
    world: World, held: str, tmp_path: Path
) -> None:
    """As by root's kubectl behind sudo, which nobody may end, or by a proxy: the answer fails, the request goes on."""
    wrapper = tmp_path / "kubectl"
    wrapper.write_text(
        f"""#!/bin/sh
case "$*" in *'delete --raw'*)
  input=$(cat)
  (sleep 1; printf %s "$input" | {shutil.which("kubectl")} "$@"; : >> {tmp_path}/late) >>{tmp_path}/output 2>&1 &
  echo 'Unable to connect to the server: context deadline exceeded' >&2
  exit 1 ;;
esac
exec {shutil.which("kubectl")} "$@"
"""
    )
    wrapper.chmod(0o700)
    master(world).kubectl = tmp_path

    failed = forced(world)

    assert failed["error"] == "ApiServerDownError"
    assert "holds what it held before" in failed["message"]
    until = time.monotonic() + 20
    while (tmp_path / "output").read_text().count("Conflict") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "output").read_text().count("(Conflict)") == 2
    assert Cluster(world).value() == held
