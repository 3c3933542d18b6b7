"""What a key rotation still has to do, written into a tag and read again."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator import errors
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.redaction import SecretText
from rotator.rotation import request, state
from rotator.rotation.state import Operation, Pending
from tests.fakes.examples import LONG_AGO, NOW

TEXT = (
    "revoke first=key2 forced=true run=20260701T120000Z-abc123 "
    "key1=2026-01-01T00:00:00+00:00 key2=2026-06-30T23:59:59.999999+00:00"
)
STAMPS = {"key1": "2026-01-01T00:00:00+00:00", "key2": "2026-06-30T23:59:59.999999+00:00"}
REVOKE = Pending(Operation.REVOKE, "key2", forced=True, run="20260701T120000Z-abc123", stamps=STAMPS)

times = st.none() | st.datetimes(timezones=st.just(datetime.UTC))


def keys(first: datetime.datetime | None = LONG_AGO, second: datetime.datetime | None = LONG_AGO) -> AccountKeys:
    made = {"key1": first, "key2": second}
    return AccountKeys(
        "mystorage",
        tuple(AccountKey(name, SecretText("bm90IGEgcmVhbCBhY2NvdW50IGtleQ=="), made[name]) for name in made),
    )


def test_text_of_a_revocation() -> None:
    assert REVOKE.text() == TEXT
    assert state.parse_pending(TEXT) == REVOKE


def test_text_may_have_its_fields_in_any_order_and_more_of_them() -> None:
    words = TEXT.split()
    assert state.parse_pending(" ".join([words[0], "colour=blue", *reversed(words[1:])])) == REVOKE


@given(st.sampled_from(Operation), st.sampled_from(["key1", "key2"]), st.booleans(), times, times)
def test_what_is_written_is_read_again(
    operation: Operation,
    first: str,
    forced: bool,
    made: datetime.datetime | None,
    too: datetime.datetime | None,
) -> None:
    begun = state.begin(operation, first, keys(made, too), forced=forced, run=request.name_at(NOW))
    assert state.parse_pending(begun.text()) == begun
    assert len(begun.text()) <= 256
    assert begun.remaining(keys(made, too)) == begun.names


@given(st.text())
def test_any_other_text_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(errors.KeyRotationError, match="the tag rotator-pending on the SAS definition is not one"):
        state.parse_pending(text)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("revoke", "rotate"),
        TEXT.replace("first=key2", "first=key3"),
        TEXT.replace("first=key2 ", ""),
        TEXT.replace("forced=true", "forced=1"),
        TEXT.replace("run=", "walk="),
        TEXT.replace("key1=", "key3="),
        TEXT.replace(" ", ""),
        "revoke",
        "{}",
        " ",
    ],
)
def test_text_that_lacks_something_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(errors.KeyRotationError) as caught:
        state.parse_pending(text)
    assert caught.value.remedy == (
        "Finish with the version that wrote it, or remove the tag rotator-pending on the SAS definition."
    )


def test_nothing_is_pending_without_the_tag() -> None:
    assert state.pending_of({}) is None
    assert state.pending_of({"team": "blue", "rotator-pending": ""}) is None
    assert state.pending_of({"team": "blue", "rotator-pending": TEXT}) == REVOKE


def test_regeneration_is_of_one_key_and_a_revocation_of_both() -> None:
    one = state.begin(Operation.REGENERATE, "key1", keys(), forced=False, run="r")
    both = state.begin(Operation.REVOKE, "key1", keys(), forced=False, run="r")
    assert (one.names, both.names) == (("key1",), ("key1", "key2"))


@pytest.mark.parametrize(
    ("now", "remaining"),
    [
        (keys(), ("key2", "key1")),
        (keys(second=NOW), ("key1",)),
        (keys(first=NOW), ("key2",)),
        (keys(NOW, NOW), ()),
        (keys(first=None), ("key2",)),
    ],
)
def test_key_is_done_when_it_was_not_made_at_the_recorded_time(now: AccountKeys, remaining: tuple[str, ...]) -> None:
    begun = state.begin(Operation.REVOKE, "key2", keys(), forced=False, run="r")
    assert begun.remaining(now) == remaining
    assert [begun.regenerated(name, now) for name in begun.names] == [name not in remaining for name in begun.names]


def test_key_that_had_no_time_of_making_is_done_once_it_has_one() -> None:
    begun = state.begin(Operation.REGENERATE, "key1", keys(first=None), forced=False, run="r")
    assert begun.remaining(keys(first=None)) == ("key1",)
    assert begun.remaining(keys(first=NOW)) == ()


def test_time_is_no_matter_of_later_or_earlier() -> None:
    begun = state.begin(Operation.REGENERATE, "key1", keys(first=NOW), forced=False, run="r")
    assert begun.remaining(keys(first=LONG_AGO)) == ()
