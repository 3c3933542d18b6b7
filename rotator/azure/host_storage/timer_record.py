"""The Functions host's own record of the timer, in the app's own storage: read, never written.

The host keeps it in the blob `timers/<host id>/Host.Functions.<function>/status` of the container azure-webjobs-hosts
(Microsoft.Azure.WebJobs.Extensions, StorageScheduleMonitor): `{"Last": …, "Next": …, "LastUpdated": …}`. It is written
when the host starts without one, and after each run. A deployment may bring another host id, and leaves the old record.
"""

import contextlib
import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterator

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, ContainerClient

from rotator import untrusted
from rotator.azure.errors import TimerRecordError
from rotator.azure.host_storage import blob_containers
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.sas import CLOCK_SKEW

CONTAINER = "azure-webjobs-hosts"
FUNCTION = "rotate_on_schedule"
_FOLDER = "timers/"
_SUFFIX = f"/host.functions.{FUNCTION}/status"
_MAX_LISTED = 5000  # names, of which a host has one for each timer
_MAX_READ = 8  # records of our function, those that were written last
_MAX_BYTES = 4096  # of a record, which has some 140
_TRY_SECONDS = 3.0  # for one request: somebody waits for the status
# As Newtonsoft.Json writes .NET's times: up to seven digits, and a zone unless the time is .NET's default.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?(Z|[+-][0-9]{2}:[0-9]{2})?")
_NEVER = re.compile(r"0001-01-01T00:00:00(\.0{1,7})?(Z|\+00:00)?")
_EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_LONGEST_AHEAD = datetime.timedelta(days=366 * 40)  # of a schedule's next time: a 29 February on a given weekday


@dataclasses.dataclass(frozen=True)
class TimerRecord:
    """When the timer fired last, None for never, when it fires next, and when this was written; in UTC."""

    last: datetime.datetime | None
    next: datetime.datetime
    updated: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Reading:
    """The record of the timer's present host, None if there is none, and warnings of records that are none."""

    record: TimerRecord | None = None
    warnings: tuple[str, ...] = ()


def read(
    storage: HostStorage, credential: TokenCredential, *, retry_total: int = 0, whole: float = _TRY_SECONDS
) -> Reading:
    """Read the newest record of the timer. Raises TimerRecordError.

    `whole` bounds one try of a request, in seconds.
    """
    container = blob_containers.container(
        storage, CONTAINER, credential, TimerRecordError, retry_total=retry_total, whole=whole
    )
    with contextlib.closing(container):
        try:
            return _newest(container, _names(container))
        except blob_containers.ERRORS as error:
            # Not chained: the SDK's message may quote a URL, and with it a SAS.
            raise blob_containers.error_for(TimerRecordError, container, error) from None


def parse(content: bytes) -> TimerRecord | None:
    """Read a record strictly; None for anything else."""
    if len(content) > _MAX_BYTES:
        return None
    fields = untrusted.mapping(untrusted.json_value(content))
    following, updated = _time(fields.get("Next")), _time(fields.get("LastUpdated"))
    if following is None or updated is None or following - updated > _LONGEST_AHEAD:
        return None
    if _is_never(fields.get("Last")):
        return TimerRecord(None, following, updated)
    last = _time(fields.get("Last"))
    return TimerRecord(last, following, updated) if last else None


def _names(container: ContainerClient) -> list[BlobProperties]:
    """List the records of our function, those first that storage got last."""
    try:
        listed = list(itertools.islice(container.list_blobs(name_starts_with=_FOLDER), _MAX_LISTED))
    except HttpResponseError as error:
        if blob_containers.is_absent(error):  # no host has started on this storage
            return []
        raise
    ours = [blob for blob in listed if blob.name.lower().endswith(_SUFFIX)]
    return sorted(ours, key=_stored, reverse=True)[:_MAX_READ]


def _newest(container: ContainerClient, blobs: list[BlobProperties]) -> Reading:
    """Return the record that was written last, by its own time.

    One that is damaged counts as written when storage got it. Where that is the latest, there is no record: an older
    one is of a host that runs no more.
    """
    found = [(blob, _read(content, blob)) for blob in blobs for content in _contents(container, blob)]
    damaged = [blob for blob, record in found if record is None]
    records = [(record.updated, _stored(blob), record) for blob, record in found if record]
    warnings = tuple(_warning(blob) for blob in damaged)
    if not records:
        return Reading(None, warnings)
    updated, _, newest = max(records, key=lambda each: each[:2])
    outdated = any(_stored(blob) > updated for blob in damaged)
    return Reading(None if outdated else newest, warnings)


def _read(content: bytes, blob: BlobProperties) -> TimerRecord | None:
    """Read a record; None also for one of a time after storage got it, which would hide any later one."""
    found = parse(content)
    return found if found and found.updated <= _stored(blob) + CLOCK_SKEW else None


def _stored(blob: BlobProperties) -> datetime.datetime:
    """Return when storage got the blob, to the second."""
    return blob.last_modified or _EARLIEST


def _contents(container: ContainerClient, blob: BlobProperties) -> Iterator[bytes]:
    """Yield the blob's content, up to one byte more than a record may have; nothing if it was deleted just now."""
    try:
        yield bytes(container.download_blob(blob.name, offset=0, length=_MAX_BYTES + 1).readall())
    except HttpResponseError as error:
        if blob_containers.is_empty(error):
            yield b""
        elif not blob_containers.is_absent(error):
            raise


def _warning(blob: BlobProperties) -> str:
    name = untrusted.one_line(f"{CONTAINER}/{blob.name}")
    return f"the blob {name} in the app's own storage is not a timer's record as the Functions host writes it"


def _time(text: object) -> datetime.datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    found = untrusted.iso_time(text)
    return found if found and found >= _EARLIEST else None


def _is_never(text: object) -> bool:
    return isinstance(text, str) and _NEVER.fullmatch(text) is not None
