"""What a host that is not proven yet, or goes mad later, may cost: bounded memory and time; errors in our words."""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.delivery.errors import HostKeyRejectedError, SshError, TimedOutError, UnreachableError
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from rotator.redaction import SecretText
from tests.fakes.ssh_servers import (
    GREETING,
    KEY_PAIR,
    Anybody,
    Raw,
    Serve,
    cluster,
    host_key,
    packet,
    pin,
    sends,
    serving,
    until_closed,
)

HUGE = 0xFFFFFFFC
SHORT = Timeouts(connect=2.0, handshake=2.0, authenticate=2.0)
KEXINIT = 20
DISCONNECT = 1


def kexinit(*lists: str) -> bytes:
    texts = [text.encode() for text in [*lists, *[""] * (10 - len(lists))]]
    return (
        bytes([KEXINIT]) + os.urandom(16) + b"".join(struct.pack(">I", len(each)) + each for each in texts) + bytes(5)
    )


def failure(server: Raw, pinned: str = pin(host_key()), timeouts: Timeouts = SHORT) -> SshError:
    """How a connection ends that no host key is proven on."""
    key = SecretText(KEY_PAIR.private_text)
    with (
        pytest.raises(SshError) as caught,
        SshConnector(timeouts, sleep=lambda _: None).open_shell(cluster(server.port, pinned), key, None),
    ):
        pass
    return caught.value


class Flood:
    """Says something, and then sends zeros for as long as anybody takes them."""

    def __init__(self, beginning: bytes) -> None:
        self.sent = 0
        self._beginning = beginning

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self._beginning)
        with contextlib.suppress(OSError):
            while self.sent < 200_000_000:
                self.sent += connection.send(bytes(65536))


# What the kernel's buffers take on loopback, and then some: far less than a packet of 4 GiB.
BUFFERS = 16_000_000


@pytest.mark.parametrize("length", [HUGE, 0x7FFFFFFC, 1_000_004])
def test_a_packet_too_long_for_a_key_exchange_is_not_read(length: int) -> None:
    flood = Flood(GREETING + struct.pack(">I", length) + bytes(12))
    with serving(flood) as server:
        error = failure(server)
    assert type(error) is UnreachableError
    assert "announces a packet of" in str(error)
    assert flood.sent < BUFFERS


def test_a_first_line_without_end_is_not_read() -> None:
    flood = Flood(b"")
    with serving(flood) as server:
        error = failure(server)
    assert type(error) is UnreachableError
    assert "does not talk SSH" in str(error)
    assert flood.sent < BUFFERS


def test_lines_without_an_end_are_not_read() -> None:
    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"no SSH here\n" * 1000)

    with serving(serve) as server:
        error = failure(server)
    assert "does not talk SSH: it says 'no SSH here / no SSH here" in str(error)
    assert len(str(error)) < 400


def lie_after_kex(connection: socket.socket, flood: Flood) -> None:
    """Exchange keys as a server, let the client in, and then announce a packet of 4 GiB."""
    server = paramiko.Transport(connection)
    server.add_server_key(host_key())
    ended = threading.Event()
    server.start_server(event=ended, server=Anybody())
    while (not server.is_authenticated() and server.is_active()) or not ended.is_set():
        time.sleep(0.01)
    packets: Any = server.packetizer
    honest = packets._build_packet

    def lying(payload: bytes) -> bytes:
        built: bytes = honest(payload)
        return struct.pack(">I", HUGE) + built[4:]

    packets._build_packet = lying
    with contextlib.suppress(Exception):
        server.global_request("keepalive@example.com", wait=False)
        flood(connection)
    server.close()


def test_a_packet_too_long_after_the_key_exchange_is_not_read_either() -> None:
    flood = Flood(b"")
    with serving(lambda connection: lie_after_kex(connection, flood)) as server:
        key = SecretText(KEY_PAIR.private_text)
        with (
            pytest.raises(SshError),
            SshConnector(SHORT).open_shell(cluster(server.port, pin(host_key())), key, None) as shell,
        ):
            shell.start("true", seconds=5.0).finish()
    assert flood.sent < BUFFERS


def mute(connection: socket.socket) -> None:
    until_closed(connection)


def mute_after_greeting(connection: socket.socket) -> None:
    connection.sendall(GREETING)
    until_closed(connection)


def mute_in_the_key_exchange(connection: socket.socket) -> None:
    algorithms = "curve25519-sha256", "ecdsa-sha2-nistp256", *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2, *["none"] * 2
    connection.sendall(GREETING + packet(kexinit(*algorithms)))
    until_closed(connection)


def drops_a_byte_now_and_then(connection: socket.socket) -> None:
    connection.sendall(GREETING)
    for byte in packet(bytes(1000)):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("serve", [mute, mute_after_greeting, mute_in_the_key_exchange, drops_a_byte_now_and_then])
