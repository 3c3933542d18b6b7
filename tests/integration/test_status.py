"""What the clusters hold, told to an operator: each state made to be, and nothing changed by the look."""

import base64
import datetime
import hashlib
import json
import re
import time
import urllib.parse
from typing import Any

import pytest

from rotator import app, timestamps
from rotator.delivery import manifest
from rotator.plan import schedule
from rotator.reporting.report import Failed
from rotator.reporting.status import State, Status, TargetStatus
from rotator.rotation import lock
from sandbox.kubernetes.state import KubernetesApi
from sandbox.server.faults import Fault
from sandbox.world import SECRET_NAME, World
from tests import secrets_in
from tests.fakes.examples import HOLDER
from tests.integration.conftest import Cluster, command_line, outcome, plain, regenerate, revoke, rotate, settings_for
from tests.integration.test_manners import in_terminal

HOUR = datetime.timedelta(hours=1)
WRONG_PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
CHANGES = {"set-definition", "regenerate-key", "create", "update", "delete", "patch", "put-blob", "acquire-lease"}
FOREIGN = base64.b64encode(b"somebody else's").decode()


def status(world: World, **settings: str) -> Status:
    return app.status(environment=settings_for(world, **settings))


def only(world: World, **settings: str) -> TargetStatus:
    [target] = status(world, **settings).targets
    return target


def annotate(world: World, **annotations: str) -> None:
    texts = [f"rotator/{name}={text}" for name, text in annotations.items()]
    Cluster(world).kubectl("annotate", "--overwrite", "secret", SECRET_NAME, *texts)


def outlived(world: World) -> datetime.datetime:
    """Have the Secret hold a SAS that expired an hour ago, and say so of it; gives when."""
    until = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - HOUR
    fields = dict(urllib.parse.parse_qsl(Cluster(world).value())) | {"se": timestamps.text(until)}
    value = urllib.parse.urlencode(fields).encode()
    patch(world, {"data": {"secretKey": base64.b64encode(value).decode()}})
    digest = f"sha256:{hashlib.sha256(value).hexdigest()}"
    annotate(world, expires=timestamps.text(until), rotated=timestamps.text(until - 4 * HOUR), digest=digest)
    return until


def patch(world: World, document: dict[str, Any]) -> None:
    Cluster(world).kubectl("patch", "secret", SECRET_NAME, "--patch", json.dumps(document))


def delete(world: World) -> None:
    Cluster(world).kubectl("delete", "secret", SECRET_NAME)


def replace(world: World) -> None:
    delete(world)
    Cluster(world).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=secretKey=theirs")


# What is held


def test_after_a_rotation_the_target_is_fresh_with_what_the_report_said(world: World) -> None:
    report = rotate(world)
    before, found = datetime.datetime.now(datetime.UTC), status(world)
    [target] = found.targets
    reported = outcome(report)
    assert (target.state, target.text) == (State.FRESH, "its SAS is fresh")
    assert target.as_json(found.now)["expires"] == reported["expires"]
    assert (target.signing_key, target.definition, target.run) == (
        reported["signing_key"],
        reported["definition"],
        report.run,
    )
    assert target.rotated
    assert abs(before - target.rotated) < datetime.timedelta(minutes=1)
    assert found.well
    assert found.warnings == ()
    assert found.next_run
    assert before < found.next_run <= found.now + found.interval


def test_after_a_key_rotation_the_new_signing_key_is_told(rotated: World) -> None:
    assert only(rotated).signing_key == "key1"
    assert not regenerate(rotated, forced=True).failed
    target = only(rotated)
    assert (target.state, target.signing_key) == (State.FRESH, "key2")


def test_before_the_first_rotation_the_secret_is_missing(world: World) -> None:
    assert only(world) == TargetStatus(outcome(rotate(world))["target"], State.MISSING, "there is no Secret yet")


def test_an_expired_sas_is_told_since_when(rotated: World) -> None:
    until = outlived(rotated)
    target = only(rotated)
    assert target.state is State.EXPIRED
    assert target.text == f"the SAS expired at {timestamps.text(until)}"


