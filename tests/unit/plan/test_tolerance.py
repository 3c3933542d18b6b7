"""How many runs may fail before a SAS expires, and whether the alert that calls would come in time."""

import dataclasses
import datetime

import pytest

from rotator.plan import tolerance
from rotator.plan.plan import Plan
from tests.fakes.examples import NOW, plan

HALF_PAST = NOW + datetime.timedelta(minutes=30)


def hours(count: float) -> datetime.timedelta:
    return datetime.timedelta(hours=count)


def plan_of(schedule: str, validity: datetime.timedelta) -> Plan:
    made = plan()
    return dataclasses.replace(made, schedule=schedule, grant=dataclasses.replace(made.grant, validity=validity))


@pytest.mark.parametrize(
    ("schedule", "validity", "failed_runs", "last_run"),
    [
        ("0 */30 * * * *", hours(4), 6, "15:30"),  # 12:30 ... 15:30; 16:00 is too late
        ("0 */30 * * * *", hours(1), 0, "12:30"),
        ("0 0 * * * *", hours(1) + datetime.timedelta(minutes=10), 0, "13:00"),  # exactly ten minutes before
        ("0 0 8,9,10 * * *", hours(48), 5, "10:00"),  # not as many as two days have intervals of 22 h
        ("0 0 6,18 * * MON-FRI", hours(72), 4, "18:00"),  # from a Wednesday's noon to Saturday's
    ],
)
def test_runs_may_fail_until_the_last_one_in_time(
    schedule: str, validity: datetime.timedelta, failed_runs: int, last_run: str
) -> None:
    found = tolerance.of(plan_of(schedule, validity), NOW)
    assert (found.failed_runs, f"{found.last_run:%H:%M}") == (failed_runs, last_run)
    assert found.expires == NOW + validity


def test_what_a_target_holds_expires_sooner() -> None:
    found = tolerance.of(plan(), NOW + hours(3), NOW + hours(4))
    assert (found.failed_runs, f"{found.last_run:%H:%M}") == (0, "15:30")
    assert found.sentences()[0] == (
        "no scheduled run may fail: the last one in time is at 2026-07-01T15:30:00Z, "
        "and help must come before 2026-07-01T16:00:00Z, when a SAS expires"
    )


@pytest.mark.parametrize(("left", "last_run"), [(hours(0.6), "12:00"), (hours(0), "11:30"), (hours(-3), "08:30")])
def test_where_the_sas_expires_before_the_next_run_the_last_one_in_time_is_over(
    left: datetime.timedelta, last_run: str
) -> None:
    found = tolerance.of(plan(), NOW, NOW + left)
    assert (found.failed_runs, f"{found.last_run:%H:%M}") == (0, last_run)


def test_of_two_runs_one_may_fail() -> None:
    found = tolerance.of(plan(), NOW, NOW + hours(1.2))
    assert found.sentences()[0].startswith("1 scheduled run may fail: the last one in time is at 2026-07-01T13:00:00Z")


def test_hundreds_of_runs_are_not_counted() -> None:
    found = tolerance.of(plan_of("0 * * * * *", hours(24 * 30)), NOW)
    assert found.failed_runs == 100
    assert found.last_run == NOW + hours(24 * 30) - datetime.timedelta(minutes=10)
    assert found.sentences()[0].startswith("100 or more scheduled runs in a row may fail")


@pytest.mark.parametrize(
    ("schedule", "validity", "minutes", "in_time"),
    [
        ("0 */30 * * * *", hours(4), 55, True),
        ("0 */30 * * * *", datetime.timedelta(minutes=56), 55, True),
        ("0 */30 * * * *", datetime.timedelta(minutes=55), 55, False),
        ("0 0 */12 * * *", hours(12.3), 12 * 60 + 25, False),
        ("0 0 0 * * *", hours(48), 24 * 60 + 25, True),
        ("0 0 6 * * MON", hours(24 * 14), None, False),  # an alert looks back two days
    ],
)
def test_the_alerts_call_counts_in(
    schedule: str, validity: datetime.timedelta, minutes: int | None, in_time: bool
) -> None:
    found = tolerance.of(plan_of(schedule, validity), NOW)
    assert found.called_after == (None if minutes is None else datetime.timedelta(minutes=minutes))
    assert found.called_in_time is in_time
    words = found.sentences()[1]
    assert ("too late" in words) is (minutes is not None and not in_time)
    assert ("no alert watches" in words) is (minutes is None)


def test_of_a_sas_that_is_held_already_the_call_comes_in_time_or_not_too() -> None:
    assert tolerance.of(plan(), NOW, NOW + datetime.timedelta(minutes=56)).called_in_time
    assert not tolerance.of(plan(), NOW, NOW + datetime.timedelta(minutes=46)).called_in_time


def test_it_is_json() -> None:
    assert tolerance.of(plan(), NOW).as_json() == {
        "failed_runs": 6,
        "last_run": "2026-07-01T15:30:00Z",
        "expires": "2026-07-01T16:00:00Z",
        "called_after_seconds": 3300.0,
        "called_in_time": True,
    }
