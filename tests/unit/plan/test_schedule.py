import datetime

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator.plan import schedule

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


def test_leap_day_comes_after_four_years_or_eight() -> None:
    assert schedule.intervals("0 0 0 29 2 *") == (1461 * DAY, 2921 * DAY)  # 2100 is no leap year


def test_leap_day_on_a_weekday_comes_after_twelve_years_to_forty() -> None:
    shortest, longest = schedule.intervals("0 0 0 29 2 MON")
    assert (shortest // (365 * DAY), longest // (365 * DAY)) == (12, 40)


@pytest.mark.parametrize(
    ("expression", "longest"),
    [
        ("0 0 6 * * MON-SUN", 6 * DAY),  # swapped: Sunday and Monday
        ("0 0 6 * * SUN-SUN", 7 * DAY),  # that one day
        ("0 0 6 1 NOV-FEB *", 92 * DAY),  # February to November
        ("0 0 20-8 * * *", 12 * HOUR),  # 8 to 20
        ("0 0 6 * * 1/2", 3 * DAY),  # Monday, Wednesday, Friday
    ],
)
def test_longest_interval_is_what_ncrontab_makes_of_it(expression: str, longest: datetime.timedelta) -> None:
    assert schedule.intervals(expression)[1] == longest


def test_day_of_month_and_weekday_must_both_fit_unlike_in_unix_cron() -> None:
    shortest, longest = schedule.intervals("0 0 0 13 * FRI")
    assert (shortest, longest) == (28 * DAY, 427 * DAY)  # Unix cron would say at most 7 days


def test_five_fields_fire_at_second_zero() -> None:
    assert schedule.intervals("*/5 * * * *") == schedule.intervals("0 */5 * * * *") == (5 * MINUTE, 5 * MINUTE)


@pytest.mark.parametrize("expression", ["", "0 R * * * *", "0 0 0 15W * *", "0 0 0 30 2 *", "0 0 0 * * 7"])
def test_bad_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"six fields|does not support|never fires|out of range"):
        schedule.intervals(expression)


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
