"""The Functions host's timer, as far as its record in the host storage shows what it does.

Measured with Microsoft.Azure.WebJobs.Extensions 3.0.6. Time is a parameter: nothing here waits.
"""

import dataclasses
import datetime
import itertools
import json
from collections.abc import Callable
from typing import Protocol

from sandbox.blob.server import BlobService

CONTAINER = "azure-webjobs-hosts"
_NEVER = "0001-01-01T00:00:00"  # .NET's default for a time, without a zone
_MINUTE = datetime.timedelta(minutes=1)
_LOOKED_AHEAD = 60  # times of the schedule: one each second for a minute
_TO_START = datetime.timedelta(microseconds=5310)  # from the scheduled time until the function runs

Status = dict[str, str]
"""The record: `Last`, `Next` and `LastUpdated`, as .NET writes times."""


class Fire(Protocol):
    """Runs the function, with the record as it was before, if one is kept."""

    def __call__(self, *, past_due: bool, status: Status | None) -> object:
        """Run it once; the timer ignores what it returns."""
        ...


@dataclasses.dataclass(frozen=True)
class StatusBlob:
    """The blob in an app's own storage in which the host `host_id` keeps the record of one function's timer."""

    service: BlobService
    account: str
    function: str
    host_id: str = "sandboxrotator"

    @property
    def name(self) -> str:
        """Its name in the container."""
        return f"timers/{self.host_id}/Host.Functions.{self.function}/status"

    def read(self) -> Status | None:
        """Return the record; None if there is none yet."""
        container = self.service.containers.get(self.account, {}).get(CONTAINER)
        blob = container.blobs.get(self.name) if container else None
        if blob is None:
            return None
        found: Status = json.loads(blob.data)
        return found

    def write(self, status: Status) -> None:
        """Create the record or replace it."""
        data = json.dumps(status, separators=(",", ":")).encode()
        self.service.put_container(self.account, CONTAINER)
        self.service.put_blob(self.account, CONTAINER, self.name, data, "application/octet-stream")


class HostTimer:
    """One function's timer: `start` it at one time, `advance` to later ones, and it fires as the host's does.

    `following` returns the schedule's next time after another. With `stopped` it fires no more, and its record stays
    as it was; once that is unset, the next `advance` is a start.
    """

    def __init__(
        self, following: Callable[[datetime.datetime], datetime.datetime], fire: Fire, record: StatusBlob
    ) -> None:
        self.stopped = False
        self._following = following
        self._fire = fire
        self._record = record
        self._running = False
        self._next: datetime.datetime | None = None

    def start(self, now: datetime.datetime) -> None:
        """Start the host: run at once, past due, if a time of the record has passed, however many did."""
        if self.stopped:
            return
        self._running, self._next = True, self._following(now)
        if not self._keeps_record(now):
            return
        status = self._record.read()
        if status is None:
            self._write(None, now)
        elif datetime.datetime.fromisoformat(status["Next"]) <= now:
            self._run(now, past_due=True)

    def advance(self, now: datetime.datetime) -> None:
        """Let the time pass until `now`, with a run at each time of the schedule."""
        if self.stopped or not self._running:
            self._running = False
            self.start(now)
            return
        while self._next is not None and self._next <= now:
            self._run(self._next + _TO_START, past_due=False)

    def _run(self, now: datetime.datetime, *, past_due: bool) -> None:
        kept = self._keeps_record(now)
        self._fire(past_due=past_due, status=self._record.read() if kept else None)
        self._next = self._following(now)
        if kept:
            self._write(now, now)

    def _write(self, last: datetime.datetime | None, now: datetime.datetime) -> None:
        times = {"Next": _text(self._following(now)), "LastUpdated": _text(now)}
        self._record.write({"Last": _text(last) if last else _NEVER, **times})

    def _keeps_record(self, now: datetime.datetime) -> bool:
        """Whether the host keeps one: not where the schedule's times are always less than a minute apart."""
        times = itertools.accumulate(range(_LOOKED_AHEAD), lambda time, _: self._following(time), initial=now)
        gaps = (later - earlier for earlier, later in itertools.pairwise(itertools.islice(times, 1, None)))
        return any(gap >= _MINUTE for gap in gaps)


def _text(time: datetime.datetime) -> str:
    """Write a time as Newtonsoft.Json does: a fraction has seven digits, as .NET counts in 100 ns, or is left out."""
    utc = time.astimezone(datetime.UTC)
    fraction = f".{utc.microsecond:06}7" if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"
