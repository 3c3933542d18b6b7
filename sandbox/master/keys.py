"""Throwaway SSH keys: a user's pair as ssh-keygen writes it, and host keys as `ssh-keygen -A` makes them."""

import dataclasses
import functools
import secrets
from typing import Literal

import asyncssh
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")

KeyType = Literal["ed25519", "rsa", "ecdsa"]


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """The private key as text, encrypted if there is a passphrase; the public key as ssh-keygen writes it."""

    private_text: str = dataclasses.field(repr=False)
    public_line: str
    passphrase: str | None = dataclasses.field(default=None, repr=False)


def generate(key_type: KeyType = "ed25519", *, with_passphrase: bool = False) -> KeyPair:
    """Make a new pair."""
    key = _private_key(key_type)
    passphrase = secrets.token_urlsafe(18) if with_passphrase else None
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), f"{public.decode()} sandbox", passphrase)


def generate_host_key(key_type: str) -> asyncssh.SSHKey:
    """Make one of HOST_KEY_TYPES; its `get_fingerprint()` is what `ssh-keygen -l` prints.

    The one for RSA, which takes a tenth of a second, is the same for every master of a process.
    """
    return _rsa_host_key() if key_type == "ssh-rsa" else asyncssh.generate_private_key(key_type)


@functools.cache
def _rsa_host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-rsa", key_size=3072)


def _private_key(
    key_type: KeyType,
) -> ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if key_type == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if key_type == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()
