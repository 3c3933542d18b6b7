"""Whether a SAS that a key signed may still be in use, from what targets hold and from when the key was active."""

import base64
import dataclasses
import datetime
from collections.abc import Mapping

import pytest

from rotator import sas
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.azure.managed_account import StoredDefinition
from rotator.delivery import held_values, live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.redaction import SecretText
from rotator.reporting.report import Failed
from rotator.rotation.keys import in_use
from rotator.rotation.keys.in_use import Blocker
from tests.fakes.examples import DEFINITION, LONG_AGO, NOW, TARGET, document, held, plan, templated, token
from tests.unit.azure.test_account_keys import FIRST, SECOND, SIGNATURE

UNTIL = datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC)
MINUTES = datetime.timedelta(minutes=1)
SIGNED = token(sig=SIGNATURE)  # by key1
STORED = StoredDefinition(differs=False, tags={}, validity=DEFINITION.validity)
WHO = "default/storage-sas@master.example.com"


def account_state(
    *,
    active: str = "key2",
    first: datetime.datetime | None = LONG_AGO,
    second: datetime.datetime | None = LONG_AGO,
    updated: datetime.datetime | None = LONG_AGO,
    validity: datetime.timedelta | None = DEFINITION.validity,
) -> AccountState:
    made = (dataclasses.replace(FIRST, created=first), dataclasses.replace(SECOND, created=second))
    keys = AccountKeys("mystorage", made)
    return AccountState("mystorage", active, updated, keys, validity=validity)


def in_target(found: LiveSecret | Failed | None, *, key: str = "key1", now: datetime.datetime = NOW) -> Blocker | None:
    obstacles = in_use.in_targets(key, account_state(), {TARGET: found}, now)
    return obstacles[0] if obstacles else None


def holding(text: str) -> LiveSecret:
    return held(document({"secretKey": text}))


def test_sas_that_the_key_signed_stands_in_the_way_until_it_expires() -> None:
    obstacle = in_target(holding(SIGNED))
    assert obstacle == Blocker(WHO, "holds a SAS that key1 signed", UNTIL)
    assert str(obstacle) == f"{WHO} holds a SAS that key1 signed, until 2026-07-01T16:00:00Z"


def test_sas_in_the_encoding_of_the_original_sample_is_read_too() -> None:
    encoded = base64.b64encode(SIGNED.encode()).decode()
    assert in_target(holding(encoded)) == in_target(holding(SIGNED))


def test_sas_under_the_data_keys_former_name_counts_too() -> None:
    renamed = dataclasses.replace(TARGET, data_key="renamed")
    found = held(document({"secretKey": SIGNED}, annotations={"rotator/data-key": "secretKey"}))
    (obstacle,) = in_use.in_targets("key1", account_state(), {renamed: found}, NOW)
    assert obstacle.until == UNTIL


def test_sas_that_lived_longer_before_are_waited_for() -> None:
    longer = dataclasses.replace(STORED, validity=datetime.timedelta(days=7))
    tags = longer.tags_for(DEFINITION, NOW)
    assert tags == {"rotator-sas-until": "2026-07-08T12:00:00Z"}
    kept = dataclasses.replace(STORED, tags=tags)
    known = dataclasses.replace(account_state(second=NOW - 10 * MINUTES), sas_until=kept.sas_until)
    obstacle = in_use.elsewhere("key1", known, plan(), NOW + datetime.timedelta(days=1))
    assert obstacle
    assert obstacle.until == datetime.datetime(2026, 7, 8, 12, 5, tzinfo=datetime.UTC)
    assert kept.tags_for(DEFINITION, NOW + datetime.timedelta(days=8)) == {}


def test_sas_that_lived_longest_are_waited_for_whatever_was_set_since() -> None:
    week = dataclasses.replace(STORED, validity=datetime.timedelta(days=7))
    day = dataclasses.replace(week, tags=week.tags_for(DEFINITION, NOW), validity=datetime.timedelta(days=1))
    assert day.tags_for(DEFINITION, NOW + datetime.timedelta(hours=1)) == {"rotator-sas-until": "2026-07-08T12:00:00Z"}


def test_times_up_to_the_end_of_the_calendar_are_waited_for() -> None:
    known = account_state(second=NOW - 10 * MINUTES)
    for validity, tags in ((datetime.timedelta.max, {}), (None, {"rotator-sas-until": "9999-12-31T23:59:59Z"})):
        stored = dataclasses.replace(STORED, validity=validity, tags=tags)
        assert stored.tags_for(DEFINITION, NOW) == {"rotator-sas-until": "9999-12-31T23:59:59Z"}
        obstacle = in_use.elsewhere(
            "key1", dataclasses.replace(known, validity=validity, sas_until=stored.sas_until), plan(), NOW
        )
        assert obstacle
        assert str(obstacle).endswith("until 9999-12-31T23:59:59Z")
    assert in_target(holding(token(sig=SIGNATURE, se="9999-12-31T23:59:59Z"))) is None  # key1 did not sign that


