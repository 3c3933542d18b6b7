"""The master under contract: the sandbox's own, and OpenSSH's sshd where it is installed."""

import asyncio
import contextlib
import io
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from sandbox import programs
from sandbox.master import keys, openssh
from sandbox.master.server import Master
from sandbox.server import background, journal

SECONDS = 10.0
HOST_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
KEY_PAIR = keys.generate()

AnyMaster = Master | openssh.OpenSshMaster


@pytest.fixture(scope="module", params=["own", pytest.param("sshd", marks=pytest.mark.real)])
def server(request: pytest.FixtureRequest) -> Iterator[AnyMaster]:
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(background.Background())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="master-")))
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text('{"apiVersion": "v1", "kind": "Config", "current-context": "marked"}')
        started: AnyMaster
        if request.param == "own":
            started = Master(journal.Journal(), directory / "own", kubeconfig)
        else:
            _require_sshd()
            started = openssh.OpenSshMaster(directory / "sshd", kubeconfig, openssh.MANY_CONNECTIONS)
        started.authorized_keys.append(KEY_PAIR.public_line)
        stack.enter_context(running.serving(started))
        yield started


def _require_sshd() -> None:
    try:
        programs.require_sshd()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))


@contextlib.contextmanager
def connected(server: AnyMaster, key_types: list[str] | None = None) -> Iterator[paramiko.Transport]:
    """Keys are exchanged; nobody has logged in yet."""
    with socket.create_connection((server.host, server.port), SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # paramiko doesn't, and waits for it
        transport = paramiko.Transport(connection)
        try:
            if key_types:
                transport.get_security_options().key_types = key_types
            transport.start_client(timeout=SECONDS)
            yield transport
        finally:
            transport.close()
            transport.join(SECONDS)


def private_key(pair: keys.KeyPair = KEY_PAIR) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pair.private_text))


@pytest.fixture
def session(server: AnyMaster) -> Iterator[paramiko.Channel]:
    """A channel of one who is let in."""
    with connected(server) as transport:
        transport.auth_publickey(server.username, private_key())
        with contextlib.closing(transport.open_session(timeout=SECONDS)) as channel:
            channel.settimeout(SECONDS)
            yield channel


def read(channel: paramiko.Channel) -> bytes:
    return b"".join(iter(lambda: channel.recv(65536), b""))


def read_errors(channel: paramiko.Channel) -> bytes:
    return b"".join(iter(lambda: channel.recv_stderr(65536), b""))


def run(server: AnyMaster, command: str) -> bytes:
    with connected(server) as transport:
        transport.auth_publickey(server.username, private_key())
        with contextlib.closing(transport.open_session(timeout=SECONDS)) as channel:
            channel.settimeout(SECONDS)
            channel.exec_command(command)
            return read(channel)


@pytest.mark.parametrize("status", [0, 3, 255])
def test_exit_status_output_and_errors_come_back_apart(session: paramiko.Channel, status: int) -> None:
    session.exec_command(f"echo out; echo wrong >&2; exit {status}")
    assert read(session) == b"out\n"
    assert read_errors(session) == b"wrong\n"
    assert session.recv_exit_status() == status


def test_death_by_a_signal_is_reported_as_such(server: AnyMaster) -> None:
    async def run() -> asyncssh.SSHCompletedProcess:
        key = asyncssh.import_private_key(KEY_PAIR.private_text)
        async with asyncssh.connect(  # paramiko doesn't tell which signal
            server.host, server.port, username=server.username, client_keys=[key], known_hosts=None, config=None
        ) as connection:
            return await connection.run("echo out; kill -TERM $$")

    done = asyncio.run(run())
    assert done.stdout == "out\n"
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "TERM"


def test_death_by_a_signal_has_no_exit_status(session: paramiko.Channel) -> None:
    session.exec_command("kill -KILL $$")
    assert session.recv_exit_status() == -1  # paramiko's word for: none was sent


def test_a_command_that_does_not_exist_is_the_shell_s_127(session: paramiko.Channel) -> None:
    session.exec_command("no-such-command")
    assert session.recv_exit_status() == 127
    assert b"no-such-command" in read_errors(session)


def test_five_megabytes_of_output_arrive(session: paramiko.Channel) -> None:
    session.exec_command("head -c 5000000 /dev/zero")
    assert len(read(session)) == 5_000_000
    assert session.recv_exit_status() == 0


