"""Which times of the schedule the timer missed, by the host's record, and in which words."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.plan import schedule, timer
from rotator.plan.consistency import MARGIN
from rotator.plan.timer import MAX_MISSED, Timer
from tests.fakes.examples import NOW

HALF_HOURLY = "0 */30 * * * *"
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def observed(following: datetime.datetime, expression: str = HALF_HOURLY) -> Timer:
    """The timer at noon, if its record was to fire then."""
    return timer.observe(following - HOUR, following, expression, NOW)


def missed_text(following: datetime.datetime, expression: str = HALF_HOURLY) -> str:
    return observed(following, expression).missed_text(NOW)


def test_a_timer_whose_next_time_is_to_come_missed_none() -> None:
    found = observed(NOW + 30 * MINUTE)
    assert (found.missed, found.silent, found.missed_text(NOW)) == ((), False, "")


def test_a_time_counts_as_missed_ten_minutes_later() -> None:
    assert not observed(NOW - MARGIN + SECOND).silent
    assert observed(NOW - MARGIN).missed == (NOW - MARGIN,)


def test_all_times_since_are_missed_but_one_that_is_too_near() -> None:
    found = timer.observe(None, NOW - HOUR, HALF_HOURLY, NOW + 5 * MINUTE)
    assert found.missed == (NOW - HOUR, NOW - HOUR / 2)


@pytest.mark.parametrize(
    ("following", "expected"),
    [
        (NOW - HOUR / 2, "should have fired at 11:30 and did not"),
        (NOW - HOUR, "should have fired at 11:00 and 11:30 and did not"),
        (NOW - 1.5 * HOUR, "should have fired at 10:30, 11:00 and 11:30 and did not"),
        (NOW - 2 * HOUR, "should have fired at 10:00, 10:30, 11:00 and 1 time more, and did not"),
        (NOW - 3 * HOUR, "should have fired at 09:00, 09:30, 10:00 and 3 times more, and did not"),
    ],
)
def test_the_words_name_each_of_a_few_times_and_the_first_of_many(following: datetime.datetime, expected: str) -> None:
    assert missed_text(following) == expected


def test_a_time_of_another_day_has_its_date() -> None:
    assert missed_text(NOW - DAY, "0 0 12 * * *") == "should have fired at 2026-06-30 12:00 and did not"
    assert missed_text(NOW - 36 * HOUR, "0 0 0,6 * * *") == (
        "should have fired at 2026-06-30 00:00, 2026-06-30 06:00, 00:00 and 1 time more, and did not"
    )


def test_seconds_are_named_where_there_are_any() -> None:
    assert missed_text(NOW - HOUR + 15 * SECOND, "15 0 * * * *") == "should have fired at 11:00:15 and did not"


def test_of_a_timer_that_is_silent_for_long_a_hundred_times_are_computed() -> None:
    found = observed(NOW - 400 * DAY)
    assert len(found.missed) == MAX_MISSED
    assert "2025-05-27 12:00, 2025-05-27 12:30, 2025-05-27 13:00 and at least 97 times more" in found.missed_text(NOW)


def test_the_summary_says_when_it_fired_and_fires_next() -> None:
    fired = Timer(NOW - 20 * MINUTE, NOW + 10 * MINUTE)
    assert fired.summary(NOW) == (
        "fired 2026-07-01T11:40:00Z (20 min ago), fires next 2026-07-01T12:10:00Z (in 10 min)"
    )
    assert Timer(None, NOW + 10 * MINUTE).summary(NOW) == (
        "has not fired yet, fires next 2026-07-01T12:10:00Z (in 10 min)"
    )


def test_a_timer_that_may_be_running_now_is_due() -> None:
    assert Timer(None, NOW - MINUTE).summary(NOW) == "has not fired yet, is due since 2026-07-01T11:59:00Z (1 min ago)"


def test_of_a_silent_timer_no_next_time_is_named() -> None:
    assert observed(NOW - HOUR).summary(NOW) == "fired 2026-07-01T10:00:00Z (2 h ago)"


def test_json_has_times_to_the_second_and_null_for_never() -> None:
    assert timer.observe(None, NOW - HOUR / 2, HALF_HOURLY, NOW).as_json() == {
        "last": None,
        "next": "2026-07-01T11:30:00Z",
        "missed": ["2026-07-01T11:30:00Z"],
    }
    assert Timer(NOW + datetime.timedelta(milliseconds=5), NOW).as_json()["last"] == "2026-07-01T12:00:00Z"


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        (HALF_HOURLY, True),
        ("0 * * * * *", True),
        ("0,30 */10 * * * *", True),
        ("* 30 * * * *", True),
        ("*/20 * * * * *", False),
        ("0,30 * * * * *", False),
        ("* * * * * *", False),
    ],
)
def test_a_schedule_that_always_fires_within_a_minute_has_no_record(expression: str, kept: bool) -> None:
    """The cases are those of the host's own test of this rule."""
    assert timer.keeps_record(expression) is kept


@given(
    st.sampled_from([HALF_HOURLY, "0 0 6 * * *", "30 */7 * * * *"]),
    st.timedeltas(-9000 * DAY, 9000 * DAY).map(NOW.__add__),
    st.timedeltas(-2 * DAY, 2 * DAY),
)
def test_missed_are_the_times_of_the_schedule_up_to_the_margin(
    expression: str, following: datetime.datetime, since: datetime.timedelta
) -> None:
    missed = timer.observe(None, following, expression, following + since).missed
    assert list(missed) == sorted(set(missed))
    assert all(each + MARGIN <= following + since for each in missed)
    assert all(each == schedule.following(expression, each - SECOND) for each in missed[1:])
    if since >= MARGIN:
        assert missed[0] == following