def test_sas_that_the_other_key_or_none_signed_does_not() -> None:
    assert in_target(holding(SIGNED), key="key2") is None
    assert in_target(holding(token())) is None


def test_sas_stands_in_the_way_for_as_long_as_clocks_may_differ() -> None:
    assert in_target(holding(SIGNED), now=UNTIL + 5 * MINUTES - datetime.timedelta(seconds=1)) is not None
    assert in_target(holding(SIGNED), now=UNTIL + 5 * MINUTES) is None


def test_what_is_no_sas_may_be_anything() -> None:
    assert in_target(holding("AccountKey=…")) == Blocker(WHO, "holds something that is no account SAS", None)


def test_target_that_holds_nothing_does_not_stand_in_the_way() -> None:
    assert in_target(None) is None
    assert in_target(held(document({"password": "hunter2"}))) is None


def test_target_that_cannot_be_looked_at_may_hold_anything() -> None:
    obstacle = in_target(Failed("UnreachableError", "no answer", "Check it."))
    assert obstacle == Blocker(WHO, "cannot be read (no answer)", None)
    assert str(obstacle) == f"{WHO} cannot be read (no answer)"


def test_every_target_is_named() -> None:
    far = dataclasses.replace(TARGET, secret="other-sas")
    found = in_use.in_targets("key1", account_state(), {TARGET: holding(SIGNED), far: None}, NOW)
    assert [obstacle.who for obstacle in found] == [WHO]
    both = in_use.in_targets("key1", account_state(), {TARGET: holding(SIGNED), far: holding(SIGNED)}, NOW)
    assert [obstacle.who for obstacle in both] == [WHO, "default/other-sas@master.example.com"]


def test_key_that_was_never_active_signed_nothing_elsewhere() -> None:
    assert in_use.elsewhere("key1", account_state(), plan(), NOW) is None


def test_key_was_active_until_the_other_one_was_made() -> None:
    obstacle = in_use.elsewhere("key1", account_state(second=NOW), plan(), NOW)
    assert obstacle == Blocker(
        "whoever got one", "may use a SAS that key1 signed before 2026-07-01T12:00:00Z", UNTIL + 5 * MINUTES
    )
    assert str(obstacle) == (
        "whoever got one may use a SAS that key1 signed before 2026-07-01T12:00:00Z, until 2026-07-01T16:05:00Z"
    )


def test_key_was_active_until_the_vaults_record_was_changed() -> None:
    found = in_use.elsewhere("key1", account_state(updated=NOW), plan(), NOW)
    assert found == Blocker(
        "whoever got one", "may use a SAS that key1 signed before 2026-07-01T12:00:00Z", UNTIL + 5 * MINUTES
    )


def test_the_later_of_both_counts() -> None:
    found = in_use.elsewhere("key1", account_state(second=NOW - MINUTES, updated=NOW), plan(), NOW)
    assert found is not None
    assert found.until == UNTIL + 5 * MINUTES
    found = in_use.elsewhere("key1", account_state(second=NOW, updated=NOW - MINUTES), plan(), NOW)
    assert found is not None
    assert found.until == UNTIL + 5 * MINUTES


def test_record_without_times_tells_nothing() -> None:
    assert in_use.elsewhere("key1", account_state(updated=None), plan(), NOW) is None


def test_key_that_is_younger_than_the_active_one_signed_before_only_by_the_record() -> None:
    assert in_use.elsewhere("key1", account_state(first=NOW, second=NOW - MINUTES), plan(), NOW) is None


def test_key_of_unknown_age_was_active_before_the_other_was_made() -> None:
    assert in_use.elsewhere("key1", account_state(first=None, second=NOW), plan(), NOW) is not None
    assert in_use.elsewhere("key1", account_state(first=None, second=None), plan(), NOW) is None


@pytest.mark.parametrize(("wanted", "stored", "hours"), [(4, 4, 4), (4, 48, 48), (48, 4, 48), (4, None, 4)])
def test_longest_life_counts_that_the_definition_gives_or_gave(wanted: int, stored: int | None, hours: int) -> None:
    definition = dataclasses.replace(DEFINITION, validity=datetime.timedelta(hours=wanted))
    validity = None if stored is None else datetime.timedelta(hours=stored)
    found = in_use.elsewhere("key1", account_state(second=NOW, validity=validity), plan(grant=definition), NOW)
    assert found is not None
    assert found.until == NOW + datetime.timedelta(hours=hours, minutes=5)


