"""The real sshd with settings that real masters have: what the rotator says of them, and that its remedy helps."""

import atexit
import contextlib
import functools
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.delivery.errors import (
    AuthenticationRejectedError,
    HostKeyRejectedError,
    SecondFactorError,
    SshError,
    UnreachableError,
)
from rotator.delivery.ssh.connection import SshConnector
from rotator.plan import host_keys as pins
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText
from sandbox import programs
from sandbox.master import keys, openssh
from sandbox.server import background

pytestmark = pytest.mark.real

KEY_PAIR = keys.generate()
KEY = SecretText(KEY_PAIR.private_text)


@functools.cache
def host_key_files() -> Path:
    """Where host keys are that all of these sshd have: making them takes longer than a test."""
    directory = Path(tempfile.mkdtemp(prefix="host-keys-"))
    atexit.register(shutil.rmtree, directory)
    for key_type in keys.HOST_KEY_TYPES:
        (directory / f"host_{key_type}").touch(mode=0o600)
        keys.generate_host_key(key_type).write_private_key(directory / f"host_{key_type}")
    return directory


@contextlib.contextmanager
def sshd(*options: str) -> Iterator[Cluster]:
    try:
        programs.require_sshd()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sshd-")))
        (directory / "kubeconfig").write_text("{}")
        running = stack.enter_context(background.Background())
        shutil.copytree(host_key_files(), directory / "sshd")
        master = openssh.OpenSshMaster(directory / "sshd", directory / "kubeconfig", options)
        master.authorized_keys.append(KEY_PAIR.public_line)
        stack.enter_context(running.serving(master))
        pinned = pins.parse(f"ssh-ed25519 {master.fingerprints['ssh-ed25519']}")
        yield Cluster(host=master.host, port=master.port, user=master.username, fingerprints=pinned)


def works(cluster: Cluster) -> bool:
    with SshConnector().open_shell(cluster, KEY, None) as shell:
        return shell.start("echo works", seconds=20).finish().stdout == "works\n"


def failing(cluster: Cluster) -> SshError:
    with pytest.raises(SshError) as caught, SshConnector(sleep=lambda _: None).open_shell(cluster, KEY, None):
        pass
    return caught.value


@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms curve25519-sha256",
        "KexAlgorithms curve25519-sha256@libssh.org",
        "KexAlgorithms ecdh-sha2-nistp256",
        "Ciphers aes256-gcm@openssh.com",
        "MACs hmac-sha2-512-etm@openssh.com",
        "HostKeyAlgorithms ssh-ed25519",
        "Compression delayed",
        "RekeyLimit 16 1",
    ],
)
def test_a_hardened_sshd_is_talked_to(option: str) -> None:
    with sshd(option) as cluster:
        assert works(cluster)


# What is left in a list that has nothing for us, what it is for, and one of the names that would help.
LACKING = {
    "KexAlgorithms": ("sntrup761x25519-sha512@openssh.com", "the key exchange", "curve25519-sha256"),
    "Ciphers": ("chacha20-poly1305@openssh.com", "the cipher", "aes256-ctr"),
    "MACs": ("umac-128-etm@openssh.com,umac-128@openssh.com", "the MAC", "hmac-sha2-512"),
}


@pytest.mark.parametrize("directive", LACKING)
def test_what_sshd_lacks_is_named_and_the_remedy_helps(directive: str) -> None:
    only, use, expected = LACKING[directive]
    # Beside a cipher that needs no MAC any list of MACs would do for OpenSSH.
    with sshd(f"{directive} {only}", "Ciphers aes256-ctr") as cluster:
        error = failing(cluster)
    assert type(error) is UnreachableError
    assert f"no strong algorithm in common for {use} (it offers {only.replace(',', ', ')})" in str(error)
    assert "up to date" not in error.remedy
    added = re.search(rf"add one of these to `{directive}` in sshd_config: ([^;`]*)\. `sshd", error.remedy)
    assert added, error.remedy
    names = added[1].split(", ")
    assert expected in names
    known = [name for name in names if is_known(directive, name)]
    for name in known[:1] + known[-1:]:
        with sshd(f"{directive} {only},{name}", "Ciphers aes256-ctr") as cluster:
            assert works(cluster)


def is_known(directive: str, name: str) -> bool:
    """Whether this machine's OpenSSH has it, too."""
    kind = {"KexAlgorithms": "kex", "Ciphers": "cipher", "MACs": "mac"}[directive]
    listed = subprocess.run(["ssh", "-Q", kind], capture_output=True, text=True, check=True).stdout
    return name in listed.split()


@pytest.mark.parametrize("pinned", ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", pins.EXAMPLE])
def test_a_wrong_pin_stays_a_rejected_host_key_where_sshd_has_one_key_only(pinned: str) -> None:
    with sshd("HostKeyAlgorithms rsa-sha2-512") as cluster:
        wrong = Cluster(host=cluster.host, port=cluster.port, user="rotator", fingerprints=pins.parse(pinned))
        error = failing(wrong)
        assert type(error) is HostKeyRejectedError
        assert "shows ssh-rsa SHA256:" in str(error)
        assert len(SshConnector().scan_host_keys(wrong)) == 1


def test_a_second_factor_is_told_with_the_key_accepted_and_the_remedy_helps() -> None:
    two = "AuthenticationMethods publickey,keyboard-interactive", "KbdInteractiveAuthentication yes"
    with sshd(*two) as cluster:
        error = failing(cluster)
    assert type(error) is SecondFactorError
    assert "accepts the key ssh-ed25519 SHA256:" in str(error)
    assert "keyboard-interactive" in str(error)
    assert error.remedy.startswith("The key is right.")
    match, methods = re.findall(r"`([^`]+)`", error.remedy)
    assert match == f"Match User {cluster.user}"
    # A Match block wins over what stands before it, and goes on to the end or the next one.
    with sshd(*two, match, methods, "Match all") as cluster:
        assert works(cluster)


def test_an_sshd_that_takes_passwords_only_is_told_as_that() -> None:
    with sshd("PubkeyAuthentication no", "PasswordAuthentication yes") as cluster:
        error = failing(cluster)
    assert type(error) is AuthenticationRejectedError
    assert "does not accept keys from this user, only" in str(error)
    assert "`PubkeyAuthentication yes`" in error.remedy


def test_a_full_sshd_is_quoted_and_waited_for_once() -> None:
    with sshd("MaxStartups 1") as cluster, held(cluster) as waiting:
        error = failing(cluster)
        assert type(error) is UnreachableError
        assert "MaxStartups" in str(error) + error.remedy
        slept = []

        def pause(seconds: float) -> None:
            slept.append(seconds)
            waiting.close()
            time.sleep(seconds)

        with SshConnector(sleep=pause).open_shell(cluster, KEY, None):
            pass
        assert slept == [2.0]


@contextlib.contextmanager
def held(cluster: Cluster) -> Iterator[socket.socket]:
    """The only connection that sshd takes before a login, once it has forgotten those that started it."""
    until = time.monotonic() + 20
    while True:
        with socket.create_connection((cluster.host, cluster.port), 10) as connection:
            if connection.recv(4) == b"SSH-":
                yield connection
                return
        assert time.monotonic() < until
        time.sleep(0.1)


def test_sshd_s_own_limits_are_enough_for_many_connections_in_a_row() -> None:
    with sshd() as cluster:
        for _ in range(12):
            assert works(cluster)
