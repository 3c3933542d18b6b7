"""The archive: each run's report as a blob in the app's own storage, written once and never changed.

A blob is named by the run, whose name begins with its time in UTC, in a folder for the day:
2026/11/24/20261124T043505Z-ec886b.json
"""

import contextlib
import datetime
import itertools
import json
import re
import time
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContentSettings

from rotator import errors, redaction, untrusted
from rotator.azure.errors import ArchiveError
from rotator.azure.host_storage import blob_containers, storage_settings
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.plan.plan import Plan
from rotator.reporting.report import ADDED_FIELDS, Report
from rotator.reporting.status import LastKnown

# How far back the archive is searched: each day takes a request.
MAX_AGE = datetime.timedelta(days=366)
_RUN = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T[0-9]{6}Z-[0-9a-f]+")
_MAX_NAMES = 5000  # in one answer of List Blobs
_PARTS = (24, 60, 60)  # a day in hours, an hour in minutes, a minute in seconds
_MAX_BYTES = 1_000_000  # read of a report, which has some thousands
# Limits of `last_known`, as somebody waits for the status.
_MAX_REPORTS = 200
_MAX_SECONDS = 8
_HISTORY_REMEDY = "`python -m rotator history` lists the runs whose reports are kept."
_FOREIGN_BLOB_REMEDY = "Find out what else writes into the container that REPORT_CONTAINER names."
_SHAPE = {
    "run": str,
    "started": str,
    "failed": bool,
    "targets": list,
    "warnings": list,
    "error": dict | None,
    "key": dict | None,
}


class Archive:
    """The reports in one container, which is created if it is missing. Every method raises ArchiveError."""

    def __init__(
        self, storage: HostStorage, container: str, credential: TokenCredential, *, retry_total: int = 3
    ) -> None:
        self._container = blob_containers.container(
            storage, container, credential, ArchiveError, retry_total=retry_total
        )

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def save(self, report: Report) -> str:
        """Write a report and return its blob's name; never overwrites a blob."""
        name, content = _name(report.run), _json(report)
        with blob_containers.translated(self._container, ArchiveError):
            try:
                self._upload(name, content, _metadata(report))
            except HttpResponseError as error:
                if error.status_code not in blob_containers.EXISTS:
                    raise
                # The same content is there if the answer to an upload was lost and the SDK sent it again.
                if self._read(name) != content:
                    raise ArchiveError(f"another blob is named {name} already", remedy=_FOREIGN_BLOB_REMEDY) from None
        return name

    def recent(self, limit: int, since: datetime.datetime) -> list[dict[str, Any]]:
        """Read the newest reports, newest first; for a blob that is none, its name as `blob` and a `problem`."""
        with blob_containers.translated(self._container, ArchiveError):
            return [self._listed(name) for name in itertools.islice(self._newest(since), limit)]

    def last_known(self, targets: Collection[str], since: datetime.datetime) -> dict[str, LastKnown]:
        """Return for each target the expiry of its SAS by the newest report that has one.

        Reads backwards until all are found, for 200 reports or 8 seconds at most; what was found by then is returned.
        """
        found: dict[str, LastKnown] = {}
        started = time.monotonic()
        with blob_containers.translated(self._container, ArchiveError):
            for name in itertools.islice(self._newest(since), _MAX_REPORTS):
                for target, known in _known(self._listed(name)):
                    if target in targets:
                        found.setdefault(target, known)
                if len(found) == len(targets) or time.monotonic() - started > _MAX_SECONDS:
                    break
        return found

    def find(self, run: str) -> dict[str, Any]:
        """Read the report of one run; raises ArchiveError if there is none."""
        name = _name(run)
        with blob_containers.translated(self._container, ArchiveError):
            try:
                report = _report(name, self._read(name))
            except HttpResponseError as error:
                if not blob_containers.is_absent(error):
                    raise
                raise ArchiveError(f"no report of a run {run} is kept", remedy=_HISTORY_REMEDY) from None
        if report is None:
            raise ArchiveError(f"the blob {name} is no report", remedy=_FOREIGN_BLOB_REMEDY)
        return report

    def _listed(self, name: str) -> dict[str, Any]:
        """Read one blob of a list; an error that concerns this blob only becomes its `problem`."""
        try:
            report = _report(name, self._read(name))
        except HttpResponseError as error:
            if not _is_of_one_blob(error):
                raise
            return {"blob": name, "problem": f"it cannot be read: {blob_containers.describe(self._container, error)}"}
        return report or {"blob": name, "problem": "this is no report of a run"}

    def _upload(self, name: str, content: bytes, metadata: dict[str, str]) -> None:
        """Upload a new blob; create the container and try again if there is none."""

        def put() -> None:
            kind = ContentSettings(content_type="application/json")
            self._container.upload_blob(name, content, overwrite=False, metadata=metadata, content_settings=kind)

        try:
            put()
        except HttpResponseError as error:
            if not blob_containers.is_absent(error):
                raise
            blob_containers.create_if_missing(self._container.create_container)
            put()

    def _newest(self, since: datetime.datetime) -> Iterator[str]:
        """Yield the names of the blobs since then, newest first; lists each day only when it is needed."""
        now = datetime.datetime.now(datetime.UTC)
        since = max(since.astimezone(datetime.UTC), now - MAX_AGE)
        oldest = f"{since:%Y/%m/%d/%Y%m%dT%H%M%SZ}"
        for back in range((now.date() - since.date()).days + 1):
            day = now - datetime.timedelta(days=back)
            yield from (name for name in self._of_day(day) if name >= oldest)

    def _of_day(self, day: datetime.datetime) -> Iterator[str]:
        names = self._names(f"{day:%Y/%m/%d/}")
        if len(names) > _MAX_NAMES:
            yield from self._by_part(f"{day:%Y/%m/%d/%Y%m%dT}", _PARTS)
        else:
            yield from sorted(names, reverse=True)

    def _by_part(self, prefix: str, parts: tuple[int, ...]) -> Iterator[str]:
        """Yield the names in a day with more blobs than one answer lists, by hour, minute or second.

        In a second with as many, some are left out: storage lists the oldest first.
        """
        for part in reversed(range(parts[0])):
            names = self._names(f"{prefix}{part:02}")
            if len(names) > _MAX_NAMES and parts[1:]:
                yield from self._by_part(f"{prefix}{part:02}", parts[1:])
            else:
                yield from sorted(names, reverse=True)

    def _names(self, prefix: str) -> list[str]:
        """List the names with this prefix in ascending order: the first 5001 at most, so one more than an answer."""
        try:
            return list(itertools.islice(self._container.list_blob_names(name_starts_with=prefix), _MAX_NAMES + 1))
        except HttpResponseError as error:
            if blob_containers.is_absent(error):  # nothing was ever written
                return []
            raise

    def _read(self, name: str) -> bytes:
        try:
            return bytes(self._container.download_blob(name, offset=0, length=_MAX_BYTES).readall())
        except HttpResponseError as error:
            if blob_containers.is_empty(error):
                return b""
            raise


