"""How a time is written: in annotations, tags, metadata, reports and messages alike."""

import datetime


def text(moment: datetime.datetime) -> str:
    """Give it as ISO 8601 in UTC, to the second."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
