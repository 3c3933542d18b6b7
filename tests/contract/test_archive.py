"""The archive of reports on the sandbox's own blob service and on Azurite, which must not differ here."""

import contextlib
import dataclasses
import datetime
import json
import uuid
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from rotator.azure import identity
from rotator.azure.errors import ArchiveError
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.redaction import SecretText
from rotator.reporting.archive import Archive
from rotator.reporting.report import Failed, Report, TargetReport, Trigger
from tests.contract.conftest import BlobUnderTest

NOW = datetime.datetime.now(datetime.UTC)
LONG_AGO = NOW - datetime.timedelta(days=3650)
DAYS_AGO = NOW - datetime.timedelta(days=3)  # each day is a request
STRANGE = [b"", b"hello", b"[]", b"null", b'{"run": 1}', b'{"run": "r", "targets": [1]}', b"[" * 200_000, b"\xff\xfe"]


@dataclasses.dataclass
class Place:
    """A container's name that no other test uses, and whoever may do everything there."""

    blobs: BlobUnderTest
    archive: Archive
    name: str

    def opened(self, **changes: str) -> "contextlib.closing[Archive]":
        storage = HostStorage(SecretText(connection_string(self.blobs, **changes)), None, None)
        return contextlib.closing(Archive(storage, self.name, identity.credential(None)))

    @contextlib.contextmanager
    def container(self) -> Iterator[ContainerClient]:
        with self.blobs.container(self.blobs.sas()) as other:
            yield ContainerClient.from_container_url(
                other.url.replace("/pictures?", f"/{self.name}?"),
                api_version="2025-11-05",
                connection_verify=str(self.blobs.authority.ca_path),
            )

    def put(self, name: str, content: bytes) -> None:
        with self.container() as container:
            container.upload_blob(name, content)


def connection_string(blobs: BlobUnderTest, **changes: str) -> str:
    return f"BlobEndpoint={blobs.url()};SharedAccessSignature={blobs.sas(**changes)}"


@pytest.fixture
def place(blobs: BlobUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(blobs.authority.ca_path))
    name = f"reports-{uuid.uuid4()}"
    storage = HostStorage(SecretText(connection_string(blobs)), None, None)
    with contextlib.closing(Archive(storage, name, identity.credential(None))) as archive:
        yield Place(blobs, archive, name)


def report(ago: datetime.timedelta = datetime.timedelta(), *, suffix: str = "abcdef", error: str = "") -> Report:
    """What a run that began so long ago did to one target."""
    began = NOW - ago
    failure = Failed("UnreachableError", error or "master does not answer", "Check the network.")
    target = TargetReport("default/s@m", "recreate", failure, {"connect": 10.0}, ("mind the gap",))
    name = f"{began:%Y%m%dT%H%M%SZ}-{suffix}"
    return Report(name, Trigger.TIMER, False, began, began, (target,), asked_by="timer")


def days(*numbers: float) -> list[Report]:
    return [report(datetime.timedelta(days=number)) for number in numbers]


def test_what_is_kept_is_read_back_equal(place: Place) -> None:
    one = report(error='quoted "words" [brackets] → arrows')
    place.archive.save(one)
    assert place.archive.find(one.run) == one.as_json()
    assert place.archive.recent(20, DAYS_AGO) == [one.as_json()]


def test_a_report_is_a_json_blob_in_a_folder_for_its_day(place: Place) -> None:
    one = report()
    name = place.archive.save(one)
    assert name == f"{one.started:%Y/%m/%d}/{one.run}.json"
    with place.container() as container:
        blob = container.download_blob(name)
        assert blob.properties.content_settings.content_type == "application/json"
        assert blob.properties.metadata == {"run": one.run, "trigger": "timer", "outcome": "failed"}
        assert json.loads(blob.readall()) == one.as_json()


def test_a_run_begun_before_midnight_is_found_although_it_started_after(place: Place) -> None:
    one = dataclasses.replace(report(), run="20261130T235959Z-abcdef")
    assert place.archive.save(one) == "2026/11/30/20261130T235959Z-abcdef.json"
    assert place.archive.find(one.run) == one.as_json()


