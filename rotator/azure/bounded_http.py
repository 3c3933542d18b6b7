"""HTTP exchanges that end in time, whatever the server does: a read time-out alone begins anew with each byte.

When an exchange has taken its whole time, from connecting to the answer's last byte, its socket is shut down under
whoever reads from it. Not bounded is the name's resolution, for which the system's resolver has limits of its own.
"""

import contextlib
import socket
import threading
import time
import weakref
from typing import Any

import requests
from azure.core.exceptions import AzureError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from requests import adapters
from urllib3 import connection, connectionpool, response, util


class Transport(RequestsTransport):  # type: ignore[misc]  # the SDK loads it lazily, so it looks like anything
    """What a client of the SDK sends with. `whole` bounds an exchange, `connect` and `read` its steps; in seconds."""

    def __init__(self, *, whole: float, connect: float, read: float) -> None:
        self._whole = whole
        self._answers: weakref.WeakSet[response.BaseHTTPResponse] = weakref.WeakSet()
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(whole, self._answers))
        super().__init__(session=session, connection_timeout=connect, read_timeout=min(read, whole))

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request as the SDK does; raises ServiceResponseTimeoutError when the whole time is over."""
        began = time.monotonic()
        try:
            answer = super().send(request, **options)
        except AzureError as error:
            if time.monotonic() - began < self._whole:
                raise
            # Without the foreign message, which may quote a URL and with it a SAS.
            raise self._too_slow() from error
        if time.monotonic() - began >= self._whole:  # an answer that was cut off may look like one that ended
            raise self._too_slow()
        return answer

    def close(self) -> None:
        """Close everything, also the connection of an answer that nobody has read, as of a try that was repeated."""
        for each in list(self._answers):
            each.close()
        super().close()

    def _too_slow(self) -> ServiceResponseTimeoutError:
        words = f"no whole answer within {self._whole:g} s"
        return ServiceResponseTimeoutError(words, error=TimeoutError(words))


class _Adapter(adapters.HTTPAdapter):
    """Connections of ours; without retries of its own, as the SDK has them."""

    def __init__(self, whole: float, answers: "weakref.WeakSet[response.BaseHTTPResponse]") -> None:
        self._pools = _pools(whole, answers)
        super().__init__(max_retries=util.Retry(total=False, redirect=False, raise_on_status=False))

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Bounded(connection.HTTPConnection):
    """A connection whose exchanges are cut off. `_handle` is the same socket, also once TLS has wrapped the first."""

    whole = 0.0
    answers: "weakref.WeakSet[response.BaseHTTPResponse]"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._is_answering = False

    def connect(self) -> None:
        self._begin()
        super().connect()

    def request(self, *arguments: Any, **options: Any) -> None:
        self._begin()
        super().request(*arguments, **options)

    def getresponse(self) -> Any:
        # Closes the connection where the server will, before the body is read.
        self._is_answering = True
        try:
            answer = super().getresponse()
        finally:
            self._is_answering = False
        self.answers.add(answer)
        return answer

    def close(self) -> None:
        super().close()
        if not self._is_answering:
            self.end()

    def end(self) -> None:
        """The exchange is over: the connection may be used again, or is closed."""
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()
        if self.sock is None:
            self._drop_handle()

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self.whole, self._cut)
            self._timer.daemon = True
            self._timer.start()

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        self._drop_handle()
        self._handle = made.dup()
        return made

    def _cut(self) -> None:
        handle = self._handle
        if handle:
            with contextlib.suppress(OSError):  # it is closed already
                handle.shutdown(socket.SHUT_RDWR)

    def _drop_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            handle.close()


class _Pool(connectionpool.HTTPConnectionPool):
    """A pool that knows when an exchange is over: its connection comes back."""

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, _Bounded):
            conn.end()
        super()._put_conn(conn)


def _pools(
    seconds: float, kept: "weakref.WeakSet[response.BaseHTTPResponse]"
) -> dict[str, type[connectionpool.HTTPConnectionPool]]:
    class Plain(_Bounded):
        whole = seconds
        answers = kept

    class Tls(_Bounded, connection.HTTPSConnection):
        whole = seconds
        answers = kept

    class PlainPool(_Pool):
        ConnectionCls = Plain

    class TlsPool(_Pool, connectionpool.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
