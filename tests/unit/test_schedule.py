import datetime

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator import schedule

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("expression", "shortest", "longest"),
    [
        ("0 */30 * * * *", 30 * MINUTE, 30 * MINUTE),
        ("* * * * * *", SECOND, SECOND),
        ("*/20 * * * * *", 20 * SECOND, 20 * SECOND),
        ("0 */45 * * * *", 15 * MINUTE, 45 * MINUTE),
        ("0 0 * * * *", HOUR, HOUR),
        ("0 0 8-18 * * *", HOUR, 14 * HOUR),
        ("0 0 8,20 * * *", 12 * HOUR, 12 * HOUR),
        ("0 0 6,8 * * *", 2 * HOUR, 22 * HOUR),
        ("30 15 4 * * *", DAY, DAY),
        ("0 0 0-23/6 * * *", 6 * HOUR, 6 * HOUR),
    ],
)
def test_intervals_within_a_day_and_over_night(
    expression: str, shortest: datetime.timedelta, longest: datetime.timedelta
) -> None:
    assert schedule.intervals(expression) == (shortest, longest)


@pytest.mark.parametrize(
    ("expression", "shortest", "longest"),
    [
        ("0 0 0 * * MON-FRI", DAY, 3 * DAY),
        ("0 0 0 * * 1-5", DAY, 3 * DAY),
        ("0 0 */12 * * mon,thu", 12 * HOUR, 3 * DAY + 12 * HOUR),
        ("0 0 0 * * SUN", 7 * DAY, 7 * DAY),
        ("0 0 0 * * 0", 7 * DAY, 7 * DAY),
        ("0 0 0 1 * *", 28 * DAY, 31 * DAY),
        ("0 0 0 31 * *", 31 * DAY, 61 * DAY),
        ("0 0 0 1 JAN *", 365 * DAY, 366 * DAY),
    ],
)
def test_intervals_over_weeks_and_months(
    expression: str, shortest: datetime.timedelta, longest: datetime.timedelta
) -> None:
    assert schedule.intervals(expression) == (shortest, longest)


def test_leap_day_comes_every_four_years() -> None:
    assert schedule.intervals("0 0 0 29 2 *") == (1461 * DAY, 1461 * DAY)


def test_day_of_month_and_weekday_must_both_fit_unlike_in_unix_cron() -> None:
    shortest, longest = schedule.intervals("0 0 0 13 * FRI")
    assert (shortest, longest) == (28 * DAY, 427 * DAY)  # Unix cron would say at most 7 days


def test_five_fields_fire_at_second_zero() -> None:
    assert schedule.intervals("*/5 * * * *") == schedule.intervals("0 */5 * * * *") == (5 * MINUTE, 5 * MINUTE)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "six fields"),
        ("0 0 * *", "six fields"),
        ("0 0 0 * * * 2030", "six fields"),
        ("@hourly", "six fields"),
        ("60 * * * * *", "out of range or malformed"),
        ("0 60 * * * *", "out of range or malformed"),
        ("0 0 24 * * *", "out of range or malformed"),
        ("0 0 0 32 * *", "out of range or malformed"),
        ("0 0 0 * 13 *", "out of range or malformed"),
        ("0 0 0 * * 8", "out of range or malformed"),
        ("0 */0 * * * *", "out of range or malformed"),
        ("0 a * * * *", "does not know"),
        ("0 0 0 L * *", "does not know"),
        ("0 0 0 5L * *", "does not know"),
        ("0 H * * * *", "does not know"),
        ("0 0 0 ? * *", "does not know"),
        ("0 0 0 * * 5#2", "does not know"),
        ("%X% 0 0 * * *", "does not know"),
        ("0 0 0 * * 1-7", "weekdays are 0 to 6"),
        ("0 0 22-2 * * *", "backwards"),
        ("0 0 0 30 2 *", "hardly ever fires"),
        ("0 0 0 29 2 MON", "hardly ever fires"),
    ],
)
def test_bad_schedule_is_refused_with_its_reason(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        schedule.intervals(expression)


@pytest.mark.parametrize("expression", ["0 R * * * *", "R R R * * *", "0 0 0 15W * *"])
def test_extensions_of_croniter_are_no_ncrontab(expression: str) -> None:
    with pytest.raises(ValueError, match=r"NCRONTAB|malformed"):
        schedule.intervals(expression)


def test_weekday_seven_is_refused_as_by_the_host() -> None:
    with pytest.raises(ValueError, match=r"NCRONTAB|malformed"):
        schedule.intervals("0 0 * * * 7")


def _fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    spans = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    lists = st.lists(number, min_size=1, max_size=3).map(lambda each: ",".join(map(str, each)))
    steps = st.integers(1, most).map(lambda step: f"*/{step}")
    return st.just("*") | number.map(str) | spans | lists | steps


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.tuples(_fields(0, 59), _fields(0, 59), _fields(0, 23), st.just("*"), st.just("*"), _fields(0, 6)))
def test_shortest_interval_is_never_longer_than_the_longest(fields: tuple[str, ...]) -> None:
    shortest, longest = schedule.intervals(" ".join(fields))
    assert SECOND <= shortest <= longest <= 14 * DAY
