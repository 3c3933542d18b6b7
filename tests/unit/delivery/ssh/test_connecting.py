"""Getting to a host: several addresses, servers that drop connections, and how many connections that takes."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rotator.delivery.errors import (
    AuthenticationRejectedError,
    ConnectionLostError,
    HostKeyRejectedError,
    SshError,
    TimedOutError,
    UnreachableError,
)
from rotator.delivery.ssh import tcp
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from rotator.redaction import SecretText
from tests.fakes.ssh_servers import (
    GREETING,
    KEY_PAIR,
    Anybody,
    Raw,
    cluster,
    host_key,
    pin,
    says,
    serving,
    until_closed,
)

KEY = SecretText(KEY_PAIR.private_text)
WRONG = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
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
    with ssh.connect(cluster(server.port, pinned, "master.example.com"), KEY, None):
        pass


# Addresses


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


@contextlib.contextmanager
def dead(host: str, port: int) -> Iterator[None]:
    """An address that answers no SYN: its listener's queue is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, port))
        time.sleep(0.1)
        yield


@pytest.mark.parametrize("count", [1, 5])
def test_dead_addresses_do_not_keep_a_live_one_from_being_tried(count: int) -> None:
    bad = [f"127.0.1.{number}" for number in range(1, count + 1)]
    with serving(honest) as server, contextlib.ExitStack() as stack:
        for each in bad:
            stack.enter_context(dead(each, server.port))
        connects(server, SshConnector(TIMEOUTS, resolve=Names(*bad, "127.0.0.1")))
    assert server.connections == 1


def test_an_address_that_refuses_is_passed_over_at_once() -> None:
    with serving(honest) as server:
        began = time.monotonic()
        connects(
            server,
            SshConnector(TIMEOUTS, resolve=Names(*[f"127.0.1.{number}" for number in range(1, 30)], "127.0.0.1")),
        )
    assert time.monotonic() - began < 5


def test_a_first_address_that_answers_is_the_only_one_that_is_connected_to() -> None:
    with serving(honest) as server, serving(says(b""), "127.0.0.2", server.port) as second:
        connects(server, SshConnector(TIMEOUTS, resolve=Names("127.0.0.1", "127.0.0.2")))
    assert (server.connections, second.connections) == (1, 0)


def test_the_second_family_is_tried_before_the_rest_of_the_first() -> None:
    found = Names("fd00::1", "fd00::2", "fd00::3", "192.0.2.1", "192.0.2.2")("master.example.com", 22)
    order = [each[4][0] for each in tcp._interleave(found)]
    assert order == ["fd00::1", "192.0.2.1", "fd00::2", "192.0.2.2", "fd00::3"]


def test_all_addresses_together_have_the_time_of_one() -> None:
    with serving(says(b"")) as server, dead("127.0.1.1", server.port), dead("127.0.1.2", server.port):
        began = time.monotonic()
        with pytest.raises(UnreachableError) as caught:
            connects(server, SshConnector(Timeouts(connect=1.0), resolve=Names("127.0.1.1", "127.0.1.2", "127.0.1.3")))
    assert time.monotonic() - began < 5
    assert str(caught.value) == (
        f"rotator@master.example.com:{server.port} does not answer within 1 s "
        "(127.0.1.3: Connection refused; 127.0.1.1: timed out; 127.0.1.2: timed out)"
    )


def test_a_name_that_is_not_resolved_in_time_is_told() -> None:
    released = threading.Event()

    def slow(host: str, port: int) -> Sequence[tcp.AddressInfo]:
        released.wait(30)
        return []

    ssh = SshConnector(Timeouts(connect=0.3), resolve=slow)
    with pytest.raises(UnreachableError, match=r"the name of .* was not resolved within 0\.3 s"):
        ssh.scan_host_keys(cluster(22))
    released.set()


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 64 + ".example.com", "a..b", "\xfc" * 70])
def test_a_name_without_an_address_is_told(host: str) -> None:
    with pytest.raises(UnreachableError, match=r"has no address|was not resolved"):
        SshConnector(TIMEOUTS).scan_host_keys(cluster(22, host=host))


# Servers that drop connections


class Dropping:
    """Drops so many connections, each in these words, before it serves one."""

    def __init__(self, times: int, words: bytes, *, greet: bool = False) -> None:
        self.left = times
        self.words = GREETING if greet else words

    def __call__(self, connection: socket.socket) -> None:
        if self.left <= 0:
            honest(connection)
            return
        self.left -= 1
        connection.sendall(self.words)


