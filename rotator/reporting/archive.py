"""The archive: each run's report as a blob in the app's own storage, written once and never changed.

Blobs are named by the run, whose name begins with its time in UTC, in a folder for the day:
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
from rotator.azure import managed_account
from rotator.azure.errors import ArchiveError
from rotator.azure.host_storage import blob_containers, storage_settings
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.plan.plan import Plan
from rotator.reporting.report import Report
from rotator.reporting.status import LastKnown

# How far back `recent` goes at most: it asks for each day.
LONGEST = datetime.timedelta(days=366)
_RUN = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T[0-9]{6}Z-[0-9a-f]+")
_MOST_NAMES = 5000  # what storage lists in one answer
_PARTS = (24, 60, 60)  # of a day: hours, minutes, seconds, as the name of a run has them
_LARGEST = 1_000_000  # bytes; a report has some thousands
# Reports, and seconds, that are read for what was last known: somebody waits for the status.
_RECALLED = 200
_RECALL_SECONDS = 8
_LISTED = "`python -m rotator history` lists the runs whose reports are kept."
_STRANGER = "Find out what else writes into the container that REPORT_CONTAINER names."
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
    """The reports in one container, which is made when it is missing. All of it raises ArchiveError."""

    def __init__(self, storage: HostStorage, container: str, credential: TokenCredential, *, retries: int = 3) -> None:
        self._container = blob_containers.container(storage, container, credential, ArchiveError, retries=retries)

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def keep(self, report: Report) -> str:
        """Write a report, and give its blob's name; what is there under that name already stays as it is."""
        name, content = _name(report.run), _json(report)
        with self._told():
            try:
                self._upload(name, content, _metadata(report))
            except HttpResponseError as error:
                if error.status_code not in blob_containers.EXISTS:
                    raise
                # An upload whose answer got lost was sent again.
                if self._read(name) != content:
                    raise ArchiveError(f"something else is kept as {name} already", remedy=_STRANGER) from None
        return name

    def recent(self, limit: int, since: datetime.datetime) -> list[dict[str, Any]]:
        """Read the newest reports, newest first; a blob that gives none is told by `blob` and `problem`."""
        with self._told():
            return [self._listed(name) for name in itertools.islice(self._newest(since), limit)]

    def last_known(self, targets: Collection[str], since: datetime.datetime) -> dict[str, LastKnown]:
        """Give for each target what the newest report says that knows when its SAS expires.

        It reads backwards until it knows all of them, or has read for so long that whoever waits had better be told
        what there is.
        """
        found: dict[str, LastKnown] = {}
        begun = time.monotonic()
        with self._told():
            for name in itertools.islice(self._newest(since), _RECALLED):
                for target, known in _known(self._listed(name)):
                    if target in targets:
                        found.setdefault(target, known)
                if len(found) == len(targets) or time.monotonic() - begun > _RECALL_SECONDS:
                    break
        return found

    def find(self, run: str) -> dict[str, Any]:
        """Read the report of one run."""
        name = _name(run)
        with self._told():
            try:
                report = _report(name, self._read(name))
            except HttpResponseError as error:
                if not blob_containers.is_absent(error):
                    raise
                raise ArchiveError(f"no report of a run {run} is kept", remedy=_LISTED) from None
        if report is None:
            raise ArchiveError(f"what is kept as {name} is no report", remedy=_STRANGER)
        return report

    def _listed(self, name: str) -> dict[str, Any]:
        try:
            report = _report(name, self._read(name))
        except HttpResponseError as error:
            if not _is_of_one_blob(error):
                raise
            return {"blob": name, "problem": f"it cannot be read: {blob_containers.said(self._container, error)}"}
        return report or {"blob": name, "problem": "this is no report of a run"}

    def _upload(self, name: str, content: bytes, metadata: dict[str, str]) -> None:
        def put() -> None:
            kind = ContentSettings(content_type="application/json")
            self._container.upload_blob(name, content, overwrite=False, metadata=metadata, content_settings=kind)

        try:
            put()
        except HttpResponseError as error:
            if not blob_containers.is_absent(error):
                raise
            self._make_container()
            put()

    def _make_container(self) -> None:
        try:
            self._container.create_container()
        except HttpResponseError as error:  # another run may do the same at this moment
            if error.status_code not in blob_containers.EXISTS:
                raise

    def _newest(self, since: datetime.datetime) -> Iterator[str]:
        """Name the blobs since then, newest first; a day is asked for when it is its turn."""
        now = datetime.datetime.now(datetime.UTC)
        since = max(since.astimezone(datetime.UTC), now - LONGEST)
        oldest = f"{since:%Y/%m/%d/%Y%m%dT%H%M%SZ}"
        for back in range((now.date() - since.date()).days + 1):
            day = now - datetime.timedelta(days=back)
            yield from (name for name in self._of_day(day) if name >= oldest)

    def _of_day(self, day: datetime.datetime) -> Iterator[str]:
        names = self._names(f"{day:%Y/%m/%d/}")
        if len(names) > _MOST_NAMES:
            yield from self._in_parts(f"{day:%Y/%m/%d/%Y%m%dT}", _PARTS)
        else:
            yield from sorted(names, reverse=True)

    def _in_parts(self, prefix: str, parts: tuple[int, ...]) -> Iterator[str]:
        """Name the runs of a day that has more blobs than one answer lists, by hour, by minute or by second.

        Of a second that has as many, the newest cannot be told without a list of all, and some are left out.
        """
        for part in reversed(range(parts[0])):
            names = self._names(f"{prefix}{part:02}")
            if len(names) > _MOST_NAMES and parts[1:]:
                yield from self._in_parts(f"{prefix}{part:02}", parts[1:])
            else:
                yield from sorted(names, reverse=True)

    def _names(self, prefix: str) -> list[str]:
        """Name what begins so, in order; of more than storage lists in one answer only the first, and one beyond."""
        try:
            return list(itertools.islice(self._container.list_blob_names(name_starts_with=prefix), _MOST_NAMES + 1))
        except HttpResponseError as error:
            if blob_containers.is_absent(error):  # nothing was ever kept
                return []
            raise

    def _read(self, name: str) -> bytes:
        try:
            return bytes(self._container.download_blob(name, offset=0, length=_LARGEST).readall())
        except HttpResponseError as error:
            if blob_containers.code(error) == "InvalidRange":  # there is no first byte
                return b""
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except blob_containers.TROUBLE as error:
            # Not chained: the foreign message may quote a URL, and with it a SAS.
            raise blob_containers.failure(ArchiveError, self._container, error) from None


