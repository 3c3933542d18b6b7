import contextlib
import dataclasses
import datetime
import io
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from sandbox.master import keys
from sandbox.master.server import Master
from sandbox.server import background, journal

SECONDS = 10.0
SOON = datetime.timedelta(seconds=5)
AHEAD = datetime.timedelta(minutes=7)
KEY_PAIR = keys.generate()


@dataclasses.dataclass
class Running:
    """A master that has one user, and the way to it."""

    master: Master
    journal: journal.Journal

    def steps(self) -> list[tuple[str, str]]:
        return [(event.action, event.phase) for event in self.journal.events("master")]

    @contextlib.contextmanager
    def login(self) -> Iterator[paramiko.Transport]:
        with socket.create_connection((self.master.host, self.master.port), SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(connection)
            try:
                transport.start_client(timeout=SECONDS)
                key = paramiko.Ed25519Key.from_private_key(io.StringIO(KEY_PAIR.private_text))
                transport.auth_publickey(self.master.username, key)
                yield transport
            finally:
                transport.close()
                transport.join(SECONDS)

    @contextlib.contextmanager
    def command(self, line: str) -> Iterator[paramiko.Channel]:
        with self.login() as transport, contextlib.closing(transport.open_session(timeout=SECONDS)) as channel:
            channel.settimeout(SECONDS)
            channel.exec_command(line)
            yield channel


@pytest.fixture(scope="module")
def loop() -> Iterator[background.Background]:
    with background.Background() as running:
        yield running


@pytest.fixture
def running(loop: background.Background, tmp_path: Path) -> Iterator[Running]:
    record = journal.Journal()
    server = Master(record, tmp_path, tmp_path / "kubeconfig", host_key_types=["ssh-ed25519"])
    server.authorized_keys.append(KEY_PAIR.public_line)
    with loop.serving(server):
        yield Running(server, record)


def wait_for(path: Path) -> None:
    limit = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < limit, f"{path.name} wasn't written"
        time.sleep(0.01)


def test_what_happened_is_told_and_commands_stay_out_of_the_journal(running: Running) -> None:
    with running.command("echo $HOME") as channel:
        assert channel.recv(1000).decode().strip() == str(running.master.directory)
        assert channel.recv_exit_status() == 0
    assert running.master.commands == ["echo $HOME"]
    assert (running.master.connections, running.master.auth_attempts) == (1, 1)
    assert running.steps() == [
        (action, phase) for action in ("connect", "auth", "exec") for phase in ("before", "after")
    ]
    assert {event.detail for event in running.journal.events()} == {running.master.username}


def test_a_client_that_leaves_after_the_host_key_has_not_attempted_to_log_in(running: Running) -> None:
    with socket.create_connection((running.master.host, running.master.port), SECONDS) as connection:
        transport = paramiko.Transport(connection)
        transport.start_client(timeout=SECONDS)
        transport.close()
        transport.join(SECONDS)
    assert (running.master.connections, running.master.auth_attempts) == (1, 0)
    assert running.steps() == [("connect", "before")]


def test_nobody_is_let_in_when_told_so(running: Running) -> None:
    running.master.accept_auth = False
    with pytest.raises(paramiko.AuthenticationException), running.login():
        pass
    assert running.master.auth_attempts == 1


def test_a_mute_master_takes_the_connection_and_says_nothing(running: Running) -> None:
    running.master.mute = True
    with socket.create_connection((running.master.host, running.master.port), 0.3) as connection:
        connection.sendall(b"SSH-2.0-test\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        running.master.drop_connections()
        connection.settimeout(SECONDS)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_commands_start_late_and_get_the_stdin_that_came_before(running: Running) -> None:
    running.master.exec_delay = 0.3
    begun = time.monotonic()
    with running.command("cat") as channel:
        channel.sendall(b"early")
        channel.shutdown_write()
        assert channel.recv(100) == b"early"
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("limit", [0, 5])
def test_a_connection_drops_in_the_middle_of_stdin(running: Running, limit: int) -> None:
    received = running.master.directory / "received"
    running.master.drop_after_stdin_bytes = limit
    with running.command("cat > part; mv part received") as channel:
        channel.sendall(b"0123456789")
        assert channel.recv(1) == b""
        assert channel.recv_exit_status() == -1
    wait_for(received)
    assert received.read_bytes() == b"0123456789"[:limit]


def test_dropped_connections_leave_commands_alone(running: Running) -> None:
    with running.command("echo ready; cat; sleep 0.2; touch over") as channel:
        assert channel.recv(100) == b"ready\n"
        running.master.drop_connections()
        assert channel.recv(1) == b""
    wait_for(running.master.directory / "over")


def test_a_kubectl_of_the_tests_comes_first(running: Running, tmp_path: Path) -> None:
    running.master.kubectl = tmp_path / "programs"
    running.master.kubectl.mkdir()
    wrapper = running.master.kubectl / "kubectl"
    wrapper.write_text("#!/bin/sh\necho wrapped\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    with running.command("kubectl version") as channel:
        assert channel.recv(100) == b"wrapped\n"


def test_a_command_that_goes_on_is_ended_with_the_master(running: Running, loop: background.Background) -> None:
    with running.command("sleep 60 & echo $!; wait") as channel:
        child = int(channel.recv(100))
        loop.run(running.master.stop())
    limit = time.monotonic() + SECONDS
    while is_running(child):
        assert time.monotonic() < limit


def test_there_is_no_shell_and_no_file_transfer(running: Running) -> None:
    with running.login() as transport:
        for refused in (paramiko.Channel.invoke_shell, lambda channel: channel.invoke_subsystem("sftp")):
            with pytest.raises(paramiko.SSHException):
                refused(transport.open_session(timeout=SECONDS))


def test_port_and_host_keys_outlast_a_restart(running: Running, loop: background.Background) -> None:
    before = (running.master.port, dict(running.master.fingerprints))
    loop.run(running.master.stop())
    loop.run(running.master.stop())
    loop.run(running.master.start())
    assert (running.master.port, running.master.fingerprints) == before
    with running.login():
        pass


def is_running(pid: int) -> bool:
    """Whether the process is there and not just waiting to be reaped by its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def on_the_master(running: Running, line: str = "date +%s") -> datetime.timedelta:
    with running.command(line) as channel:
        seconds = int(channel.makefile().read())
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) - datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("skew", [AHEAD, -AHEAD])
def test_clock_of_the_master_may_be_wrong(running: Running, skew: datetime.timedelta) -> None:
    assert abs(on_the_master(running)) < SOON
    running.master.clock_skew = skew
    assert abs(on_the_master(running) - skew) < SOON
    assert abs(on_the_master(running, "echo $(date -u +%s)") - skew) < SOON
    running.master.clock_skew = datetime.timedelta()
    assert abs(on_the_master(running)) < SOON


def test_command_that_names_a_date_gets_that_one(running: Running) -> None:
    running.master.clock_skew = AHEAD
    with running.command("date -u -d @86400 +%F") as channel:
        assert channel.makefile().read() == b"1970-01-02\n"
