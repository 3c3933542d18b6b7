"""Checks of the app's own storage that change nothing.

Who holds the lease, whether reports can be written, and what the Functions host recorded of the timer.
"""

import contextlib
from collections.abc import Iterator

from azure.core.credentials import TokenCredential
from azure.storage.blob import ContainerClient

from rotator.azure import identity
from rotator.azure.errors import ArchiveError, HostStorageError, LeaseUnavailableError
from rotator.azure.host_storage import blob_containers, blob_lease, timer_record
from rotator.azure.host_storage.lease import Holder
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.permissions import Principal
from rotator.plan.plan import Plan

_SCOPE = "https://storage.azure.com/.default"  # in every cloud


class HostStorageProbe:
    """One storage, for one plan, as one identity."""

    def __init__(self, storage: HostStorage, plan: Plan, lease: str, credential: TokenCredential) -> None:
        self._storage = storage
        self._plan = plan
        self._lease = lease
        self._credential = credential

    @property
    def blob_url(self) -> str | None:
        """Its URL; None where a connection string opens it."""
        return self._storage.blob_url

    def holder(self) -> Holder | str | None:
        """Return the lease's holder, or None. Raises LeaseUnavailableError, also if a run could not acquire it."""
        with self._signed_in() as credential:
            with self._opened(blob_lease.CONTAINER, credential, LeaseUnavailableError) as container:
                blob_containers.check_write(container, self._lease)
            state = blob_lease.read(self._storage, self._lease, credential)
        return (state.holder or "which one is not known") if state.held else None

    def whoami(self) -> Principal:
        """Return the identity that opens the storage, which may be another than the vault's."""
        with self._signed_in() as credential:
            return identity.describe(credential, _SCOPE)

    def container(self) -> bool:
        """Whether the container for reports exists; raises ArchiveError, also if it could not be written."""
        name = self._plan.report_container or ""
        with self._signed_in() as credential, self._opened(name, credential, ArchiveError) as container:
            blob_containers.check_write(container, "check")
            return container.exists()

    def timer(self) -> timer_record.Reading:
        """Read the Functions host's record of the timer; raises TimerRecordError."""
        with self._signed_in() as credential:
            return timer_record.read(self._storage, credential, retry_total=1, whole=blob_containers.WHOLE_SECONDS)

    @contextlib.contextmanager
    def _opened(
        self, name: str, credential: TokenCredential, unusable: type[HostStorageError]
    ) -> Iterator[ContainerClient]:
        """Yield the container's client; raise `unusable` for errors of the SDK."""
        container = blob_containers.container(self._storage, name, credential, unusable)
        with contextlib.closing(container), blob_containers.translated(container, unusable):
            yield container

    def _signed_in(self) -> contextlib.AbstractContextManager[TokenCredential]:
        return blob_containers.signed_in(self._storage, self._plan.client_id, self._credential)
