"""The timer's NCRONTAB schedule, in UTC, and the times between two of its runs.

Six fields with seconds first; where both days are restricted, both must fit, unlike in Unix cron
(https://github.com/atifaziz/NCrontab).
"""

import datetime
import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

DEFAULT = "0 */30 * * * *"
_DAYS = 366 * 28 + 2  # after which the weekdays fall on the same dates again
_SECONDS_PER_DAY = 86_400
_FIRST = datetime.date(2024, 1, 1)


@functools.cache
def intervals(expression: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """The shortest and the longest time between two runs; raises ValueError for a bad schedule."""
    moments, on = _parsed(expression)
    days = [number for number, date in enumerate(_calendar(_FIRST)) if on(date)]
    if len(days) < 2:  # noqa: PLR2004  # an interval has two ends
        raise ValueError("it hardly ever fires")
    gaps = {later - earlier for earlier, later in itertools.pairwise(moments)}
    overnight = moments[0] - moments[-1]
    gaps |= {(later - earlier) * _SECONDS_PER_DAY + overnight for earlier, later in itertools.pairwise(days)}
    return datetime.timedelta(seconds=min(gaps)), datetime.timedelta(seconds=max(gaps))


def following(expression: str, now: datetime.datetime) -> datetime.datetime:
    """When the schedule fires next after `now`; raises ValueError for a bad schedule."""
    moments, on = _parsed(expression)
    for date in filter(on, _calendar(now.date())):
        midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
        for seconds in moments:
            found = midnight + datetime.timedelta(seconds=seconds)
            if found > now:
                return found
    raise ValueError("it hardly ever fires")


@functools.cache
def _parsed(expression: str) -> tuple[list[int], Callable[[datetime.date], bool]]:
    """Give the seconds of a day at which it fires, and whether it does on a date."""
    second, minute, hour, day, month, weekday = _fields(expression)
    moments = sorted(h * 3600 + m * 60 + s for h in hour for m in minute for s in second)

    def on(date: datetime.date) -> bool:
        return date.day in day and date.month in month and date.isoweekday() % 7 in weekday

    return moments, on


def _calendar(first: datetime.date) -> Iterator[datetime.date]:
    return (first + datetime.timedelta(days=number) for number in range(_DAYS))


def _fields(expression: str) -> list[set[int]]:
    import croniter  # 30 ms that only a run needs, and a run without a schedule does not

    words = expression.split()
    if len(words) == 5:  # noqa: PLR2004  # the Functions host takes five fields too, at second 0
        words = ["0", *words]
    if len(words) != 6:  # noqa: PLR2004
        raise ValueError("it must have six fields: second minute hour day month weekday")
    if "7" in re.split(r"[,/-]", words[-1]):  # Sunday in croniter, unknown to NCRONTAB
        raise ValueError("a field holds something that NCRONTAB does not know: weekdays are 0 to 6")
    for item in (item for word in words for item in word.split(",")):
        _check_item(item)
    try:
        expanded, _ = croniter.croniter.expand(" ".join([*words[1:], words[0]]))
    except croniter.CroniterError as error:
        raise ValueError("a field is out of range or malformed") from error
    minute, hour, day, month, weekday, second = (
        _numbers(field, whole) for field, whole in zip(expanded, _WHOLE, strict=True)
    )
    return [second, minute, hour, day, month, {number % 7 for number in weekday}]


# croniter takes more than NCRONTAB does: random and nearest days, and ranges that wrap around.
_ITEM = re.compile(r"(?i)(\*|([0-9]+|[a-z]{3})(-([0-9]+|[a-z]{3}))?)(/[0-9]+)?")


def _check_item(item: str) -> None:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise ValueError("a field holds something that NCRONTAB does not know")
    first, last = found[2] or "", found[4] or ""
    if first.isdigit() and last.isdigit() and int(first) > int(last):
        raise ValueError("a range runs backwards")


_WHOLE = (range(60), range(24), range(1, 32), range(1, 13), range(7), range(60))


def _numbers(field: Sequence[object], whole: range) -> set[int]:
    if list(field) == ["*"]:
        return set(whole)
    numbers = {number for number in field if isinstance(number, int)}
    if len(numbers) != len(field):
        raise ValueError("a field holds something that NCRONTAB does not know")
    return numbers
