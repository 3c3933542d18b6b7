"""A remote command's streams and end, as paramiko hands them over: from another thread, between any two looks."""

import os
import re
import time
from collections.abc import Iterator
from typing import cast

import paramiko
import pytest

from rotator.delivery.errors import CommandError, OutputUnboundedError
from rotator.delivery.ssh import session
from rotator.delivery.ssh.shell import Result
from tests.fakes.examples import CLUSTER

WORDS = "all that it printed\n"


class Transport:
    """A connection whose one channel carries out `arrives`, a step of what the host sends, between our looks.

    Before look `number` nothing has come; then everything comes at once. `stdout` holds "{mark}" where the
    command's output begins.
    """

    def __init__(self, number: int = 0, stdout: str = "{mark}", stderr: str = "", *, status: int = 0) -> None:
        self.number = number
        self.stdout, self.stderr, self.status = stdout, stderr, status
        self.flood: dict[str, bytes] = {}  # what comes anew on a stream at each round of looks, without end
        self.ended = False
        self.saved_exception: Exception | None = None  # why paramiko's thread ended
        self.channel = Channel(self)

    def open_session(self, timeout: float) -> "Channel":
        assert timeout > 0
        return self.channel

    def is_active(self) -> bool:
        return not self.ended

    is_alive = is_active

    def join(self, timeout: float) -> None:
        """Its thread goes on."""

    def close(self) -> None:
        self.ended = True
        self.channel.gone = True


class Channel:
    """paramiko's channel. Each question that it is asked is a look."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._looks = 0
        self._buffers = {"stdout": bytearray(), "stderr": bytearray()}
        self._reader, self._writer = os.pipe()
        os.write(self._writer, b"!")  # at the streams' end, as here throughout, select never waits
        self.sent = b""
        self.taken = 0
        self.gone = False
        self.exit_status = -1
        self.closed_here = False

    def exec_command(self, command: str) -> None:
        found = re.match(r"echo (rotator-[0-9a-f]{16}); ", command)
        assert found
        self._mark = f"{found[1]}\n"
        self._arrive()

    def fileno(self) -> int:
        for stream, data in self._transport.flood.items():
            self._buffers[stream] += data
        return self._reader

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown_write(self) -> None:
        """The host sees the end of stdin."""

    def close(self) -> None:
        self.closed_here = True

    @property
    def closed(self) -> bool:
        now = self.gone
        self._look()
        return now

    def recv_ready(self) -> bool:
        return self._ready("stdout")

    def recv_stderr_ready(self) -> bool:
        return self._ready("stderr")

    def recv(self, size: int) -> bytes:
        return self._take("stdout", size)

    def recv_stderr(self, size: int) -> bytes:
        return self._take("stderr", size)

    def _ready(self, stream: str) -> bool:
        now = bool(self._buffers[stream])
        self._look()
        return now

    def _take(self, stream: str, size: int) -> bytes:
        buffer = self._buffers[stream]
        data = bytes(buffer[:size])
        del buffer[:size]
        self.taken += len(data)
        return data

    def _look(self) -> None:
        self._looks += 1
        self._arrive()

    def _arrive(self) -> None:
        if self._looks == self._transport.number:
            self._buffers["stdout"] += self._transport.stdout.replace("{mark}", self._mark).encode()
            self._buffers["stderr"] += self._transport.stderr.encode()
            self.exit_status, self.gone = self._transport.status, not self._transport.flood

    def release(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def hosts() -> Iterator[list[Transport]]:
    made: list[Transport] = []
    yield made
    for each in made:
        each.channel.release()


def start(hosts: list[Transport], host: Transport) -> session.Command:
    hosts.append(host)
    return session.Session(cast("paramiko.Transport", host), CLUSTER).start("true", seconds=30)


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_comes_with_the_close_is_not_lost_whenever_it_comes(
    hosts: list[Transport], number: int, stream: str
) -> None:
    stdout, stderr = ("{mark}" + WORDS, "") if stream == "stdout" else ("{mark}", WORDS)
    done = start(hosts, Transport(number, stdout, stderr)).finish()
    assert done == Result(0, stdout.removeprefix("{mark}"), stderr)


@pytest.mark.parametrize("number", range(8))
def test_the_line_that_is_waited_for_is_found_whenever_it_comes(hosts: list[Transport], number: int) -> None:
    running = start(hosts, Transport(number, "{mark}held\nready\n"))
    assert running.wait_for("ready") == "held\nready\n"
    assert running.finish() == Result(0, "held\nready\n", "")


# Output without a bound


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("waits", [True, False])
def test_output_without_end_is_read_to_a_bound(hosts: list[Transport], stream: str, waits: bool) -> None:
    host = Transport(0, "{mark}")
    host.flood = {stream: b"y" * 300_000}
    running = start(hosts, host)
    with pytest.raises(OutputUnboundedError, match="more than 16 MiB") as caught:
        running.wait_for("ready") if waits else running.finish()
    assert str(CLUSTER) in str(caught.value)
    assert "y" * 100 not in str(caught.value)
    assert host.channel.closed_here
    assert host.channel.taken < 18 * 2**20
    assert not host.ended  # other commands of the connection go on


def test_a_line_is_waited_for_in_much_output_in_linear_time(hosts: list[Transport]) -> None:
    """Each look adds a little; to search all of it each time would take minutes."""
    host = Transport(0, "{mark}")
    host.flood = {"stdout": b"\n" * 500}
    began = time.monotonic()
    with pytest.raises(OutputUnboundedError):
        start(hosts, host).wait_for("ready")
    assert time.monotonic() - began < 20


# What runs in place of the command


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        ("This account is currently not available.\n", ""),
        ("hello\n", ""),
        ("", "Unmatched '''.\n"),
        ("", ""),
    ],
)
def test_an_account_that_does_not_run_commands_is_reported_in_its_words(
    hosts: list[Transport], status: int, stdout: str, stderr: str
) -> None:
    with pytest.raises(CommandError) as caught:
        start(hosts, Transport(0, stdout, stderr, status=status)).finish()
    assert type(caught.value) is CommandError
    assert f"{CLUSTER} does not run commands: " in str(caught.value)
    assert ((stdout or stderr).strip() or "it printed nothing") in str(caught.value)
    for cause in ("forced command", "authorized_keys", "ForceCommand", "login shell"):
        assert cause in caught.value.remedy


def test_what_such_an_account_says_is_quoted_without_secrets(hosts: list[Transport]) -> None:
    with pytest.raises(CommandError) as caught:
        start(hosts, Transport(0, f"sv=2018-03-28&sig=MDEyMzQ1\n{'A' * 80}\n{'word ' * 400}")).finish()
    assert "MDEyMzQ1" not in str(caught.value)
    assert "A" * 60 not in str(caught.value)
    assert len(str(caught.value)) < 700
