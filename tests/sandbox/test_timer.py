"""The host's timer in the sandbox: when it fires, with what, and what its record says before and after."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.azure.accounts import StorageAccount
from sandbox.blob.server import BlobService
from sandbox.functions.timer import CONTAINER, HostTimer, Status, StatusBlob
from sandbox.server.certificates import Authority
from sandbox.server.journal import Journal

ACCOUNT = "appstorage"
NAME = "timers/sandboxrotator/Host.Functions.tick/status"
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
NOW = datetime.datetime(2026, 11, 30, 7, 23, 29, 641020, tzinfo=datetime.UTC)


def every(interval: datetime.timedelta) -> Callable[[datetime.datetime], datetime.datetime]:
    """A schedule that fires at each multiple of the interval."""
    midnight = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return lambda time: midnight + ((time - midnight) // interval + 1) * interval


@dataclasses.dataclass
class Runs:
    """What the function was run with, in order."""

    seen: list[tuple[bool, Status | None]] = dataclasses.field(default_factory=list)

    def __call__(self, *, past_due: bool, status: Status | None) -> None:
        self.seen.append((past_due, status))

    @property
    def past_due(self) -> list[bool]:
        return [past_due for past_due, _ in self.seen]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def record(authority: Authority) -> StatusBlob:
    service = BlobService(Journal(), authority, {ACCOUNT: StorageAccount(ACCOUNT)})
    return StatusBlob(service, ACCOUNT, "tick")


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def timer(record: StatusBlob, runs: Runs) -> HostTimer:
    return HostTimer(every(30 * MINUTE), runs, record)


def test_before_the_first_run_the_record_has_no_last_time(timer: HostTimer, record: StatusBlob) -> None:
    timer.start(NOW)
    assert record.read() == {
        "Last": "0001-01-01T00:00:00",
        "Next": "2026-11-30T07:30:00+00:00",
        "LastUpdated": "2026-11-30T07:23:29.6410207+00:00",
    }


def test_the_record_is_a_blob_as_the_host_names_and_writes_it(timer: HostTimer, record: StatusBlob) -> None:
    timer.start(NOW)
    blob = record.service.containers[ACCOUNT][CONTAINER].blobs[NAME]
    assert blob.content_type == "application/octet-stream"
    assert blob.data.startswith(b'{"Last":"0001-01-01T00:00:00","Next":"2026')


def test_it_fires_at_each_time_of_the_schedule_with_the_record_as_it_was(
    timer: HostTimer, record: StatusBlob, runs: Runs
) -> None:
    timer.start(NOW)
    before = record.read()
    timer.advance(NOW + MINUTE)
    assert runs.seen == []
    timer.advance(NOW + HOUR)
    after_the_first = {
        "Last": "2026-11-30T07:30:00.0053107+00:00",
        "Next": "2026-11-30T08:00:00+00:00",
        "LastUpdated": "2026-11-30T07:30:00.0053107+00:00",
    }
    assert runs.seen == [(False, before), (False, after_the_first)]
    after = record.read()
    assert after
    assert (after["Last"], after["Next"]) == ("2026-11-30T08:00:00.0053107+00:00", "2026-11-30T08:30:00+00:00")


def test_a_host_that_was_down_runs_once_past_due_however_many_times_were_missed(
    timer: HostTimer, record: StatusBlob, runs: Runs
) -> None:
    timer.start(NOW)
    later = HostTimer(every(30 * MINUTE), runs, record)
    later.start(NOW + 3 * HOUR)
    assert runs.past_due == [True]
    after = record.read()
    assert after
    assert (after["Last"], after["Next"]) == ("2026-11-30T10:23:29.6410207+00:00", "2026-11-30T10:30:00+00:00")
    later.advance(NOW + 3 * HOUR + 10 * MINUTE)
    assert runs.past_due == [True, False]


def test_a_host_that_comes_back_in_time_waits_for_the_next_time(
    timer: HostTimer, record: StatusBlob, runs: Runs
) -> None:
    timer.start(NOW)
    HostTimer(every(30 * MINUTE), runs, record).start(NOW + MINUTE)
    assert runs.seen == []


def test_a_stopped_timer_fires_no_more_and_its_record_stays(timer: HostTimer, record: StatusBlob, runs: Runs) -> None:
    timer.start(NOW)
    timer.advance(NOW + 10 * MINUTE)
    before = record.read()
    timer.stopped = True
    timer.advance(NOW + 5 * HOUR)
    timer.start(NOW + 6 * HOUR)
    assert (runs.past_due, record.read()) == ([False], before)
    timer.stopped = False
    timer.advance(NOW + 7 * HOUR)
    assert runs.past_due == [False, True]


def test_a_schedule_under_a_minute_keeps_no_record_and_is_never_past_due(record: StatusBlob, runs: Runs) -> None:
    timer = HostTimer(every(20 * SECOND), runs, record)
    timer.start(NOW)
    timer.advance(NOW + MINUTE)
    assert runs.seen == [(False, None)] * 3
    HostTimer(every(20 * SECOND), runs, record).start(NOW + HOUR)
    assert len(runs.seen) == 3
    assert record.read() is None


def test_a_function_that_raises_is_not_repeated(record: StatusBlob) -> None:
    failed: list[Any] = []

    def fail(**told: Any) -> dict[str, Any]:
        failed.append(told)
        return {"ok": False, "exception": "it failed"}

    timer = HostTimer(every(30 * MINUTE), fail, record)
    timer.start(NOW)
    timer.advance(NOW + 10 * MINUTE)
    timer.advance(NOW + 20 * MINUTE)
    assert len(failed) == 1
