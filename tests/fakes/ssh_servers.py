"""Servers on loopback that an SSH client meets: raw sockets that send what a test wants."""

import contextlib
import functools
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import paramiko

from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from sandbox.master import keys

GREETING = b"SSH-2.0-Example_1.0\r\n"
KEY_PAIR = keys.generate()
Serve = Callable[[socket.socket], None]


class Raw:
    """A listener that hands each connection to `serve` in a thread of its own, and counts them."""

    def __init__(self, serve: Serve, host: str = "127.0.0.1", port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.create_server((host, port))
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.connections = 0
        self.closed_by_client = threading.Event()
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            self._serve(connection)


@contextlib.contextmanager
def serving(serve: Serve, host: str = "127.0.0.1", port: int = 0) -> Iterator[Raw]:
    with contextlib.closing(Raw(serve, host, port)) as server:
        yield server


def cluster(port: int, pinned: str = host_keys.EXAMPLE, host: str = "127.0.0.1", user: str = "rotator") -> Cluster:
    return Cluster(host=host, port=port, user=user, fingerprints=host_keys.parse(pinned))


def until_closed(connection: socket.socket) -> None:
    """Read on until the client closes the connection."""
    while connection.recv(65536):
        pass


def sends(*chunks: bytes) -> Serve:
    """Send this, and close the connection once the client has sent something."""

    def serve(connection: socket.socket) -> None:
        for chunk in chunks:
            connection.sendall(chunk)
        connection.recv(1000)

    return serve


def packet(payload: bytes, length: int | None = None) -> bytes:
    """A packet in the clear (RFC 4253, section 6), of a length that may be a lie."""
    padding = 8 - (len(payload) + 5) % 8 + 8
    body = bytes([padding]) + payload + bytes(padding)
    return struct.pack(">I", len(body) if length is None else length) + body


def host_key(kind: str = "ecdsa") -> paramiko.PKey:
    return _host_key(kind)


@functools.cache
def _host_key(kind: str) -> paramiko.PKey:
    return paramiko.RSAKey.generate(2048) if kind == "rsa" else paramiko.ECDSAKey.generate()


def pin(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


class Anybody(paramiko.ServerInterface):
    """Lets everybody in, and of each command carries out the first, an echo."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return 0

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return 0

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        channel.sendall(command.partition(b";")[0].removeprefix(b"echo ") + b"\n")
        return True
