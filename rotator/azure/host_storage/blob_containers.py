"""Blob containers in the app's own storage: how one is reached in bounded time, and how its trouble is worded."""

import contextlib
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import ContainerClient, LinearRetry

from rotator.azure import identity, network_errors
from rotator.azure import retries as patience
from rotator.azure.errors import HostStorageError, IdentityError
from rotator.azure.host_storage.storage_settings import HostStorage

# Not every malformed connection string is found out before; an OSError is a missing file of CA certificates.
TROUBLE = (AzureError, IdentityError, ValueError, OSError)
EXISTS = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
PAUSE_SECONDS = 1
# Older than the SDK's own choice, which an Azurite of some months ago refuses.
_API_VERSION = "2023-11-03"
# An answer takes milliseconds; with one retry a mute storage is found out after 5 + 1 + 5 seconds.
_ANSWER_SECONDS = 5
WHOLE_SECONDS = 10.0
_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+)?")


def container(
    storage: HostStorage,
    name: str,
    credential: TokenCredential,
    unusable: type[HostStorageError],
    *,
    retries: int = 1,
    whole: float = WHOLE_SECONDS,
) -> ContainerClient:
    """Give a container's client, which has asked nothing yet; raises `unusable` for settings that lead nowhere.

    `whole` bounds one try of a request, in seconds.
    """
    options: dict[str, Any] = {
        "api_version": _API_VERSION,
        "retry_policy": LinearRetry(backoff=PAUSE_SECONDS, retry_total=retries, random_jitter_range=0),
        "transport": patience.transport(connect=_ANSWER_SECONDS, read=_ANSWER_SECONDS, whole=whole),
    }
    refusal = unusable("AzureWebJobsStorage is not a storage's connection string or URL")
    try:
        if storage.connection_string is None:
            found = ContainerClient(storage.blob_url or "", name, credential, **options)
        else:
            found = ContainerClient.from_connection_string(storage.connection_string.reveal(), name, **options)
    except ValueError:
        raise refusal from None
    # With another separator than a semicolon, what is taken for the host's name holds the key as well.
    if not _HOST.fullmatch(found.primary_hostname or ""):
        raise refusal
    return found


@contextlib.contextmanager
def signed_in(storage: HostStorage, client_id: str | None, credential: TokenCredential) -> Iterator[TokenCredential]:
    """Give what opens the storage: the app's `credential`, of this client id, unless the storage names another."""
    if storage.client_id in (None, client_id):
        yield credential
        return
    with contextlib.closing(identity.credential(storage.client_id)) as other:
        yield other


def may_write(container: ContainerClient, blob: str) -> None:
    """Raise HttpResponseError unless blobs may be written there; writes none.

    Asked under a condition that no blob meets, which storage looks at after who asks
    (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
    """
    try:
        asked = container.get_blob_client(blob)
        asked.set_blob_metadata({}, etag='"0x0"', match_condition=MatchConditions.IfNotModified)
    except HttpResponseError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED):
            raise


def said(asked: ContainerClient, error: Exception) -> str:
    """Word what went wrong. The foreign message is left out: it may quote a URL, and with it a SAS."""
    place = f"the app's own storage {asked.primary_hostname}"
    if isinstance(error, HttpResponseError) and error.response is not None:
        return f"{place} answered {error.status_code} {code(error)}".rstrip()
    if isinstance(error, IdentityError):
        return f"nothing to sign in with to {place} could be had: {error}"
    return _unanswered(asked, error, "").text


def failure(unusable: type[HostStorageError], asked: ContainerClient, error: Exception) -> HostStorageError:
    """Give the error to raise for this trouble, with a remedy for what is in the way. Not to be chained: see `said`."""
    if isinstance(error, IdentityError):
        return unusable(said(asked, error), remedy=error.remedy)
    if isinstance(error, HttpResponseError) and error.response is not None:
        return unusable(said(asked, error), storage_code=code(error))
    trouble = _unanswered(asked, error, unusable.remedy)
    return unusable(trouble.text, remedy=trouble.remedy)


def _unanswered(asked: ContainerClient, error: Exception, otherwise: str) -> network_errors.Trouble:
    place = f"the app's own storage {asked.primary_hostname}"
    return network_errors.explain(error, place, "AzureWebJobsStorage", otherwise)


def code(error: HttpResponseError) -> str:
    """Give the service's own name for a refusal, where there is one."""
    return str(getattr(error.response, "headers", {}).get("x-ms-error-code", ""))


def is_absent(error: Exception) -> bool:
    """Whether the service says that there is no such container or blob."""
    return isinstance(error, HttpResponseError) and code(error) in {"ContainerNotFound", "BlobNotFound"}
