"""Formats and ciphers of private keys: decrypted, or refused with a command that helps."""

import base64
from pathlib import Path

import pytest

from tests.unit.delivery.ssh.key_files import (
    BAG,
    carried_out,
    encrypted,
    fingerprint,
    fingerprint_by_ssh_keygen,
    made,
    remedy,
    run,
    stub,
)
from tests.unit.delivery.ssh.test_private_key import PASSPHRASE, openssh_with_passphrase, refused

ENCRYPTED = {
    "PKCS#8, AES-256": ("pkcs8", "-topk8", "-v2", "aes256"),
    "PKCS#8, AES-192": ("pkcs8", "-topk8", "-v2", "aes192"),
    "PKCS#8, 3DES": ("pkcs8", "-topk8", "-v2", "des3"),
    "PKCS#8, scrypt": ("pkcs8", "-topk8", "-scrypt"),
    "PKCS#8, PBES1": ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"),
    "PEM, AES-128": ("rsa", "-traditional", "-aes128"),
    "PEM, 3DES": ("rsa", "-traditional", "-des3"),
}


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_a_passphrase_opens_what_openssl_encrypted(files: Path, tmp_path: Path, kind: str) -> None:
    found = encrypted(files, tmp_path / "key", *ENCRYPTED[kind])
    assert fingerprint(BAG + found, PASSPHRASE) == fingerprint((files / "rsa.pem").read_text())
    assert refused(found) == "the SSH private key needs a passphrase"
    assert refused(found, "another one") == "the SSH private key does not open with the passphrase from the vault"


OPENSSH_CIPHERS = ["aes128-ctr", "aes192-cbc", "chacha20-poly1305@openssh.com", "3des-cbc"]


@pytest.mark.parametrize("cipher", OPENSSH_CIPHERS)
@pytest.mark.parametrize("configured", [None, PASSPHRASE])
def test_an_openssh_key_in_another_cipher_is_written_anew(tmp_path: Path, cipher: str, configured: str | None) -> None:
    path = tmp_path / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-Z", cipher, "-f", str(path))
    found = made(path)
    assert refused(found, configured) == f"the SSH private key is encrypted with {cipher}, which is not supported"
    carried_out(remedy(found, configured), tmp_path, "-P", f"'{PASSPHRASE}'", "-N", f"'{PASSPHRASE}'", "-q")
    assert fingerprint(made(path), PASSPHRASE) == fingerprint_by_ssh_keygen(path, PASSPHRASE)


OTHER_CIPHERS = {
    "with AES-192-CBC, which": ("rsa", "-traditional", "-aes192"),
    "with CAMELLIA-256-CBC, which": ("rsa", "-traditional", "-camellia256"),
    "with ARIA-128-CBC, which": ("rsa", "-traditional", "-aria128"),
    "in a way that": ("pkcs8", "-topk8", "-v2", "aria-256-cbc"),
}


@pytest.mark.parametrize("cipher", OTHER_CIPHERS)
def test_a_pem_in_another_cipher_is_written_anew(files: Path, tmp_path: Path, cipher: str) -> None:
    path = tmp_path / "id_ed25519"
    found = encrypted(files, path, *OTHER_CIPHERS[cipher])
    assert refused(found, PASSPHRASE) == f"the SSH private key is encrypted {cipher} is not supported"
    carried_out(remedy(found), tmp_path, "-P", f"'{PASSPHRASE}'", "-N", f"'{PASSPHRASE}'", "-q")
    assert fingerprint(made(path), PASSPHRASE) == fingerprint((files / "rsa.pem").read_text())


def test_a_key_whose_passphrase_takes_too_long_to_derive_a_key_from_is_written_anew() -> None:
    lines = openssh_with_passphrase().splitlines()
    inside = bytearray(base64.b64decode("".join(lines[1:-1])))
    at = inside.index(b"bcrypt") + len(b"bcrypt") + 4 + 4 + 16
    inside[at : at + 4] = (2**31).to_bytes(4, "big")
    found = "\n".join([lines[0], base64.b64encode(inside).decode(), lines[-1]])
    assert "takes too long to decrypt" in refused(found, PASSPHRASE)
    assert "`ssh-keygen -p -a 24 -Z aes256-ctr -f id_ed25519`" in remedy(found, PASSPHRASE)


STRETCHED = {
    "iterations": (("-v2", "aes256", "-iter", "65536"), bytes.fromhex("0203010000"), bytes.fromhex("02037fffff")),
    "memory": (("-scrypt",), bytes.fromhex("02024000020108"), bytes.fromhex("0202400002017f")),
}


@pytest.mark.parametrize("kind", STRETCHED)
def test_pkcs8_that_takes_for_ever_is_refused_at_once(files: Path, tmp_path: Path, kind: str) -> None:
    options, usual, endless = STRETCHED[kind]
    first, *lines, last = encrypted(files, tmp_path / "key", "pkcs8", "-topk8", *options).splitlines()
    inside = base64.b64decode("".join(lines))
    assert usual in inside
    found = "\n".join([first, base64.b64encode(inside.replace(usual, endless)).decode(), last])
    assert "takes too long to decrypt" in refused(found, PASSPHRASE)


@pytest.mark.parametrize("kind", [b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"])
def test_the_stub_of_a_security_key_is_reported_and_a_key_is_made(tmp_path: Path, kind: bytes) -> None:
    assert "is the stub of a security key" in refused(stub(kind))
    carried_out(remedy(stub(kind)), tmp_path, "-q", "-N", "''")
    assert fingerprint((tmp_path / "id_ed25519").read_text()) == fingerprint_by_ssh_keygen(tmp_path / "id_ed25519")
