"""The pictures of one container, read with the SAS of the moment; Azure's errors become the viewer's problems."""

import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Self, TypeVar

from azure.core.async_paging import AsyncPageIterator
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient, LinearRetry, StorageStreamDownloader

from viewer import problems, secret_file

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

CHUNK = 1024 * 1024  # bytes, held in memory per picture that is being sent
MOST_LISTED = 60  # blobs on one page of the list, pictures or not
FORBIDDEN = (401, 403)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture under way: how to announce it, its size in bytes, and its content."""

    headers: dict[str, str]
    size: int
    chunks: AsyncIterator[bytes]


@dataclasses.dataclass(frozen=True)
class Listing:
    """The pictures among one page of the container's blobs, and where storage goes on, if there are more."""

    names: list[str]
    further: str | None


class Pictures:
    """A context manager: the connections to storage are open inside of it."""

    def __init__(self, endpoint: str, container: str, file: secret_file.SecretFile) -> None:
        self._endpoint = endpoint
        self._container = container
        self._file = file
        self._transport = AioHttpTransport(connection_timeout=5, read_timeout=15)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        await self._transport.open()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Close the connections."""
        await self._transport.close()

    async def check(self, name: str) -> None:
        """Return if the picture can be shown; NotShownError otherwise."""

        async def properties(client: ContainerClient) -> str:
            return _type((await client.get_blob_client(name).get_blob_properties()).content_settings)

        _require_picture(await self._ask(properties))

    async def open(self, name: str) -> Picture:
        """Start to download a picture; NotShownError when it can't be shown."""

        async def download(client: ContainerClient) -> Picture:
            # As it is stored, so that its size is known; a browser unpacks by itself.
            stream = await client.download_blob(name, decompress=False)
            stored = stream.properties.content_settings
            headers = {"Content-Type": _type(stored)}
            if stored.content_encoding:
                headers["Content-Encoding"] = stored.content_encoding
            return Picture(headers, stream.size, _chunks(stream))

        picture = await self._ask(download)
        _require_picture(picture.headers["Content-Type"])
        return picture

    async def list(self, after: str | None = None) -> Listing:
        """One page of the list, from the beginning or from where another one ended: one request, however many blobs."""

        async def blobs(client: ContainerClient) -> Listing:
            pages = client.list_blobs(results_per_page=MOST_LISTED).by_page(after)
            assert isinstance(pages, AsyncPageIterator)  # noqa: S101  # which the library's own types do not tell
            found = [blob async for blob in await anext(pages)]
            pictures = [blob.name for blob in found if _type(blob.content_settings).startswith("image/")]
            return Listing(pictures, pages.continuation_token or None)

        return await self._ask(blobs)

    async def _ask(self, question: Callable[[ContainerClient], Awaitable[Result]]) -> Result:
        """Ask storage; a second time if it refuses a SAS that has been replaced in the meantime."""
        with _translated():
            used = self._file.usable()
            try:
                return await question(self._client(used))
            except HttpResponseError as error:
                newer = self._file.usable()
                if error.status_code not in FORBIDDEN or newer.sas.token == used.sas.token:
                    raise
                return await question(self._client(newer))

    def _client(self, delivery: secret_file.Delivery) -> ContainerClient:
        # One per SAS and question: a client that outlived its SAS could repeat a request with the former one.
        return ContainerClient(
            self._endpoint,
            self._container,
            credential=AzureSasCredential(delivery.sas.token),
            transport=self._transport,
            retry_policy=LinearRetry(backoff=1, retry_total=1, random_jitter_range=0),
            permit_redirects=False,
            max_single_get_size=CHUNK,
            max_chunk_get_size=CHUNK,
        )


async def _chunks(stream: StorageStreamDownloader[bytes]) -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in stream.chunks():
            yield chunk


def _type(stored: ContentSettings) -> str:
    return (stored.content_type or "").lower()


def _require_picture(content_type: str) -> None:
    if not content_type.startswith("image/"):
        raise problems.PictureMissingError("There is a blob of that name, but its content type is not image/….")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError as error:
        raise problems.PictureMissingError(f"Storage says {_code(error)}.") from error
    except HttpResponseError as error:
        logger.warning("storage answered %s %s", error.status_code, _code(error))
        kind = problems.RefusedError if error.status_code in FORBIDDEN else problems.UnreachableError
        raise kind(f"Storage says {error.status_code} {_code(error)}.") from error
    except AzureError as error:
        logger.warning("storage cannot be reached: %s", type(error.inner_exception or error).__name__)
        raise problems.UnreachableError("The connection failed.") from error


def _code(error: HttpResponseError) -> str:
    """What Azure calls this error, such as BlobNotFound."""
    code = getattr(error, "error_code", None)  # one of an enumeration if Azure's library knows it
    return str(getattr(code, "value", code) or "without a reason")
