"""Strict readers for data from outside: tags, metadata, fields of answers. None raises; None means "not readable"."""

import dataclasses
import datetime
import email.utils
import json
from collections.abc import Mapping
from typing import Any

import isodate

_LONGEST_TIME = 64  # characters; more than ISO 8601 needs, and a bound for the time of the parser
_MAX_SHOWN = 200  # characters of a foreign text in a message
# The shortest and the longest that ISO 8601's months and years can be, in days.
_MONTH = (28, 31)
_YEAR = (365, 366)


@dataclasses.dataclass(frozen=True)
class Span:
    """The shortest and the longest that an ISO 8601 duration can be: months and years differ in length."""

    shortest: datetime.timedelta
    longest: datetime.timedelta


def iso_time(text: object) -> datetime.datetime | None:
    """Read an ISO 8601 time that names its zone, as UTC."""
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
        return found.astimezone(datetime.UTC) if found.tzinfo else None
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None


def http_date(text: object) -> datetime.datetime | None:
    """Read a Date header (RFC 9110, section 5.6.7, or RFC 5322) that has a known time zone.

    Without one it may be hours off. -0000 is UTC (RFC 5322, section 3.3).
    """
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    try:
        found = email.utils.parsedate_to_datetime(text.replace("-0000", "+0000"))
        return found.astimezone(datetime.UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def unix_time(seconds: object) -> datetime.datetime | None:
    """Read a number of seconds since 1970, as Key Vault's attributes have them."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return None
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # beyond the calendar, or the platform's clock
        return None


def span(text: object) -> Span | None:
    """Read an ISO 8601 duration that is longer than zero; it may have months and years."""
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    try:
        found = isodate.parse_duration(text)
        if isinstance(found, datetime.timedelta):
            return _positive(Span(found, found))
        shortest, longest = (
            found.tdelta + datetime.timedelta(days=float(found.months) * month + float(found.years) * year)
            for month, year in zip(_MONTH, _YEAR, strict=True)
        )
    except (ValueError, ArithmeticError):  # OverflowError and Decimal's own are ArithmeticErrors
        return None
    return _positive(Span(shortest, longest))


def texts(value: object) -> dict[str, str]:
    """Read an object whose values are texts, such as tags; other values are left out."""
    if not isinstance(value, Mapping):
        return {}
    return {name: text for name, text in value.items() if isinstance(name, str) and isinstance(text, str)}


def mapping(value: object) -> dict[str, Any]:
    """Read an object; {} for anything else."""
    return dict(value) if isinstance(value, Mapping) else {}


def records(value: object) -> list[dict[str, Any]]:
    """Read a list of objects; other items are left out, and [] for anything else."""
    return [dict(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """Read a list of texts; other items are left out, and [] for anything else."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def json_value(text: str | bytes) -> Any | None:
    """Read JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also for numbers of thousands of digits; and for deep nesting
        return None


def one_line(text: object) -> str:
    """Quote a text in a message: in one line of 200 characters at most, with control characters escaped."""
    whole = str(text)
    shown = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in whole[:_MAX_SHOWN])
    return shown if len(whole) <= _MAX_SHOWN else f"{shown}…"


def _positive(found: Span) -> Span | None:
    return found if found.shortest > datetime.timedelta(0) else None
