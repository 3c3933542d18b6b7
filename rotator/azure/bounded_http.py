"""HTTP exchanges with a total time limit: the usual read time-out starts again with each byte.

The time counts from connecting to the answer's last byte. When it is over, a timer shuts the socket down, so that the
thread that reads from it gets an error. Name resolution is not bounded here; the system's resolver has its own limits.
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
    """The SDK's transport with a limit for the `whole` exchange, beside those to `connect` and `read`; in seconds."""

    def __init__(self, *, whole: float, connect: float, read: float) -> None:
        self._whole = whole
        self._answers: weakref.WeakSet[response.BaseHTTPResponse] = weakref.WeakSet()
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(whole, self._answers))
        super().__init__(session=session, connection_timeout=connect, read_timeout=min(read, whole))

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; raises ServiceResponseTimeoutError when the whole time is over, else what the SDK raises."""
        began = time.monotonic()
        try:
            answer = super().send(request, **options)
        except AzureError as error:
            if time.monotonic() - began < self._whole:
                raise
            # Without the SDK's message, which may quote a URL and with it a SAS.
            raise self._too_slow() from error
        if time.monotonic() - began >= self._whole:  # an answer that was cut off may look like one that ended
            raise self._too_slow()
        return answer

    def close(self) -> None:
        """Close all connections, also that of an answer that was not read to its end, such as one that was retried."""
        for each in list(self._answers):
            each.close()
        super().close()

    def _too_slow(self) -> ServiceResponseTimeoutError:
        words = f"no whole answer within {self._whole:g} s"
        return ServiceResponseTimeoutError(words, error=TimeoutError(words))


class _Adapter(adapters.HTTPAdapter):
    """Uses the pools below; without retries of its own, as the SDK retries."""

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
    """A connection whose exchanges are cut off after `whole` seconds.

    `_handle` is a duplicate of the socket's file descriptor: it can be shut down even after TLS has wrapped the socket.
    """

    whole = 0.0
    answers: "weakref.WeakSet[response.BaseHTTPResponse]"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._is_answering = False

    def connect(self) -> None:
        self._start_timer()
        super().connect()

    def request(self, *arguments: Any, **options: Any) -> None:
        self._start_timer()
        super().request(*arguments, **options)

    def getresponse(self) -> Any:
        # urllib3 closes the connection here if the server will, before the body is read: the exchange goes on.
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
            self.end_exchange()

    def end_exchange(self) -> None:
        """Stop the timer: the answer was read, and the connection is closed or goes back to its pool."""
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()
        if self.sock is None:
            self._drop_handle()

    def _start_timer(self) -> None:
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
            with contextlib.suppress(OSError):  # closed already
                handle.shutdown(socket.SHUT_RDWR)

    def _drop_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            handle.close()


class _Pool(connectionpool.HTTPConnectionPool):
    """A pool in which a connection that comes back has ended its exchange."""

    def _put_conn(self, conn: Any) -> None:
        if isinstance(conn, _Bounded):
            conn.end_exchange()
        super()._put_conn(conn)


def _pools(
    seconds: float, kept: "weakref.WeakSet[response.BaseHTTPResponse]"
) -> dict[str, type[connectionpool.HTTPConnectionPool]]:
    """Make pool classes by scheme; urllib3 makes connections from classes, so the settings are class attributes."""

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