def test_a_secret_that_no_run_replaced_in_time_is_late(rotated: World) -> None:
    before = datetime.datetime.now(datetime.UTC) - HOUR
    annotate(rotated, rotated=timestamps.text(before))
    replaced = schedule.following(schedule.DEFAULT, before.replace(microsecond=0) + datetime.timedelta(minutes=15))
    target = only(rotated)
    assert target.state is State.LATE
    assert target.text == (
        f"the run at {timestamps.text(replaced)} should have replaced the SAS of {timestamps.text(before)}"
    )


def test_a_sas_that_does_not_outlive_the_next_run_is_late(rotated: World) -> None:
    far = datetime.datetime.now(datetime.UTC) + 12 * HOUR
    daily = {"ROTATION_SCHEDULE": f"0 0 {far.hour} * * *", "SAS_VALIDITY": "P2D"}
    target = only(rotated, **daily)
    assert target.state is State.LATE
    assert target.text.startswith("the SAS expires at ")


@pytest.mark.parametrize(
    "edited",
    [
        {"rotated": "2030-01-01T00:00:00Z", "expires": "2031-01-01T00:00:00Z"},
        {"expires": "2020-01-01T00:00:00Z"},
    ],
    ids=["fresh for ever", "expired long ago"],
)
def test_times_that_somebody_edited_are_drift_that_the_next_run_repairs(rotated: World, edited: dict[str, str]) -> None:
    annotate(rotated, **edited)
    target = only(rotated)
    assert (target.state, target.text) == (State.DRIFT, "drift: somebody changed what the Secret says of its SAS")
    assert outcome(rotate(rotated))["drift"]
    assert only(rotated).well


def test_a_secret_stripped_of_all_but_our_label_is_drift_that_the_next_run_repairs(rotated: World) -> None:
    patch(rotated, {"metadata": {"annotations": None}, "data": {"secretKey": None}})
    target = only(rotated)
    assert (target.state, target.text) == (State.DRIFT, "drift: somebody replaced the Secret")
    assert outcome(rotate(rotated))["drift"]
    assert only(rotated).well


def test_a_secret_of_others_in_the_place_of_ours_is_drift_until_it_is_deleted(rotated: World) -> None:
    delete(rotated)
    Cluster(rotated).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=password=theirs")
    target = only(rotated)
    assert target.state is State.DRIFT
    assert target.failure
    assert "Once it is deleted the next run creates ours again" in target.failure.remedy
    assert outcome(rotate(rotated))["error"] == target.failure.error
    delete(rotated)
    assert outcome(rotate(rotated))["drift"]
    assert only(rotated).well


# What storage says of it


def test_a_sas_whose_key_was_regenerated_elsewhere_is_expired_until_a_rotation(rotated: World) -> None:
    rotated.account.regenerate("key1")
    assert not Cluster(rotated).works()
    done = command_line(rotated, "status")
    output = plain(done.stdout)
    assert done.returncode == 1
    assert "storage refuses its SAS: rotate now, by HTTP or with --force" in output
    assert re.search(
        r"StorageRefusedError: https://\S+ answered 403 AuthenticationFailed for SAS \w+ until \S+Z ", output
    )
    assert "regenerated outside Key Vault" in output
    assert not secrets_in.found(rotated, done.stdout)
    assert not rotate(rotated, forced=True).failed
    assert status(rotated).well


def test_a_storage_that_does_not_answer_is_a_warning_after_seconds(rotated: World) -> None:
    rotated.blob.faults.append(Fault("GET", delay=30.0, times=99))
    began = time.monotonic()
    found = status(rotated)
    assert time.monotonic() - began < 15
    assert found.well
    of_targets, of_timer = found.warnings
    assert of_targets.startswith("what the targets hold was not tried on storage: https://")
    assert of_timer.startswith("when the timer fired cannot be read: the app's own storage ")


def test_with_rotation_prove_off_nothing_is_tried(rotated: World) -> None:
    rotated.account.regenerate("key1")
    seen = len(rotated.journal.events("blob"))
    assert only(rotated, ROTATION_PROVE="false").well
    assert "get-service-properties" not in {event.action for event in rotated.journal.events("blob")[seen:]}


