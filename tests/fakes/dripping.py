"""A server on loopback that answers by a route, or drop by drop and for ever."""

import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator

Answer = tuple[int, dict[str, str], bytes]
Route = Callable[["Request"], Answer | bytes]


class Request(http.server.BaseHTTPRequestHandler):
    """One request. The server's route returns a whole answer, or the bytes after which the dripping begins."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers
    drop = b"x"
    body = b""

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = self.server.route(self)  # type: ignore[attr-defined]  # the server is ours
        if isinstance(found, bytes):
            self._drip(found)
            return
        status, headers, body = found
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_POST = do_HEAD = do_GET  # noqa: N815  # the standard library's names

    def _drip(self, beginning: bytes) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):  # until the client has had enough
            self.wfile.write(beginning)
            while True:
                self.wfile.write(self.server.drop)  # type: ignore[attr-defined]
                time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serving(route: Route, drop: bytes = b"x", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the URL of a server that answers by the route."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.route, server.drop = route, drop  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dripping(beginning: bytes = b"", drop: bytes = b"x") -> contextlib.AbstractContextManager[str]:
    """Yield the URL of a server whose answers begin so, and never end."""
    return serving(lambda _: beginning, drop)
