"""The app's own storage as a check sees it: who has the lease, and whether reports have a place. Makes nothing."""

import contextlib
from collections.abc import Iterator

from azure.core.credentials import TokenCredential
from azure.storage.blob import ContainerClient

from rotator.azure import identity
from rotator.azure.errors import ArchiveError, HostStorageError, LeaseUnavailableError
from rotator.azure.host_storage import blob_containers, blob_lease
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
        """Say who has the lease; raises LeaseUnavailableError, also where it could not be taken."""
        with self._signed_in() as credential:
            with self._asked(blob_lease.CONTAINER, credential, LeaseUnavailableError) as container:
                blob_containers.may_write(container, self._lease)
            seen = blob_lease.look(self._storage, self._lease, credential)
        return (seen.holder or "which one is not known") if seen.held else None

    def whoami(self) -> Principal:
        """Say who opens it, which need not be the vault's identity."""
        with self._signed_in() as credential:
            return identity.describe(credential, _SCOPE)

    def container(self) -> bool:
        """Tell whether the container for reports is there; raises ArchiveError, also where it could not be written."""
        name = self._plan.report_container or ""
        with self._signed_in() as credential, self._asked(name, credential, ArchiveError) as container:
            blob_containers.may_write(container, "check")
            return container.exists()

    @contextlib.contextmanager
    def _asked(
        self, name: str, credential: TokenCredential, unusable: type[HostStorageError]
    ) -> Iterator[ContainerClient]:
        container = blob_containers.container(self._storage, name, credential, unusable)
        with contextlib.closing(container):
            try:
                yield container
            except blob_containers.TROUBLE as error:
                raise blob_containers.failure(unusable, container, error) from None

    def _signed_in(self) -> contextlib.AbstractContextManager[TokenCredential]:
        return blob_containers.signed_in(self._storage, self._plan.client_id, self._credential)
