"""SSH private keys from text: OpenSSH, PEM and PKCS#8; RSA, ECDSA and Ed25519; with and without passphrase."""

import io
import re

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rotator import errors
from rotator.redaction import Secret

_LEAST_RSA_BITS = 2048
_ARMOUR = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----\r?\n")
_UPLOAD = "Upload the key's file as it is: az keyvault secret set --vault-name … --name … --file id_ed25519"

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def load(text: Secret, passphrase: Secret | None = None) -> paramiko.PKey:
    """Make the key that paramiko signs with; raises PrivateKeyError, without the key in it."""
    key = _parse(text.reveal().strip("\ufeff\r\n\t ") + "\n", passphrase)
    # paramiko reads no PKCS#8, and each of its classes wants the same OpenSSH form; it never leaves memory.
    try:
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    except ValueError:
        raise errors.PrivateKeyError(
            "the SSH private key is on a curve that SSH does not know", remedy="Make an Ed25519 key."
        ) from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise errors.PrivateKeyError(
                f"the SSH private key is RSA with {key.key_size} bits", remedy="Make an Ed25519 key."
            )
        return paramiko.RSAKey.from_private_key(io.StringIO(plain))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(plain))
    return paramiko.Ed25519Key.from_private_key(io.StringIO(plain))


def _parse(text: str, passphrase: Secret | None) -> _Key:
    armour = _ARMOUR.match(text)
    if armour is None:
        raise _unreadable(text)
    read = serialization.load_ssh_private_key if armour[1] == "OPENSSH " else serialization.load_pem_private_key
    password = passphrase.reveal().encode() if passphrase else None
    try:
        key = read(text.encode(), password)
    except TypeError as error:  # cryptography's way to say that a passphrase is missing, or one too many
        raise _passphrase_error(passphrase) from error
    except ValueError:
        # Not chained: what the library says may quote what it could not read.
        if passphrase and _encrypted(text):
            raise errors.PrivateKeyError(
                "the SSH private key does not open with the passphrase from the vault",
                remedy="Check the secret that KUBERNETES_SSH_PASSPHRASE_SECRET names; mind a trailing newline in it.",
            ) from None
        if not passphrase and "ENCRYPTED" in text:
            raise _passphrase_error(passphrase) from None
        raise errors.PrivateKeyError("the SSH private key is damaged", remedy=_UPLOAD) from None
    except UnsupportedAlgorithm as error:
        raise errors.PrivateKeyError(
            "the SSH private key is of an unknown kind", remedy="Make an Ed25519 key."
        ) from error
    if not isinstance(key, _Key):
        raise errors.PrivateKeyError("the SSH private key is not RSA, ECDSA or Ed25519", remedy="Make an Ed25519 key.")
    return key


def _encrypted(text: str) -> bool:
    return text.startswith("-----BEGIN OPENSSH ") or "ENCRYPTED" in text


def _passphrase_error(passphrase: Secret | None) -> errors.PrivateKeyError:
    if passphrase is None:
        return errors.PrivateKeyError(
            "the SSH private key needs a passphrase",
            remedy="Name the vault secret that holds it in KUBERNETES_SSH_PASSPHRASE_SECRET.",
        )
    return errors.PrivateKeyError(
        "the SSH private key has no passphrase, but one is configured",
        remedy="Remove KUBERNETES_SSH_PASSPHRASE_SECRET, or encrypt the key.",
    )


def _unreadable(text: str) -> errors.PrivateKeyError:
    if "PRIVATE KEY-----" in text:
        return errors.PrivateKeyError("the SSH private key has lost its line breaks", remedy=_UPLOAD)
    if text.startswith(("ssh-", "ecdsa-", "---- BEGIN SSH2 PUBLIC")):
        return errors.PrivateKeyError("that is the public half of an SSH key", remedy=_UPLOAD)
    if text.startswith("PuTTY-"):
        return errors.PrivateKeyError(
            "the SSH private key is in PuTTY's form", remedy="Export it in OpenSSH's form with puttygen."
        )
    return errors.PrivateKeyError("the vault secret holds no SSH private key", remedy=_UPLOAD)


def generate(passphrase: Secret | None = None) -> Secret:
    """Make an Ed25519 key in OpenSSH's form, in memory only, encrypted where there is a passphrase."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase.reveal().encode())
    key = ed25519.Ed25519PrivateKey.generate()
    form = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)
    return Secret(form.decode())


def public_line(key: Secret, passphrase: Secret | None = None) -> str:
    """Give a key's public half as authorized_keys has it; raises PrivateKeyError."""
    pair = load(key, passphrase)
    return f"{pair.get_name()} {pair.get_base64()} storage-credential-rotator"
