"""Storage under Azure's public names, for consumers that build them from an account's name.

One port is a proxy for HTTPS (`CONNECT`, what HTTPS_PROXY names) and a TLS server for programs that are given an
address to connect to. Whoever asks for `<account>.blob.core.windows.net` reaches the path-style service on
loopback, and nothing else. Signatures of a SAS cover neither host nor path style.
"""

import contextlib
import http.client
import http.server
import socket
import socketserver
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import trustme

SUFFIX = "core.windows.net"
LOOPBACK = "127.0.0.1"
_TLS_HANDSHAKE = b"\x16"
_OF_THE_CONNECTION = {"connection", "host", "keep-alive", "transfer-encoding"}


class RefusedError(Exception):
    """Storage did not answer with the blob; the message has the status and the code."""


def field_names(query: str) -> frozenset[str]:
    """The names of a query's fields."""
    return frozenset(urllib.parse.parse_qs(query, keep_blank_values=True))


class PublicNames(socketserver.ThreadingTCPServer):
    """A context manager that serves one account's blob storage, as `https://<account>.blob.core.windows.net`.

    `inner` is the URL of the account at the service behind, `trusted` the context in which that is verified. `fields`
    has the names of each request's query parameters, and not their values, among which is the signature.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, account: str, inner: str, trusted: ssl.SSLContext, directory: Path) -> None:
        authority = trustme.CA()
        directory.mkdir(parents=True, exist_ok=True)
        self.ca_path = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_path))
        self.host = f"{account}.blob.{SUFFIX}"
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(self.host, "localhost").configure_cert(self.context)
        self.inner = urllib.parse.urlsplit(inner)
        self.trusted = trusted
        self.fields: list[frozenset[str]] = []
        super().__init__((LOOPBACK, 0), _Connection)

    @property
    def port(self) -> int:
        """The port on loopback."""
        return int(self.server_address[1])

    @property
    def environment(self) -> dict[str, str]:
        """How a program reaches it under the public name, and trusts it; no credential is here."""
        proxy, authority = f"http://{LOOPBACK}:{self.port}", str(self.ca_path)
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy),
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), authority),
        }

    def read(self, url: str) -> bytes:
        """GET a URL through the proxy and return the body; RefusedError if there is none."""
        wanted = urllib.parse.urlsplit(url)
        trusted = ssl.create_default_context(cafile=str(self.ca_path))
        connection = http.client.HTTPSConnection(LOOPBACK, self.port, context=trusted, timeout=10)
        connection.set_tunnel(str(wanted.hostname), wanted.port or 443)
        with contextlib.closing(connection):
            connection.request("GET", f"{wanted.path}?{wanted.query}")
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise RefusedError(f"{response.status} {response.getheader('x-ms-error-code')}")
            return response.read()

    @contextlib.contextmanager
    def serving(self) -> Iterator["PublicNames"]:
        """Serve in a thread."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Connection(socketserver.BaseRequestHandler):
    server: PublicNames
    request: socket.socket

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the consumer closed first
            if self.request.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
                self._open_tunnel()
            with self.server.context.wrap_socket(self.request, server_side=True) as secured:
                _Requests(secured, self.client_address, self.server)

    def _open_tunnel(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            received = self.request.recv(1)
            if not received:
                raise ConnectionError
            head += received
        if not head.startswith(f"CONNECT {self.server.host}:443 ".encode()):
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            raise ConnectionError
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


class _Requests(http.server.BaseHTTPRequestHandler):
    """The requests of one connection, each sent on in path style."""

    server: PublicNames
    protocol_version = "HTTP/1.1"

    def _send_on(self) -> None:
        self.server.fields.append(field_names(urllib.parse.urlsplit(self.path).query))
        inner = self.server.inner
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name: text for name, text in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        onward = http.client.HTTPSConnection(str(inner.hostname), inner.port, context=self.server.trusted, timeout=30)
        with contextlib.closing(onward):
            # A program that is given an address asks in path style already.
            path = self.path if self.path.startswith(f"{inner.path}/") else inner.path + self.path
            onward.request(self.command, path, body or None, headers)
            self._answer(onward.getresponse())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _send_on  # noqa: N815 - the names that http.server asks for

    def _answer(self, response: http.client.HTTPResponse) -> None:
        body = response.read()
        self.send_response_only(response.status, response.reason)
        for name, text in response.getheaders():
            if name.lower() not in {*_OF_THE_CONNECTION, "content-length"}:
                self.send_header(name, text)
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in http.server
        """Write nothing: a request's path has the SAS."""
