"""When the timer's NCRONTAB schedule fires, in UTC: the next time, and the shortest and longest interval."""

import datetime
import functools
import itertools
from typing import TYPE_CHECKING

from rotator.plan import ncrontab

if TYPE_CHECKING:
    import croniter

DEFAULT = "0 */30 * * * *"
_SECONDS_PER_DAY = 86_400
_CALENDAR_YEARS = 400  # after which the calendar repeats itself, weekdays included
_LONGEST_WAIT_YEARS = 40  # from one 29 February on a given weekday to the next, across a century that is no leap year
_FIRST_YEAR = 2000
_VALUES = (60, 24, 31, 12, 7, 60)  # how many there are of minute, hour, day, month, weekday and second


@functools.cache
def intervals(expression: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """The shortest and the longest time between two runs; raises ValueError for an invalid schedule.

    Computed over all 400 years of the calendar. Croniter would take minutes: it goes from one time to the next.
    """
    times = ncrontab.parse(expression)
    seconds = [h * 3600 + m * 60 + s for h in times.hour for m in times.minute for s in times.second]
    overnight = seconds[0] - seconds[-1]
    gaps = {later - earlier for earlier, later in itertools.pairwise(seconds)}
    gaps |= {days * _SECONDS_PER_DAY + overnight for days in _days_apart(times)}
    return datetime.timedelta(seconds=min(gaps)), datetime.timedelta(seconds=max(gaps))


def following(expression: str, now: datetime.datetime) -> datetime.datetime:
    """The first time after `now` at which the schedule fires, in UTC; raises ValueError for an invalid schedule."""
    found: datetime.datetime = _times(expression, now).get_next(datetime.datetime)
    return found.replace(tzinfo=datetime.UTC)


def _times(expression: str, start: datetime.datetime) -> "croniter.croniter":
    import croniter  # 30 ms that only a run needs

    since = start.astimezone(datetime.UTC).replace(tzinfo=None, microsecond=0)
    # `day_or`: the day of the month and the day of the week must both match.
    return croniter.croniter(_as_cron(expression), since, day_or=False, max_years_between_matches=_LONGEST_WAIT_YEARS)


def latest(expression: str, now: datetime.datetime) -> datetime.datetime:
    """The last time up to `now` at which the schedule fires, in UTC; raises ValueError for an invalid schedule."""
    times = _times(expression, now.replace(microsecond=0) + datetime.timedelta(seconds=1))
    found: datetime.datetime = times.get_prev(datetime.datetime)
    return found.replace(tzinfo=datetime.UTC)


@functools.cache
def _as_cron(expression: str) -> str:
    """Translate a schedule for croniter: seconds last, and lists of numbers only.

    Croniter understands names, steps and ranges otherwise than NCrontab, or not at all.
    """
    times = ncrontab.parse(expression)
    fields = (times.minute, times.hour, times.day, times.month, times.weekday, times.second)
    return " ".join(
        "*" if len(values) == count else ",".join(map(str, values))
        for values, count in zip(fields, _VALUES, strict=True)
    )


def _days_apart(times: ncrontab.Times) -> set[int]:
    """The distances, in days, between two successive days on which the schedule fires."""
    distances: set[int] = set()
    last = None
    start = datetime.date(_FIRST_YEAR, 1, 1).toordinal()
    for year in range(_FIRST_YEAR, _FIRST_YEAR + _CALENDAR_YEARS + _LONGEST_WAIT_YEARS + 1):
        new_year = datetime.date(year, 1, 1)
        days = _days_of_year((new_year.replace(year=year + 1) - new_year).days, new_year.weekday(), times)
        if not days:
            continue
        offset = new_year.toordinal() - start
        if last is not None:
            distances.add(offset + days[0] - last)
        distances |= _gaps(days)
        last = offset + days[-1]
    return distances


@functools.cache
def _days_of_year(length: int, first_weekday: int, times: ncrontab.Times) -> tuple[int, ...]:
    """The days on which it fires, numbered from 0, in a year of that length that begins on that weekday."""
    # Any such year will do: there are only fourteen kinds of years, which makes the cache effective.
    year = next(
        date
        for number in range(_FIRST_YEAR, _FIRST_YEAR + 28)
        if (date := datetime.date(number, 1, 1)).weekday() == first_weekday
        and (date.replace(year=number + 1) - date).days == length
    )
    dates = (year + datetime.timedelta(days=number) for number in range(length))
    return tuple(number for number, date in enumerate(dates) if _fires_on(date, times))


@functools.cache
def _gaps(days: tuple[int, ...]) -> frozenset[int]:
    return frozenset(later - earlier for earlier, later in itertools.pairwise(days))


def _fires_on(date: datetime.date, times: ncrontab.Times) -> bool:
    return date.day in times.day and date.month in times.month and date.isoweekday() % 7 in times.weekday
