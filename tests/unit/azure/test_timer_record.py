"""The host's record of the timer: read strictly, the newest of several hosts', and never for long."""

import base64
import contextlib
import dataclasses
import datetime
import email.utils
import json
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any
from xml.sax import saxutils

import pytest
from azure.core.credentials import AccessToken
from hypothesis import given
from hypothesis import strategies as st

from rotator.azure.errors import TimerRecordError
from rotator.azure.host_storage import timer_record
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.host_storage.timer_record import Reading, TimerRecord
from rotator.redaction import SecretText
from tests.fakes.dripping import Answer, Request, serving
from tests.fakes.examples import NOW
from tests.unit.test_untrusted import json_values

MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
OURS = "timers/{}/Host.Functions.rotate_on_schedule/status"
KEY = base64.b64encode(bytes(64)).decode()


def text(moment: datetime.datetime) -> str:
    """A time as .NET writes it, with seven digits."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.0053107+00:00"


def record(updated: datetime.datetime = NOW, **fields: Any) -> bytes:
    """What the host writes after a run at that time, or with other fields; None leaves one out."""
    whole = {"Last": text(updated), "Next": text(updated + 30 * MINUTE), "LastUpdated": text(updated), **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


@dataclasses.dataclass
class HostContainer:
    """The container of the host, as storage lists and serves it; `refusal` is a status and a code for each request."""

    blobs: dict[str, tuple[bytes, datetime.datetime]] = dataclasses.field(default_factory=dict)
    refusal: tuple[int, str] | None = None

    def put(self, host: str, content: bytes, stored: datetime.datetime = NOW, name: str = OURS) -> None:
        self.blobs[name.format(host)] = (content, stored)

    def __call__(self, request: Request) -> Answer:
        if self.refusal:
            return self.refusal[0], {"x-ms-error-code": self.refusal[1]}, b""
        parts = urllib.parse.urlsplit(request.path)
        if "comp=list" in parts.query:
            return 200, {"Content-Type": "application/xml"}, self._page().encode()
        content, _ = self.blobs[urllib.parse.unquote(parts.path).partition("/azure-webjobs-hosts/")[2]]
        first, _, last = request.headers["x-ms-range"].removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        if not part:
            return 416, {"x-ms-error-code": "InvalidRange"}, b""
        end = int(first) + len(part) - 1
        return 206, {"Content-Range": f"bytes {first}-{end}/{len(content)}", "ETag": '"1"'}, part

    def _page(self) -> str:
        items = "".join(
            f"<Blob><Name>{saxutils.escape(name)}</Name><Properties><Last-Modified>"
            f"{email.utils.format_datetime(stored, usegmt=True)}</Last-Modified><BlobType>BlockBlob</BlobType>"
            "</Properties></Blob>"
            for name, (_, stored) in sorted(self.blobs.items())
        )
        return f'<?xml version="1.0"?><EnumerationResults><Blobs>{items}</Blobs><NextMarker/></EnumerationResults>'


class Nobody:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError


def read_at(url: str, **limits: float) -> Reading:
    storage = HostStorage(SecretText(f"AccountName=app;AccountKey={KEY};BlobEndpoint={url}/app"), None, None)
    return timer_record.read(storage, Nobody(), **limits)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[HostContainer, str]]:
    container = HostContainer()
    with serving(container) as url:
        yield container, url


@pytest.fixture
def container(served: tuple[HostContainer, str]) -> Iterator[HostContainer]:
    yield served[0]
    served[0].blobs.clear()
    served[0].refusal = None


@pytest.fixture
def url(served: tuple[HostContainer, str]) -> str:
    return served[1]


# One record


def test_a_record_after_a_run_has_its_times() -> None:
    fired = NOW.replace(microsecond=5310)
    assert timer_record.parse(record()) == TimerRecord(fired, fired + 30 * MINUTE, fired)


@pytest.mark.parametrize("never", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"])
def test_before_the_first_run_it_never_fired(never: str) -> None:
    found = timer_record.parse(record(Last=never))
    assert found
    assert found.last is None


@pytest.mark.parametrize(
    "written", ["2026-07-01T14:30:00+02:00", "2026-07-01T12:30:00Z", "2026-07-01T12:30:00.0000000+00:00"]
)
def test_times_are_read_in_every_way_in_which_dotnet_writes_them(written: str) -> None:
    found = timer_record.parse(record(Next=written))
    assert found
    assert found.next == NOW + 30 * MINUTE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 4000,
        record()[:-20],
        record() + b" " * 5000,
        record(Last=None),
        record(Next=None),
        record(LastUpdated=None),
        *[record(Next=odd) for odd in ("0001-01-01T00:00:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59Z")],
        *[record(Last=odd) for odd in ("2026-07-01T12:00:00", "2026-07-01", "0001-01-01", "never", "")],
        record(Last=0),
        record(Last=[]),
        *[record(LastUpdated=odd) for odd in ("20260701T120000Z", "2026-13-01T00:00:00Z", "2026-07-01 12:00:00Z")],
        record(Last="2026-07-01T12:00:00.00000001Z"),
        record(Last="2026-07-01T12:00:00Z\n"),
        record(Last="2026-07-01T12:00:00+99:00"),
    ],
)
def test_anything_else_is_no_record(content: bytes) -> None:
    assert timer_record.parse(content) is None


@given(st.binary() | st.dictionaries(st.sampled_from(["Last", "Next", "LastUpdated"]), json_values).map(json.dumps))
def test_no_content_is_an_exception(content: bytes | str) -> None:
    assert timer_record.parse(content if isinstance(content, bytes) else content.encode()) is None


# Of several


def test_without_a_container_or_a_record_there_is_none(container: HostContainer, url: str) -> None:
    assert read_at(url) == Reading()
    container.refusal = (404, "ContainerNotFound")
    assert read_at(url) == Reading()


def test_other_functions_and_other_blobs_are_none_of_ours(container: HostContainer, url: str) -> None:
    container.put("a", b"x", name="timers/{}/Host.Functions.other/status")
    container.put("a", b"x", name="timers/{}/Host.Functions.rotate_on_schedule/status/copy")
    container.put("a", b"x", name="timers/{}/Host.Functions.not_rotate_on_schedule/status")
    assert read_at(url) == Reading()


def test_the_function_is_known_in_any_case(container: HostContainer, url: str) -> None:
    container.put("a", record(), name="timers/{}/host.functions.ROTATE_ON_SCHEDULE/Status")
    assert read_at(url) == Reading(timer_record.parse(record()))


@pytest.mark.parametrize("stored", [NOW - HOUR, NOW, NOW + HOUR])
def test_of_two_hosts_the_newer_counts_by_its_own_time(
    container: HostContainer, url: str, stored: datetime.datetime
) -> None:
    container.put("a", record(NOW - HOUR), stored)
    container.put("b", record(NOW), NOW)
    assert read_at(url) == Reading(timer_record.parse(record(NOW)))


def test_of_two_hosts_with_the_same_time_the_one_counts_that_storage_got_last(
    container: HostContainer, url: str
) -> None:
    later = record(Next=text(NOW + HOUR))
    container.put("a", later, NOW + 2 * MINUTE)
    container.put("b", record(), NOW + MINUTE)
    assert read_at(url) == Reading(timer_record.parse(later))


def test_a_record_of_a_clock_that_was_wrong_does_not_hide_the_present_one(container: HostContainer, url: str) -> None:
    container.put("wrong", record(NOW + 720 * HOUR), NOW - HOUR)
    container.put("present", record(NOW), NOW)
    found = read_at(url)
    assert found.record == timer_record.parse(record(NOW))
    assert len(found.warnings) == 1


def test_a_damaged_record_is_a_warning_and_an_older_one_of_another_host_is_not_taken_for_it(
    container: HostContainer, url: str
) -> None:
    container.put("old", record(NOW - HOUR), NOW - HOUR)
    container.put("new", record()[:50], NOW)
    found = read_at(url)
    assert found.record is None
    assert found.warnings == (
        f"the blob azure-webjobs-hosts/{OURS.format('new')} in the app's own storage is not a timer's record as the "
        "Functions host writes it",
    )


def test_a_damaged_record_that_is_older_is_a_warning_beside_the_present_one(container: HostContainer, url: str) -> None:
    container.put("old", b"", NOW - HOUR)
    container.put("new", record(), NOW)
    found = read_at(url)
    assert found.record == timer_record.parse(record())
    assert len(found.warnings) == 1


def test_a_warning_is_one_line_whatever_the_blob_is_called(container: HostContainer, url: str) -> None:
    container.put("a\u202e" + "x" * 600, b"{}")
    [warning] = read_at(url).warnings
    assert warning.isprintable()
    assert len(warning) < 400


def test_of_many_hosts_those_are_read_that_storage_got_last(container: HostContainer, url: str) -> None:
    for hours in range(60):
        container.put(f"host{hours:02}", record(NOW - hours * HOUR) if hours < 8 else b"x", NOW - hours * HOUR)
    assert read_at(url) == Reading(timer_record.parse(record()))


# Not to be read


@pytest.mark.parametrize(
    ("refusal", "words"),
    [((403, "AuthorizationPermissionMismatch"), "403 AuthorizationPermissionMismatch"), ((503, "ServerBusy"), "503")],
)
def test_a_refusal_is_an_error_with_a_remedy(
    container: HostContainer, url: str, refusal: tuple[int, str], words: str
) -> None:
    container.refusal = refusal
    with pytest.raises(TimerRecordError, match=words) as raised:
        read_at(url)
    assert "Storage Blob Data Reader" in raised.value.remedy
    assert KEY not in f"{raised.value!r}"


def test_a_storage_that_answers_drop_by_drop_is_given_up() -> None:
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        dripping = stack.enter_context(serving(lambda _: b"HTTP/1.1 200 OK\r\nX-Endless: "))
        with pytest.raises(TimerRecordError):
            read_at(dripping, whole=0.3)
    assert time.monotonic() - began < 2
