"""Times as text: the one format of annotations, tags, metadata, reports and messages."""

import datetime


def text(time: datetime.datetime) -> str:
    """Format a time as ISO 8601 in UTC, to the second: 2026-11-30T21:00:00Z."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def after(time: datetime.datetime, span: datetime.timedelta) -> datetime.datetime:
    """Add a span that is not negative; the last time of the calendar if the sum is beyond it."""
    end = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return time + span if span <= end - time else end


def relative(time: datetime.datetime, now: datetime.datetime) -> str:
    """The distance to a time, in its two largest units of days, hours and minutes, or in seconds: in 3 h 5 min."""
    left = round((time - now).total_seconds())
    minutes, seconds = divmod(abs(left), 60)
    parts = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    largest = next((place for place, count in enumerate(parts.values()) if count), len(parts))
    shown = [f"{count} {unit}" for unit, count in list(parts.items())[largest : largest + 2] if count]
    words = " ".join(shown) or f"{seconds} s"
    if not left:
        return "now"
    return f"in {words}" if left > 0 else f"{words} ago"


def with_distance(time: datetime.datetime, now: datetime.datetime) -> str:
    """A time and the distance to it: 2026-11-30T21:00:00Z (in 3 h 5 min)."""
    return f"{text(time)} ({relative(time, now)})"
