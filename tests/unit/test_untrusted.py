"""What others wrote: no reader raises, whatever the text, nor takes a time beyond its length."""

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator import untrusted
from rotator.untrusted import Span

DAY = datetime.timedelta(days=1)
texts = st.text() | st.text(alphabet="PTYMWDHS0123456789.,-+: Z")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-12-01T00:00:00Z", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
        ("2022-01-19T06:36:22.2752970Z", datetime.datetime(2022, 1, 19, 6, 36, 22, 275297, datetime.UTC)),
        ("2026-12-01T02:00:00+02:00", datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)),
    ],
)
def test_time_with_its_zone_is_read_as_utc(text: str, wanted: datetime.datetime) -> None:
    assert untrusted.iso_time(text) == wanted


@pytest.mark.parametrize(
    "text", ["2026-12-01", "2026-12-01T00:00:00", "tomorrow", "", "0001-01-01T00:00:00+14:00", None, 5, " " * 1_000_000]
)
def test_time_without_a_zone_or_that_is_none_is_not_read(text: object) -> None:
    assert untrusted.iso_time(text) is None


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_date_of_an_answer_is_read_as_utc(zone: str) -> None:
    assert untrusted.http_date(f"Tue, 01 Dec 2026 00:00:00 {zone}") == datetime.datetime(
        2026, 12, 1, tzinfo=datetime.UTC
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "Tue, 99 Dec 2026 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "1 2 3 4 5", None, "1 " * 99),
        *("Tue, 01 Dec 2026 00:00:00", "Tue, 01 Dec 2026 00:00:00 CET", "Tue Dec  1 00:00:00 2026", "2026-12-01"),
    ],
)
def test_date_that_is_none_is_not_read(text: object) -> None:
    assert untrusted.http_date(text) is None


@pytest.mark.parametrize("seconds", [10**18, -(10**18), 10**400, True, "5", None, 1.5])
def test_seconds_beyond_the_calendar_are_not_read(seconds: object) -> None:
    assert untrusted.unix_time(seconds) is None


def test_seconds_since_1970_are_read() -> None:
    assert untrusted.unix_time(1642574182) == datetime.datetime(2022, 1, 19, 6, 36, 22, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "shortest", "longest"),
    [
        ("PT4H", DAY / 6, DAY / 6),
        ("P90D", 90 * DAY, 90 * DAY),
        ("P3M", 84 * DAY, 93 * DAY),
        ("P1Y", 365 * DAY, 366 * DAY),
        ("P1Y2M3D", 424 * DAY, 431 * DAY),
    ],
)
def test_period_is_as_short_and_as_long_as_it_can_be(
    text: str, shortest: datetime.timedelta, longest: datetime.timedelta
) -> None:
    assert untrusted.span(text) == Span(shortest, longest)


@pytest.mark.parametrize(
    "text", ["", "P", "90", "-P1D", "P0D", "P9999999999999Y", "P99999999999D", None, 90, "P1D" * 99]
)
def test_period_that_is_none_is_not_read(text: object) -> None:
    assert untrusted.span(text) is None


@given(texts | json_values)
def test_no_text_is_an_exception(text: object) -> None:
    untrusted.iso_time(text)
    untrusted.http_date(text)
    untrusted.unix_time(text)
    untrusted.span(text)
    untrusted.texts(text)
    untrusted.mapping(text)
    assert untrusted.one_line(text).isprintable()


@given(st.text() | st.binary())
def test_no_text_is_an_exception_as_json(text: str | bytes) -> None:
    untrusted.json_value(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 100_000, '{"a":' * 100_000, "\ud800", b"\xff\xfe"])
def test_json_that_python_cannot_hold_is_none(text: str | bytes) -> None:
    assert untrusted.json_value(text) is None


def test_tags_are_texts_alone() -> None:
    assert untrusted.texts({"team": "blue", "cost": 5, "nothing": None}) == {"team": "blue"}
    assert untrusted.texts(["team"]) == {}


def test_foreign_text_stays_in_its_line() -> None:
    assert untrusted.one_line("a\r\nb\x1b[31m\u2028c") == "a\\r\\nb\\u001b[31m\\u2028c"
    assert untrusted.one_line("x" * 1000) == "x" * 200 + "…"


def test_length_costs_no_more_than_its_own_time() -> None:
    began = time.perf_counter()
    for text in ("P" + "1" * 5_000_000, "2026" * 2_000_000, "\n" * 5_000_000):
        untrusted.iso_time(text), untrusted.span(text), untrusted.one_line(text)
    assert time.perf_counter() - began < 5
