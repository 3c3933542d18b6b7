"""The lease as one on a blob in the app's own storage account.

https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

import contextlib
import dataclasses
import logging
import threading
import time
from http import HTTPStatus
from typing import Self

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobLeaseClient

from rotator import errors
from rotator.azure.errors import LeaseLostError, LeaseUnavailableError
from rotator.azure.host_storage import blob_containers, lease
from rotator.azure.host_storage.lease import Holder
from rotator.azure.host_storage.storage_settings import HostStorage

logger = logging.getLogger(__name__)

CONTAINER = "rotator-leases"
_REFUSED = (*blob_containers.EXISTS, HTTPStatus.NOT_FOUND)  # not found: the blob was deleted, and the lease with it


class BlobLease:
    """A context manager that holds the lease on the blob `name`, which a thread renews meanwhile.

    A process that dies keeps others out for `seconds` (15 to 60) from its last renewal on. `whole` bounds one try of a
    request, in seconds. Making one raises LeaseUnavailableError; entering it that too, or BusyError.
    """

    def __init__(
        self,
        storage: HostStorage,
        name: str,
        holder: Holder,
        credential: TokenCredential,
        *,
        seconds: int = 60,
        renew_every: float = 20.0,
        whole: float = blob_containers.WHOLE_SECONDS,
    ) -> None:
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._renew_every = renew_every
        self._container = blob_containers.container(storage, CONTAINER, credential, LeaseUnavailableError, whole=whole)
        self._blob = self._container.get_blob_client(name)
        self._lease = BlobLeaseClient(self._blob)
        self._ends = 0.0
        self._lost = ""
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Acquire the lease, and say in the blob's metadata who has it."""
        try:
            self._acquire()
        except errors.BusyError:
            self._container.close()
            raise
        except Exception as error:  # noqa: BLE001  # the SDK meets what is no storage with more than its own errors
            self._container.close()
            # Not chained: the foreign message may quote a URL, and with it a SAS.
            raise blob_containers.failure(LeaseUnavailableError, self._container, error) from None
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Give the lease back, unless it is lost."""
        self._over.set()
        with self._turn:
            if not self._lost:
                self._release()
        self._thread.join()
        self._container.close()

    def fence(self) -> None:
        """Renew the lease now; raises LeaseLostError when that does not succeed, and ever after."""
        with self._turn:
            if not self._lost:
                self._renew(last=True)
            if self._lost:
                raise LeaseLostError(self._lost)

    def _acquire(self) -> None:
        asked = time.monotonic()
        for missing in (True, False):
            try:
                self._lease.acquire(self._seconds)
                break
            except HttpResponseError as error:
                if blob_containers.code(error) == "LeaseAlreadyPresent":
                    raise lease.busy(self._present_holder()) from None
                if error.status_code != HTTPStatus.NOT_FOUND or not missing:
                    raise
                self._make_blob()
        self._ends = asked + self._seconds
        try:
            self._blob.set_blob_metadata(self._holder.as_metadata(), lease=self._lease)
        except blob_containers.TROUBLE as error:
            logger.warning("others are not told who has the lease %s: %s", self._name, self._said(error))

    def _make_blob(self) -> None:
        for make in (self._container.create_container, lambda: self._blob.upload_blob(b"")):
            try:
                make()
            except HttpResponseError as error:  # another run may do the same at this moment
                if error.status_code not in blob_containers.EXISTS:
                    raise

    def _keep(self) -> None:
        pause = self._renew_every
        while not self._over.wait(pause):
            with self._turn:
                if self._lost or self._over.is_set():
                    return
                trouble = self._renew(last=False)
            if trouble:
                logger.warning("%s", trouble)
            pause = blob_containers.PAUSE_SECONDS if trouble else self._renew_every

    def _renew(self, *, last: bool) -> str:
        """Renew and say what went wrong. A refusal loses the lease; other trouble does when it's the last try."""
        asked = time.monotonic()
        try:
            self._lease.renew()
        except HttpResponseError as error:
            if error.status_code in _REFUSED:
                self._lost = self._taken(error)
                return self._lost
            return self._not_renewed(self._said(error), last=last)
        except Exception as error:
            # A defect must end neither the renewal, which is this thread's, nor stay unseen.
            if not isinstance(error, blob_containers.TROUBLE):
                logger.exception("the renewal of the lease %s met a defect, and goes on", self._name)
            return self._not_renewed(self._said(error), last=last)
        self._ends = asked + self._seconds
        return ""

    def _not_renewed(self, said: str, *, last: bool) -> str:
        if last or time.monotonic() >= self._ends:
            self._lost = f"whether the lease {self._name} still holds cannot be told: {said}"
        return self._lost or f"the lease {self._name} is not renewed yet: {said}"

    def _release(self) -> None:
        try:
            self._blob.set_blob_metadata({}, lease=self._lease)
            self._lease.release()
        except Exception as error:  # noqa: BLE001  # the run is over, and its outcome is what counts
            logger.warning("the lease %s could not be given back, and will expire: %s", self._name, self._said(error))

    def _taken(self, error: Exception) -> str:
        other = self._present_holder()
        if other is None or other.run == self._holder.run:
            return f"the lease {self._name} is lost: {self._said(error)}"
        return f"the lease {self._name} went to another run: {other}"

    def _present_holder(self) -> Holder | None:
        time.sleep(0.3)  # whoever has it since a moment ago may not have said so yet
        try:
            return Holder.from_metadata(self._blob.get_blob_properties().metadata or {})
        except Exception:  # noqa: BLE001  # who has it is worth a word only
            return None

    def _said(self, error: Exception) -> str:
        return blob_containers.said(self._container, error)


@dataclasses.dataclass(frozen=True)
class Seen:
    """Whether a lease is held, and by whom, as far as its holder has said so."""

    held: bool
    holder: Holder | None = None


def look(storage: HostStorage, name: str, credential: TokenCredential) -> Seen:
    """See who holds the lease on the blob `name`; takes and makes nothing. Raises LeaseUnavailableError."""
    container = blob_containers.container(storage, CONTAINER, credential, LeaseUnavailableError)
    with contextlib.closing(container):
        try:
            blob = container.get_blob_client(name).get_blob_properties()
        except blob_containers.TROUBLE as error:
            if blob_containers.is_absent(error):
                return Seen(held=False)
            raise blob_containers.failure(LeaseUnavailableError, container, error) from None
    held = blob.lease.status == "locked"
    return Seen(held, Holder.from_metadata(blob.metadata) if held else None)
