"""What time does to a lease, and what tests can do with it; the contract with Azurite has the rest."""

import contextlib
import time
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError
from azure.storage.blob import BlobClient, BlobLeaseClient

from sandbox.azure import account_sas
from sandbox.blob import errors
from sandbox.blob.lease import Lease
from sandbox.server import faults
from tests.sandbox.conftest import ACCOUNT, Azure

FIELDS = {"sv": "2020-12-06", "ss": "b", "srt": "sco", "sp": "rwd", "se": "2099-01-01T00:00:00Z"}


@pytest.fixture
def lock(azure: Azure) -> Iterator[BlobClient]:
    azure.blob.put_container(ACCOUNT, "locks")
    azure.blob.put_blob(ACCOUNT, "locks", "turn", b"", "text/plain")
    sas = account_sas.token(ACCOUNT, azure.account.keys["key1"], FIELDS)
    ca = str(azure.authority.ca_path)
    with BlobClient(
        azure.blob.url(ACCOUNT), "locks", "turn", credential=sas, connection_verify=ca, retry_total=0
    ) as it:
        yield it


@contextlib.contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(HttpResponseError) as raised:
        yield
    assert (raised.value.status_code, raised.value.error_code) == (status, code)  # type: ignore[attr-defined]


def state(lock: BlobClient) -> str:
    return lock.get_blob_properties().lease.state


def test_an_expired_lease_can_be_renewed(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    azure.blob.expire_leases()
    assert state(lock) == "expired"
    lease.renew()
    assert state(lock) == "leased"


def test_an_expired_lease_that_another_took_cannot_be_renewed(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    azure.blob.expire_leases()
    other = lock.acquire_lease(15)
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        lease.renew()
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        lock.set_blob_metadata({}, lease=lease)
    azure.blob.expire_leases()
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        lease.renew()
    other.renew()


def test_an_expired_lease_cannot_be_renewed_once_the_blob_has_changed(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    azure.blob.expire_leases()
    lock.set_blob_metadata({"holder": "another"})
    assert state(lock) == "available"
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        lease.renew()


def test_an_expired_lease_no_longer_opens_the_blob(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    azure.blob.expire_leases()
    with refused(412, "LeaseLost"):
        lock.set_blob_metadata({}, lease=lease)
    with refused(409, "LeaseNotPresentWithLeaseOperation"):
        lease.change(lease.id)
    lease.release()
    assert state(lock) == "available"


def test_an_infinite_lease_does_not_expire(azure: Azure, lock: BlobClient) -> None:
    lock.acquire_lease()
    azure.blob.expire_leases()
    assert state(lock) == "leased"
    assert BlobLeaseClient(lock).break_lease() == 0
    assert state(lock) == "broken"


def test_a_lease_that_is_being_broken_ends_no_later_than_it_would_have(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    assert 0 < BlobLeaseClient(lock).break_lease() <= 15
    with refused(409, "LeaseIsBreakingAndCannotBeAcquired"):
        BlobLeaseClient(lock, lease.id).acquire(15)
    azure.blob.expire_leases()
    assert state(lock) == "broken"
    with refused(409, "LeaseIsBrokenAndCannotBeRenewed"):
        lease.renew()


def test_a_lease_runs_out_by_itself_and_each_renewal_gives_it_its_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    lease = Lease()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    _, answered = lease.carry_out("acquire", {"x-ms-lease-duration": "15"})
    now += 14.9
    assert lease.headers["x-ms-lease-state"] == "leased"
    lease.carry_out("renew", answered)
    now += 14.9
    assert lease.headers["x-ms-lease-state"] == "leased"
    now += 0.1
    assert lease.headers["x-ms-lease-state"] == "expired"


@pytest.mark.parametrize(
    ("action", "headers", "code"),
    [
        ("acquire", {}, "MissingRequiredHeader"),
        ("acquire", {"x-ms-lease-duration": "15", "x-ms-proposed-lease-id": "mine"}, "InvalidHeaderValue"),
        ("renew", {}, "MissingRequiredHeader"),
        ("break", {"x-ms-lease-break-period": "61"}, "InvalidHeaderValue"),
    ],
)
def test_what_makes_no_sense_is_a_400(action: str, headers: dict[str, str], code: str) -> None:
    with pytest.raises(errors.BlobError) as raised:
        Lease().carry_out(action, headers)
    assert (raised.value.status, raised.value.code) == (400, code)


def test_each_action_is_journalled_by_its_name(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    lease.renew()
    lease.release()
    assert [(event.action, event.detail, event.phase) for event in azure.journal.events("blob")] == [
        (action, "locks/turn", phase)
        for action in ("acquire-lease", "renew-lease", "release-lease")
        for phase in ("before", "after")
    ]


def test_faults_apply_to_leases_too(azure: Azure, lock: BlobClient) -> None:
    lease = lock.acquire_lease(15)
    azure.blob.faults.append(faults.Fault("PUT", f"/{ACCOUNT}/locks", 503, "ServerBusy"))
    with refused(503, "ServerBusy"):
        lease.renew()
    azure.blob.faults.append(faults.Fault("PUT", f"/{ACCOUNT}/locks", 0, carried_out=True))
    with pytest.raises(ServiceResponseError):
        lease.release()
    assert state(lock) == "available"
