import base64
import dataclasses
import datetime
import json

import pytest

from rotator.delivery import held_values, live_secret, manifest
from rotator.plan.plan import Encoding
from rotator.redaction import SecretText
from tests.fakes.examples import DIGEST, FINGERPRINT, LABEL, STORED, TARGET, TOKEN, delivered, document, held, order


def test_new_secret_holds_the_sas_and_says_what_it_is() -> None:
    assert manifest.compose(TARGET, None, order()) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": "storage-sas",
            "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "rotator"},
            "annotations": {
                "rotator/expires": "2026-07-01T16:00:00Z",
                "rotator/rotated": "2026-07-01T12:00:00Z",
                "rotator/digest": DIGEST,
                "rotator/definition": LABEL,
                "rotator/fingerprint": FINGERPRINT,
                "rotator/data-key": "secretKey",
                "rotator/encoding": "raw",
                "rotator/run": "20260701T120000Z-abc123",
            },
        },
        "data": {"secretKey": STORED},
    }


@pytest.mark.parametrize("issued", [TOKEN, f"?{TOKEN}"])
def test_base64_keeps_the_value_as_the_vault_wrote_it_and_raw_has_no_question_mark(issued: str) -> None:
    for encoding, expected in ((Encoding.BASE64, issued), (Encoding.RAW, TOKEN)):
        target = dataclasses.replace(TARGET, encoding=encoding)
        composed = manifest.compose(target, None, order(issued))
        value = base64.b64decode(composed["data"]["secretKey"])
        assert (base64.b64decode(value) if encoding is Encoding.BASE64 else value).decode() == expected
        found = held_values.held_sas(live_secret.parse(json.dumps(composed)), target)
        assert found is not None
        assert found.token.reveal() == TOKEN


def test_base64_encoding_is_one_more_than_kubernetes_own() -> None:
    composed = manifest.compose(dataclasses.replace(TARGET, encoding=Encoding.BASE64), None, order())
    assert base64.b64decode(composed["data"]["secretKey"]).decode() == STORED
    assert base64.b64decode(base64.b64decode(composed["data"]["secretKey"])).decode() == TOKEN
    assert composed["metadata"]["annotations"]["rotator/encoding"] == "base64"
    assert composed["metadata"]["annotations"]["rotator/digest"] == (
        "sha256:03a17999ab8778a749717c74cb638c314443292d18d9b6c39bdcae07d8f5022d"
    )


def test_digest_is_that_of_the_value_not_of_its_base64() -> None:
    assert live_secret.digest(SecretText("aHVudGVyMg==")) == (
        "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"
    )
    assert held(document({"password": "hunter2"})).digests == {
        "password": "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"
    }


def test_foreign_data_labels_and_annotations_are_kept() -> None:
    found = document(
        {"secretKey": "old", "password": "hunter2"},
        labels={"team": "blue", "app.kubernetes.io/managed-by": "rotator"},
        annotations={"note": "mind the gap"},
    )
    composed = manifest.compose(TARGET, held({**found, "type": "example.com/sas"}), order())
    assert composed["data"] == {"secretKey": STORED, "password": "aHVudGVyMg=="}
    assert composed["metadata"]["labels"] == {"team": "blue", "app.kubernetes.io/managed-by": "rotator"}
    assert composed["metadata"]["annotations"]["note"] == "mind the gap"
    assert composed["type"] == "example.com/sas"


