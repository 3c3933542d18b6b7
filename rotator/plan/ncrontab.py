"""Parses NCRONTAB schedules as the Functions host does, with the library NCrontab.

It differs from Unix cron: a range that runs backwards is swapped, not wrapped (`MON-SUN` is Sunday and Monday), a range
of one value is that value, `value/step` goes on to the field's last value, an English name may be abbreviated to any
length, and the day of the month and the day of the week must both match.
Sources: https://github.com/atifaziz/NCrontab, CrontabFieldImpl.cs and CrontabField.cs; CronSchedule.cs of
https://github.com/Azure/azure-webjobs-sdk-extensions.
"""

import dataclasses
import re
import string

_LONGEST_NUMBER = 9  # digits; NCrontab fails on what 32 bits do not hold
_LONGEST_QUOTED = 24
_MACROS = {
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@weekly": "0 0 0 * * SUN",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 JAN *",
    "@annually": "0 0 0 1 JAN *",
}
# Refused: it has no times of the day that a SAS' expiry could be compared with, and only App Service plans support it.
_INTERVAL = (
    "This is a TimeSpan, an interval that the host counts from the app's start (24:00:00 is 24 days, 5 is five days): "
    "write a schedule instead, as"
)
_DAYS_PER_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> tuple[int, ...]:
        """Return the values that a field's text means, in ascending order; raises ValueError."""
        found: set[int] = set()
        for item in text.split(","):
            found.update(self._span(item))
        return tuple(sorted(found))

    def _span(self, item: str) -> range:
        if not item:
            raise ValueError(f"an entry of the {self.name} is empty: leave out the comma, or write the value")
        span, slash, step = item.partition("/")
        pace = self._step(step, item) if slash else 1
        if span == "*":
            return range(self.first, self.last + 1, pace)
        first, dash, last = span.partition("-")
        if dash:
            low, high = sorted((self._value(first, item), self._value(last, item)))
            return range(low, high + 1, pace)
        value = self._value(first, item)
        return range(value, (self.last if slash else value) + 1, pace)

    def _step(self, text: str, item: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise ValueError(f"the step of {_quoted(item)} in the {self.name} must be a number, as in */5")
        return max(1, _number(text))  # NCrontab takes less than 1 for 1

    def _value(self, text: str, item: str) -> int:
        if re.fullmatch("[0-9]+", text):
            value = _number(text)
            if not self.first <= value <= self.last:
                raise ValueError(self._out_of_range(item))
            return value
        if re.fullmatch("[A-Za-z]+", text) and self.names:
            for number, name in enumerate(self.names, self.first):
                if name.startswith(text.upper()):
                    return number
        raise ValueError(self._unknown(text, item))

    def _out_of_range(self, item: str) -> str:
        words = f"{_quoted(item)} is out of range: the {self.name} is {self.first} to {self.last}"
        if self is WEEKDAY:
            return f"{words}, and Sunday is 0 or SUN; for all days write *, for Friday to Sunday 5,6,0"
        return f"{words}, and midnight is 0" if self is HOUR else words

    def _unknown(self, text: str, item: str) -> str:
        words = f"NCRONTAB does not support {_quoted(item)} in the {self.name}"
        if text == "?":
            return f"{words}: write *"
        if text == "*":
            return f"{words}: write * alone, or a range up to {self.last}"
        if self is DAY and text.upper() in ("L", "LW"):
            return f"{words}: it has no last day of the month; write 28, which each month has, or 1"
        nth = re.fullmatch(r"([0-6]|[A-Za-z]{3,9})#([1-4])", text)
        if self is WEEKDAY and nth:
            week = 7 * int(nth[2])
            return (
                f"{words}: write {week - 6}-{week} as the day of the month and {nth[1].upper()} here, both must match"
            )
        if self.names:
            known = f"{self.names[0][:3]} to {self.names[-1][:3]}"
            return f"{words}: write {self.first} to {self.last}, or English names, {known}"
        return f"{words}: write *, a value, first-last or a list of these, each with an optional /step"


_MONTHS = ("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER",
           "NOVEMBER", "DECEMBER")  # fmt: skip
_WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
SECOND = _Field("second", 0, 59)
MINUTE = _Field("minute", 0, 59)
HOUR = _Field("hour", 0, 23)
DAY = _Field("day of the month", 1, 31)
MONTH = _Field("month", 1, 12, _MONTHS)
WEEKDAY = _Field("day of the week", 0, 6, _WEEKDAYS)
_FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclasses.dataclass(frozen=True)
class Times:
    """The values of each field at which a schedule fires, ascending. All six must match; Sunday is 0."""

    second: tuple[int, ...]
    minute: tuple[int, ...]
    hour: tuple[int, ...]
    day: tuple[int, ...]
    month: tuple[int, ...]
    weekday: tuple[int, ...]


def parse(expression: str) -> Times:
    """Parse a schedule of five or six fields. Raises ValueError, with what to write instead, if it never runs."""
    if "%" in expression:
        raise ValueError("the host does not resolve %SETTING% in here: write the schedule itself")
    words = _words(expression)
    if len(words) == len(_FIELDS) - 1:  # without seconds: at second 0
        words = ["0", *words]
    if len(words) != len(_FIELDS):
        raise ValueError(_not_six(expression.strip(" "), len(words)))
    times = Times(*(field.values(word) for field, word in zip(_FIELDS, words, strict=True)))
    if not any(_DAYS_PER_MONTH[month - 1] >= times.day[0] for month in times.month):
        raise ValueError(
            f"it never fires, because its months have no day {times.day[0]}: write a day that they have, such as 28"
        )
    return times


def backward_ranges(expression: str) -> tuple[str, ...]:
    """The ranges that run backwards, such as `MON-SUN`, which NCrontab swaps; the expression must be valid."""
    fields = _FIELDS if len(_words(expression)) == len(_FIELDS) else _FIELDS[1:]
    return tuple(
        item
        for field, word in zip(fields, _words(expression), strict=True)
        for item in word.split(",")
        if _is_backward(field, item.partition("/")[0])
    )


def _is_backward(field: _Field, span: str) -> bool:
    first, dash, last = span.partition("-")
    return bool(dash) and field.values(first) > field.values(last)


def _words(expression: str) -> list[str]:
    """Split at spaces. With any other blank the host does not start the function."""
    if re.search(r"[^\S ]", expression):
        raise ValueError("its fields must be split at plain spaces: the host accepts no tab, line break or other blank")
    return [word for word in expression.split(" ") if word]


def _number(text: str) -> int:
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number in it is too long: write no more than two digits")
    return -int(digits) if text.startswith("-") else int(digits)


def _quoted(item: str) -> str:
    """The item if it is short and plain; anything else may be a secret that was put into the wrong setting."""
    plain = len(item) <= _LONGEST_QUOTED and set(item) <= set(string.ascii_letters + string.digits + "*/-?#%_.+@")
    return item if plain else "an entry"


def _not_six(expression: str, count: int) -> str:
    rule = "it must have six fields: second minute hour day month weekday"
    if expression.lower() in _MACROS:
        return f"{rule}; for {expression.lower()} write {_MACROS[expression.lower()]}"
    if re.fullmatch("-?[0-9][0-9.:]*", expression):
        return f"{rule}. {_INTERVAL} {_as_often(expression)}"
    if count > len(_FIELDS):
        return f"{rule}; NCRONTAB has no field for the year, and no blanks in a list or range"
    return rule


def _as_often(interval: str) -> str:
    """A schedule that fires at least as often as a TimeSpan of hours and minutes says."""
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{1,2})(:00?)?", interval)
    hours, minutes = (int(found[1]), int(found[2])) if found else (24, 0)
    if not hours and minutes:
        return f"0 */{minutes} * * * *"
    return f"0 0 */{hours} * * *" if 0 < hours < 24 else "0 */30 * * * *"  # noqa: PLR2004
