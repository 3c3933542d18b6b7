"""Host keys and logins: how many connections they take, and the errors of hosts that refuse."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rotator.delivery.errors import (
    AuthenticationRejectedError,
    ConnectionLostError,
    HostKeyRejectedError,
    SshError,
)
from rotator.delivery.ssh.connection import SshConnector
from tests.fakes.ssh_servers import (
    Anybody,
    cluster,
    host_key,
    pin,
    serving,
)
from tests.unit.delivery.ssh.connecting import KEY, TIMEOUTS, Names, connects, honest

WRONG = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


# How many connections


def test_a_run_makes_one_connection(tmp_path: Path) -> None:
    with serving(honest) as server:
        for pinned in (pin(host_key()), host_key().fingerprint, f"{pin(host_key('rsa'))}, {pin(host_key())}"):
            before = server.connections
            with SshConnector(TIMEOUTS).open_shell(cluster(server.port, pinned), KEY, None):
                pass
            assert server.connections == before + 1


def test_the_keys_of_a_host_take_a_connection_each() -> None:
    both = [host_key("ecdsa"), host_key("rsa")]

    def serve(connection: socket.socket) -> None:
        honest(connection, *both)

    with serving(serve) as server:
        assert [str(each) for each in SshConnector(TIMEOUTS).scan_host_keys(cluster(server.port))] == [
            pin(each) for each in both
        ]
        assert server.connections == 2
        wrong = pin(paramiko.RSAKey.generate(2048))
        shown, proven = SshConnector(TIMEOUTS).verify_host(cluster(server.port, wrong))
        assert [str(each) for each in shown] == [pin(each) for each in both]
        assert (proven, server.connections) == (None, 4)


def test_a_connection_that_the_host_gave_up_before_the_login_is_made_again() -> None:
    first = threading.Event()

    def serve(connection: socket.socket) -> None:
        if first.is_set():
            honest(connection)
            return
        server = paramiko.Transport(connection)
        server.add_server_key(host_key())
        server.start_server(server=Anybody())
        first.wait(5)
        server.close()

    with serving(serve) as server:
        _, proven = SshConnector(TIMEOUTS).verify_host(cluster(server.port, pin(host_key())))
        assert proven is not None
        first.set()
        until = time.monotonic() + 5
        while active(proven) and time.monotonic() < until:
            time.sleep(0.01)
        with proven.login(KEY, None):
            assert server.connections == 2


def active(proven: Any) -> bool:
    return bool(proven._transport.is_active())


# What was shown is not lost


def choosy(connection: socket.socket) -> None:
    """Names two types of host keys, but closes the connection when it is asked for the second."""
    server: Any = paramiko.Transport(connection)
    for kind in ("ecdsa", "rsa"):
        server.add_server_key(host_key(kind))
    parse = server._parse_kex_init

    def parse_or_close(message: paramiko.Message) -> None:
        parse(message)
        if server.host_key_type.startswith("rsa"):
            connection.shutdown(socket.SHUT_RDWR)

    server._parse_kex_init = parse_or_close
    with contextlib.suppress(Exception):
        server.start_server(server=Anybody())
    server.join(10)


def test_a_wrong_pin_is_reported_as_such_by_a_server_that_closes_for_a_key_type() -> None:
    with serving(choosy) as server, pytest.raises(HostKeyRejectedError) as caught:
        connects(server, SshConnector(TIMEOUTS, sleep=lambda _: None, resolve=Names("127.0.0.1")), WRONG)
    assert pin(host_key()) in str(caught.value)
    assert "its ssh-rsa key was not shown" in str(caught.value)


def test_the_keys_that_a_server_shows_before_it_closes_for_a_type_are_listed() -> None:
    with serving(choosy) as server:
        assert list(map(str, SshConnector(TIMEOUTS, sleep=lambda _: None).scan_host_keys(cluster(server.port)))) == [
            pin(host_key())
        ]


def test_a_host_without_the_pinned_type_is_reported_with_the_key_that_it_shows() -> None:
    with serving(honest) as server, pytest.raises(HostKeyRejectedError) as caught:
        connects(server, SshConnector(TIMEOUTS, resolve=Names("127.0.0.1")), pin(host_key("rsa")))
    assert f"shows {pin(host_key())}, but pinned is {pin(host_key('rsa'))}" in str(caught.value)


# The login


class Undecided(Anybody):
    """Does something with the connection while a key is looked at."""

    def __init__(self, act: Callable[[], None], answer: int) -> None:
        self._act, self._answer = act, answer

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._act()
        return self._answer


def login(act: Callable[[paramiko.Transport], None], answer: int) -> SshError:
    """What becomes of a login at a server that does that while it looks at the key, and answers so."""

    def serve(connection: socket.socket) -> None:
        server = paramiko.Transport(connection)
        server.add_server_key(host_key())
        # The client may close the connection first.
        with contextlib.suppress(paramiko.SSHException, EOFError):
            server.start_server(server=Undecided(lambda: act(server), answer))
        server.join(10)

    with serving(serve) as server, pytest.raises(SshError) as caught:
        connects(server, SshConnector(TIMEOUTS, resolve=Names("127.0.0.1")))
    return caught.value


def test_a_connection_that_ends_in_the_login_says_nothing_of_the_key() -> None:
    error = login(lambda server: server.sock.shutdown(socket.SHUT_RDWR), paramiko.common.AUTH_SUCCESSFUL)
    assert type(error) is ConnectionLostError
    assert "closed the connection while it checked the key ssh-" in str(error)
    assert "log" in error.remedy


def test_a_key_that_is_refused_is_reported_as_such() -> None:
    error = login(lambda _: None, paramiko.common.AUTH_FAILED)
    assert type(error) is AuthenticationRejectedError
    assert "authorized_keys" in error.remedy


class Babbling(Anybody):
    """Answers what it is asked for a session with what is no message of SSH's."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def check_channel_request(self, kind: str, chanid: int) -> int:
        refusal = paramiko.Message()
        refusal.add_byte(paramiko.common.cMSG_CHANNEL_OPEN_FAILURE)
        refusal.add_int(0)
        refusal.add_int(1)
        refusal.add_string("Nicht zulässig".encode("latin-1"))
        refusal.add_string(b"")
        self._transport._send_message(refusal)  # type: ignore[attr-defined]  # left out of the stubs
        self._transport.sock.shutdown(socket.SHUT_WR)
        return 0


def test_a_host_that_babbles_after_the_login_ends_in_an_error_of_ours() -> None:
    def serve(connection: socket.socket) -> None:
        server = paramiko.Transport(connection)
        server.add_server_key(host_key())
        with contextlib.suppress(paramiko.SSHException, EOFError):  # start_server may see the end of the connection
            server.start_server(server=Babbling(server))
        server.join(10)

    ssh = SshConnector(TIMEOUTS, resolve=Names("127.0.0.1"))
    with (
        serving(serve) as server,
        ssh.open_shell(cluster(server.port, pin(host_key()), "master.example.com"), KEY, None) as shell,
        pytest.raises(ConnectionLostError, match="before a command could be started"),
    ):
        shell.start("true", seconds=5)