def test_foreign_data_labels_and_annotations_are_dropped_when_configured_so() -> None:
    alone = dataclasses.replace(TARGET, keep_foreign=False)
    found = document({"secretKey": "old", "password": "hunter2"}, labels={"team": "blue"}, annotations={"note": "x"})
    composed = manifest.compose(alone, held({**found, "type": "example.com/sas", "immutable": True}), order())
    assert composed["data"] == {"secretKey": STORED}
    assert composed["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "rotator"}
    assert "note" not in composed["metadata"]["annotations"]
    assert composed["type"] == "Opaque"
    assert "immutable" not in composed


def test_label_of_another_manager_stays_on_an_adopted_secret() -> None:
    composed = manifest.compose(
        TARGET, held(document({"secretKey": "old"}, labels={"app.kubernetes.io/managed-by": "Helm"})), order()
    )
    assert composed["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}


def test_copy_of_the_value_in_last_applied_is_dropped() -> None:
    last_applied = "kubectl.kubernetes.io/last-applied-configuration"
    found = document({"secretKey": "old"}, annotations={last_applied: '{"data":{"secretKey":"b2xk"}}', "note": "x"})
    composed = manifest.compose(TARGET, held(found), order())
    assert last_applied not in composed["metadata"]["annotations"]
    assert composed["metadata"]["annotations"]["note"] == "x"


def test_fields_of_the_server_are_dropped_and_those_of_others_kept() -> None:
    found = document(
        {"secretKey": "old"},
        managedFields=[{"manager": "kubectl"}],
        selfLink="/api/v1/x",
        generation=3,
        ownerReferences=[{"kind": "App", "name": "shop", "uid": "1"}],
        finalizers=["example.com/guard"],
    )
    composed = manifest.compose(TARGET, held(found), order())
    assert set(composed["metadata"]) == {
        "name",
        "namespace",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
    }


def test_renamed_data_key_leaves_no_stale_sas_under_the_former_name() -> None:
    renamed = dataclasses.replace(TARGET, data_key="token")
    composed = manifest.compose(renamed, held(delivered()), order())
    assert composed["data"] == {"token": STORED}
    assert composed["metadata"]["annotations"]["rotator/data-key"] == "token"


@pytest.mark.parametrize("data_key", ["password", "gone", "", "secretKey"])
def test_data_key_of_others_stays_whatever_the_annotation_says(data_key: str) -> None:
    found = delivered(**{"rotator/data-key": data_key})
    found["data"]["password"] = "aHVudGVyMg=="
    for target in (TARGET, dataclasses.replace(TARGET, data_key="token")):
        composed = manifest.compose(target, held(found), order())
        assert composed["data"]["password"] == "aHVudGVyMg=="
        assert composed["data"][target.data_key] == STORED
        assert held_values.held_sas(held(found), TARGET) is not None


def test_value_that_somebody_changed_is_not_ours_to_remove() -> None:
    found = delivered()
    found["data"]["secretKey"] = "aHVudGVyMg=="
    composed = manifest.compose(dataclasses.replace(TARGET, data_key="token"), held(found), order())
    assert composed["data"] == {"secretKey": "aHVudGVyMg==", "token": STORED}


def test_other_keys_of_an_adopted_secret_stay_when_the_data_key_is_another() -> None:
    adopting = dataclasses.replace(TARGET, data_key="token", adopt=True)
    composed = manifest.compose(adopting, held(document({"secretKey": "theirs"})), order())
    assert set(composed["data"]) == {"secretKey", "token"}


def test_immutable_secret_stays_immutable() -> None:
    composed = manifest.compose(TARGET, held({**delivered(), "immutable": True}), order())
    assert composed["immutable"] is True


def test_composing_changes_neither_the_held_secret_nor_its_annotations() -> None:
    found = held(delivered())
    before = json.dumps(found.document)
    manifest.compose(TARGET, found, order())
    manifest.with_version(manifest.compose(TARGET, found, order()), found)
    manifest.restorable(found)
    assert json.dumps(found.document) == before


def test_update_names_the_version_that_it_replaces() -> None:
    found = held(delivered())
    pinned = manifest.with_version(manifest.compose(TARGET, found, order()), found)
    assert pinned["metadata"]["uid"] == "2f4c0b9e-0000-4000-8000-000000000001"
    assert pinned["metadata"]["resourceVersion"] == "41"
    assert pinned["data"] == {"secretKey": STORED}


def test_restorable_is_the_same_secret_without_the_servers_fields() -> None:
    found = document({"secretKey": "old", "password": "hunter2"}, labels={"team": "blue"}, annotations={"note": "x"})
    assert manifest.restorable(held({**found, "immutable": True})) == {
        "kind": "Secret",
        "apiVersion": "v1",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": "storage-sas",
            "namespace": "default",
            "labels": {"team": "blue"},
            "annotations": {"note": "x"},
        },
        "data": {"secretKey": "b2xk", "password": "aHVudGVyMg=="},
    }


def test_manifest_is_one_line_of_json_and_a_secret() -> None:
    text = manifest.text(manifest.compose(TARGET, None, order()))
    assert "\n" not in text.reveal()
    assert json.loads(text.reveal())["data"] == {"secretKey": STORED}
    assert str(text) == "[secret]"


def test_manifest_with_line_breaks_in_it_is_still_one_line() -> None:
    found = document({"secretKey": "old"}, annotations={"note": "two\nlines\u2028and more"})
    text = manifest.text(manifest.compose(TARGET, held(found), order())).reveal()
    assert len(text.splitlines()) == 1


def test_secret_says_which_key_signed_and_when_that_was_made() -> None:
    made = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    signed = dataclasses.replace(order(), signing_key="key2", key_created=made)
    annotations = manifest.compose(TARGET, None, signed)["metadata"]["annotations"]
    assert annotations["rotator/signing-key"] == "key2"
    assert annotations["rotator/key-created"] == "2025-12-31T23:00:00Z"


def test_what_was_known_of_the_former_key_does_not_stay_when_nothing_is_known_of_the_new_one() -> None:
    found = delivered(**{"rotator/signing-key": "key1", "rotator/key-created": "2026-01-01T00:00:00Z", "note": "x"})
    annotations = manifest.compose(TARGET, held(found), order())["metadata"]["annotations"]
    assert {"rotator/signing-key", "rotator/key-created"}.isdisjoint(annotations)
    assert annotations["note"] == "x"


def test_sas_is_read_back_in_either_encoding() -> None:
    for encoding in Encoding:
        target = dataclasses.replace(TARGET, encoding=encoding)
        found = held_values.held_sas(held(manifest.compose(target, None, order())), TARGET)
        assert found is not None
        assert (found.token.reveal(), found.fingerprint) == (TOKEN, FINGERPRINT)


def test_what_is_no_sas_is_read_as_none() -> None:
    for text in ("hunter2", "", "sig=", "AccountName=a;AccountKey=b", TOKEN.replace("se=", "es="), "\u00e9", "c2ln"):
        assert held_values.held_sas(held(document({"secretKey": text})), TARGET) is None
    assert held_values.held_sas(held(document({"another": TOKEN})), TARGET) is None
    assert held_values.held_sas(held({**document({}), "data": None}), TARGET) is None