def test_a_report_is_not_overwritten(place: Place) -> None:
    one = report()
    place.archive.save(one)
    with pytest.raises(ArchiveError, match="another blob is named") as raised:
        place.archive.save(dataclasses.replace(one, asked_by="somebody else"))
    assert "REPORT_CONTAINER" in raised.value.remedy
    assert place.archive.find(one.run) == one.as_json()


def test_a_report_that_is_kept_already_may_be_kept_again(place: Place) -> None:
    one = report()
    assert place.archive.save(one) == place.archive.save(one)
    assert place.archive.recent(20, DAYS_AGO) == [one.as_json()]


def test_the_newest_come_first_across_days_and_months(place: Place) -> None:
    reports = days(0, 1, 1.5, 2, 20, 40, 75)
    for one in (reports[3], reports[0], *reports[4:], *reports[1:3]):
        place.archive.save(one)
    assert place.archive.recent(20, LONG_AGO) == [one.as_json() for one in reports]
    assert place.archive.recent(4, LONG_AGO) == [one.as_json() for one in reports[:4]]


def test_no_older_ones_are_told_than_asked_for(place: Place) -> None:
    for one in days(0, 1, 2):
        place.archive.save(one)
    since = NOW - datetime.timedelta(days=1)
    assert place.archive.recent(20, since) == [one.as_json() for one in days(0, 1)]
    assert place.archive.recent(20, since + datetime.timedelta(seconds=1)) == [one.as_json() for one in days(0)]


def test_what_is_older_than_a_year_is_found_by_its_run_only(place: Place) -> None:
    [old] = days(800)
    place.archive.save(old)
    assert place.archive.recent(20, LONG_AGO) == []
    assert place.archive.find(old.run) == old.as_json()


def test_nothing_is_told_where_nothing_was_ever_kept(place: Place) -> None:
    assert place.archive.recent(20, NOW) == []
    with pytest.raises(ArchiveError, match="no report of a run 20261124T043505Z-ec886b is kept"):
        place.archive.find("20261124T043505Z-ec886b")


def test_of_another_run_there_is_none(place: Place) -> None:
    place.archive.save(report())
    with pytest.raises(ArchiveError, match="no report of a run") as raised:
        place.archive.find(report(suffix="012345").run)
    assert "python -m rotator history" in raised.value.remedy


@pytest.mark.parametrize(
    "run", ["", "last", "../../secrets", "20261124T043505Z-ec886b.json", "20261124T043505Z-", "a" * 999]
)
def test_what_is_no_run_s_name_is_not_looked_for(place: Place, run: str) -> None:
    with pytest.raises(ArchiveError, match="is no run's name") as raised:
        place.archive.find(run)
    assert len(str(raised.value)) < 120


@pytest.mark.parametrize("content", STRANGE)
def test_what_somebody_else_put_there_is_told_as_no_report(place: Place, content: bytes) -> None:
    one, strange = report(datetime.timedelta(days=1)), report()
    place.archive.save(one)
    place.put(f"{NOW:%Y/%m/%d}/{strange.run}.json", content)
    first, second = place.archive.recent(20, DAYS_AGO)
    assert first == {"blob": f"{NOW:%Y/%m/%d}/{strange.run}.json", "problem": "this is no report of a run"}
    assert second == one.as_json()
    with pytest.raises(ArchiveError, match="is no report"):
        place.archive.find(strange.run)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999"])
def test_a_report_with_what_is_no_number_in_json_is_none(place: Place, number: bytes) -> None:
    before, one = days(1, 0)
    place.archive.save(before)
    odd = json.dumps(one.as_json() | {"interval_seconds": "?"}).encode().replace(b'"?"', number)
    place.put(f"{NOW:%Y/%m/%d}/{one.run}.json", odd)
    found, other = place.archive.recent(20, DAYS_AGO)
    assert found["problem"] == "this is no report of a run"
    assert other == before.as_json()
    with pytest.raises(ArchiveError, match="is no report"):
        place.archive.find(one.run)


