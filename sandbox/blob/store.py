"""Containers and block blobs, in memory, and the conditions that a request may set on a blob."""

import base64
import dataclasses
import datetime
import hashlib
import uuid
from collections.abc import Mapping

from sandbox.blob import dates
from sandbox.blob.errors import BlobError
from sandbox.blob.lease import Lease


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _etag() -> str:
    return f'"0x{uuid.uuid4().hex[:15].upper()}"'


@dataclasses.dataclass(kw_only=True)
class _Versioned:
    etag: str = dataclasses.field(default_factory=_etag)
    modified: datetime.datetime = dataclasses.field(default_factory=_now)

    @property
    def stamp(self) -> dict[str, str]:
        """The headers that say which version this is."""
        return {"ETag": self.etag, "Last-Modified": dates.http_date(self.modified)}


@dataclasses.dataclass
class Blob(_Versioned):
    """A block blob."""

    data: bytes = dataclasses.field(repr=False)
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    lease: Lease = dataclasses.field(default_factory=Lease, repr=False)
    created: datetime.datetime = dataclasses.field(default_factory=_now)

    @property
    def md5(self) -> str:
        """The digest of the data as headers have it."""
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()

    def check(self, headers: Mapping[str, str], *, writing: bool) -> None:
        """Judge a request by its conditions, then by its lease id; a BlobError unless it may go on.

        https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
        """
        self.check_conditions(headers, writing=writing)
        self.lease.check(headers.get("x-ms-lease-id"), writing=writing)

    def check_conditions(self, headers: Mapping[str, str], *, writing: bool) -> None:
        """Judge a request by If-Match and If-None-Match."""
        wanted, unwanted = headers.get("If-Match"), headers.get("If-None-Match")
        if wanted is not None and not self._is_named(wanted):
            raise BlobError(412, "ConditionNotMet")
        if unwanted is not None and self._is_named(unwanted):
            raise BlobError(412 if writing else 304, "ConditionNotMet")

    def changed(self) -> None:
        """Make this a new version; a lease that has ended is forgotten."""
        self.etag, self.modified = _etag(), _now()
        self.lease.blob_changed()

    def _is_named(self, condition: str) -> bool:
        return condition == "*" or condition.strip('"') == self.etag.strip('"')


@dataclasses.dataclass
class Container(_Versioned):
    """A container, its blobs by name, and its stored access policies by id, each with fields as in a SAS."""

    blobs: dict[str, Blob] = dataclasses.field(default_factory=dict)
    policies: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