# What somebody did


@pytest.mark.parametrize(
    ("alter", "why"),
    [
        (delete, "drift: somebody deleted the Secret"),
        (lambda world: patch(world, {"data": {"secretKey": FOREIGN}}), "drift: somebody changed the value"),
        (lambda world: patch(world, {"data": {"secretKey": None}}), "drift: somebody removed the data key"),
        (lambda world: patch(world, {"metadata": {"annotations": None}}), "drift: somebody replaced the Secret"),
        (replace, "drift: somebody replaced the Secret"),
    ],
    ids=["deleted", "changed", "key removed", "annotations stripped", "replaced"],
)
def test_what_somebody_did_to_the_secret_is_drift(rotated: World, alter: Any, why: str) -> None:
    alter(rotated)
    target = only(rotated)
    assert (target.state, target.text) == (State.DRIFT, why)


def test_a_secret_of_others_that_the_next_run_leaves_alone_is_not_said_to_be_taken_over(world: World) -> None:
    Cluster(world).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=secretKey=theirs")
    Cluster(world).kubectl("label", "secret", SECRET_NAME, f"{manifest.MANAGED_BY}=Helm")
    target = only(world)
    assert outcome(rotate(world))["error"] == "NotOursError"
    assert not target.well
    assert "takes it over" not in target.text


def test_a_secret_that_the_next_run_adopts_is_said_to_be(world: World) -> None:
    Cluster(world).kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=secretKey=theirs")
    target = only(world)
    assert (target.state, target.text) == (State.MISSING, "the Secret is not ours yet: the next run takes it over")
    assert outcome(rotate(world))["outcome"] == "rotated"


# What cannot be looked at


def unknown(world: World, **settings: str) -> Failed:
    target = only(world, **settings)
    assert target.state is State.UNKNOWN
    assert target.failure
    assert target.failure.remedy
    return target.failure


def test_a_master_out_of_reach_is_unknown(rotated: World) -> None:
    assert unknown(rotated, KUBERNETES_SSH_PORT="9").error == "UnreachableError"


def test_a_host_that_is_not_the_pinned_one_is_unknown_and_told_nothing(rotated: World) -> None:
    seen = len(rotated.journal.events("master"))
    assert unknown(rotated, KUBERNETES_SSH_FINGERPRINT=WRONG_PIN).error == "HostKeyRejectedError"
    assert "auth" not in {event.action for event in rotated.journal.events("master")[seen:]}


def test_a_cluster_that_does_not_let_look_is_unknown(rotated: World) -> None:
    assert isinstance(rotated.cluster, KubernetesApi)
    rotated.cluster.denied.add("get")
    assert unknown(rotated).error == "KubernetesForbiddenError"


def test_without_the_ssh_key_every_target_is_unknown(rotated: World) -> None:
    rotated.vault.permissions.discard("secrets/get")
    assert unknown(rotated).error == "VaultForbiddenError"


def test_without_the_definition_the_clusters_are_looked_into_all_the_same(rotated: World) -> None:
    rotated.vault.permissions.discard("storage/getsas")
    found = status(rotated)
    assert [target.state for target in found.targets] == [State.FRESH]
    [warning] = found.warnings
    assert warning.startswith("the vault could not be read: ")


# Nothing is changed


@pytest.mark.parametrize("alter", [lambda _: None, delete, replace], ids=["fresh", "deleted", "replaced"])
def test_a_look_changes_nothing(rotated: World, alter: Any) -> None:
    alter(rotated)
    held, minted = Cluster(rotated).secret(), len(rotated.vault.minted)
    seen = len(rotated.journal.events())
    status(rotated)
    actions = {event.action for event in rotated.journal.events()[seen:]}
    assert actions & CHANGES == set()
    assert "get" in actions
    assert len(rotated.vault.minted) == minted
    assert Cluster(rotated).secret() == held


def test_a_look_waits_for_no_run_in_progress(rotated: World) -> None:
    with lock._process_lock.held_by(HOLDER):
        assert status(rotated).well