def test_a_host_that_keeps_still_is_given_up_and_its_connection_closed(serve: Serve) -> None:
    closed = threading.Event()

    def watched(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            serve(connection)
        closed.set()

    with serving(watched) as server:
        error = failure(server, timeouts=Timeouts(handshake=0.5))
        assert type(error) is TimedOutError
        assert "the SSH handshake with rotator@127.0.0.1" in str(error)
        assert closed.wait(5)


def test_what_a_host_says_before_it_keeps_still_is_quoted() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"Under maintenance\r\n")
        until_closed(connection)

    with serving(serve) as server:
        error = failure(server, timeouts=Timeouts(handshake=0.5))
    assert type(error) is TimedOutError
    assert "it says 'Under maintenance'" in str(error)


def test_a_failed_handshake_leaves_no_thread_behind() -> None:
    with serving(sends(GREETING, packet(b"\x02"), b"x" * 100)) as server:
        failure(server)
    until = time.monotonic() + 5
    while names := [each.name for each in threading.enumerate() if not each.daemon and each.name != "MainThread"]:
        assert time.monotonic() < until, names
        time.sleep(0.05)


def test_what_a_host_disconnects_with_is_quoted_in_one_bounded_line() -> None:
    reason = b"no\x1b[31m\r\nroom " * 500
    disconnect = bytes([DISCONNECT]) + struct.pack(">II", 2, len(reason)) + reason + bytes(4)
    with serving(sends(GREETING, packet(disconnect))) as server:
        error = failure(server)
    assert "(SSH-2.0-Example_1.0) failed: no [31m room no" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 400


def test_an_ssh_server_of_version_one_is_reported() -> None:
    with serving(sends(b"SSH-1.5-old\r\n")) as server:
        assert "1.5" in str(failure(server))


# Anything may come


@st.composite
def traffic(draw: st.DrawFn) -> list[bytes]:
    """What a server may send: a greeting or not, packets with or without sense."""
    payload = st.binary(max_size=200) | st.builds(
        lambda kind, rest: bytes([kind]) + rest, st.integers(0, 100), st.binary()
    )
    lengths = st.none() | st.integers(0, 2**32 - 1)
    packets = st.builds(packet, payload | st.builds(kexinit, *[st.text("abc,-\xe4", max_size=20)] * 4), lengths)
    return [draw(st.sampled_from([b"", GREETING, b"hello\r\n" + GREETING, b"\xff\xfe\r\n"])), *draw(st.lists(packets))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traffic())
def test_whatever_a_host_sends_the_error_is_ours(chunks: list[bytes]) -> None:
    with serving(sends(*chunks)) as server:
        error = failure(server)
    assert isinstance(error, UnreachableError | HostKeyRejectedError)
    assert str(error).isprintable()
    assert error.remedy


# Later in the connection


@contextlib.contextmanager
def rekeying(change: Callable[[paramiko.Transport], Any]) -> Any:
    """A server that exchanges keys anew once the client has asked for a command, after a change."""

    def serve(connection: socket.socket) -> None:
        server = paramiko.Transport(connection)
        server.add_server_key(host_key())
        server.start_server(server=Anybody())
        channel = server.accept(10)
        if channel is None:
            return
        time.sleep(0.2)
        change(server)
        with contextlib.suppress(Exception):
            server.renegotiate_keys()
            channel.send(b"done\n")
            channel.send_exit_status(0)
            channel.close()
        server.join(5)
        server.close()

    with serving(serve) as server:
        yield server


def command(server: Raw, pinned: str) -> int:
    key = SecretText(KEY_PAIR.private_text)
    with SshConnector(SHORT).open_shell(cluster(server.port, pinned), key, None) as shell:
        return shell.start("true", seconds=10.0).finish().status


def test_keys_exchanged_anew_under_the_pinned_key_change_nothing() -> None:
    with rekeying(lambda _: None) as server:
        assert command(server, pin(host_key())) == 0


def test_keys_exchanged_anew_under_another_key_end_the_connection() -> None:
    another = paramiko.ECDSAKey.generate()
    with (
        rekeying(lambda transport: transport.add_server_key(another)) as server,
        pytest.raises(HostKeyRejectedError) as caught,
    ):
        command(server, pin(host_key()))
    assert pin(another) in str(caught.value)
    assert "KUBERNETES_SSH_FINGERPRINT" in caught.value.remedy


def test_keys_exchanged_anew_under_another_pinned_key_are_fine() -> None:
    another = paramiko.ECDSAKey.generate()
    with rekeying(lambda transport: transport.add_server_key(another)) as server:
        assert command(server, f"{pin(host_key())}, {pin(another)}") == 0
