"""Servers other than OpenSSH, which end a connection where OpenSSH says why: dropbear, tinysshd, asyncssh."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from rotator.delivery.errors import AuthenticationRejectedError, HostKeyRejectedError, SshError, UnreachableError
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.ssh.handshake import Timeouts
from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText
from sandbox.master import keys
from sandbox.server import background, processes
from tests.fakes.ssh_servers import cluster, serving

pytestmark = pytest.mark.real

KEY = SecretText(keys.generate().private_text)
WRONG = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
# dropbear takes five unproven connections at a time, and one that was closed counts until its process has ended.
SSH = SshConnector(Timeouts(retry_delay=1.0))
Server = Callable[[Path], contextlib.AbstractContextManager[int]]


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is missing; it is in the package {package}")
    return found


@contextlib.contextmanager
def process(port: int, *command: str, log: Path) -> Iterator[None]:
    with log.open("w") as file, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=file) as server:
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until and server.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            assert server.poll() is None, log.read_text()
            yield
        finally:
            server.terminate()


@contextlib.contextmanager
def dropbear(directory: Path) -> Iterator[int]:
    """With two host keys, neither of which is the strongest kind."""
    server, maker = program("dropbear", "dropbear-bin"), program("dropbearkey", "dropbear-bin")
    options = []
    for kind in ("ecdsa", "rsa"):
        subprocess.run([maker, "-t", kind, "-f", str(directory / kind)], capture_output=True, check=True)
        options += ["-r", str(directory / kind)]
    (port,) = processes.free_ports(1)
    settings = ["-F", "-E", "-p", f"127.0.0.1:{port}", "-P", str(directory / "pid")]
    with process(port, server, *settings, *options, log=directory / "log"):
        yield port


@contextlib.contextmanager
def another_asyncssh(directory: Path) -> Iterator[int]:
    """The same two kinds, with asyncssh, which disconnects when none suits."""
    two_keys = [
        asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
        asyncssh.generate_private_key("ssh-rsa", key_size=2048),
    ]

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=two_keys)

    async def end(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()
        await asyncio.sleep(0.05)

    with background.Background() as running:
        acceptor = running.run(serve())
        try:
            yield acceptor.get_port()
        finally:
            running.run(end(acceptor))


SERVERS: dict[str, Server] = {"dropbear": dropbear, "asyncssh": another_asyncssh}


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as listening:
        yield listening


def kinds(port: int) -> list[str]:
    return [key.key_type for key in SSH.scan_host_keys(cluster(port))]


def refused(one: Cluster) -> SshError:
    with pytest.raises(SshError) as caught, SSH.open_shell(one, KEY, None):
        pass
    return caught.value


def test_all_keys_are_shown_and_no_more_is_asked_for(port: int) -> None:
    assert kinds(port) == ["ecdsa-sha2-nistp256", "ssh-rsa"]


@pytest.mark.parametrize("kind", ["", "ssh-ed25519 ", "ecdsa-sha2-nistp256 ", "ecdsa-sha2-nistp521 ", "ssh-rsa "])
def test_a_wrong_pin_is_a_rejected_host_key_whatever_its_type(port: int, kind: str) -> None:
    shown = {key.key_type: str(key) for key in SSH.scan_host_keys(cluster(port))}
    error = refused(cluster(port, f"{kind}{WRONG}"))
    assert type(error) is HostKeyRejectedError
    assert shown.get(kind.strip(), shown["ecdsa-sha2-nistp256"]) in str(error)
    looked, proven = SSH.verify_host(cluster(port, f"{kind}{WRONG}"))
    assert (sorted(map(str, looked)), proven) == (sorted(shown.values()), None)


def test_each_key_may_be_pinned_with_and_without_its_type(port: int) -> None:
    for key in SSH.scan_host_keys(cluster(port)):
        for pinned in (str(key), str(key).partition(" ")[2], f"ssh-ed25519 {WRONG}, {key}"):
            error = refused(cluster(port, pinned, user="nobody"))
            assert type(error) is AuthenticationRejectedError, error


@pytest.mark.parametrize("pinned", [WRONG, host_keys.EXAMPLE])
def test_a_server_with_one_cipher_of_its_own_says_which(tmp_path: Path, pinned: str) -> None:
    server, maker = program("tinysshd", "tinysshd"), program("tinysshd-makekey", "tinysshd")
    subprocess.run([maker, "-q", str(tmp_path / "keys")], check=True)

    def serve(connection: socket.socket) -> None:
        here = connection.fileno()
        with (tmp_path / "log").open("a") as log:
            subprocess.run([server, "-v", str(tmp_path / "keys")], stdin=here, stdout=here, stderr=log, check=False)

    with serving(serve) as listening:
        error = refused(cluster(listening.port, pinned))
    assert type(error) is UnreachableError
    assert "in common for the cipher (it offers chacha20-poly1305@openssh.com)" in str(error)
    assert "A server other than OpenSSH" in error.remedy
    assert listening.connections == 1
