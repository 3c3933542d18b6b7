"""A Secret that is made by templates: its data, type, labels and annotations, and what becomes of those of before."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.delivery import held_values, live_secret, manifest, merge
from rotator.delivery.errors import ConflictError, NotOursError, TemplateError
from rotator.delivery.interface import Write, WriteMethod
from rotator.delivery.live_secret import Document, LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.delivery.template import Values
from rotator.plan.plan import Strategy, Target
from rotator.plan.presets import Preset
from rotator.redaction import SecretText, scrub_quotation
from tests.fakes.examples import (
    FINGERPRINT,
    TARGET,
    TOKEN,
    delivered,
    document,
    held,
    order,
    templated,
)

DATA = {"cloud": "ACCOUNT={account}\nSAS={sas}\n", "url": "{url}", "note": "of {account}"}
SHAPED = templated(DATA, labels={"cnpg.io/reload": "true"}, annotations={"team/note": "mind the gap"})
KEY = "a2V5" * 21 + "aw=="
ENDPOINT = "https://mystorage.blob.core.windows.net"


def desired(**changes: Any) -> DesiredSecret:
    values = Values(order().sas, "mystorage", ENDPOINT, account_key=SecretText(KEY))
    return dataclasses.replace(order(), **{"values": values, **changes})


def stored(found: Document) -> LiveSecret:
    """The Secret as the API server gives it back."""
    metadata = found["metadata"] | {"uid": "a-uid", "resourceVersion": "41"}
    return held({**found, "metadata": metadata})


def composed(target: Target, before: LiveSecret | None = None) -> Document:
    return manifest.compose(target, before, desired())


def clear(found: Document) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


def test_secret_has_what_its_templates_labels_and_annotations_say() -> None:
    found = composed(SHAPED)
    assert clear(found) == {
        "cloud": f"ACCOUNT=mystorage\nSAS={TOKEN}\n",
        "url": f"{ENDPOINT}/?{TOKEN}",
        "note": "of mystorage",
    }
    assert found["type"] == "Opaque"
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "rotator", "cnpg.io/reload": "true"}
    annotations = found["metadata"]["annotations"]
    listed = held_values.text_of_digests(stored(found).digests)
    assert annotations == {
        "team/note": "mind the gap",
        "rotator/digest": live_secret.digest_of_text(listed),
        "rotator/data-digests": listed,
        "rotator/template": SHAPED.form.content_hash,
        "rotator/labels": "cnpg.io/reload",
        "rotator/annotations": "team/note",
        "rotator/expires": "2026-07-01T16:00:00Z",
        "rotator/rotated": "2026-07-01T12:00:00Z",
        "rotator/definition": "blobrwu4hours@e995dd1560ef",
        "rotator/fingerprint": FINGERPRINT,
        "rotator/run": "20260701T120000Z-abc123",
    }


def test_sas_is_read_back_from_any_of_the_values() -> None:
    found = held_values.held_sas(stored(composed(SHAPED)), TARGET)
    assert found
    assert found.token.reveal() == TOKEN


def test_secret_with_the_account_key_says_so_by_the_keys_name() -> None:
    keyed = templated({"key": "{account_key}"})
    found = manifest.compose(keyed, None, desired(signing_key="key2"))
    assert found["metadata"]["annotations"]["rotator/account-key"] == "key2"
    again = manifest.compose(SHAPED, stored(found), desired(signing_key="key2"))
    assert "rotator/account-key" not in again["metadata"]["annotations"]


@pytest.mark.parametrize("keep_foreign", [True, False])
@pytest.mark.parametrize("strategy", Strategy)
def test_one_key_becomes_templates_and_back_without_a_trace(keep_foreign: bool, strategy: Strategy) -> None:
    changes: dict[str, Any] = {"keep_foreign": keep_foreign, "strategy": strategy}
    single, shaped = dataclasses.replace(TARGET, **changes), dataclasses.replace(SHAPED, **changes)
    first = composed(single)
    between = composed(shaped, stored(first))
    assert set(between["data"]) == set(DATA)
    assert {"rotator/data-key", "rotator/encoding"}.isdisjoint(between["metadata"]["annotations"])
    assert composed(single, stored(between)) == first


def test_data_key_that_the_templates_no_longer_have_is_removed() -> None:
    fewer = templated({"cloud": DATA["cloud"], "new": "{sas}"})
    assert set(composed(fewer, stored(composed(SHAPED)))["data"]) == {"cloud", "new"}


def test_data_key_that_somebody_changed_or_added_is_not_ours_to_remove() -> None:
    before = composed(SHAPED)
    before["data"] |= {"note": "aHVudGVyMg==", "theirs": "aHVudGVyMg=="}
    found = composed(templated({"cloud": DATA["cloud"]}), stored(before))
    assert set(found["data"]) == {"cloud", "note", "theirs"}


def test_nothing_is_removed_by_a_list_that_somebody_edited() -> None:
    before = composed(SHAPED)
    before["data"]["theirs"] = "aHVudGVyMg=="
    digest = live_secret.digest(SecretText("aHVudGVyMg=="))
    before["metadata"]["annotations"]["rotator/data-digests"] += f" theirs={digest}"
    assert "theirs" in composed(templated({"cloud": DATA["cloud"]}), stored(before))["data"]


def test_labels_and_annotations_that_are_no_longer_set_are_removed_and_those_of_others_stay() -> None:
    before = composed(SHAPED)
    before["metadata"]["labels"]["team"] = "blue"
    before["metadata"]["annotations"]["note"] = "x"
    found = composed(templated(DATA), stored(before))["metadata"]
    assert found["labels"] == {"app.kubernetes.io/managed-by": "rotator", "team": "blue"}
    assert found["annotations"]["note"] == "x"
    assert {"team/note", "rotator/labels", "rotator/annotations"}.isdisjoint(found["annotations"])


def test_labels_and_annotations_are_set_for_a_single_data_key_too() -> None:
    labelled = dataclasses.replace(TARGET, labels=SHAPED.labels, annotations=SHAPED.annotations)
    found = composed(labelled)
    assert found["metadata"]["labels"]["cnpg.io/reload"] == "true"
    assert found["metadata"]["annotations"]["rotator/data-key"] == "secretKey"
    assert found["metadata"]["annotations"]["rotator/template"] == labelled.form.content_hash
    assert composed(TARGET, stored(found)) == composed(TARGET)


def test_setting_wins_over_the_label_that_somebody_else_set_which_stays_when_it_is_no_longer_set() -> None:
    others = {"labels": {"cnpg.io/reload": "false"}, "annotations": {"team/note": "x"}}
    for again in (1, 2):
        found = composed(SHAPED, held(document({"cloud": "old"}, **others)))
        for _ in range(again):
            found = composed(SHAPED, stored(found))
        assert found["metadata"]["labels"]["cnpg.io/reload"] == "true"
        later = composed(templated(DATA), stored(found))["metadata"]
        assert (later["labels"]["cnpg.io/reload"], later["annotations"]["team/note"]) == ("true", "mind the gap")


@pytest.mark.parametrize(
    ("set_type", "keep_foreign", "had", "annotated", "expected"),
    [
        (None, True, "Opaque", None, "Opaque"),
        (None, True, "example.com/sas", None, "example.com/sas"),
        (None, False, "example.com/sas", None, "Opaque"),
        (None, True, "example.com/sas", "example.com/sas", "Opaque"),
        (None, True, "example.com/other", "example.com/sas", "example.com/other"),
        ("example.com/sas", True, "Opaque", None, "example.com/sas"),
        ("Opaque", True, "example.com/sas", None, "Opaque"),
    ],
)
def test_type_is_as_set_or_stays_and_another_type_is_recreated(
    set_type: str | None, keep_foreign: bool, had: str, annotated: str | None, expected: str
) -> None:
    target = dataclasses.replace(TARGET, type=set_type, keep_foreign=keep_foreign, strategy=Strategy.APPLY)
    before = held({**delivered(**{"rotator/type": annotated}), "type": had})
    found = composed(target, before)
    assert found["type"] == expected
    assert found["metadata"]["annotations"].get("rotator/type") == set_type
    method = WriteMethod.UPDATE if had == expected else WriteMethod.RECREATE
    assert merge.choose_method(target, before) is method


@pytest.mark.parametrize(
    ("data", "is_ours"),
    [
        (["cloud", "url", "note"], True),
        (["cloud", "url", "note", "password"], True),
        (["cloud"], True),
        (["url", "note"], True),
        (["cloud", "password"], False),
        (["password"], False),
        ([], False),
    ],
)
def test_secret_is_adopted_that_somebody_made_for_it(data: list[str], is_ours: bool) -> None:
    found = held(document(dict.fromkeys(data, "old")))
    if is_ours:
        manifest.check_owner(found, SHAPED)
        return
    with pytest.raises(NotOursError, match="has no data keys 'cloud', 'url', 'note'; it was left alone"):
        manifest.check_owner(found, SHAPED)


def test_template_that_needs_what_is_not_known_changes_nothing() -> None:
    unknown = dataclasses.replace(desired(), values=Values(order().sas))
    with pytest.raises(TemplateError, match=r"needs \{account\}, which is not known; nothing was changed"):
        merge.merge(Write(SHAPED, None, unknown), None)


def test_change_masks_what_the_templates_make_of_the_sas_and_what_stands_beside_it() -> None:
    beside = templated({"env": "PASSWORD=correct horse battery\nSAS={sas}"})
    change = merge.merge(Write(beside, None, desired()), None)
    assert "horse" not in scrub_quotation("denied: PASSWORD=correct horse battery")
    assert "horse" not in repr(change)
    assert change.digest == json.loads(change.new.reveal())["metadata"]["annotations"]["rotator/digest"]


@pytest.mark.parametrize(
    ("data", "extra", "now", "usable"),
    [
        ({"cloud": "{sas}", "account": "{account}"}, {}, 3, True),
        ({"cloud": "{sas}", "account": "{account}"}, {}, 5, False),
        ({"cloud": "{sas}", "key": "{account_key}"}, {}, 5, True),
        ({"cloud": "{sas}"}, {"password": "aHVudGVyMg=="}, 5, True),
    ],
)
def test_secret_is_usable_by_its_sas_a_key_or_what_others_put_there(
    data: dict[str, str], extra: dict[str, str], now: int, usable: bool
) -> None:
    target = templated(data)
    found = composed(target)
    found["data"] |= extra
    later = desired(now=order().now.replace(hour=12 + now))
    assert manifest.is_usable(stored(found), target, later) is usable


@pytest.mark.parametrize("preset", Preset)
def test_what_is_in_the_secret_of_each_preset_is_found_there(preset: Preset) -> None:
    target = dataclasses.replace(TARGET, preset=preset)
    values = dataclasses.replace(desired().values or Values(order().sas), container="pictures")
    found = stored(manifest.compose(target, None, desired(values=values)))
    if target.form.has_account_key:
        keys = AccountKeys("mystorage", (AccountKey("key1", SecretText(KEY), None),))
        assert held_values.account_keys(found, target, keys) == ("key1",)
    else:
        assert [sas.token.reveal() for sas in held_values.all_sas(found, target)] == [TOKEN]


def test_remedy_for_finalizers_is_apply_only_where_that_helps() -> None:
    live = delivered()
    live["metadata"]["finalizers"] = ["example.com/guard"]
    with pytest.raises(ConflictError) as caught:
        merge.choose_method(TARGET, held(live))
    assert caught.value.remedy == "Use KUBERNETES_SECRET_STRATEGY=apply, or remove the finalizers."
    applied = dataclasses.replace(templated(DATA, type="example.com/sas"), strategy=Strategy.APPLY)
    with pytest.raises(ConflictError) as caught:
        merge.choose_method(applied, held(live))
    assert caught.value.remedy.startswith("Remove the finalizers: ")
