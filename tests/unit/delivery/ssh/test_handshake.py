"""Servers that drop connections before keys are exchanged: one retry, and an error that quotes them."""

import logging
import socket

import pytest

from rotator.delivery.errors import (
    TimedOutError,
    UnreachableError,
)
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from tests.fakes.ssh_servers import (
    GREETING,
    cluster,
    serving,
    until_closed,
)
from tests.unit.delivery.ssh.connecting import TIMEOUTS, Names, connects, honest


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
    ("words", "message", "remedy"),
    [
        (b"Exceeded MaxStartups\r\n", "refuses connections for now: it says 'Exceeded MaxStartups'", "MaxStartups"),
        (b"Not allowed at this time\r\n", "refuses connections for now: it says 'Not allowed at", "PerSourcePenalties"),
        (b"", "does not talk SSH: it closes the connection without a word", "overloaded"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", "does not talk SSH: it says 'HTTP/1.1 400", "KUBERNETES_SSH_PORT"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "does not talk SSH: it says '", "KUBERNETES_SSH_PORT"),
    ],
)
def test_a_server_that_drops_the_second_connection_too_is_quoted(
    words: bytes, message: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "rotator")
    with serving(Dropping(9, words)) as server, pytest.raises(UnreachableError) as caught:
        SshConnector(TIMEOUTS, sleep=lambda _: None).scan_host_keys(cluster(server.port))
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert remedy in caught.value.remedy
    assert server.connections == 2
    assert message in caplog.text


def test_what_a_mute_server_closed_is_not_tried_again() -> None:
    with serving(until_closed) as server, pytest.raises(TimedOutError):
        SshConnector(Timeouts(handshake=0.3)).scan_host_keys(cluster(server.port))
    assert server.connections == 1
