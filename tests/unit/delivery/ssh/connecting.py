"""Servers, names and a connection attempt, as the tests of SSH connections share them."""

import contextlib
import socket
from collections.abc import Sequence

import paramiko

from rotator.delivery.ssh import tcp
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from rotator.redaction import SecretText
from tests.fakes.ssh_servers import (
    KEY_PAIR,
    Anybody,
    Raw,
    cluster,
    host_key,
    pin,
)

KEY = SecretText(KEY_PAIR.private_text)
TIMEOUTS = Timeouts(connect=5.0, handshake=5.0, authenticate=5.0)


def honest(connection: socket.socket, *keys: paramiko.PKey) -> None:
    """An SSH server that lets everybody in."""
    server = paramiko.Transport(connection)
    for key in keys or (host_key(),):
        server.add_server_key(key)
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        server.start_server(server=Anybody())
    server.join(10)


def connects(server: Raw, ssh: SshConnector, pinned: str = pin(host_key())) -> None:
    with ssh.open_shell(cluster(server.port, pinned, "master.example.com"), KEY, None):
        pass


class Names:
    """A name server for one name."""

    def __init__(self, *hosts: str, port: int = 0) -> None:
        self.hosts = hosts
        self.port = port

    def __call__(self, host: str, port: int) -> Sequence[tcp.AddressInfo]:
        assert host == "master.example.com"
        found = []
        for each in self.hosts:
            family = socket.AF_INET6 if ":" in each else socket.AF_INET
            found.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)))
        return found