@pytest.mark.parametrize(("size", "command"), [(1_000_000, "cat"), (200_000, "sleep 0.2; cat")])
def test_stdin_comes_back_as_it_went(session: paramiko.Channel, size: int, command: str) -> None:
    data = os.urandom(size)
    session.exec_command(command)

    def send() -> None:
        session.sendall(data)
        session.shutdown_write()

    sender = threading.Thread(target=send)
    sender.start()
    assert read(session) == data
    sender.join(SECONDS)
    assert session.recv_exit_status() == 0


def test_stdin_may_follow_what_the_command_said(session: paramiko.Channel) -> None:
    session.exec_command('echo ready; read -r line; echo "got $line"; cat')
    assert session.recv(100) == b"ready\n"
    session.sendall(b"first\n")
    assert session.recv(100) == b"got first\n"
    session.sendall(b"rest")
    session.shutdown_write()
    assert read(session) == b"rest"


def test_a_command_that_reads_no_stdin_still_reports_its_status(session: paramiko.Channel) -> None:
    session.exec_command("exit 7")
    with contextlib.suppress(OSError):  # the channel may be closed by now
        session.sendall(b"x" * 100_000)
        session.shutdown_write()
    assert session.recv_exit_status() == 7


def test_stdin_is_a_pipe_that_can_be_opened_by_name(session: paramiko.Channel) -> None:
    session.exec_command("cat /dev/stdin")  # fails on a socket
    session.sendall(b"by name")
    session.shutdown_write()
    assert (read(session), read_errors(session)) == (b"by name", b"")


def test_two_commands_share_a_connection(server: AnyMaster) -> None:
    with connected(server) as transport:
        transport.auth_publickey(server.username, private_key())
        channels = [transport.open_session(timeout=SECONDS) for _ in range(2)]
        for number, channel in enumerate(channels):
            channel.settimeout(SECONDS)
            channel.exec_command(f"read -r line; echo {number} $line")
        for channel in reversed(channels):
            channel.sendall(b"go\n")
        assert [read(channel) for channel in channels] == [b"0 go\n", b"1 go\n"]


def test_a_command_outlives_its_connection_and_its_stdin_ends(server: AnyMaster) -> None:
    with connected(server) as transport:
        transport.auth_publickey(server.username, private_key())
        channel = transport.open_session(timeout=SECONDS)
        channel.settimeout(SECONDS)
        channel.exec_command('rm -f "$HOME/outlived"; echo ready; cat >/dev/null; sleep 0.5; touch "$HOME/outlived"')
        assert channel.recv(100) == b"ready\n"
        transport.sock.shutdown(socket.SHUT_RDWR)
    look = 'test -e "$HOME/outlived" && echo there'
    assert run(server, look) == b""
    limit = time.monotonic() + SECONDS
    while run(server, look) != b"there\n":
        assert time.monotonic() < limit


def test_a_key_that_is_not_authorized_is_refused(server: AnyMaster) -> None:
    with connected(server) as transport, pytest.raises(paramiko.AuthenticationException):
        transport.auth_publickey(server.username, private_key(keys.generate()))


def test_another_user_is_refused(server: AnyMaster) -> None:
    with connected(server) as transport, pytest.raises(paramiko.AuthenticationException):
        transport.auth_publickey("nobody", private_key())


def test_passwords_are_not_taken(server: AnyMaster) -> None:
    with connected(server) as transport, pytest.raises(paramiko.BadAuthenticationType) as refused:
        transport.auth_password(server.username, "anything", fallback=False)
    assert refused.value.allowed_types == ["publickey"]


@pytest.mark.parametrize("key_type", HOST_KEY_TYPES)
def test_each_host_key_has_the_fingerprint_that_is_told(server: AnyMaster, key_type: str) -> None:
    assert sorted(server.fingerprints) == sorted(HOST_KEY_TYPES)
    asked = ["rsa-sha2-512", "rsa-sha2-256"] if key_type == "ssh-rsa" else [key_type]
    with connected(server, asked) as transport:
        key = transport.get_remote_server_key()
        assert (key.get_name(), key.fingerprint) == (key_type, server.fingerprints[key_type])


def test_kubectl_finds_the_kubeconfig(session: paramiko.Channel) -> None:
    session.exec_command("kubectl config current-context")
    assert (read(session), read_errors(session)) == (b"marked\n", b"")


def test_nothing_of_the_sandbox_s_environment_is_passed_on(server: AnyMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_MARK", "visible")
    assert b"SANDBOX_MARK" not in run(server, "env")


def test_there_is_no_terminal(session: paramiko.Channel) -> None:
    with pytest.raises(paramiko.SSHException):
        session.get_pty()


def test_ports_are_not_forwarded(server: AnyMaster) -> None:
    with connected(server) as transport:
        transport.auth_publickey(server.username, private_key())
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", server.port), ("127.0.0.1", 1), timeout=SECONDS)
