"""Who holds the lease: as a text, and through a blob's metadata."""

import datetime

import pytest

from rotator import errors
from rotator.azure.host_storage import lease
from rotator.azure.host_storage.lease import Holder

SINCE = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
HOLDER = Holder(run="20261124T120000Z-ec886b", trigger="timer", host="abc", since=SINCE)


def test_a_holder_says_which_run_where_and_since_when() -> None:
    assert str(HOLDER) == "run 20261124T120000Z-ec886b (timer) on host abc since 2026-11-24T12:00:00Z"


def test_a_holder_is_read_from_the_metadata_that_it_gave() -> None:
    assert Holder.from_metadata(HOLDER.as_metadata()) == HOLDER


def test_metadata_reads_plainly_where_nothing_is_unusual() -> None:
    assert HOLDER.as_metadata() == {
        "run": "20261124T120000Z-ec886b",
        "trigger": "timer",
        "host": "abc",
        "since": "2026-11-24T12:00:00Z",
    }


@pytest.mark.parametrize("host", ["Jürgens Rechner", "two\r\nlines", "50%", "名"])
def test_any_host_name_fits_into_a_header(host: str) -> None:
    holder = Holder("r1", "cli", host, SINCE)
    metadata = holder.as_metadata()
    assert all(text.isascii() and text.isprintable() for text in metadata.values())
    assert Holder.from_metadata(metadata) == holder


def test_another_letter_case_of_the_names_does_no_harm() -> None:
    metadata = {name.title(): text for name, text in HOLDER.as_metadata().items()}
    assert Holder.from_metadata(metadata) == HOLDER


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"holder": "nobody"},
        {"run": "r1", "trigger": "cli", "host": "abc"},
        {"run": "r1", "trigger": "cli", "host": "abc", "since": "yesterday"},
        {"run": "r1", "trigger": "cli", "host": "abc", "since": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_metadata_of_others_tells_no_holder(metadata: dict[str, str]) -> None:
    assert Holder.from_metadata(metadata) is None


def test_a_second_run_is_told_who_is_busy_since_when() -> None:
    busy = lease.busy_error(HOLDER)
    assert str(busy) == f"a run is in progress: {HOLDER}"
    assert busy.as_json() == {
        "error": "BusyError",
        "message": f"a run is in progress: {HOLDER}",
        "remedy": errors.BusyError.remedy,
        "holder": "run 20261124T120000Z-ec886b (timer) on host abc",
        "since": "2026-11-24T12:00:00Z",
    }


def test_a_second_run_is_told_also_when_the_holder_is_not_known() -> None:
    busy = lease.busy_error(None)
    assert "a run is in progress" in str(busy)
    assert (busy.holder, busy.since) == ("", "")


def test_without_a_lease_nothing_is_fenced() -> None:
    lease.NoLease().fence()
