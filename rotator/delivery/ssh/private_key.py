"""Loads and generates SSH private keys: OpenSSH, PEM and PKCS#8; RSA, ECDSA and Ed25519; with or without passphrase."""

import io

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rotator.delivery.errors import PassphraseFault, PrivateKeyError
from rotator.delivery.ssh import private_key_formats, private_key_text
from rotator.delivery.ssh.private_key_text import PemKey
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 16384  # OpenSSH's own bound

_NAMED = Cluster.usual_origin("passphrase_secret")

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def load(text: SecretText, passphrase: SecretText | None = None, named: str = _NAMED) -> paramiko.PKey:
    """Load the key that paramiko signs with; raises PrivateKeyError, which contains nothing of the key.

    `named` is where the name of the passphrase's vault secret is written.
    """
    key = _parse(private_key_text.find_key(text.reveal()), passphrase, named)
    if isinstance(key, rsa.RSAPrivateKey) and not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        raise private_key_formats.unsuitable(f"is RSA with {key.key_size} bits")
    # paramiko reads no PKCS#8, but all of its classes read OpenSSH's form. This unencrypted copy never leaves memory.
    try:
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    except ValueError:
        raise private_key_formats.unsuitable("is on a curve that SSH does not know") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(io.StringIO(plain))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(plain))
    return paramiko.Ed25519Key.from_private_key(io.StringIO(plain))


def _parse(found: PemKey, passphrase: SecretText | None, named: str) -> _Key:
    if found.encrypted and passphrase is None:
        raise _passphrase_error("missing", named)
    if passphrase is not None and not found.encrypted:
        raise _passphrase_error("needless", named)
    load_key = (
        serialization.load_ssh_private_key
        if found.label == private_key_formats.OPENSSH
        else serialization.load_pem_private_key
    )
    try:
        key = load_key(found.pem.encode(), passphrase.reveal().encode() if passphrase else None)
    except (KeyboardInterrupt, SystemExit):
        raise
    # Not chained: the library's errors are of many kinds, and may quote the key. A panic of its compiled part, as for
    # an initialization vector that is too short, is no Exception.
    except BaseException:  # noqa: BLE001
        raise (_passphrase_error("wrong", named) if found.encrypted else private_key_formats.damaged()) from None
    if not isinstance(key, _Key):
        raise private_key_formats.unsuitable("is not RSA, ECDSA or Ed25519")
    return key


def _passphrase_error(fault: PassphraseFault, named: str) -> PrivateKeyError:
    text, remedy = {
        "missing": (
            "the SSH private key needs a passphrase",
            f"Name the vault secret that holds it in {named}.",
        ),
        "wrong": (
            "the SSH private key does not open with the passphrase from the vault",
            f"Check the secret that {named} names; it may have a trailing newline.",
        ),
        "needless": (
            "the SSH private key has no passphrase, but one is configured",
            f"Remove {named}, or encrypt the key: `ssh-keygen -p -Z aes256-ctr -f id_ed25519`.",
        ),
    }[fault]
    return PrivateKeyError(text, remedy=remedy, passphrase=fault)


def generate(passphrase: SecretText | None = None) -> SecretText:
    """Generate an Ed25519 key in OpenSSH's form, in memory only, encrypted if there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase.reveal().encode())
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)
    return SecretText(pem.decode())


def public_line(key: SecretText, passphrase: SecretText | None = None) -> str:
    """The public key as a line of authorized_keys; raises PrivateKeyError."""
    pair = load(key, passphrase)
    return f"{pair.get_name()} {pair.get_base64()} storage-credential-rotator"