# The command


def test_the_command_tells_a_table_and_ends_with_0_when_all_is_fresh(rotated: World) -> None:
    done = command_line(rotated, "status", COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [plain(line).strip() for line in done.stdout.splitlines()]
    held = Cluster(rotated)
    assert lines[0] == "TARGET STATE SAS UNTIL ROTATED SIGNED BY RUN"
    assert lines[1].startswith(f"default/storage-sas@127.0.0.1 fresh {held.annotation('expires')} (in 3 h 59 min)")
    assert lines[1].endswith(f"key1 {held.annotation('run')}")
    assert lines[2] == "default/storage-sas@127.0.0.1: its SAS is fresh"
    assert lines[3].startswith("next run ")
    assert not secrets_in.found(rotated, done.stdout)


@pytest.mark.parametrize("width", [40, 80])
def test_in_a_narrow_terminal_the_command_tells_a_target_line_by_line(rotated: World, width: int) -> None:
    _, sent = in_terminal(rotated, "status", COLUMNS=str(width), NO_COLOR="1", TERM="dumb")
    lines = [line.rstrip() for line in sent.splitlines()]
    held = Cluster(rotated)
    for line in (
        "TARGET     default/storage-sas@127.0.0.1",
        "STATE      fresh",
        f"RUN        {held.annotation('run')}",
    ):
        assert line in lines
    assert any(line.startswith(f"SAS UNTIL  {held.annotation('expires')} (in 3 h") for line in lines)


def test_the_command_ends_with_1_when_somebody_must_see_to_it(rotated: World) -> None:
    delete(rotated)
    done = command_line(rotated, "status", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    body = json.loads(done.stdout)
    assert (body["well"], body["targets"][0]["state"]) == (False, "drift")


def test_the_command_tells_what_to_do_about_a_target_that_is_unknown(rotated: World) -> None:
    done = command_line(rotated, "status", KUBERNETES_SSH_FINGERPRINT=WRONG_PIN)
    assert done.returncode == 1
    assert "unknown" in done.stdout
    assert "ssh-keygen -lf" in plain(done.stdout)
    assert rotated.master.fingerprints["ssh-ed25519"] in plain(done.stdout)


def test_the_command_ends_with_2_for_bad_settings(world: World) -> None:
    seen = len(world.journal.events())
    done = command_line(world, "status", KUBERNETES_SECRET_NAME="Not_A_Name")
    assert (done.returncode, done.stdout) == (2, "")
    assert "KUBERNETES_SECRET_NAME" in done.stderr
    assert len(world.journal.events()) == seen


def test_a_sas_whose_key_died_in_an_unfinished_revocation_is_not_fresh(rotated: World) -> None:
    report = revoke(rotated, forced=True, KUBERNETES_SSH_PORT="1")
    assert report.failed
    found = status(rotated)
    assert only(rotated).state is State.EXPIRED
    assert "a key rotation is not finished" in " ".join(found.warnings)
    rotate(rotated)
    assert status(rotated).well


def test_the_last_kept_report_tells_how_much_time_is_left_while_the_master_is_away(rotated: World) -> None:
    kept = {"REPORT_CONTAINER": "rotation-reports"}
    report = rotate(rotated, forced=True, **kept)
    until = outcome(report)["expires"]
    away = only(rotated, KUBERNETES_SSH_PORT="1", **kept)
    assert away.state is State.UNKNOWN
    assert away.last_known
    assert (timestamps.text(away.last_known.expires), away.last_known.run) == (until, report.run)
    done = command_line(rotated, "status", KUBERNETES_SSH_PORT="1", **kept)
    assert done.returncode == 1
    assert re.search(rf"{until} \(in (4 h|3 h 59 min)\), last known", done.stdout)
    assert only(rotated, KUBERNETES_SSH_PORT="1").last_known is None
    rotated.blob.faults.append(Fault(status=500, times=99))
    [warning] = [each for each in status(rotated, KUBERNETES_SSH_PORT="1", **kept).warnings if "last known" in each]
    assert "answered 500" in warning
