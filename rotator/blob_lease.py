"""The lease as one on a blob in the app's own storage account.

https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

import logging
import re
import threading
import time
from http import HTTPStatus
from typing import Any, Self

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobLeaseClient, ContainerClient, LinearRetry

from rotator import errors, lease
from rotator.app_storage import AppStorage
from rotator.lease import Holder

logger = logging.getLogger(__name__)

CONTAINER = "rotator-leases"
# Older than the SDK's own choice, which an Azurite of some months ago refuses.
_API_VERSION = "2023-11-03"
# An answer takes milliseconds; a mute storage is found out after 5 + 1 + 5 seconds.
_ANSWER_SECONDS = 5
_PAUSE_SECONDS = 1
_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+)?")
_TROUBLE = (AzureError, ValueError)  # a token's source may answer with what is no JSON
_EXISTS = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
_REFUSED = (*_EXISTS, HTTPStatus.NOT_FOUND)  # not found: the blob was deleted, and the lease with it


class BlobLease:
    """A context manager that holds the lease on the blob `name`, which a thread renews meanwhile.

    A process that dies keeps others out for `seconds` (15 to 60) from its last renewal on. Making one raises
    LeaseUnavailableError; entering it that too, or BusyError.
    """

    def __init__(
        self,
        storage: AppStorage,
        name: str,
        holder: Holder,
        credential: TokenCredential,
        *,
        seconds: int = 60,
        renew_every: float = 20.0,
    ) -> None:
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._renew_every = renew_every
        self._container = _container(storage, credential)
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
        except _TROUBLE as error:
            self._container.close()
            # Not chained: the foreign message may quote a URL, and with it a SAS.
            raise errors.LeaseUnavailableError(self._said(error)) from None
        except errors.BusyError:
            self._container.close()
            raise
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
                raise errors.LeaseLostError(self._lost)

    def _acquire(self) -> None:
        asked = time.monotonic()
        for missing in (True, False):
            try:
                self._lease.acquire(self._seconds)
                break
            except HttpResponseError as error:
                if _code(error) == "LeaseAlreadyPresent":
                    raise lease.busy(self._present_holder()) from None
                if error.status_code != HTTPStatus.NOT_FOUND or not missing:
                    raise
                self._make_blob()
        self._ends = asked + self._seconds
        try:
            self._blob.set_blob_metadata(self._holder.as_metadata(), lease=self._lease)
        except _TROUBLE as error:
            logger.warning("others are not told who has the lease %s: %s", self._name, self._said(error))

    def _make_blob(self) -> None:
        for make in (self._container.create_container, lambda: self._blob.upload_blob(b"")):
            try:
                make()
            except HttpResponseError as error:  # another run may do the same at this moment
                if error.status_code not in _EXISTS:
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
            pause = _PAUSE_SECONDS if trouble else self._renew_every

    def _renew(self, *, last: bool) -> str:
        """Renew and say what went wrong. A refusal loses the lease; other trouble does when it's the last try."""
        asked = time.monotonic()
        try:
            self._lease.renew()
        except _TROUBLE as error:
            if isinstance(error, HttpResponseError) and error.status_code in _REFUSED:
                self._lost = self._taken(error)
            elif last or time.monotonic() >= self._ends:
                self._lost = f"whether the lease {self._name} still holds cannot be told: {self._said(error)}"
            return self._lost or f"the lease {self._name} is not renewed yet: {self._said(error)}"
        self._ends = asked + self._seconds
        return ""

    def _release(self) -> None:
        try:
            self._blob.set_blob_metadata({}, lease=self._lease)
            self._lease.release()
        except _TROUBLE as error:
            logger.warning("the lease %s could not be given back, and will expire: %s", self._name, self._said(error))

    def _taken(self, error: Exception) -> str:
        other = self._present_holder()
        if other is None or other.run == self._holder.run:
            return f"the lease {self._name} is lost: {self._said(error)}"
        return f"the lease {self._name} went to another run: {other}"

    def _present_holder(self) -> Holder | None:
        time.sleep(0.3)  # whoever has it since a moment ago may not have said so yet
        try:
            return Holder.from_metadata(self._blob.get_blob_properties().metadata)
        except _TROUBLE:
            return None

    def _said(self, error: Exception) -> str:
        place = f"the app's own storage {self._container.primary_hostname}"
        if isinstance(error, HttpResponseError) and error.response is not None:
            return f"{place} answered {error.status_code} {_code(error)}".rstrip()
        if isinstance(error, ClientAuthenticationError):
            return f"nothing to sign in with to {place} could be had ({type(error).__name__})"
        return f"{place} does not answer ({type(error).__name__})"


def _container(storage: AppStorage, credential: TokenCredential) -> ContainerClient:
    options: dict[str, Any] = {
        "api_version": _API_VERSION,
        "retry_policy": LinearRetry(backoff=_PAUSE_SECONDS, retry_total=1, random_jitter_range=0),
        "connection_timeout": _ANSWER_SECONDS,
        "read_timeout": _ANSWER_SECONDS,
    }
    unusable = errors.LeaseUnavailableError("AzureWebJobsStorage is not a storage's connection string or URL")
    try:
        if storage.connection_string is None:
            container = ContainerClient(storage.blob_url or "", CONTAINER, credential, **options)
        else:
            text = storage.connection_string.reveal()
            container = ContainerClient.from_connection_string(text, CONTAINER, **options)
    except ValueError:
        raise unusable from None
    # With another separator than a semicolon, what is taken for the host's name holds the key as well.
    if not _HOST.fullmatch(container.primary_hostname or ""):
        raise unusable
    return container


def _code(error: HttpResponseError) -> str:
    return str(getattr(error.response, "headers", {}).get("x-ms-error-code", ""))