@pytest.mark.parametrize(
    ("words", "pause"),
    [(b"Exceeded MaxStartups\r\n", 2.0), (b"Not allowed at this time\r\n", 15.0), (b"", 2.0), (b"Too many", 2.0)],
)
def test_a_connection_that_is_dropped_once_is_tried_once_more_after_a_pause(words: bytes, pause: float) -> None:
    slept: list[float] = []
    with serving(Dropping(1, words)) as server:
        connects(server, SshConnector(TIMEOUTS, sleep=slept.append, resolve=Names("127.0.0.1")))
    assert slept == [pause]
    assert server.connections == 2


def test_a_connection_that_is_dropped_after_the_greeting_is_tried_once_more() -> None:
    with serving(Dropping(1, b"", greet=True)) as server:
        connects(server, SshConnector(TIMEOUTS, sleep=lambda _: None, resolve=Names("127.0.0.1")))
    assert server.connections == 2


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        (b"Exceeded MaxStartups\r\n", "refuses connections for now: it says 'Exceeded MaxStartups'", "MaxStartups"),
        (b"Not allowed at this time\r\n", "refuses connections for now: it says 'Not allowed at", "PerSourcePenalties"),
        (b"", "does not talk SSH: it closes the connection without a word", "overloaded"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", "does not talk SSH: it says 'HTTP/1.1 400", "KUBERNETES_SSH_PORT"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "does not talk SSH: it says '", "KUBERNETES_SSH_PORT"),
    ],
)
def test_a_server_that_drops_the_second_connection_too_is_quoted(
    words: bytes, said: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "rotator")
    with serving(Dropping(9, words)) as server, pytest.raises(UnreachableError) as caught:
        SshConnector(TIMEOUTS, sleep=lambda _: None).scan_host_keys(cluster(server.port))
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert remedy in caught.value.remedy
    assert server.connections == 2
    assert said in caplog.text


def test_what_a_mute_server_closed_is_not_tried_again() -> None:
    with serving(until_closed) as server, pytest.raises(TimedOutError):
        SshConnector(Timeouts(handshake=0.3)).scan_host_keys(cluster(server.port))
    assert server.connections == 1


# How many connections


def test_a_run_makes_one_connection(tmp_path: Path) -> None:
    with serving(honest) as server:
        for pinned in (pin(host_key()), host_key().fingerprint, f"{pin(host_key('rsa'))}, {pin(host_key())}"):
            before = server.connections
            with SshConnector(TIMEOUTS).connect(cluster(server.port, pinned), KEY, None):
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


def test_a_wrong_pin_is_told_as_such_by_a_server_that_closes_for_a_key_type() -> None:
    with serving(choosy) as server, pytest.raises(HostKeyRejectedError) as caught:
        connects(server, SshConnector(TIMEOUTS, sleep=lambda _: None, resolve=Names("127.0.0.1")), WRONG)
    assert pin(host_key()) in str(caught.value)
    assert "its ssh-rsa key was not shown" in str(caught.value)


def test_the_keys_that_a_server_shows_before_it_closes_for_a_type_are_listed() -> None:
    with serving(choosy) as server:
        assert list(map(str, SshConnector(TIMEOUTS, sleep=lambda _: None).scan_host_keys(cluster(server.port)))) == [
            pin(host_key())
        ]


def test_a_host_without_the_pinned_type_is_told_with_the_key_that_it_shows() -> None:
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
        server.start_server(server=Undecided(lambda: act(server), answer))
        server.join(10)

    with serving(serve) as server, pytest.raises(SshError) as caught:
        connects(server, SshConnector(TIMEOUTS, resolve=Names("127.0.0.1")))
    return caught.value


def test_a_connection_that_ends_in_the_login_says_nothing_of_the_key() -> None:
    told = login(lambda server: server.sock.shutdown(socket.SHUT_RDWR), paramiko.common.AUTH_SUCCESSFUL)
    assert type(told) is ConnectionLostError
    assert "closed the connection while it checked the key ssh-" in str(told)
    assert "log" in told.remedy


def test_a_key_that_is_refused_is_told_as_such() -> None:
    told = login(lambda _: None, paramiko.common.AUTH_FAILED)
    assert type(told) is AuthenticationRejectedError
    assert "authorized_keys" in told.remedy


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
        server.start_server(server=Babbling(server))
        server.join(10)

    ssh = SshConnector(TIMEOUTS, resolve=Names("127.0.0.1"))
    with (
        serving(serve) as server,
        ssh.connect(cluster(server.port, pin(host_key()), "master.example.com"), KEY, None) as shell,
        pytest.raises(ConnectionLostError, match="before a command could be started"),
    ):
        shell.start("true", seconds=5)
