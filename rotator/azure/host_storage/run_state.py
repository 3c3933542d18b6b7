"""What runs record for later ones, as a blob in the app's own storage: short texts by name, in JSON.

A write names the version that was read, so that it never undoes what another writer did in between
(https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
"""

import json
from collections.abc import Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, ContentSettings

from rotator import untrusted
from rotator.azure.errors import RunStateError
from rotator.azure.host_storage import blob_containers
from rotator.azure.host_storage.storage_settings import HostStorage

CONTAINER = "rotator-state"
_OURS = "rotator-"
_LARGEST = 1_000_000  # bytes; ours have some hundred
_JSON = ContentSettings(content_type="application/json")


class BlobRunState:
    """The entries of one account's runs, in one blob, which is created if it is missing.

    Every method raises RunStateError. `entries` are those that were read or saved last; None before, and where they
    could not be read.
    """

    longest: int | None = None

    def __init__(self, storage: HostStorage, account: str, credential: TokenCredential) -> None:
        self._container = blob_containers.container(storage, CONTAINER, credential, RunStateError)
        self._blob: BlobClient = self._container.get_blob_client(f"{account}.json")
        self._version: str | None = None  # of the blob as it was read or saved last; None where there is none
        self.entries: Mapping[str, str] | None = None

    @property
    def place(self) -> str:
        """Where the entries are, for messages."""
        return f"in the blob {CONTAINER}/{self._blob.blob_name} of the app's own storage"

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def load(self) -> Mapping[str, str]:
        """Read all entries; none where there is no blob yet."""
        self.entries = None
        with blob_containers.translated(self._container, RunStateError):
            try:
                blob = self._blob.download_blob(offset=0, length=_LARGEST)
                self._version, text = blob.properties.etag, blob.readall()
            except HttpResponseError as error:
                self._version = None
                text = self._content_by(error)
        self.entries = self._parse(text)
        return self.entries

    def save(self, entries: Mapping[str, str]) -> None:
        """Replace all entries by these, which were read before.

        Raises RunStateError too if somebody else wrote them since, or if they could not be read.
        """
        if self.entries is None:
            raise RunStateError(f"what earlier runs recorded {self.place} was not read, so that it is not replaced")
        text = json.dumps(dict(entries), indent=1, sort_keys=True).encode()
        with blob_containers.translated(self._container, RunStateError):
            try:
                self._version = self._upload(text)
            except HttpResponseError as error:
                if blob_containers.error_code(error) != "ContainerNotFound":
                    raise
                blob_containers.create_if_missing(self._container.create_container)
                self._version = self._upload(text)
        self.entries = dict(entries)

    def _upload(self, text: bytes) -> str:
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if self._version is not None:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": self._version}
        answer = self._blob.upload_blob(text, overwrite=self._version is not None, content_settings=_JSON, **condition)
        return str(answer["etag"])

    def _content_by(self, error: HttpResponseError) -> bytes:
        """What is there by an error: nothing yet, or an empty blob; raises any other error."""
        if blob_containers.is_absent(error):
            return b"{}"
        if blob_containers.is_empty(error):
            return b""
        raise error

    def _parse(self, text: bytes) -> Mapping[str, str]:
        found = untrusted.json_value(text.decode(errors="replace"))
        if not isinstance(found, dict) or any(name.startswith(_OURS) for name in found.keys() - untrusted.texts(found)):
            raise RunStateError(
                f"what earlier runs recorded {self.place} cannot be read",
                remedy="Find out who wrote it. Without that blob, the next run begins anew: if no key rotation is "
                "unfinished, delete it.",
            )
        return untrusted.texts(found)


class NoRunState:
    """Where no storage of the app's own is set: nothing is recorded. Every method raises RunStateError."""

    longest: int | None = None
    entries: Mapping[str, str] | None = None
    place = "nowhere"

    def close(self) -> None:
        """Nothing is open."""

    def load(self) -> Mapping[str, str]:
        """Raise RunStateError."""
        raise RunStateError("no storage of the app's own is set (AzureWebJobsStorage) for what runs record")

    def save(self, _entries: Mapping[str, str]) -> None:
        """Raise RunStateError."""
        self.load()
