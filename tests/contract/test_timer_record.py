"""The host's record of the timer on the sandbox's own blob service and on Azurite, which must not differ here."""

import contextlib
import json
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

from rotator.azure import identity
from rotator.azure.host_storage import timer_record
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.host_storage.timer_record import Reading
from rotator.redaction import SecretText
from tests.contract.conftest import BlobUnderTest
from tests.contract.test_archive import connection_string

OURS = "timers/{}/Host.Functions.rotate_on_schedule/status"
RECORD = {
    "Last": "2026-11-30T07:24:00.0053107+00:00",
    "Next": "2026-11-30T07:30:00+00:00",
    "LastUpdated": "2026-11-30T07:24:00.0053107+00:00",
}


@pytest.fixture
def container(blobs: BlobUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerClient]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(blobs.authority.ca_path))
    with ContainerClient.from_connection_string(
        connection_string(blobs), timer_record.CONTAINER, api_version="2025-11-05"
    ) as found:
        yield found


def read(blobs: BlobUnderTest) -> Reading:
    storage = HostStorage(SecretText(connection_string(blobs)), None, None)
    with contextlib.closing(identity.credential(None)) as credential:
        return timer_record.read(storage, credential)


def test_the_record_is_found_beside_other_blobs_of_the_host(blobs: BlobUnderTest, container: ContainerClient) -> None:
    with contextlib.suppress(ResourceExistsError):
        container.create_container()
    assert read(blobs) == Reading()
    container.upload_blob("locks/app/host", b"")
    container.upload_blob(OURS.format("older"), b"")
    assert len(read(blobs).warnings) == 1
    container.upload_blob(OURS.format("older"), json.dumps({**RECORD, "Last": "0001-01-01T00:00:00"}), overwrite=True)
    found = read(blobs)
    assert found.record
    assert (found.record.last, found.warnings) == (None, ())
    newer = {**RECORD, "LastUpdated": "2026-11-30T07:25:00Z"}
    container.upload_blob(OURS.format("newer"), json.dumps(newer))
    assert read(blobs) == Reading(timer_record.parse(json.dumps(newer).encode()))
