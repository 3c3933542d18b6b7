import base64
import hashlib

import pytest

from rotator.plan import host_keys
from rotator.plan.host_keys import Pin

BLOB = b"\x00\x00\x00\x0bssh-ed25519"  # a host key as far as pins can tell: bytes
SHA256 = "SHA256:5/gdC8tsZ+1R7UnoiM4pMal9U3M82idPVzt95oIw3hQ"
MD5 = "56:a1:c2:ab:81:28:6a:e5:43:45:4a:ed:e0:ae:35:36"


@pytest.mark.parametrize("text", [SHA256, f"{SHA256}=", f"  {SHA256}  ", f",{SHA256},"])
def test_sha256_pin_matches_the_key_of_any_type(text: str) -> None:
    (pin,) = host_keys.parse(text)
    assert pin.matches("ssh-ed25519", BLOB)
    assert pin.matches("ssh-rsa", BLOB)
    assert not pin.matches("ssh-ed25519", BLOB + b"\x00")
    assert not pin.weak
    assert str(pin) == SHA256


@pytest.mark.parametrize("text", [f"ssh-ed25519 {SHA256}", f"ssh-ed25519   {SHA256}="])
def test_pin_with_a_type_matches_only_that_type(text: str) -> None:
    (pin,) = host_keys.parse(text)
    assert pin.matches("ssh-ed25519", BLOB)
    assert not pin.matches("ssh-rsa", BLOB)
    assert str(pin) == f"ssh-ed25519 {SHA256}"


@pytest.mark.parametrize("name", ["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_pin_may_name_the_key_or_its_signature_algorithm(name: str) -> None:
    (pin,) = host_keys.parse(f"{name} {SHA256}")
    assert pin.key_type == "ssh-rsa"


@pytest.mark.parametrize(
    "text",
    [MD5, f"MD5:{MD5}", MD5.replace(":", ""), f"md5:{MD5}", MD5.upper(), f"MD5:{MD5.replace(':', '')}"],
)
def test_md5_pin_is_taken_in_every_form_and_is_weak(text: str) -> None:
    (pin,) = host_keys.parse(text)
    assert pin.matches("ssh-ed25519", BLOB)
    assert not pin.matches("ssh-ed25519", b"another")
    assert pin.weak
    assert str(pin) == f"MD5:{MD5}"


def test_several_pins_allow_a_host_key_roll_over() -> None:
    first, second, third = host_keys.parse(f"ssh-ed25519 {SHA256}, {MD5} ,ecdsa-sha2-nistp256 {SHA256}")
    assert (first.key_type, first.algorithm) == ("ssh-ed25519", "sha256")
    assert (second.key_type, second.algorithm) == (None, "md5")
    assert (third.key_type, third.algorithm) == ("ecdsa-sha2-nistp256", "sha256")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it holds no fingerprint"),
        (" , ,", "it holds no fingerprint"),
        ("3ec2167eb65d55fd9a707425ef0ce5ax", "'x' is no hexadecimal digit"),
        (MD5[:-3], "it has 30 hexadecimal digits"),
        (f"{MD5}:00", "it has 34 hexadecimal digits"),
        ("SHA256:", "not the base64 of 32 bytes"),
        (SHA256[:-1], "not the base64 of 32 bytes"),
        (f"{SHA256}A", "not the base64 of 32 bytes"),
        (SHA256.replace("/", "_"), "not the base64 of 32 bytes"),
        ("SHA256:" + "!" * 43, "not the base64 of 32 bytes"),
        ("SHA512:" + "A" * 86, "neither a SHA256 fingerprint"),
        ("AAAAC3NzaC1lZDI1NTE5AAAAIHVubGlrZWx5", "ssh-keygen -lf"),
        (f"256 {SHA256}", "its first word is not a host key type"),
        (f"ssh-dss {SHA256}", "its first word is not a host key type"),
        (f"ssh-ed25519 {SHA256} root@master", "too many words"),
        (f"ssh-ed25519 ssh-ed25519 {SHA256}", "too many words"),
        (f"{SHA256},nonsense", "neither a SHA256 fingerprint"),
    ],
)
def test_malformed_pin_is_refused_with_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        host_keys.parse(text)


def test_sha256_pin_that_is_not_ascii_is_refused_in_our_words() -> None:
    with pytest.raises(ValueError, match="not the base64 of 32 bytes"):
        host_keys.parse("SHA256:é" + SHA256[8:])


@pytest.mark.parametrize("key_type", list(host_keys.ALGORITHMS))
def test_fingerprint_that_is_shown_to_the_operator_can_be_pinned(key_type: str) -> None:
    blob = key_type.encode()
    (pin,) = host_keys.parse(host_keys.fingerprint(key_type, blob))
    assert pin.matches(key_type, blob)
    assert host_keys.fingerprint(key_type, blob) == str(pin)


def test_pin_compares_the_hash_of_the_whole_blob() -> None:
    assert Pin("sha256", hashlib.sha256(BLOB).digest()).matches("ssh-ed25519", BLOB)
    assert str(Pin("sha256", hashlib.sha256(BLOB).digest())).endswith(
        base64.b64encode(hashlib.sha256(BLOB).digest()).decode().rstrip("=")
    )


def test_example_in_error_texts_is_itself_a_valid_pin() -> None:
    (pin,) = host_keys.parse(host_keys.EXAMPLE)
    assert pin.key_type == "ssh-ed25519"
