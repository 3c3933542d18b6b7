"""Whether a Secret that is made by templates is due: by its values, settings, labels, and the keys that it holds."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.delivery import manifest
from rotator.delivery.live_secret import Document
from rotator.delivery.template import Values
from rotator.issuers.account_state import AccountState
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from rotator.reporting.status import State
from rotator.rotation import due, target_status
from rotator.rotation.due import Cause, Due
from tests.fakes.examples import LONG_AGO, NOW, TARGET, delivered, held, order, plan, templated

MINUTE = datetime.timedelta(minutes=1)
DATA = {"cloud": "SAS={sas}\nBEFORE={previous}", "account": "{account}"}
SHAPED = templated(DATA, type="example.com/sas", labels={"team": "blue"}, annotations={"note": "x"})
KEYED = templated({"name": "{account}", "key": "{account_key}"})
FIRST, SECOND = (f"{letter * 85}A==" for letter in "ab")
KEYS = AccountKeys(
    "mystorage",
    tuple(AccountKey(name, SecretText(value), LONG_AGO) for name, value in (("key1", FIRST), ("key2", SECOND))),
)


def composed(target: Target, *, key: str = FIRST, signer: str | None = None) -> Document:
    values = Values(order().sas, "mystorage", "https://mystorage.blob.core.windows.net", account_key=SecretText(key))
    return manifest.compose(target, None, dataclasses.replace(order(), values=values, signing_key=signer))


def why(found: Document, target: Target, account_state: AccountState | None = None) -> Due | None:
    return due.find(held(found), target, plan(), NOW + MINUTE, account_state)


def text(found: Document, target: Target = SHAPED, account_state: AccountState | None = None) -> str | None:
    reason = why(found, target, account_state)
    return reason.text if reason else None


def changed(act: Callable[[Document], object], target: Target = SHAPED) -> Document:
    found = composed(target)
    act(found)
    return found


def test_fresh_secret_that_is_as_its_templates_say_is_not_due() -> None:
    assert text(composed(SHAPED)) is None
    assert text(composed(KEYED), KEYED) is None


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda found: found["data"].update(account="aHVudGVyMg=="), "somebody changed the value of account"),
        (lambda found: found["data"].pop("account"), "somebody removed the data key account"),
        (lambda found: found["data"].update(cloud="aHVudGVyMg=="), "somebody changed the value of cloud"),
        (lambda found: found["metadata"]["labels"].pop("team"), "somebody changed the label team"),
        (lambda found: found["metadata"]["labels"].update(team="red"), "somebody changed the label team"),
        (lambda found: found["metadata"]["annotations"].update(note="y"), "somebody changed the annotation note"),
        (lambda found: found.update(type="Opaque"), "somebody changed the type"),
    ],
)
def test_whatever_somebody_changed_of_ours_is_drift(act: Callable[[Document], object], reason: str) -> None:
    found = why(changed(act), SHAPED)
    assert found == Due(Cause.DRIFT, f"drift: {reason}")


def test_what_others_add_is_no_drift() -> None:
    def add(found: Document) -> None:
        found["data"]["password"] = "aHVudGVyMg=="
        found["metadata"]["labels"]["theirs"] = found["metadata"]["annotations"]["theirs"] = "x"

    assert text(changed(add)) is None


@pytest.mark.parametrize("name", ["data-digests", "definition", "fingerprint", "run"])
def test_removed_annotation_is_drift(name: str) -> None:
    found = changed(lambda found: found["metadata"]["annotations"].pop(f"rotator/{name}"))
    assert text(found) == f"drift: somebody removed the annotation rotator/{name}"


@pytest.mark.parametrize("edited", ["", "x", f"a=sha256:{'0' * 64}"])
def test_edited_list_of_digests_is_drift(edited: str) -> None:
    found = changed(lambda found: found["metadata"]["annotations"].update({"rotator/data-digests": edited}))
    assert text(found) == "drift: somebody changed what the Secret says of its values"


@pytest.mark.parametrize(
    "changes",
    [
        {"data": DATA | {"account": "{account}!"}},
        {"data": DATA | {"new": "{sas}"}},
        {"data": {"cloud": DATA["cloud"]}},
        {"type": None},
        {"labels": {"team": "red"}},
        {"labels": {}},
        {"annotations": {"note": "y"}},
        {"annotations": {"note": "x", "more": "z"}},
    ],
)
def test_changed_setting_is_due_as_such(changes: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "type": "example.com/sas",
        "labels": {"team": "blue"},
        "annotations": {"note": "x"},
        "data": DATA,
    }
    target = templated(**{**settings, **changes})
    assert why(composed(SHAPED), target) == Due(
        Cause.SETTINGS_CHANGED, "the template, type, labels or annotations were changed"
    )


def test_change_from_one_data_key_to_templates_and_back_is_due() -> None:
    assert why(delivered(), SHAPED) == Due(Cause.SETTINGS_CHANGED, "the data keys were changed")
    assert why(composed(SHAPED), TARGET) == Due(Cause.SETTINGS_CHANGED, "the data key was changed")


def test_first_label_of_a_secret_with_one_data_key_is_due_and_so_is_the_last_one() -> None:
    labelled = dataclasses.replace(TARGET, labels=SHAPED.labels)
    assert why(delivered(), labelled) == Due(
        Cause.SETTINGS_CHANGED, "the template, type, labels or annotations were changed"
    )
    found = composed(labelled)
    assert text(found, labelled) is None
    assert text(found, TARGET) == "the template, type, labels or annotations were changed"


def test_secret_that_an_earlier_version_wrote_over_one_of_templates_is_due() -> None:
    earlier = delivered(**{"rotator/template": SHAPED.form.content_hash})
    assert text(earlier) == "the data keys were changed"


def test_held_account_key_is_due_when_it_was_regenerated_or_is_no_longer_active() -> None:
    def state(active: str) -> AccountState:
        return AccountState("mystorage", active, LONG_AGO, KEYS)

    assert text(composed(KEYED), KEYED, state("key1")) is None
    assert why(composed(KEYED), KEYED, state("key2")) == Due(
        Cause.OTHER_KEY, "the Secret holds key1 itself, which is no longer the active key"
    )
    assert why(composed(KEYED, key=f"{'c' * 85}A=="), KEYED, state("key1")) == Due(
        Cause.KEY_REGENERATED, "the account key in the Secret was regenerated"
    )


@pytest.mark.parametrize("around", ["smb://a/{account_key}", "x{account_key}", "+{account_key}", "{account_key}="])
def test_held_account_key_is_known_whatever_stands_around_it(around: str) -> None:
    target = templated({"name": "{account}", "key": around})
    for key, reason in ((FIRST, None), (f"{'c' * 85}A==", "the account key in the Secret was regenerated")):
        assert text(composed(target, key=key), target, AccountState("mystorage", "key1", LONG_AGO, KEYS)) == reason


def test_held_account_key_is_known_by_the_annotation_where_keys_are_not_listed() -> None:
    found = composed(KEYED, signer="key1")
    assert text(found, KEYED, AccountState(active="key1")) is None
    assert text(found, KEYED, AccountState(active="key2")) == (
        "the Secret holds key1 itself, which is no longer the active key"
    )
    assert text(composed(KEYED), KEYED, AccountState(active="key2")) is None


def test_secret_with_a_key_alone_does_not_expire_but_is_replaced_in_time() -> None:
    judged = target_status.status_of(held(composed(KEYED)), KEYED, plan(), NOW + 5 * 60 * MINUTE)
    assert judged.state is State.LATE
    fresh = target_status.status_of(held(composed(KEYED)), KEYED, plan(), NOW + MINUTE)
    assert fresh.state is State.FRESH
    expired = target_status.status_of(held(composed(SHAPED)), SHAPED, plan(), NOW + 5 * 60 * MINUTE)
    assert expired.state is State.EXPIRED
