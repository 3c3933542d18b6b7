"""An HTTP or HTTPS server on a free port of 127.0.0.1, as each web service of the sandbox uses it."""

import asyncio
import datetime
import email.utils
import json
import ssl
import uuid
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.server import journal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BYTES_PER_REQUEST = 64 * 1024 * 1024  # above what azure-storage-blob sends as a single Put Blob by default


class Loopback:
    """One handler for every path: each service routes by itself, some by query or header.

    `clock_skew` says how far the clock is ahead that the Date header is read from. With a journal, exchanges go there
    under the service's name.
    """

    def __init__(
        self,
        handler: Handler,
        tls: ssl.SSLContext | None = None,
        clock_skew: Callable[[], datetime.timedelta] = datetime.timedelta,
        *,
        record: journal.Journal | None = None,
        service: str = "",
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._clock_skew = clock_skew
        self._record = record
        self._service = service
        self._runner: web.AppRunner | None = None
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self.port = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a trailing slash; set once started."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; afterwards `port` and `origin` are real."""
        application = web.Application(client_max_size=MOST_BYTES_PER_REQUEST)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the listener and every connection."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        idle = [connection.transport for connection in runner.server.connections] if runner.server else []
        await runner.cleanup()
        # A TLS connection that was closed waits for its peer's farewell, for seconds if the peer is idle in a pool.
        for transport in [*self._transports, *idle]:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self._transports.add(request.transport)
        response = await self._handler(request)
        if not response.prepared:
            now = datetime.datetime.now(datetime.UTC) + self._clock_skew()
            response.headers["Date"] = email.utils.format_datetime(now, usegmt=True)
        if self._record is not None and isinstance(response, web.Response):
            self._record.heard(await self._exchange(request, response))
        return response

    async def _exchange(self, request: web.Request, response: web.Response) -> journal.Exchange:
        answer = response.body if isinstance(response.body, bytes | bytearray) else b""
        content_type = {"Content-Type": response.content_type} if answer else {}
        return journal.Exchange(
            service=self._service,
            method=request.method,
            target=request.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
            status=response.status,
            answer_headers={**content_type, **response.headers},
            answer=bytes(answer),
        )


def request_ids(request: web.BaseRequest) -> dict[str, str]:
    """Return the headers by which Azure's support finds a request; the client's own id is given back."""
    asked = request.headers.get("x-ms-client-request-id")
    return {"x-ms-request-id": str(uuid.uuid4()), **({"x-ms-client-request-id": asked} if asked else {})}


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the body, {} when there is none; ValueError, for the client to read, when it is something else."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise ValueError("The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")  # noqa: TRY004  # a client's fault, as the other one
    return body
