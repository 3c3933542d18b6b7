"""Files of private keys as ssh-keygen, OpenSSL and PuTTY write them: the key is found, or what there is instead."""

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.delivery.errors import PrivateKeyError
from rotator.delivery.ssh import private_key
from rotator.redaction import SecretText
from tests.unit.delivery.ssh.key_files import (
    BAG,
    carried_out,
    fingerprint,
    fingerprint_by_ssh_keygen,
    made,
    remedy,
    run,
    stub,
)
from tests.unit.delivery.ssh.test_private_key import PASSPHRASE, refused, text

# What is taken

CERTIFICATE = "subject=CN = rotator\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def each_line(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda pem: "".join(f"{change(line)}\n" for line in pem.splitlines())


LIKE_SSH_KEYGEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda pem: pem,
    "bag attributes in front": lambda pem: BAG + pem,
    "a certificate in front": lambda pem: CERTIFICATE + pem,
    "a certificate behind": lambda pem: pem + CERTIFICATE,
    "blanks behind each line": each_line(lambda line: f"{line}  \t"),
    "carriage returns": each_line(lambda line: f"{line}\r"),
    "blanks and lines behind": lambda pem: f"{pem}\n   \n\n",
}


@pytest.mark.parametrize("change", LIKE_SSH_KEYGEN)
@pytest.mark.parametrize("name", ["ec.pem", "rsa.pem", "p8.pem"])
def test_what_ssh_keygen_takes_is_taken_for_the_same_key(files: Path, tmp_path: Path, name: str, change: str) -> None:
    changed = LIKE_SSH_KEYGEN[change]((files / name).read_text())
    (tmp_path / name).write_text(changed)
    assert fingerprint(changed) == fingerprint_by_ssh_keygen(tmp_path / name)


@pytest.mark.parametrize("change", LIKE_SSH_KEYGEN)
def test_the_same_harms_no_key_in_openssh_s_form(change: str) -> None:
    plain = text("ed25519", "OpenSSH")
    assert fingerprint(LIKE_SSH_KEYGEN[change](plain)) == fingerprint(plain)


def test_parameters_in_front_of_an_elliptic_key_are_passed_over(files: Path) -> None:
    assert (files / "ec.pem").read_text().startswith("-----BEGIN EC PARAMETERS-----")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("p8.pem", "BEGIN PRIVATE", "BEGIN RSA PRIVATE"),
        ("p8.pem", " PRIVATE", " RSA PRIVATE"),
        ("rsa.pem", " RSA PRIVATE", " PRIVATE"),
    ],
    ids=["PKCS#8 begun as RSA", "PKCS#8 under an old header", "an old body under PKCS#8's header"],
)
def test_what_is_inside_counts_not_what_the_first_line_says(files: Path, name: str, old: str, new: str) -> None:
    plain = (files / name).read_text()
    assert old in plain
    assert fingerprint(plain.replace(old, new)) == fingerprint(plain)


# What is refused, and the command that helps


@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8"])
@pytest.mark.parametrize("folded", [True, False])
def test_the_base64_of_a_whole_file_is_decoded(tmp_path: Path, form: str, folded: bool) -> None:
    plain = text("ed25519", form)
    encoded = base64.encodebytes(plain.encode()).decode() if folded else base64.b64encode(plain.encode()).decode()
    assert refused(encoded) == "the vault secret holds the base64 of a private key's file instead of the file"
    (tmp_path / "encoded.txt").write_text(encoded)
    run("sh", "-c", f"cd {tmp_path} && {re.findall('`(base64[^`]*)`', remedy(encoded))[0]}")
    assert fingerprint((tmp_path / "id_ed25519").read_text()) == fingerprint(plain)


@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8"])
def test_a_key_without_its_first_and_last_line_is_reported(form: str) -> None:
    inside = "\n".join(text("ed25519", form).splitlines()[1:-1])
    assert "has lost its first and last line" in refused(inside)


def test_a_certificate_s_bundle_is_taken_apart(files: Path, tmp_path: Path) -> None:
    key, certificate, bundle = str(files / "rsa.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "bundle")
    run("openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=rotator", "-out", certificate)
    run("openssl", "pkcs12", "-export", "-inkey", key, "-in", certificate, "-passout", "pass:", "-out", bundle)
    encoded = base64.b64encode(Path(bundle).read_bytes()).decode()
    assert "PKCS#12" in refused(encoded)
    (tmp_path / "encoded.txt").write_text(encoded)
    command = re.findall("`([^`]*)`", remedy(encoded))[0].replace("pkcs12", "pkcs12 -passin pass:")
    run("sh", "-c", f"cd {tmp_path} && {command}")
    assert fingerprint((tmp_path / "id_rsa").read_text()) == fingerprint((files / "rsa.pem").read_text())


def test_a_putty_file_is_exported(tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "original"))
    run("puttygen", str(tmp_path / "original"), "-O", "private", "-o", str(tmp_path / "key.ppk"))
    found = (tmp_path / "key.ppk").read_text()
    assert refused(found) == "the SSH private key is in PuTTY's format"
    carried_out(remedy(found), tmp_path)
    assert fingerprint((tmp_path / "id_ed25519").read_text()) == fingerprint_by_ssh_keygen(tmp_path / "original")


