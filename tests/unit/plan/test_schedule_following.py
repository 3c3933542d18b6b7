"""When the schedule fires next."""

import datetime
import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator.plan import schedule

SECOND = datetime.timedelta(seconds=1)
UTC = datetime.UTC
WEDNESDAY = "2026-07-01T12:00:00"


def following(expression: str, now: str) -> str:
    found = schedule.following(expression, datetime.datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found.tzinfo is UTC
    return found.replace(tzinfo=None).isoformat(timespec="auto")


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("0 */30 * * * *", "2026-07-01T12:00:00", "2026-07-01T12:30:00"),
        ("0 */30 * * * *", "2026-07-01T11:59:59", "2026-07-01T12:00:00"),
        ("0 */30 * * * *", "2026-07-01T11:59:59.999999", "2026-07-01T12:00:00"),
        ("0 */30 * * * *", "2026-07-01T12:00:00.000001", "2026-07-01T12:30:00"),
        ("0 */30 * * * *", "2026-07-01T23:30:00", "2026-07-02T00:00:00"),
        ("* * * * * *", "2026-07-01T12:00:00", "2026-07-01T12:00:01"),
        ("15,45 * * * * *", "2026-07-01T12:00:20", "2026-07-01T12:00:45"),
        ("15,45 * * * * *", "2026-07-01T12:00:45", "2026-07-01T12:01:15"),
        ("59 59 23 * * *", "2026-12-31T23:59:59", "2027-01-01T23:59:59"),
        ("0 0 6,8 * * *", "2026-07-01T08:00:00", "2026-07-02T06:00:00"),
        ("0 0 8-18 * * *", "2026-07-01T18:00:00", "2026-07-02T08:00:00"),
        ("*/5 * * * *", "2026-07-01T12:03:30", "2026-07-01T12:05:00"),
    ],
)
def test_within_a_day_and_over_night(expression: str, now: str, expected: str) -> None:
    assert following(expression, now) == expected


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("0 0 4 * * MON", WEDNESDAY, "2026-07-06T04:00:00"),
        ("0 0 4 * * 0", WEDNESDAY, "2026-07-05T04:00:00"),
        ("0 0 4 * * MON-FRI", "2026-07-03T04:00:00", "2026-07-06T04:00:00"),
        ("0 0 4 1 * *", WEDNESDAY, "2026-08-01T04:00:00"),
        ("0 0 4 31 * *", "2026-08-31T04:00:00", "2026-10-31T04:00:00"),
        ("0 0 4 30 * *", "2027-01-30T04:00:00", "2027-03-30T04:00:00"),
        ("0 0 4 1 JAN *", WEDNESDAY, "2027-01-01T04:00:00"),
        ("0 0 0 31 12 *", "2026-12-31T00:00:00", "2027-12-31T00:00:00"),
    ],
)
def test_over_weeks_month_ends_and_years(expression: str, now: str, expected: str) -> None:
    assert following(expression, now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-07-01T12:00:00", "2028-02-29T00:00:00"),
        ("2028-02-28T23:59:59", "2028-02-29T00:00:00"),
        ("2028-02-29T00:00:00", "2032-02-29T00:00:00"),
        ("2096-03-01T00:00:00", "2104-02-29T00:00:00"),  # 2100 is no leap year
    ],
)
def test_leap_day(now: str, expected: str) -> None:
    assert following("0 0 0 29 2 *", now) == expected


def test_time_of_any_zone_and_any_year_is_taken() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-8))
    found = schedule.following("0 0 6 * * *", datetime.datetime(2026, 7, 1, 23, 30, tzinfo=zone))
    assert found.isoformat() == "2026-07-03T06:00:00+00:00"
    assert following("0 0 6 * * *", "0001-01-01T00:00:00") == "0001-01-01T06:00:00"


def test_day_of_month_and_weekday_must_both_fit_unlike_in_unix_cron() -> None:
    assert following("0 0 0 13 * FRI", WEDNESDAY) == "2026-11-13T00:00:00"
    assert following("0 0 0 1-7 * MON", WEDNESDAY) == "2026-07-06T00:00:00"


def test_summer_time_means_nothing() -> None:
    assert following("0 30 * * * *", "2026-03-29T00:45:00") == "2026-03-29T01:30:00"
    assert following("0 30 * * * *", "2026-10-25T00:45:00") == "2026-10-25T01:30:00"


@pytest.mark.parametrize("expression", ["", "nonsense", "0 0 24 * * *", "0 0 0 30 2 *", "0 0 0 * * 7"])
def test_bad_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"fields|never fires|out of range"):
        schedule.following(expression, datetime.datetime(2026, 7, 1, tzinfo=UTC))


def _fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    spans = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    lists = st.lists(number, min_size=1, max_size=3).map(lambda each: ",".join(map(str, each)))
    steps = st.integers(1, most).map(lambda step: f"*/{step}")
    return st.just("*") | number.map(str) | spans | lists | steps


ANY_DAY = st.just("*")
SCHEDULES = st.tuples(
    _fields(0, 59),
    _fields(0, 59),
    _fields(0, 23),
    ANY_DAY | _fields(1, 28),
    ANY_DAY | _fields(1, 12),
    ANY_DAY,
) | st.tuples(_fields(0, 59), _fields(0, 59), _fields(0, 23), ANY_DAY, ANY_DAY, _fields(0, 6))
YEARS = st.integers(0, 7 * 365 * 86_400 * 1_000_000).map(lambda passed: datetime.timedelta(microseconds=passed))
TIMES = YEARS.map(lambda passed: datetime.datetime(2024, 1, 1, tzinfo=UTC) + passed)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(SCHEDULES, TIMES)
def test_the_next_firings_are_ahead_and_as_far_apart_as_the_intervals_say(
    fields: tuple[str, ...], now: datetime.datetime
) -> None:
    expression = " ".join(fields)
    shortest, longest = schedule.intervals(expression)
    firings = [schedule.following(expression, now)]
    for _ in range(3):
        firings.append(schedule.following(expression, firings[-1]))
    assert now < firings[0] <= now + longest
    assert all(shortest <= later - earlier <= longest for earlier, later in itertools.pairwise(firings))


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(SCHEDULES, TIMES)
def test_nothing_fires_between_now_and_the_next_firing(fields: tuple[str, ...], now: datetime.datetime) -> None:
    expression = " ".join(fields)
    found = schedule.following(expression, now)
    assert found.microsecond == 0
    for before in (found - SECOND, now + (found - now) / 2):
        assert before < now or schedule.following(expression, before) == found
