"""The main job, the same suite against each stack."""

import base64
import json

import pytest

from rotator import app
from sandbox.world import SECRET_NAME, World
from tests.integration.conftest import Cluster, outcome, rotate

BOTH = pytest.mark.parametrize("strategy", ["recreate", "apply"])


def manifest(**changes: object) -> str:
    """A Secret that somebody made."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": SECRET_NAME, "namespace": "default"},
        "data": {"secretKey": base64.b64encode(b"by hand").decode()},
    }
    return json.dumps(secret | changes)


@BOTH
def test_first_rotation_delivers_a_sas_that_storage_accepts(stack: World, strategy: str) -> None:
    report = rotate(stack, KUBERNETES_SECRET_STRATEGY=strategy)

    cluster = Cluster(stack)
    assert outcome(report)["outcome"] == "rotated", outcome(report)
    assert outcome(report)["proof"] == "accepted"
    assert report.definition_changed
    assert cluster.works()
    assert cluster.annotation("run") == report.run
    assert cluster.annotation("digest") == outcome(report)["digest"]
    assert cluster.annotation("expires") == outcome(report)["expires"]
    assert not cluster.value().startswith("?")


@BOTH
def test_second_run_leaves_a_fresh_secret_alone_and_a_forced_one_does_not(stack: World, strategy: str) -> None:
    rotate(stack, KUBERNETES_SECRET_STRATEGY=strategy)
    cluster = Cluster(stack)
    first = cluster.secret()

    again = rotate(stack, KUBERNETES_SECRET_STRATEGY=strategy)
    assert outcome(again)["outcome"] == "unchanged"
    assert cluster.secret() == first

    forced = rotate(stack, forced=True, KUBERNETES_SECRET_STRATEGY=strategy)
    assert outcome(forced)["outcome"] == "rotated"
    assert not forced.definition_changed
    assert cluster.secret() != first
    assert cluster.works()


def test_recreate_makes_a_new_object_and_apply_changes_it_in_place(stack: World) -> None:
    cluster = Cluster(stack)
    rotate(stack)
    made = cluster.secret()
    rotate(stack, forced=True)
    recreated = cluster.secret()
    rotate(stack, forced=True, KUBERNETES_SECRET_STRATEGY="apply")
    applied = cluster.secret()

    assert made
    assert recreated
    assert applied
    assert made["metadata"]["uid"] != recreated["metadata"]["uid"]
    assert recreated["metadata"]["uid"] == applied["metadata"]["uid"]
    assert recreated["data"] != applied["data"]


@BOTH
def test_what_others_put_into_the_secret_stays(stack: World, strategy: str) -> None:
    cluster = Cluster(stack)
    rotate(stack)
    cluster.kubectl("label", "secret", SECRET_NAME, "team=blue")
    cluster.kubectl("annotate", "secret", SECRET_NAME, "note=theirs")
    cluster.kubectl("patch", "secret", SECRET_NAME, "--type=merge", "-p", '{"stringData": {"other": "kept"}}')

    rotate(stack, forced=True, KUBERNETES_SECRET_STRATEGY=strategy)

    held = cluster.secret()
    assert held
    assert held["metadata"]["labels"]["team"] == "blue"
    assert held["metadata"]["annotations"]["note"] == "theirs"
    assert cluster.value("other") == "kept"
    assert cluster.works()


@BOTH
def test_a_tidy_target_keeps_nothing_of_others(stack: World, strategy: str) -> None:
    cluster = Cluster(stack)
    rotate(stack)
    cluster.kubectl("patch", "secret", SECRET_NAME, "--type=merge", "-p", '{"stringData": {"other": "gone"}}')

    rotate(stack, forced=True, KUBERNETES_SECRET_STRATEGY=strategy, KUBERNETES_SECRET_KEEP_FOREIGN="false")

    held = cluster.secret()
    assert held
    assert list(held["data"]) == ["secretKey"]


def test_an_old_copy_of_the_value_in_last_applied_is_removed(stack: World) -> None:
    cluster = Cluster(stack)
    cluster.kubectl("apply", "-f", "-", stdin=manifest())
    held = cluster.secret()
    assert held
    assert "kubectl.kubernetes.io/last-applied-configuration" in held["metadata"]["annotations"]

    rotate(stack, KUBERNETES_SECRET_STRATEGY="apply")

    held = cluster.secret()
    assert held
    assert "kubectl.kubernetes.io/last-applied-configuration" not in held["metadata"]["annotations"]


def test_an_immutable_secret_is_recreated_although_apply_was_asked_for(stack: World) -> None:
    cluster = Cluster(stack)
    cluster.kubectl("create", "-f", "-", stdin=manifest(immutable=True))

    report = rotate(stack, KUBERNETES_SECRET_STRATEGY="apply")

    assert outcome(report)["act"] == "recreate"
    held = cluster.secret()
    assert held
    assert held["immutable"] is True
    assert cluster.works()


def test_another_type_is_recreated_when_nothing_of_others_is_kept(stack: World) -> None:
    cluster = Cluster(stack)
    cluster.kubectl("create", "-f", "-", stdin=manifest(type="example.com/theirs"))

    kept = rotate(stack, KUBERNETES_SECRET_STRATEGY="apply")
    assert outcome(kept)["act"] == "update"
    changed = rotate(stack, forced=True, KUBERNETES_SECRET_KEEP_FOREIGN="false", KUBERNETES_SECRET_STRATEGY="apply")
    assert outcome(changed)["act"] == "recreate"
    held = cluster.secret()
    assert held
    assert held["type"] == "Opaque"


def test_a_secret_of_another_owner_is_left_alone_unless_it_may_be_adopted(stack: World) -> None:
    cluster = Cluster(stack)
    owned = {"name": SECRET_NAME, "namespace": "default", "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    cluster.kubectl("create", "-f", "-", stdin=manifest(metadata=owned))

    refused = outcome(rotate(stack))
    assert refused["error"] == "NotOursError"
    assert "Helm" in refused["message"]
    assert cluster.value() == "by hand"

    assert outcome(rotate(stack, KUBERNETES_SECRET_ADOPT="true"))["outcome"] == "rotated"
    assert cluster.works()


def test_a_secret_without_the_data_key_is_not_adopted(stack: World) -> None:
    cluster = Cluster(stack)
    cluster.kubectl("create", "secret", "generic", SECRET_NAME, "--from-literal=password=theirs")

    refused = outcome(rotate(stack))

    assert refused["error"] == "NotOursError"
    assert "secretKey" in refused["message"]
    assert cluster.value("password") == "theirs"


def test_a_value_changed_by_hand_is_repaired_and_reported_as_drift(stack: World) -> None:
    cluster = Cluster(stack)
    rotate(stack)
    cluster.kubectl("patch", "secret", SECRET_NAME, "--type=merge", "-p", '{"stringData": {"secretKey": "oops"}}')

    repaired = outcome(rotate(stack))

    assert repaired["reason"].startswith("drift")
    assert cluster.works()


def test_base64_encoding_stores_the_value_as_the_original_sample_did(stack: World) -> None:
    rotate(stack, KUBERNETES_SECRET_ENCODING="base64")

    sas = base64.b64decode(Cluster(stack).value()).decode()
    assert stack.blob_status(sas) == 200


def test_plan_says_what_is_due_and_changes_nothing(stack: World) -> None:
    before = app.plan(environment=stack.settings)
    assert outcome(before)["outcome"] == "due"
    assert before.definition_changed
    assert Cluster(stack).secret() is None
    assert stack.vault.storage.accounts[stack.account.name].definitions == {}

    rotate(stack)
    after = app.plan(environment=stack.settings)
    assert outcome(after)["outcome"] == "unchanged"
    assert not after.definition_changed


def test_missing_namespace_is_named(stack: World) -> None:
    missing = outcome(rotate(stack, KUBERNETES_NAMESPACE="nowhere"))

    assert missing["error"] == "NamespaceMissingError"
    assert '"nowhere"' in missing["message"]


def test_unknown_kubectl_is_named(stack: World) -> None:
    missing = outcome(rotate(stack, KUBERNETES_KUBECTL="/opt/bin/no-kubectl"))

    assert missing["error"] == "KubectlMissingError"
    assert "KUBERNETES_KUBECTL" in missing["remedy"]


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("with_type", [True, False])
def test_any_host_key_of_the_master_can_be_pinned(stack: World, key_type: str, with_type: bool) -> None:
    fingerprint = stack.master.fingerprints[key_type]
    pin = f"{key_type} {fingerprint}" if with_type else fingerprint

    assert outcome(rotate(stack, KUBERNETES_SSH_FINGERPRINT=pin))["outcome"] == "rotated"


def test_a_definition_that_differs_is_set_anew_and_delivered(stack: World) -> None:
    rotate(stack)

    changed = rotate(stack, SAS_PERMISSIONS="rwdl")

    assert outcome(changed)["reason"] == "the SAS definition was changed"
    assert changed.definition_changed
    assert "sp=rwdl" in Cluster(stack).value()


def test_a_definition_that_binds_its_sas_to_an_address_is_set_anew(stack: World) -> None:
    rotate(stack)
    (definition,) = stack.vault.storage.accounts[stack.account.name].definitions.values()
    definition.template_uri += "&sip=203.0.113.9"

    mended = rotate(stack, forced=True)

    assert outcome(mended)["outcome"] == "rotated"
    assert mended.definition_changed
    assert Cluster(stack).works()
