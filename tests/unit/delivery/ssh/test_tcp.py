"""Connecting to one of several addresses, some of which do not answer."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from rotator.delivery.errors import (
    UnreachableError,
)
from rotator.delivery.ssh import tcp
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from tests.fakes.ssh_servers import (
    cluster,
    sends,
    serving,
)
from tests.unit.delivery.ssh.connecting import TIMEOUTS, Names, connects, honest


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
    with serving(honest) as server, serving(sends(b""), "127.0.0.2", server.port) as second:
        connects(server, SshConnector(TIMEOUTS, resolve=Names("127.0.0.1", "127.0.0.2")))
    assert (server.connections, second.connections) == (1, 0)


def test_the_second_family_is_tried_before_the_rest_of_the_first() -> None:
    found = Names("fd00::1", "fd00::2", "fd00::3", "192.0.2.1", "192.0.2.2")("master.example.com", 22)
    order = [each[4][0] for each in tcp._interleave(found)]
    assert order == ["fd00::1", "192.0.2.1", "fd00::2", "192.0.2.2", "fd00::3"]


def test_all_addresses_together_have_the_time_of_one() -> None:
    with serving(sends(b"")) as server, dead("127.0.1.1", server.port), dead("127.0.1.2", server.port):
        began = time.monotonic()
        with pytest.raises(UnreachableError) as caught:
            connects(server, SshConnector(Timeouts(connect=1.0), resolve=Names("127.0.1.1", "127.0.1.2", "127.0.1.3")))
    assert time.monotonic() - began < 5
    assert str(caught.value) == (
        f"rotator@master.example.com:{server.port} does not answer within 1 s "
        "(127.0.1.3: Connection refused; 127.0.1.1: timed out; 127.0.1.2: timed out)"
    )


def test_a_name_that_is_not_resolved_in_time_is_reported() -> None:
    released = threading.Event()

    def slow(host: str, port: int) -> Sequence[tcp.AddressInfo]:
        released.wait(30)
        return []

    ssh = SshConnector(Timeouts(connect=0.3), resolve=slow)
    with pytest.raises(UnreachableError, match=r"the name of .* was not resolved within 0\.3 s"):
        ssh.scan_host_keys(cluster(22))
    released.set()


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 64 + ".example.com", "a..b", "\xfc" * 70])
def test_a_name_without_an_address_is_reported(host: str) -> None:
    """Whatever the resolver makes of a name: settings refuse the last three, search domains may lead there."""
    ssh = SshConnector(TIMEOUTS, resolve=lambda _, port: tcp.resolve(host, port))
    with pytest.raises(UnreachableError, match=r"has no address|was not resolved"):
        ssh.scan_host_keys(cluster(22))
