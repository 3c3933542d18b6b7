"""The app's own storage as a check sees it: who has the lease, and whether reports have a place. Makes nothing."""

import contextlib

from azure.core.credentials import TokenCredential

from rotator import app_blobs, blob_lease, errors
from rotator.app_storage import AppStorage
from rotator.lease import Holder
from rotator.targets import Plan


class OwnBlobs:
    """One storage, for one plan, as one identity."""

    def __init__(self, storage: AppStorage, plan: Plan, lease: str, credential: TokenCredential) -> None:
        self._storage = storage
        self._plan = plan
        self._lease = lease
        self._credential = credential

    def holder(self) -> Holder | str | None:
        """Say who has the lease; raises LeaseUnavailableError."""
        with self._signed_in() as credential:
            seen = blob_lease.look(self._storage, self._lease, credential)
        return (seen.holder or "which one is not known") if seen.held else None

    def container(self) -> bool:
        """Tell whether the container for reports is there; raises ArchiveError."""
        name = self._plan.report_container or ""
        with self._signed_in() as credential:
            container = app_blobs.container(self._storage, name, credential, errors.ArchiveError)
            with contextlib.closing(container):
                try:
                    return container.exists()
                except app_blobs.TROUBLE as error:
                    raise errors.ArchiveError(app_blobs.said(container, error)) from None

    def _signed_in(self) -> contextlib.AbstractContextManager[TokenCredential]:
        return app_blobs.signed_in(self._storage, self._plan.client_id, self._credential)