def test_nobody_is_waited_for_once_every_sas_has_expired() -> None:
    since = account_state(second=NOW)
    assert in_use.elsewhere("key1", since, plan(), UNTIL + 5 * MINUTES - datetime.timedelta(seconds=1)) is not None
    assert in_use.elsewhere("key1", since, plan(), UNTIL + 5 * MINUTES) is None


def test_nothing_is_known_without_keys_or_without_the_vaults_record() -> None:
    known = account_state(second=NOW)
    assert in_use.elsewhere("key1", dataclasses.replace(known, keys=None), plan(), NOW) is None
    assert in_use.elsewhere("key1", dataclasses.replace(known, active=None), plan(), NOW) is None


def test_account_state_knows_the_signer_and_the_active_key_only_where_keys_were_listed() -> None:
    known, issued = account_state(), sas.parse(SecretText(SIGNED))
    assert (known.signer(issued), known.active) == ("key1", "key2")
    assert known.active_key == AccountKey("key2", SECOND.value, LONG_AGO)
    unlisted = dataclasses.replace(known, keys=None)
    assert (unlisted.signer(issued), unlisted.active, unlisted.active_key) == (None, "key2", None)
    unread = dataclasses.replace(known, active=None)
    assert (unread.active, unread.active_key) == (None, None)


KEYED = templated({"name": "a", "key": "{account_key}", "text": "{sas} {previous}"})
KEY = "a" * 85 + "A=="


def in_templated(changed: Mapping[str, str] | None = None, **data: str) -> tuple[Blocker, ...]:
    """Who depends on key1, whose value is KEY, where a Secret was written with this, and changed by somebody."""
    keys = AccountKeys("mystorage", (dataclasses.replace(FIRST, value=SecretText(KEY)), SECOND))
    known = AccountState("mystorage", "key2", LONG_AGO, keys)
    listed = held_values.text_of_digests(held(document(data)).digests)
    annotations = {
        "rotator/data-digests": listed,
        "rotator/digest": live_secret.digest_of_text(listed),
        "rotator/account-key": "key1",
        "rotator/template": "0123",
    }
    found = held(document({**data, **(changed or {})}, annotations=annotations))
    return in_use.in_targets("key1", known, {KEYED: found}, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "AccountName=a;AccountKey={}",
        "KEY={}\nSAS=none",
        "smb://a/{}",
        "k/{}",
        "x{}",
        "+{}",
        "{}=",
        "{0}{0}",
        "{}x",
    ],
)
def test_key_itself_stands_in_the_way_for_an_unknown_time(text: str) -> None:
    assert in_templated(name="a", key=text.format(KEY)) == (Blocker(WHO, "holds key1 itself", None),)


@pytest.mark.parametrize("key", ["b" * 85 + "A==", "b" * 85 + "A==\n"])
def test_other_key_and_one_that_is_gone_do_not_stand_in_the_way(key: str) -> None:
    assert in_templated(name="a", key=key) == ()


def test_key_that_somebody_replaced_by_something_else_may_be_anything() -> None:
    (obstacle,) = in_templated({"key": "hunter2"}, name="a", key=KEY)
    assert obstacle == Blocker(WHO, "holds an account key that cannot be found", None)


def test_key_without_a_value_is_in_no_text() -> None:
    keys = AccountKeys("mystorage", (dataclasses.replace(FIRST, value=SecretText("")), SECOND))
    known = AccountState("mystorage", "key2", LONG_AGO, keys)
    (obstacle,) = in_use.in_targets("key1", known, {TARGET: holding("hunter2")}, NOW)
    assert obstacle.why == "holds something that is no account SAS"


def test_former_sas_beside_the_present_one_stands_in_the_way_as_long_as_it_lives() -> None:
    present, former = token(), SIGNED.replace("16%3A00", "15%3A00")
    assert in_target(holding(f"NOW={present}\nBEFORE={SIGNED}")) == Blocker(WHO, "holds a SAS that key1 signed", UNTIL)
    assert in_target(holding(f"NOW={present}\nBEFORE={former}")) is None  # key1 did not sign that


def test_sas_within_a_text_is_found_in_every_value() -> None:
    found = held(document({"name": "a", "text": f"AccountName=a;SharedAccessSignature={SIGNED}"}))
    (obstacle,) = in_use.in_targets("key1", account_state(), {KEYED: found}, NOW)
    assert obstacle == Blocker(WHO, "holds a SAS that key1 signed", UNTIL)


def test_every_sas_that_a_target_holds_must_be_refused_in_the_end() -> None:
    found = holding(f"NOW={token()}\nBEFORE={SIGNED}")
    signed = in_use.held_sas_signed_by({TARGET: found}, account_state(), ["key1"])
    assert [each.token.reveal() for each in signed.values()] == [SIGNED]