def test_a_report_under_another_name_is_none(place: Place) -> None:
    one = report()
    place.archive.save(report(suffix="012345"))
    place.put(f"{NOW:%Y/%m/%d}/x.json", json.dumps(one.as_json()).encode())
    assert [sorted(found) for found in place.archive.recent(1, DAYS_AGO)] == [["blob", "problem"]]


def test_whoever_may_not_write_is_told_what_to_check(place: Place) -> None:
    with place.opened(sp="rl") as reader, pytest.raises(ArchiveError) as raised:
        reader.save(report())
    assert "answered 403 AuthorizationPermissionMismatch" in str(raised.value)
    assert all(name in raised.value.remedy for name in ("REPORT_CONTAINER", "AzureWebJobsStorage", "Data Owner"))
    assert "sig=" not in str(raised.value)


def test_creating_blobs_is_all_that_keeping_needs(place: Place) -> None:
    place.archive.save(report())
    with place.opened(sp="c") as writer:
        writer.save(report(suffix="012345"))
    with place.opened(sp="rl") as reader:
        assert len(reader.recent(20, DAYS_AGO)) == 2
    with place.opened(sp="c") as writer, pytest.raises(ArchiveError, match="403"):
        writer.recent(20, DAYS_AGO)


def test_a_container_that_is_there_is_not_made(place: Place) -> None:
    """As one with an immutability policy, which the deployment made."""
    with place.container() as container:
        container.create_container()
        with pytest.raises(HttpResponseError):
            container.create_container()
    with place.opened(srt="o") as writer:  # may do nothing to containers
        one = report()
        writer.save(one)
        assert writer.find(one.run) == one.as_json()


# What was last known


def seen(ago: datetime.timedelta, expires: datetime.datetime | None, suffix: str) -> Report:
    """A run that saw when its target's SAS expires, or did not."""
    found = report(ago, suffix=suffix)
    return dataclasses.replace(found, targets=(dataclasses.replace(found.targets[0], expires=expires),))


def test_the_newest_report_that_knows_an_expiry_tells_it(place: Place) -> None:
    until = (NOW + datetime.timedelta(hours=3)).replace(microsecond=0)
    minute = datetime.timedelta(minutes=1)
    runs = [(minute, None), (2 * minute, until), (3 * minute, until - minute)]
    for number, (ago, expires) in enumerate(runs):
        place.archive.save(seen(ago, expires, f"abcde{number}"))
    place.put(f"{NOW:%Y/%m/%d}/{NOW:%Y%m%dT%H%M%SZ}-ffffff.json", b"no report")
    found = place.archive.last_known(["default/s@m", "default/unknown@m"], NOW - datetime.timedelta(hours=1))
    assert set(found) == {"default/s@m"}
    assert found["default/s@m"].expires == until
    assert found["default/s@m"].run.endswith("-abcde1")


def test_what_is_known_since_too_long_ago_is_not_told(place: Place) -> None:
    place.archive.save(seen(datetime.timedelta(minutes=5), NOW, "abcdef"))
    assert place.archive.last_known(["default/s@m"], NOW - datetime.timedelta(minutes=1)) == {}


@pytest.mark.parametrize("expires", ["soon", 1, None, "2026-07-01T15:00:00", ["2026"]])
def test_a_report_whose_times_are_none_knows_nothing(place: Place, expires: object) -> None:
    place.archive.save(report(suffix="000000"))  # which makes the container, and knows nothing either
    run = f"{NOW:%Y%m%dT%H%M%SZ}-abcdef"
    whole = report().as_json() | {"run": run}
    whole["targets"][0]["expires"] = expires
    place.put(f"{NOW:%Y/%m/%d}/{run}.json", json.dumps(whole).encode())
    assert place.archive.last_known(["default/s@m"], NOW - datetime.timedelta(hours=1)) == {}


def test_where_nothing_was_ever_kept_nothing_is_known(place: Place) -> None:
    assert place.archive.last_known(["default/s@m"], NOW - datetime.timedelta(hours=1)) == {}
