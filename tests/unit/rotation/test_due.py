import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from rotator.azure.account_keys import AccountKeys
from rotator.delivery import manifest
from rotator.delivery.live_secret import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.plan.account import Grant, IssuerKind
from rotator.plan.plan import Encoding, Plan, Strategy, Target
from rotator.rotation import due
from rotator.rotation.due import Cause
from tests.fakes.examples import (
    DEFINITION,
    NOW,
    RESOURCE_ID,
    TARGET,
    TOKEN,
    changed,
    delivered,
    document,
    held,
    lasting,
    order,
    plan,
    token,
)
from tests.unit.azure.test_account_keys import KEYS, SIGNATURE

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)


def why(
    looked: LiveSecret | None,
    target: Target,
    wanted: Plan,
    now: datetime.datetime,
    account_state: AccountState | None = None,
) -> str | None:
    found = due.find(looked, target, wanted, now, account_state)
    return found.text if found else None


def reason(annotations: Mapping[str, str | None] | None = None, *, after: datetime.timedelta = MINUTE) -> str | None:
    """Why the Secret that was delivered at NOW, with other annotations, is due so long after."""
    return why(held(delivered(**(annotations or {}))), TARGET, plan(), NOW + after)


def until(expires: datetime.datetime) -> str | None:
    """Why a Secret with a SAS that ends then is due a minute after it was delivered."""
    return why(held(lasting(expires)), TARGET, plan(), NOW + MINUTE)


def test_missing_secret_is_due() -> None:
    assert why(None, TARGET, plan(), NOW) == "there is no Secret yet"


def test_secret_that_is_not_ours_yet_is_due() -> None:
    assert why(held(document({"secretKey": "old"})), TARGET, plan(), NOW) == "the Secret is adopted"


def test_fresh_secret_as_wanted_is_not_due() -> None:
    assert reason() is None
    assert reason(after=datetime.timedelta(0)) is None


def test_secret_is_due_from_half_of_the_schedules_interval_on() -> None:
    assert reason(after=15 * MINUTE - SECOND) is None
    assert reason(after=15 * MINUTE) == "the SAS is 15 min old"
    assert reason(after=30 * MINUTE) == "the SAS is 30 min old"


def test_secret_is_due_whose_sas_would_not_outlive_the_next_run_by_ten_minutes() -> None:
    assert until(NOW + 40 * MINUTE) is None
    assert until(NOW + 40 * MINUTE - SECOND) == (
        "the SAS expires at 2026-07-01T12:39:59Z, and the next run is at 2026-07-01T12:30:00Z"
    )


def test_young_sas_that_ends_between_two_runs_far_apart_is_due() -> None:
    """Issued by hand at noon it is young at midnight, but does not last until the next midnight."""
    daily = plan(schedule="0 0 0 * * *")
    noon = NOW + 10 * MINUTE
    fresh = held(lasting(datetime.datetime(2026, 7, 2, 12, 20, tzinfo=datetime.UTC), noon))
    midnight = datetime.datetime(2026, 7, 2, tzinfo=datetime.UTC)
    assert why(fresh, TARGET, daily, midnight) is not None
    assert why(fresh, TARGET, daily, noon + MINUTE) is None


def test_expired_sas_is_due_as_such() -> None:
    assert until(NOW + MINUTE + SECOND) == (
        "the SAS expires at 2026-07-01T12:01:01Z, and the next run is at 2026-07-01T12:30:00Z"
    )
    assert until(NOW + MINUTE) == "the SAS expired at 2026-07-01T12:01:00Z"


def test_clock_that_went_back_makes_nothing_due() -> None:
    assert reason(after=-5 * MINUTE) is None


@pytest.mark.parametrize("name", ["rotator/rotated", "rotator/expires"])
@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-07-01T12:00:00"])
def test_secret_that_does_not_tell_its_age_is_due(name: str, text: str | None) -> None:
    assert reason({name: text}) == "drift: the Secret does not say how old its SAS is"


def test_changed_value_is_due() -> None:
    drifted = delivered()
    drifted["data"]["secretKey"] = "aHVudGVyMg=="
    assert why(held(drifted), TARGET, plan(), NOW) == "drift: somebody changed the value"


def test_removed_data_key_is_due() -> None:
    drifted = delivered()
    drifted["data"] = {"another": "aHVudGVyMg=="}
    assert why(held(drifted), TARGET, plan(), NOW) == "drift: somebody removed the data key"