def test_a_file_of_ssh_com_is_converted(tmp_path: Path) -> None:
    run("openssl", "genrsa", "-traditional", "-out", str(tmp_path / "original"), "2048")
    run("puttygen", str(tmp_path / "original"), "-O", "private-sshcom", "-o", str(tmp_path / "key"))
    found = made(tmp_path / "key")
    assert "ssh.com" in refused(found)
    carried_out(remedy(found), tmp_path)
    assert fingerprint((tmp_path / "id_ed25519").read_text()) == fingerprint_by_ssh_keygen(tmp_path / "original")


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "PEM"])
def test_a_public_key_is_reported_in_each_form(tmp_path: Path, form: str) -> None:
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "key"))
    exported = run("ssh-keygen", "-e", "-m", form, "-f", str(tmp_path / "key.pub"))
    line = (tmp_path / "key.pub").read_text()
    for found in (exported, line, f'restrict,command="true" {line}', f"# a comment\n{line}"):
        assert refused(found) == "the vault secret holds the public half of an SSH key"
    assert "without .pub" in remedy(line)


# Anything may be in the vault


@pytest.fixture(scope="module")
def samples(files: Path) -> list[str]:
    return [
        text("ed25519", "OpenSSH"),
        text("ecdsa"),
        text("ecdsa", "TraditionalOpenSSL", PASSPHRASE),
        (files / "ec.pem").read_text(),
        stub(),
    ]


def loads_or_refuses(found: str, passphrase: str | None = None) -> None:
    """It does one of the two; the error shows nothing of what it read."""
    try:
        assert private_key.load(SecretText(found), SecretText(passphrase) if passphrase else None).can_sign()
    except PrivateKeyError:
        refused(found, passphrase)


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
WORDS = [
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "Proc-Type: 4,ENCRYPTED",
    "DEK-Info: X,00",
    "\n",
    ":",
]


@FUZZ
@given(st.text() | st.lists(st.sampled_from(WORDS) | st.text(max_size=20)).map("\n".join))
def test_any_text_is_a_key_or_an_error_of_ours(found: str) -> None:
    loads_or_refuses(found)


@FUZZ
@given(st.data())
def test_a_key_s_file_with_changes_is_a_key_or_an_error_of_ours(samples: list[str], data: st.DataObject) -> None:
    found = data.draw(st.sampled_from(samples))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(found)))
        found = (
            found[:at]
            + data.draw(st.text(max_size=3) | st.sampled_from(WORDS))
            + found[at + data.draw(st.integers(0, 3)) :]
        )
    loads_or_refuses(found, data.draw(st.sampled_from([None, PASSPHRASE])))


@FUZZ
@given(st.data())
def test_a_key_with_changes_inside_is_a_key_or_an_error_of_ours(samples: list[str], data: st.DataObject) -> None:
    first, *lines, last = data.draw(st.sampled_from([samples[0], samples[1], samples[4]])).splitlines()
    inside = bytearray(base64.b64decode("".join(lines)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(inside) - 1))
        inside[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=4))
    body = base64.encodebytes(bytes(inside)).decode()
    loads_or_refuses(f"{first}\n{body}{last}\n", data.draw(st.sampled_from([None, PASSPHRASE])))


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA ", "X "]))
def test_any_bytes_in_an_armour_are_a_key_or_an_error_of_ours(inside: bytes, label: str) -> None:
    body = base64.encodebytes(inside).decode()
    loads_or_refuses(f"-----BEGIN {label}PRIVATE KEY-----\n{body}-----END {label}PRIVATE KEY-----\n")
    loads_or_refuses(body)


LONG = {
    "begins": "-----BEGIN PRIVATE KEY-----\n" * 2000,
    "dashes": "-" * 60000,
    "headers": "-----BEGIN PRIVATE KEY-----\n" + "A: b\n" * 10000 + "-----END PRIVATE KEY-----",
    "body": f"-----BEGIN PRIVATE KEY-----\n{'MIIB' * 4900}\n-----END PRIVATE KEY-----",
    "elements": f"-----BEGIN PRIVATE KEY-----\n{'MAAw' * 4900}\n-----END PRIVATE KEY-----",
    "public": "BEGIN " * 10000,
    "words": "ssh-a " * 10000,
    "far too much": "x" * 100_000,
}


@pytest.mark.parametrize("kind", LONG)
def test_a_long_text_takes_no_more_than_its_length(kind: str) -> None:
    secret = SecretText(LONG[kind])
    began = time.monotonic()
    with pytest.raises(PrivateKeyError):
        private_key.load(secret)
    assert time.monotonic() - began < 5


def test_a_fresh_key_of_ours_is_read() -> None:
    fresh = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    assert fingerprint(fresh.decode()).startswith("SHA256:")
