"""Files of private keys for tests, and the programs that write and read them."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rotator.delivery.errors import PrivateKeyError
from rotator.delivery.ssh import private_key
from rotator.redaction import SecretText
from tests.unit.delivery.ssh.test_private_key import PASSPHRASE

BAG = "Bag Attributes\n    friendlyName: rotator\n    localKeyID: 01 02 \nKey Attributes: <No Attributes>\n"


def run(*command: str, stdin: str = "") -> str:
    """Run a program, or skip where it is missing or does not know what it is asked for."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing")
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"this {command[0]} does not do that: {done.stderr.strip()[-200:]}")
    return done.stdout


def made(path: Path) -> str:
    path.chmod(0o600)
    return path.read_text()


def fingerprint(found: str, passphrase: str | None = None) -> str:
    return private_key.load(SecretText(found), SecretText(passphrase) if passphrase else None).fingerprint


def fingerprint_by_ssh_keygen(path: Path, passphrase: str = "") -> str:
    """The fingerprint of what ssh-keygen makes of a file."""
    path.chmod(0o600)
    public = path.with_suffix(".line")
    public.write_text(run("ssh-keygen", "-y", "-P", passphrase, "-f", str(path)))
    return run("ssh-keygen", "-l", "-f", str(public)).split()[1]


def encrypted(files: Path, path: Path, *options: str) -> str:
    run("openssl", *options, "-in", str(files / "rsa.pem"), "-passout", f"pass:{PASSPHRASE}", "-out", str(path))
    return made(path)


def remedy(found: str, passphrase: str | None = None) -> str:
    with pytest.raises(PrivateKeyError) as caught:
        private_key.load(SecretText(found), SecretText(passphrase) if passphrase else None)
    return caught.value.remedy


def carried_out(commands: str, path: Path, *more: str) -> None:
    """Carry out the first command of a remedy in a folder, with answers to what it would ask as options."""
    (command,) = re.findall(r"`([^`]+)`", commands)[:1]
    (program, *_) = command.split()
    run("sh", "-c", " ".join([f"cd '{path}' &&", command.replace(program, " ".join([program, *more]), 1)]))


def stub(kind: bytes = b"sk-ssh-ed25519@openssh.com") -> str:
    """What `ssh-keygen -t ed25519-sk` writes with a security key at hand: fixed bytes of nobody's key."""

    def string(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    public = string(kind) + string(bytes(32)) + string(b"ssh:")
    private = bytes(8) + public + b"\x01" + string(b"handle" * 10) + string(b"") + string(b"comment")
    padded = private + bytes(range(1, 9 - len(private) % 8))
    inside = b"openssh-key-v1\0" + string(b"none") * 2 + string(b"") + b"\0\0\0\1" + string(public) + string(padded)
    return "\n".join(
        ["-----BEGIN OPENSSH PRIVATE KEY-----", base64.b64encode(inside).decode(), "-----END OPENSSH PRIVATE KEY-----"]
    )