@pytest.mark.parametrize("name", ["data-key", "definition", "encoding", "fingerprint", "run"])
def test_removed_annotation_is_drift_and_no_other_setting(name: str) -> None:
    assert reason({f"rotator/{name}": None}) == f"drift: somebody removed the annotation rotator/{name}"


@pytest.mark.parametrize("name", ["signing-key", "key-created"])
def test_annotation_that_not_every_delivery_writes_may_be_missing(name: str) -> None:
    assert reason({f"rotator/{name}": None}) is None


def test_secret_whose_annotations_are_gone_is_drift_by_its_label() -> None:
    stripped = delivered()
    del stripped["metadata"]["annotations"]
    assert why(held(stripped), TARGET, plan(), NOW) == "drift: somebody replaced the Secret"


PICTURES = dataclasses.replace(plan(), grant=Grant(container="pictures", permissions="rl"))


@pytest.mark.parametrize(("text", "done"), [(None, "removed"), ("thumbnails", "changed")])
def test_annotation_that_says_what_the_sas_is_for_is_no_one_else_s_to_change(text: str | None, done: str) -> None:
    def resource(text: str | None, label: str = PICTURES.grant.label) -> str | None:
        annotations = {"rotator/definition": label, "rotator/resource": text}
        return why(held(delivered(**annotations)), TARGET, PICTURES, NOW + MINUTE, AccountState(keys=KEYS))

    drift = f"drift: somebody {done} the annotation rotator/resource"
    assert resource(text) == drift
    assert resource("pictures") != drift
    assert resource(text, "blobrwu4hours@000000000000") != drift  # of other settings than now


def test_other_end_than_that_of_the_sas_is_drift() -> None:
    for text in ("2031-01-01T00:00:00Z", "2026-07-01T15:59:59Z"):
        assert reason({"rotator/expires": text}) == "drift: somebody changed what the Secret says of its SAS"
    assert reason({"rotator/expires": "2026-07-01T18:00:00+02:00"}) is None


def test_delivery_in_the_future_is_drift() -> None:
    assert reason({"rotator/rotated": "2026-07-01T12:06:00Z"}) is None
    assert reason({"rotator/rotated": "2026-07-01T12:06:01Z"}) == (
        "drift: somebody changed what the Secret says of its SAS"
    )


def test_other_data_key_is_due() -> None:
    renamed = dataclasses.replace(TARGET, data_key="token")
    assert why(held(delivered()), renamed, plan(), NOW) == "the data key was changed"


def test_changed_value_is_drift_although_the_data_key_was_set_anew() -> None:
    drifted, renamed = delivered(), dataclasses.replace(TARGET, data_key="token")
    drifted["data"] = {"secretKey": "aHVudGVyMg==", "token": "aHVudGVyMg=="}
    assert why(held(drifted), renamed, plan(), NOW) == "drift: somebody changed the value"


def test_data_key_set_anew_to_one_of_somebody_else_s_is_no_drift() -> None:
    taken, renamed = delivered(), dataclasses.replace(TARGET, data_key="password")
    taken["data"]["password"] = "aHVudGVyMg=="
    assert why(held(taken), renamed, plan(), NOW) == "the data key was changed"


def test_data_key_that_the_secret_says_and_does_not_have_is_drift() -> None:
    assert reason({"rotator/data-key": "another"}) == "drift: somebody removed the data key"


def test_other_keys_and_labels_of_the_secret_make_nothing_due() -> None:
    found = delivered()
    found["data"]["password"] = "aHVudGVyMg=="
    found["metadata"]["labels"]["team"] = "blue"
    assert why(held(found), TARGET, plan(), NOW) is None


@pytest.mark.parametrize("text", ["blobrwu4hours@000000000000", "blobrwu4hours"])
def test_other_definition_is_due(text: str) -> None:
    assert reason({"rotator/definition": text}) == "the SAS definition was changed"


def test_setting_other_permissions_is_due() -> None:
    reading = plan(grant=dataclasses.replace(DEFINITION, permissions="r"))
    assert why(held(delivered()), TARGET, reading, NOW) == "the SAS definition was changed"


def test_other_encoding_is_due() -> None:
    base64ed = dataclasses.replace(TARGET, encoding=Encoding.BASE64)
    assert why(held(delivered()), base64ed, plan(), NOW) == "the encoding was changed"


@pytest.mark.parametrize("value", [TOKEN, f"?{TOKEN}"])
def test_base64_with_and_without_question_mark_is_no_drift(value: str) -> None:
    target = dataclasses.replace(TARGET, encoding=Encoding.BASE64)
    composed = manifest.compose(target, None, order(value))
    assert why(held(composed), target, plan(), NOW) is None


