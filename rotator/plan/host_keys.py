"""Pinned host key fingerprints: what an operator writes, and whether a host's key is one of them.

A fingerprint is the hash of the key blob, as `ssh-keygen -l` prints it (RFC 4716 section 4 for MD5).
"""

import base64
import dataclasses
import hashlib
import hmac
import re
import string
from collections.abc import Iterable

# The host key types that may be pinned, with the signature algorithms that prove them (RFC 8332 for RSA).
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_MD5 = re.compile(r"(?i)(?:MD5:)?([0-9a-f]{2}(?::?[0-9a-f]{2}){15})")
_SHA256_LENGTH = 32
# What prints it where nobody can be in between.
ON_THE_CONSOLE = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
EXAMPLE = "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


@dataclasses.dataclass(frozen=True)
class Pin:
    """One allowed host key: `digest` under `algorithm` ("sha256" or "md5"), of `key_type` when that is given."""

    algorithm: str
    digest: bytes
    key_type: str | None = None

    @property
    def weak(self) -> bool:
        """Whether the fingerprint is MD5, which is accepted with a warning only."""
        return self.algorithm == "md5"

    def matches(self, key_type: str, blob: bytes) -> bool:
        """Whether a host key of this type, with this public blob, is the pinned one."""
        if self.key_type not in (None, key_type):
            return False
        actual = hashlib.new(self.algorithm, blob, usedforsecurity=not self.weak).digest()
        return hmac.compare_digest(actual, self.digest)

    def __str__(self) -> str:
        text = f"MD5:{self.digest.hex(':')}" if self.weak else _sha256_text(self.digest)
        return f"{self.key_type} {text}" if self.key_type else text


@dataclasses.dataclass(frozen=True)
class HostKey:
    """A host's public key, as it shows it."""

    key_type: str
    blob: bytes = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return fingerprint(self.key_type, self.blob)


def is_pinned(key: HostKey, pins: Iterable[Pin]) -> bool:
    """Whether any of the pins allows this host key."""
    return any(pin.matches(key.key_type, key.blob) for pin in pins)


def parse(text: str) -> tuple[Pin, ...]:
    """The comma-separated pins in a text; raises ValueError that says what is wrong."""
    pins = tuple(_parse_one(part.strip()) for part in text.split(",") if part.strip())
    if not pins:
        raise ValueError("it holds no fingerprint")
    return pins


def fingerprint(key_type: str, blob: bytes) -> str:
    """A host key in the form that a pin takes, for comparison by a person."""
    return f"{key_type} {_sha256_text(hashlib.sha256(blob).digest())}"


def _parse_one(text: str) -> Pin:
    *front, mark = text.split()
    key_type = _key_type(front[0]) if front else None
    if len(front) > 1:
        raise ValueError("one of them has too many words; write `key-type SHA256:…`, separated by commas")
    if mark.startswith("SHA256:"):
        return Pin("sha256", _sha256_digest(mark.removeprefix("SHA256:")), key_type)
    md5 = _MD5.fullmatch(mark)
    if md5:
        return Pin("md5", bytes.fromhex(md5[1].replace(":", "")), key_type)
    raise ValueError(
        "it is neither a SHA256 fingerprint (`SHA256:` and 43 characters) nor MD5 (32 hexadecimal digits): "
        f"{_what_is_wrong(mark)}"
    )


def _what_is_wrong(mark: str) -> str:
    digits = mark.removeprefix("MD5:").replace(":", "")
    odd = [character for character in digits if character not in string.hexdigits]
    if not odd:
        return f"it has {len(digits)} hexadecimal digits"
    if len(odd) < len(digits) / 4:
        return f"{', '.join(map(repr, odd))} is no hexadecimal digit"
    return f"read it on the master with `{ON_THE_CONSOLE}`"


def _key_type(text: str) -> str:
    if text.startswith("rsa-sha2-"):
        return "ssh-rsa"
    if text not in ALGORITHMS:
        raise ValueError(f"its first word is not a host key type; known are {', '.join(ALGORITHMS)}")
    return text


def _sha256_digest(text: str) -> bytes:
    unpadded = text.rstrip("=")
    try:
        digest = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except ValueError:  # not base64, or not even ASCII
        digest = b""
    if len(digest) != _SHA256_LENGTH:
        raise ValueError("what follows `SHA256:` is not the base64 of 32 bytes (43 characters)")
    return digest


def _sha256_text(digest: bytes) -> str:
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