@contextlib.contextmanager
def opened(
    plan: Plan, environment: Mapping[str, str], credential: TokenCredential, *, retries: int = 3
) -> Iterator[Archive]:
    """Give the archive that the settings name; raises SettingsError when they name none."""
    storage = storage_settings.find(
        environment, managed_account.blob_suffix(plan.account.host) or "blob.core.windows.net"
    )
    problems = []
    if plan.report_container is None:
        problems.append("REPORT_CONTAINER is missing: the container that keeps each run's report")
    if storage is None:
        problems.append("AzureWebJobsStorage__accountName is missing: the app's own storage, which has that container")
    if plan.report_container is None or storage is None:
        raise errors.SettingsError(problems)
    with (
        blob_containers.signed_in(storage, plan.client_id, credential) as own,
        contextlib.closing(Archive(storage, plan.report_container, own, retries=retries)) as archive,
    ):
        yield archive


def _known(report: Mapping[str, Any]) -> Iterator[tuple[str, LastKnown]]:
    """Give the targets of a report whose SAS' expiry it knows."""
    reported = untrusted.moment(report.get("finished"))
    for target in report.get("targets", []):
        expires = untrusted.moment(target.get("expires"))
        if expires and reported:
            yield str(target.get("target")), LastKnown(expires, str(report["run"]), reported)


def _name(run: str) -> str:
    day = _RUN.fullmatch(run)
    if day is None:
        raise ArchiveError(f"{run[:80]!r} is no run's name", remedy=_LISTED)
    return f"{'/'.join(day.groups())}/{run}.json"


def _json(report: Report) -> bytes:
    # What is kept here may be nobody's to delete.
    return json.dumps(redaction.scrubbed(report.as_json()), indent=2).encode()


def _metadata(report: Report) -> dict[str, str]:
    texts = {"run": report.run, "trigger": report.trigger, "outcome": "failed" if report.failed else "done"}
    return {name: urllib.parse.quote(text, safe=":") for name, text in texts.items()}


def _is_of_one_blob(error: HttpResponseError) -> bool:
    """Whether others may be read all the same: it was deleted meanwhile, is in the archive tier, or the like.

    Who may not read one may read none; and of a storage that is busy or broken each would take its time.
    """
    refusals = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    status = error.status_code or 0
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in refusals


def _report(name: str, content: bytes) -> dict[str, Any] | None:
    """Read a report; None for what somebody else put there."""
    value = untrusted.json_value(content)
    try:
        json.dumps(value, allow_nan=False)  # Python reads numbers that no JSON has: NaN, 1e999
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not name.endswith(f"/{value.get('run')}.json"):
        return None
    fits = all(isinstance(value.get(field), kind) for field, kind in _SHAPE.items())
    fits = fits and isinstance((value.get("key") or {}).get("failure"), dict | None)
    return value if fits and all(isinstance(target, dict) for target in value["targets"]) else None
