"""Services: what the sandbox starts and stops, and HTTP or HTTPS on a free port of 127.0.0.1."""

import abc
import asyncio
import datetime
import email.utils
import ssl
import weakref
from typing import Protocol

from aiohttp import web

from sandbox.server import journal

MAX_REQUEST_BYTES = 64 * 1024 * 1024  # above what azure-storage-blob sends as a single Put Blob by default


class Service(Protocol):
    """A server of our own, or a program in a process; it can be started again after it was stopped."""

    async def start(self) -> None:
        """Return once it takes connections."""

    async def stop(self) -> None:
        """End it and its connections; nothing happens when it doesn't run."""


class WebService(abc.ABC):
    """One method, `_answer`, for every path: each service routes by itself, some by query or header.

    The port is a free one that stays the same from one start to the next. With a journal, exchanges go there under
    the service's `name`.
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, exchanges: journal.Journal | None = None, name: str = ""
    ) -> None:
        self.port = 0
        self._tls = tls
        self._exchanges = exchanges
        self._name = name
        self._runner: web.AppRunner | None = None
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    @abc.abstractmethod
    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""

    def now(self) -> datetime.datetime:
        """Return the time by this service's clock, which the Date header is read from."""
        return datetime.datetime.now(datetime.UTC)

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a trailing slash; set once started."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; afterwards `port` and `origin` are real."""
        application = web.Application(client_max_size=MAX_REQUEST_BYTES)
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
        # A TLS connection that was closed waits for its peer's close_notify, for seconds if the peer is idle in a pool.
        for transport in [*self._transports, *idle]:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self._transports.add(request.transport)
        response = await self._answer(request)
        if not response.prepared:
            response.headers["Date"] = email.utils.format_datetime(self.now(), usegmt=True)
        if self._exchanges is not None and isinstance(response, web.Response):
            self._exchanges.record_exchange(await self._exchange(request, response))
        return response

    async def _exchange(self, request: web.Request, response: web.Response) -> journal.Exchange:
        answer = response.body if isinstance(response.body, bytes | bytearray) else b""
        content_type = {"Content-Type": response.content_type} if answer else {}
        return journal.Exchange(
            service=self._name,
            method=request.method,
            target=request.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
            status=response.status,
            answer_headers={**content_type, **response.headers},
            answer=bytes(answer),
        )
