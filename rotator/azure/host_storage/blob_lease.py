"""The run lock as a lease on a blob in the app's own storage account.

https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

import contextlib
import dataclasses
import datetime
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
    """A context manager that holds the lease on the blob `name`; a thread renews it until the context is left.

    The lease lasts `seconds` (15 to 60) after its last renewal, so a process that dies blocks other runs for as long.
    Inside, `interrupted` is the run that held it before and did not release it, if there is one, and `ended` when the
    last run ended that was completed; None if that is not known. `whole` bounds one try of a request, in seconds. The
    constructor raises LeaseUnavailableError; entering the context raises LeaseUnavailableError or BusyError.
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
        self.interrupted: Holder | None = None
        self.ended: datetime.datetime | None = None
        self._ends = 0.0
        self._lost_because = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_ended, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Acquire the lease, and write its holder into the blob's metadata."""
        try:
            self._acquire()
        except errors.BusyError:
            self._container.close()
            raise
        except Exception as error:  # noqa: BLE001  # where no storage answers, the SDK raises more than its own errors
            self._container.close()
            # Not chained: the foreign message may quote a URL, and with it a SAS.
            raise blob_containers.error_for(LeaseUnavailableError, self._container, error) from None
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Release the lease, unless it is lost."""
        self._ended.set()
        with self._lock:
            if not self._lost_because:
                self._release()
        self._thread.join()
        self._container.close()

    def fence(self) -> None:
        """Renew the lease now; raises LeaseLostError when that fails, and at each later call."""
        with self._lock:
            if not self._lost_because:
                self._renew(last=True)
            if self._lost_because:
                raise LeaseLostError(self._lost_because)

    def completed(self) -> None:
        """Note that this run visited the targets; the blob says so once the lease is released."""
        self.ended = datetime.datetime.now(datetime.UTC)

    def _acquire(self) -> None:
        """Acquire the lease; create the blob if there is none. Raises BusyError if another run holds the lease."""
        began = time.monotonic()
        for missing in (True, False):
            try:
                self._lease.acquire(self._seconds)
                break
            except HttpResponseError as error:
                if blob_containers.error_code(error) == "LeaseAlreadyPresent":
                    raise lease.busy_error(self._present_holder()) from None
                if error.status_code != HTTPStatus.NOT_FOUND or not missing:
                    raise
                self._make_blob()
        self._ends = began + self._seconds
        try:
            before = self._blob.get_blob_properties().metadata or {}
            # Who releases the lease takes its name away.
            self.interrupted, self.ended = Holder.from_metadata(before), lease.ended_from_metadata(before)
            self._write(self._holder.as_metadata())
        except blob_containers.ERRORS as error:
            logger.warning("the lease %s does not show its holder: %s", self._name, self._describe(error))

    def _write(self, metadata: dict[str, str]) -> None:
        self._blob.set_blob_metadata(metadata | lease.ended_as_metadata(self.ended), lease=self._lease)

    def _make_blob(self) -> None:
        for make in (self._container.create_container, lambda: self._blob.upload_blob(b"")):
            blob_containers.create_if_missing(make)

    def _renew_until_ended(self) -> None:
        """The thread: renew the lease every `renew_every` seconds, and every second after a failure."""
        pause = self._renew_every
        while not self._ended.wait(pause):
            with self._lock:
                if self._lost_because or self._ended.is_set():
                    return
                problem = self._renew(last=False)
            if problem:
                logger.warning("%s", problem)
            pause = blob_containers.PAUSE_SECONDS if problem else self._renew_every

    def _renew(self, *, last: bool) -> str:
        """Renew the lease; return what went wrong, or "".

        A refusal loses the lease. Any other error loses it after the `last` try, or once the lease has ended.
        """
        began = time.monotonic()
        try:
            self._lease.renew()
        except HttpResponseError as error:
            if error.status_code in _REFUSED:
                self._lost_because = self._loss(error)
                return self._lost_because
            return self._not_renewed(self._describe(error), last=last)
        except Exception as error:
            # A defect must neither end the thread that renews, nor stay unseen.
            if not isinstance(error, blob_containers.ERRORS):
                logger.exception("the renewal of the lease %s met a defect, and goes on", self._name)
            return self._not_renewed(self._describe(error), last=last)
        self._ends = began + self._seconds
        return ""

    def _not_renewed(self, reason: str, *, last: bool) -> str:
        if last or time.monotonic() >= self._ends:
            self._lost_because = f"it is not known whether the lease {self._name} is still held: {reason}"
        return self._lost_because or f"the lease {self._name} is not renewed yet: {reason}"

    def _release(self) -> None:
        try:
            self._write({})
            self._lease.release()
        except Exception as error:  # noqa: BLE001  # the run is over, and its outcome is what counts
            logger.warning("the lease %s could not be released, and will expire: %s", self._name, self._describe(error))

    def _loss(self, error: Exception) -> str:
        other = self._present_holder()
        if other is None or other.run == self._holder.run:
            return f"the lease {self._name} is lost: {self._describe(error)}"
        return f"the lease {self._name} went to another run: {other}"

    def _present_holder(self) -> Holder | None:
        time.sleep(0.3)  # a run that acquired it just now writes the metadata next
        try:
            return Holder.from_metadata(self._blob.get_blob_properties().metadata or {})
        except Exception:  # noqa: BLE001  # the holder only makes a message clearer
            return None

    def _describe(self, error: Exception) -> str:
        return blob_containers.describe(self._container, error)


@dataclasses.dataclass(frozen=True)
class LeaseState:
    """Whether a lease is held, and by whom, if its holder has written that.

    `interrupted` is the last run if it neither holds the lease nor released it. `ended` is when the last run ended that
    was completed; None if that is not known.
    """

    held: bool
    holder: Holder | None = None
    interrupted: Holder | None = None
    ended: datetime.datetime | None = None


def read(storage: HostStorage, name: str, credential: TokenCredential, *, retry_total: int = 1) -> LeaseState:
    """Read who holds the lease on the blob `name`, without changing anything. Raises LeaseUnavailableError."""
    container = blob_containers.container(
        storage, CONTAINER, credential, LeaseUnavailableError, retry_total=retry_total
    )
    with contextlib.closing(container):
        try:
            blob = container.get_blob_client(name).get_blob_properties()
        except blob_containers.ERRORS as error:
            if blob_containers.is_absent(error):
                return LeaseState(held=False)
            raise blob_containers.error_for(LeaseUnavailableError, container, error) from None
    metadata = blob.metadata or {}
    held, written = blob.lease.status == "locked", Holder.from_metadata(metadata)
    ended = lease.ended_from_metadata(metadata)
    return LeaseState(held, written if held else None, None if held else written, ended)
