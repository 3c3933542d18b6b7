"""How a time is written: in annotations, tags, metadata, reports and messages alike."""

import datetime


def text(moment: datetime.datetime) -> str:
    """Give it as ISO 8601 in UTC, to the second."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def after(moment: datetime.datetime, span: datetime.timedelta) -> datetime.datetime:
    """Add a time span that is not negative; the end of the calendar where that is beyond it."""
    end = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return moment + span if span <= end - moment else end


def relative(moment: datetime.datetime, now: datetime.datetime) -> str:
    """Say how far away it is, in its two largest units of days, hours and minutes, or in seconds."""
    left = round((moment - now).total_seconds())
    minutes, seconds = divmod(abs(left), 60)
    parts = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    largest = next((place for place, count in enumerate(parts.values()) if count), len(parts))
    said = [f"{count} {unit}" for unit, count in list(parts.items())[largest : largest + 2] if count]
    words = " ".join(said) or f"{seconds} s"
    if not left:
        return "now"
    return f"in {words}" if left > 0 else f"{words} ago"
