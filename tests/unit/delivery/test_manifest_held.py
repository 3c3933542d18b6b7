import dataclasses
import datetime
import json
from typing import Any

import pytest

from rotator.delivery import live_secret, manifest, merge
from rotator.delivery.errors import ConflictError, NotOursError
from rotator.delivery.interface import WriteMethod
from rotator.redaction import scrub
from tests.fakes.examples import DIGEST, STORED, TARGET, TOKEN, delivered, document, held


def test_secret_and_a_list_of_one_are_read_alike() -> None:
    found = document({"secretKey": TOKEN})
    listed = {"kind": "List", "apiVersion": "v1", "items": [found]}
    assert live_secret.parse(json.dumps(listed)).document == live_secret.parse(json.dumps(found)).document == found


def test_secret_without_data_holds_nothing() -> None:
    empty = document({})
    del empty["data"]
    assert live_secret.parse(json.dumps(empty)).digests == {}
    assert live_secret.parse(json.dumps({**empty, "data": None})).digests == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        '"Secret"',
        '{"kind": "Status", "code": 404}',
        '{"kind": "List", "items": []}',
        '{"kind": "ConfigMap"}',
        '{"kind": "Secret", "data": {"a": "not base64!"}}',
        '{"kind": "Secret", "data": {"a": "abc"}}',
        '{"kind": "Secret", "data": {"a": "é"}}',
        '{"kind": "Secret", "data": ["a"]}',
        '{"kind": "Secret", "metadata": "x"}',
        '{"kind": "Secret", "metadata": {"annotations": {"a": 1}}}',
        '{"kind": "Secret", "metadata": {"labels": ["a"]}}',
        '{"kind": "List", "items": {"a": 1}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the callers tell it in their words
        live_secret.parse(text)


def test_list_without_items_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Secret"):
        live_secret.parse('{"kind": "List"}')


def test_null_among_the_data_is_refused_or_read_as_empty() -> None:
    try:
        assert set(live_secret.parse('{"kind": "Secret", "data": {"a": null}}').digests) <= {"a"}
    except ValueError:
        return


def test_held_shows_no_value_and_keeps_each_masked_while_it_lives() -> None:
    found = held(delivered())
    assert STORED not in repr(found)
    assert TOKEN not in repr(found)
    assert scrub(f"kubectl said {STORED}") == "kubectl said [secret]"


def test_secret_is_ours_by_its_digest_annotation() -> None:
    assert held(delivered()).ours
    assert not held(document({"secretKey": TOKEN})).ours


def test_moment_is_reported_only_when_it_is_one_with_a_zone() -> None:
    assert held(delivered()).annotated_time("rotator/expires") == datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC)
    for text in (None, "", "soon", "2026-07-01T16:00:00"):
        assert held(delivered(**{"rotator/expires": text})).annotated_time("rotator/expires") is None


def test_only_true_means_immutable() -> None:
    assert held({**delivered(), "immutable": True}).immutable
    assert not held({**delivered(), "immutable": False}).immutable
    assert not held(delivered()).immutable


def test_our_own_secret_is_ours_whatever_it_holds() -> None:
    manifest.check_owner(held(delivered()), TARGET)
    manifest.check_owner(held(delivered()), dataclasses.replace(TARGET, data_key="another"))


@pytest.mark.parametrize("changes", [{"data_key": "password"}, {"data": '{"secretKey": "{sas}", "password": "{sas}"}'}])
def test_data_key_that_somebody_added_to_our_secret_is_not_overwritten(changes: dict[str, Any]) -> None:
    found, target = delivered(), dataclasses.replace(TARGET, **changes)
    found["data"]["password"] = "aHVudGVyMg=="
    with pytest.raises(ConflictError) as caught:
        merge.choose_method(target, held(found))
    assert str(caught.value) == (
        "somebody else put the data key 'password' into Secret default/storage-sas@master.example.com; it was left "
        "alone"
    )
    assert caught.value.remedy == (
        "Choose another name for the data key in the settings, or set KUBERNETES_SECRET_ADOPT=true to take what is "
        "there over."
    )
    assert merge.choose_method(TARGET, held(found)) is WriteMethod.RECREATE
    assert merge.choose_method(dataclasses.replace(target, adopt=True), held(found)) is WriteMethod.RECREATE
    assert merge.choose_method(dataclasses.replace(target, keep_foreign=False), held(found)) is WriteMethod.RECREATE


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rotator/data-key": None},  # which is drift
        {"rotator/data-key": "edited"},
        {"rotator/data-digests": f"other={DIGEST} secretKey={DIGEST}"},  # of a newer version, left by an earlier one
    ],
)
def test_data_key_that_we_wrote_is_ours_whatever_became_of_it(changes: dict[str, str | None]) -> None:
    found = delivered(**changes)
    assert merge.choose_method(TARGET, held(found)) is WriteMethod.RECREATE
    if "rotator/data-key" not in changes:
        found["data"]["secretKey"] = "aHVudGVyMg=="
        assert merge.choose_method(TARGET, held(found)) is WriteMethod.RECREATE
    if "rotator/data-digests" in changes:
        found["data"]["other"] = "aHVudGVyMg=="
        assert merge.choose_method(dataclasses.replace(TARGET, data_key="other"), held(found)) is WriteMethod.RECREATE


def test_unmanaged_secret_with_the_data_key_is_adopted() -> None:
    manifest.check_owner(held(document({"secretKey": "old"})), TARGET)


def test_unmanaged_secret_without_the_data_key_is_left_alone() -> None:
    with pytest.raises(NotOursError) as caught:
        manifest.check_owner(held(document({"password": "hunter2"})), TARGET)
    assert str(caught.value) == (
        "Secret default/storage-sas@master.example.com was not made by this tool and has no data key 'secretKey'; "
        "it was left alone"
    )
    assert "KUBERNETES_SECRET_ADOPT=true" in caught.value.remedy


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"ownerReferences": [{"kind": "ExternalSecret", "name": "shop"}]}, "ExternalSecret shop"),
        (
            {
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "ownerReferences": [{"kind": "Certificate", "name": "tls"}],
            },
            "Certificate tls",
        ),
    ],
)
def test_secret_of_another_owner_is_left_alone_even_with_the_data_key(metadata: dict[str, object], owner: str) -> None:
    with pytest.raises(NotOursError, match=f"belongs to {owner}; it was left alone"):
        manifest.check_owner(held(document({"secretKey": "old"}, **metadata)), TARGET)


@pytest.mark.parametrize("data", [{"secretKey": "old"}, {"password": "hunter2"}, {}])
def test_secret_with_our_label_is_ours_to_write_whatever_else_is_gone(data: dict[str, str]) -> None:
    labelled = document(data, labels={"app.kubernetes.io/managed-by": "rotator"})
    manifest.check_owner(held(labelled), TARGET)


def test_secret_with_our_label_and_an_owner_is_the_owner_s() -> None:
    owner = [{"kind": "ExternalSecret", "name": "shop"}]
    labelled = document({}, labels={"app.kubernetes.io/managed-by": "rotator"}, ownerReferences=owner)
    with pytest.raises(NotOursError, match="belongs to ExternalSecret shop"):
        manifest.check_owner(held(labelled), TARGET)


def test_any_secret_is_taken_over_when_the_operator_says_so() -> None:
    adopting = dataclasses.replace(TARGET, adopt=True)
    manifest.check_owner(held(document({})), adopting)
    manifest.check_owner(held(document({}, labels={"app.kubernetes.io/managed-by": "Helm"})), adopting)