@contextlib.contextmanager
def opened(
    plan: Plan, environment: Mapping[str, str], credential: TokenCredential, *, retry_total: int = 3
) -> Iterator[Archive]:
    """Open the archive that the settings name; raises SettingsError if they name none, and ArchiveError."""
    storage = storage_settings.find(environment, plan.account.blob_suffix)
    problems = []
    if plan.report_container is None:
        problems.append(f"{plan.origin('report_container')} is missing: the container that keeps each run's report")
    if storage is None:
        problems.append("AzureWebJobsStorage__accountName is missing: the app's own storage, which has that container")
    if plan.report_container is None or storage is None:
        raise errors.SettingsError(problems)
    with (
        blob_containers.signed_in(storage, plan.client_id, credential) as own,
        contextlib.closing(Archive(storage, plan.report_container, own, retry_total=retry_total)) as archive,
    ):
        yield archive


def _known(report: Mapping[str, Any]) -> Iterator[tuple[str, LastKnown]]:
    """Yield the targets of a report with the expiry of their SAS, where it has one."""
    reported = untrusted.iso_time(report.get("finished"))
    for target in report.get("targets", []):
        expires = untrusted.iso_time(target.get("expires"))
        if expires and reported:
            yield str(target.get("target")), LastKnown(expires, str(report["run"]), reported)


def _name(run: str) -> str:
    day = _RUN.fullmatch(run)
    if day is None:
        raise ArchiveError(f"{run[:80]!r} is no run's name", remedy=_HISTORY_REMEDY)
    return f"{'/'.join(day.groups())}/{run}.json"


def _json(report: Report) -> bytes:
    # Scrubbed, as an immutability policy may keep anyone from deleting it.
    return json.dumps(redaction.scrubbed(report.as_json()), indent=2).encode()


def _metadata(report: Report) -> dict[str, str]:
    texts = {"run": report.run, "trigger": report.trigger, "outcome": "failed" if report.failed else "done"}
    return {name: urllib.parse.quote(text, safe=":") for name, text in texts.items()}


def _is_of_one_blob(error: HttpResponseError) -> bool:
    """Whether the error concerns this blob only: it was deleted just now, is in the archive tier, or the like.

    Otherwise reading the others would fail too, or take long at a storage that is throttling or broken.
    """
    refusals = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    status = error.status_code or 0
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in refusals


def _report(name: str, content: bytes) -> dict[str, Any] | None:
    """Parse a report, with the fields that one of an earlier version lacks; None for any other content."""
    value = untrusted.json_value(content)
    try:
        json.dumps(value, allow_nan=False)  # Python reads numbers that no JSON has: NaN, 1e999
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not name.endswith(f"/{value.get('run')}.json"):
        return None
    fits = all(isinstance(value.get(field), kind) for field, kind in _SHAPE.items())
    fits = fits and isinstance((value.get("key") or {}).get("failure"), dict | None)
    fits = fits and all(isinstance(target, dict) for target in value["targets"])
    return value | {name: value.get(name, default) for name, default in ADDED_FIELDS.items()} if fits else None