def test_other_strategy_alone_makes_nothing_due() -> None:
    assert why(held(delivered()), dataclasses.replace(TARGET, strategy=Strategy.APPLY), plan(), NOW) is None


def account_state(active: str | None, keys: AccountKeys | None = None) -> AccountState:
    return AccountState(active=active, keys=keys)


def by_key(signer: str | None, active: str | None) -> str | None:
    """Why a Secret that says that this key signed its SAS is due while another one is active."""
    found = held(delivered(**{"rotator/signing-key": signer}))
    return why(found, TARGET, plan(), NOW + MINUTE, account_state(active))


def test_sas_of_a_key_that_is_no_longer_active_is_due_by_what_the_secret_says() -> None:
    assert by_key("key1", "key2") == "the SAS was signed by key1, which is no longer the active key"
    assert by_key("key2", "key2") is None


@pytest.mark.parametrize(("signer", "active"), [(None, "key2"), ("key1", None), (None, None)])
def test_nothing_is_due_by_its_key_where_one_of_them_is_not_known(signer: str | None, active: str | None) -> None:
    assert by_key(signer, active) is None


def by_signature(
    keys: AccountKeys, *, active: str, annotated: str, after: datetime.timedelta = MINUTE, wanted: Plan | None = None
) -> str | None:
    """Why a Secret with a SAS that key1 signed is due where keys are listed, whatever it says itself."""
    composed = manifest.compose(TARGET, None, order(token(sig=SIGNATURE)))
    composed["metadata"]["annotations"]["rotator/signing-key"] = annotated
    return why(held(composed), TARGET, wanted or plan(), NOW + after, account_state(active, keys))


def test_signature_counts_where_keys_are_listed_and_not_what_the_secret_says() -> None:
    assert by_signature(KEYS, active="key1", annotated="key2") is None
    assert by_signature(KEYS, active="key2", annotated="key2") == (
        "the SAS was signed by key1, which is no longer the active key"
    )


def test_sas_of_a_key_that_is_gone_is_due_as_such_whatever_else_it_is_due_for() -> None:
    """Otherwise a dead one would be taken for one that is old, or of another definition, and works."""
    gone = AccountKeys("mystorage", KEYS.keys[1:])
    reading = plan(grant=dataclasses.replace(DEFINITION, permissions="r"))
    for after, wanted in ((MINUTE, None), (20 * MINUTE, None), (MINUTE, reading)):
        why = by_signature(gone, active="key2", annotated="key2", after=after, wanted=wanted)
        assert why == "the SAS was signed by a key that was regenerated"


def test_other_reasons_come_before_a_key_that_is_no_longer_active() -> None:
    old = held(delivered(**{"rotator/signing-key": "key1"}))
    assert why(old, TARGET, plan(), NOW + 20 * MINUTE, account_state("key2")) == "the SAS is 20 min old"


def test_each_cause_is_a_kind_and_drift_is_one_of_them() -> None:
    stale = plan(schedule="*/2 * * * * *")
    found = [
        due.find(None, TARGET, plan(), NOW),
        due.find(held(document({"secretKey": "old"})), TARGET, plan(), NOW),
        due.find(held(delivered(**{"rotator/run": None})), TARGET, plan(), NOW),
        due.find(held(delivered(**{"rotator/encoding": "base64"})), TARGET, plan(), NOW),
        due.find(held(delivered()), TARGET, stale, NOW + MINUTE),
    ]
    causes = [each.cause for each in found if each]
    assert causes == [Cause.NO_SECRET, Cause.ADOPTED, Cause.DRIFT, Cause.SETTINGS_CHANGED, Cause.AGE]
    assert [each.drift for each in found if each] == [False, False, True, False, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": IssuerKind.USERDELEGATION},
        {"issuer": IssuerKind.STORAGEKEY, "storage_account": RESOURCE_ID.replace("mystorage", "another")},
    ],
)
def test_another_issuer_or_account_is_due_whatever_the_sas_allows(changes: dict[str, Any]) -> None:
    before = plan(issuer=IssuerKind.STORAGEKEY, storage_account=RESOURCE_ID)
    live = held(delivered(**{"rotator/definition": before.label}))
    assert due.find(live, TARGET, before, NOW) is None
    found = due.find(live, TARGET, changed(before, **changes), NOW)
    assert found
    assert found.text == "the issuer, the account or what the SAS allows was changed"
