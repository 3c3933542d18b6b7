"""Containers and block blobs, in memory."""

import dataclasses
import datetime
import uuid


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _etag() -> str:
    return f'"0x{uuid.uuid4().hex[:15].upper()}"'


@dataclasses.dataclass
class Blob:
    """A block blob."""

    data: bytes = dataclasses.field(repr=False)
    content_type: str = "application/octet-stream"
    etag: str = dataclasses.field(default_factory=_etag)
    modified: datetime.datetime = dataclasses.field(default_factory=_now)


@dataclasses.dataclass
class Container:
    """A container and its blobs by name."""

    blobs: dict[str, Blob] = dataclasses.field(default_factory=dict)
    etag: str = dataclasses.field(default_factory=_etag)
    modified: datetime.datetime = dataclasses.field(default_factory=_now)
