"""What others wrote, read strictly: tags, metadata, answers' fields. Nothing here raises; None means "not readable"."""

import dataclasses
import datetime
import email.utils
import json
from collections.abc import Mapping
from typing import Any

import isodate

_LONGEST_TIME = 64  # characters; ISO 8601 needs fewer, and a parser's time must not depend on a stranger
_SHOWN = 200  # characters of a foreign text in a message
# The shortest and the longest that ISO 8601's months and years can be, in days.
_MONTH = (28, 31)
_YEAR = (365, 366)


@dataclasses.dataclass(frozen=True)
class Span:
    """How long an ISO 8601 duration is at least and at most: months and years differ in length."""

    shortest: datetime.timedelta
    longest: datetime.timedelta


def moment(text: object) -> datetime.datetime | None:
    """Read an ISO 8601 time that names its zone, as UTC."""
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
        return found.astimezone(datetime.UTC) if found.tzinfo else None
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None


def http_date(text: object) -> datetime.datetime | None:
    """Read the time of a Date header, RFC 9110's or another form that mail knows, if it names a zone.

    Without one, or in a zone that is not known, it may be hours off. -0000 is UTC (RFC 5322, section 3.3).
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
    """Read an ISO 8601 duration that is longer than nothing, in months and years too."""
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
    """Read an object whose values are texts, such as tags; what is anything else is left out."""
    if not isinstance(value, Mapping):
        return {}
    return {name: text for name, text in value.items() if isinstance(name, str) and isinstance(text, str)}


def mapping(value: object) -> dict[str, Any]:
    """Read an object; {} for anything else, as where it is missing."""
    return dict(value) if isinstance(value, Mapping) else {}


def records(value: object) -> list[dict[str, Any]]:
    """Read a list of objects; what in it is none is left out."""
    return [dict(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def json_value(text: str | bytes) -> Any | None:
    """Read JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # numbers of thousands of digits; brackets in brackets in brackets
        return None


def one_line(text: object) -> str:
    """Quote a text in a message: in one line, without control characters, and not at any length."""
    whole = str(text)
    shown = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in whole[:_SHOWN])
    return shown if len(whole) <= _SHOWN else f"{shown}…"


def _positive(found: Span) -> Span | None:
    return found if found.shortest > datetime.timedelta(0) else None
