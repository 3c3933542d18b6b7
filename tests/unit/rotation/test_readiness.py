"""Whether a run is overdue, and that the answer is looked up once a minute, whoever asks."""

import datetime
import threading

import pytest

from rotator.azure.host_storage.lease import Holder
from rotator.rotation.lock import LastRun
from rotator.rotation.readiness import Readiness, is_missed, is_overdue
from tests.fakes.examples import NOW, plan

PLAN = plan()  # a run each half hour, on the hour


def minutes(count: float) -> datetime.timedelta:
    return datetime.timedelta(minutes=count)


@pytest.mark.parametrize(
    ("ended", "overdue"),
    [(1, False), (-1, False), (-11, False), (-12, True), (-60 * 24 * 400, True)],
)
def test_a_run_is_overdue_ten_minutes_after_its_time(ended: float, overdue: bool) -> None:
    now = NOW + minutes(11)  # 12:11, so the run at 12:00 is overdue, if that before it ended earlier
    assert is_overdue(PLAN, now, LastRun(now + minutes(ended)), None) is overdue


def test_the_first_run_is_overdue_by_the_hosts_timer() -> None:
    assert not is_overdue(PLAN, NOW + minutes(9), LastRun(), NOW)
    assert is_overdue(PLAN, NOW + minutes(11), LastRun(), NOW)


def test_where_nothing_ever_ran_and_no_timer_is_known_it_is_overdue() -> None:
    assert is_overdue(PLAN, NOW, LastRun(), None)


@pytest.mark.parametrize(("ended", "overdue"), [(-5, False), (-60, True)])
def test_killed_runs_do_not_count_however_many_there_are(ended: float, overdue: bool) -> None:
    killed = Holder("r1", "timer", "host", NOW - minutes(1))
    assert is_overdue(PLAN, NOW, LastRun(NOW + minutes(ended), killed), NOW + minutes(30)) is overdue


def test_a_run_that_was_killed_is_missed_at_once() -> None:
    killed = Holder("r2", "timer", "host", NOW + minutes(1))
    assert not is_missed(PLAN, NOW + minutes(2), LastRun(NOW + minutes(1)))
    assert is_missed(PLAN, NOW + minutes(2), LastRun(NOW + minutes(1), killed))


def test_before_any_run_was_completed_one_that_was_killed_is_overdue_soon() -> None:
    killed = Holder("r1", "timer", "host", NOW)
    assert not is_overdue(PLAN, NOW + minutes(9), LastRun(None, killed), None)
    assert is_overdue(PLAN, NOW + minutes(11), LastRun(None, killed), NOW + minutes(30))


@pytest.mark.parametrize(
    ("ended", "missed"),
    [
        (NOW + minutes(0.1), False),
        (NOW - minutes(0.01), False),  # the timer fired a moment early
        (NOW - minutes(1), True),
        (NOW + minutes(9), False),
        (NOW + minutes(60), True),  # a clock was wrong
        (None, True),
    ],
)
def test_a_run_is_missed_once_the_schedules_time_has_come(ended: datetime.datetime | None, missed: bool) -> None:
    assert is_missed(PLAN, NOW + minutes(5), LastRun(ended)) is missed


class Place:
    """What is looked up: counted, and broken on demand."""

    def __init__(self) -> None:
        self.ready, self.looked, self.time = True, 0, 0.0
        self.error: Exception | None = None
        self.readiness = Readiness(self.look, clock=lambda: self.time)

    def look(self) -> bool:
        self.looked += 1
        if self.error:
            raise self.error
        return self.ready


def test_an_answer_is_good_for_a_minute() -> None:
    place = Place()
    assert place.readiness()
    place.ready, place.time = False, 59.9
    assert place.readiness()
    place.time = 60.1
    assert not place.readiness()
    assert place.looked == 2


def test_an_error_is_a_no_and_good_for_a_minute_too() -> None:
    place = Place()
    place.error = OSError("the storage does not answer")
    assert not place.readiness()
    assert not place.readiness()
    assert place.looked == 1
    place.error, place.time = None, 61
    assert place.readiness()


@pytest.mark.parametrize("known", [True, False])
def test_one_looks_however_many_ask(known: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    looked: list[int] = []
    time = 0.0

    def look() -> bool:
        looked.append(1)
        if len(looked) > known:  # the first look is a quick one where there is an answer already
            begun.set()
            assert go_on.wait(10)
        return len(looked) == 1

    readiness = Readiness(look, clock=lambda: time)
    if known:
        assert readiness()
        time = 61.0
    answers: list[bool] = []
    first = threading.Thread(target=lambda: answers.append(readiness()))
    first.start()
    assert begun.wait(10)
    if known:
        assert readiness()  # at once, from memory
    others = [threading.Thread(target=lambda: answers.append(readiness())) for _ in range(5 if not known else 0)]
    for each in others:
        each.start()
    go_on.set()
    for each in (first, *others):
        each.join(10)
    assert answers == [not known] * (1 + len(others))
    assert len(looked) == 1 + known
