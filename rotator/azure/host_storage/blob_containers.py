"""Blob containers in the app's own storage: clients with bounded time, and the SDK's errors in the product's words."""

import contextlib
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import ContainerClient, LinearRetry

from rotator.azure import identity, network_errors, retries
from rotator.azure.errors import HostStorageError, IdentityError
from rotator.azure.host_storage.storage_settings import HostStorage

# What a request raises. ValueError: a malformed connection string is not always found earlier; OSError: a missing file
# of CA certificates.
ERRORS = (AzureError, IdentityError, ValueError, OSError)
# Of a blob or a container that is there already.
EXISTS = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
PAUSE_SECONDS = 1
# Older than the SDK's default, which an Azurite some months old refuses.
_API_VERSION = "2023-11-03"
# An answer takes milliseconds; with one retry, a storage that does not answer fails after 5 + 1 + 5 seconds.
_ANSWER_SECONDS = 5
WHOLE_SECONDS = 10.0
_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+)?")


def container(
    storage: HostStorage,
    name: str,
    credential: TokenCredential,
    unusable: type[HostStorageError],
    *,
    retry_total: int = 1,
    whole: float = WHOLE_SECONDS,
) -> ContainerClient:
    """Make a container's client, without a request yet; raises `unusable` for settings that name no storage.

    `whole` bounds one try of a request, in seconds.
    """
    options: dict[str, Any] = {
        "api_version": _API_VERSION,
        "retry_policy": LinearRetry(backoff=PAUSE_SECONDS, retry_total=retry_total, random_jitter_range=0),
        "transport": retries.transport(connect=_ANSWER_SECONDS, read=_ANSWER_SECONDS, whole=whole),
    }
    refusal = unusable("AzureWebJobsStorage is not a storage's connection string or URL")
    try:
        if storage.connection_string is None:
            found = ContainerClient(storage.blob_url or "", name, credential, **options)
        else:
            found = ContainerClient.from_connection_string(storage.connection_string.reveal(), name, **options)
    except ValueError:
        raise refusal from None
    # In a connection string with another separator than ";", the SDK takes a host name that holds the key as well.
    if not _HOST.fullmatch(found.primary_hostname or ""):
        raise refusal
    return found


@contextlib.contextmanager
def signed_in(storage: HostStorage, client_id: str | None, credential: TokenCredential) -> Iterator[TokenCredential]:
    """Yield the credential for the storage: the app's, which has this client id, unless the storage names another."""
    if storage.client_id in (None, client_id):
        yield credential
        return
    with contextlib.closing(identity.credential(storage.client_id)) as other:
        yield other


def check_write(container: ContainerClient, blob: str) -> None:
    """Raise HttpResponseError unless this identity may write blobs there; writes none.

    The request has a condition that no blob meets: storage evaluates it after authorization
    (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
    """
    try:
        client = container.get_blob_client(blob)
        client.set_blob_metadata({}, etag='"0x0"', match_condition=MatchConditions.IfNotModified)
    except HttpResponseError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED):
            raise


def describe(container: ContainerClient, error: Exception) -> str:
    """Describe the error, without the SDK's message: it may quote a URL, and with it a SAS."""
    place = f"the app's own storage {container.primary_hostname}"
    if isinstance(error, HttpResponseError) and error.response is not None:
        return f"{place} answered {error.status_code} {error_code(error)}".rstrip()
    if isinstance(error, IdentityError):
        return f"the identity cannot sign in to {place}: {error}"
    return _diagnose(container, error, "").text


@contextlib.contextmanager
def translated(container: ContainerClient, unusable: type[HostStorageError]) -> Iterator[None]:
    """Raise an `unusable` for an error of the SDK; not chained, as the SDK's message may quote a URL with a SAS."""
    try:
        yield
    except ERRORS as error:
        raise error_for(unusable, container, error) from None


def create_if_missing(make: Callable[[], object]) -> None:
    """Create a container or a blob by `make`, if it is not there already; another run may do so at this time."""
    try:
        make()
    except HttpResponseError as error:
        if error.status_code not in EXISTS:
            raise


def is_empty(error: HttpResponseError) -> bool:
    """Whether a range of a blob was asked for that has none, as it is empty."""
    return error_code(error) == "InvalidRange"


def error_for(unusable: type[HostStorageError], container: ContainerClient, error: Exception) -> HostStorageError:
    """Translate an error of the SDK into an `unusable` with a remedy. Raise it `from None`: see `describe`."""
    if isinstance(error, IdentityError):
        return unusable(describe(container, error), remedy=error.remedy)
    if isinstance(error, HttpResponseError) and error.response is not None:
        return unusable(describe(container, error), storage_code=error_code(error))
    diagnosis = _diagnose(container, error, unusable.remedy)
    return unusable(diagnosis.text, remedy=diagnosis.remedy)


def _diagnose(container: ContainerClient, error: Exception, otherwise: str) -> network_errors.Diagnosis:
    place = f"the app's own storage {container.primary_hostname}"
    return network_errors.diagnose(error, place, "AzureWebJobsStorage", otherwise)


def error_code(error: HttpResponseError) -> str:
    """Return the service's error code, such as BlobNotFound, or "".

    https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
    """
    return str(getattr(error.response, "headers", {}).get("x-ms-error-code", ""))


def is_absent(error: Exception) -> bool:
    """Whether the service says that there is no such container or blob."""
    return isinstance(error, HttpResponseError) and error_code(error) in {"ContainerNotFound", "BlobNotFound"}
