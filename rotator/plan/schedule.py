"""The timer's NCRONTAB schedule, in UTC, and the times between two of its runs."""

import datetime
import functools
import itertools

from rotator.plan import ncrontab

DEFAULT = "0 */30 * * * *"
_SECONDS_PER_DAY = 86_400
_CYCLE = 400  # years, after which the calendar repeats itself, weekdays included
_LONGEST_WAIT = 40  # years, from one 29 February on a given weekday to the next, where a century is no leap year
_FIRST_YEAR = 2000
_WHOLE = (60, 24, 31, 12, 7, 60)  # how many values minute, hour, day, month, weekday and second have


@functools.cache
def intervals(expression: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """The shortest and the longest time between two runs; raises ValueError for a bad schedule.

    Over the calendar's whole cycle. Croniter would take minutes for that: it walks from one firing to the next.
    """
    times = ncrontab.parse(expression)
    moments = [h * 3600 + m * 60 + s for h in times.hour for m in times.minute for s in times.second]
    overnight = moments[0] - moments[-1]
    gaps = {later - earlier for earlier, later in itertools.pairwise(moments)}
    gaps |= {days * _SECONDS_PER_DAY + overnight for days in _days_apart(times)}
    return datetime.timedelta(seconds=min(gaps)), datetime.timedelta(seconds=max(gaps))


def following(expression: str, now: datetime.datetime) -> datetime.datetime:
    """When the schedule fires next after `now`, in UTC; raises ValueError for a bad schedule."""
    import croniter  # 30 ms that only a run needs

    start = now.astimezone(datetime.UTC).replace(tzinfo=None, microsecond=0)
    # Both days must match. Croniter stops looking after so many years without a firing.
    firings = croniter.croniter(_as_cron(expression), start, day_or=False, max_years_between_matches=_LONGEST_WAIT)
    found: datetime.datetime = firings.get_next(datetime.datetime)
    return found.replace(tzinfo=datetime.UTC)


@functools.cache
def _as_cron(expression: str) -> str:
    """The schedule as croniter means the same by it: seconds last, and lists of numbers only.

    Names, steps and ranges mean other moments to croniter than to NCrontab, or none.
    """
    times = ncrontab.parse(expression)
    fields = (times.minute, times.hour, times.day, times.month, times.weekday, times.second)
    return " ".join(
        "*" if len(values) == whole else ",".join(map(str, values))
        for values, whole in zip(fields, _WHOLE, strict=True)
    )


def _days_apart(times: ncrontab.Times) -> set[int]:
    """How many days apart are two days, one after the other, on which it fires."""
    found: set[int] = set()
    last = None
    start = datetime.date(_FIRST_YEAR, 1, 1).toordinal()
    for year in range(_FIRST_YEAR, _FIRST_YEAR + _CYCLE + _LONGEST_WAIT + 1):
        new_year = datetime.date(year, 1, 1)
        days = _days_of_year((new_year.replace(year=year + 1) - new_year).days, new_year.weekday(), times)
        if not days:
            continue
        offset = new_year.toordinal() - start
        if last is not None:
            found.add(offset + days[0] - last)
        found |= _gaps(days)
        last = offset + days[-1]
    return found


@functools.cache
def _days_of_year(length: int, first_weekday: int, times: ncrontab.Times) -> tuple[int, ...]:
    """The days on which it fires, numbered from 0, in a year of that length that begins on that weekday."""
    # Any such year will do: one of the fourteen kinds.
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
