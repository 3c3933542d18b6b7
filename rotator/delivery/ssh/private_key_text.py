"""Finds the SSH private key in the text of a key file, or explains what the text is instead.

What is before and after the key is ignored, as ssh-keygen and OpenSSL do: bag attributes, certificates,
`EC PARAMETERS`, blanks at the ends of lines. Errors contain nothing of the key, and everything takes linear time.
"""

import base64
import binascii
import dataclasses
import re

from rotator.delivery.errors import PrivateKeyError
from rotator.delivery.ssh import private_key_formats
from rotator.delivery.ssh.private_key_formats import UPLOAD, UPLOAD_AS_IT_IS

_LONGEST = 65536  # characters of the whole text
_LONGEST_BODY = 20000  # characters of base64; an RSA key of 16,384 bits has 13,000, and longer ones take too long
_BOUNDARY = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]{0,40})PRIVATE KEY-----")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,40}:")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")
_PUBLIC = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA|BEGIN [A-Z0-9 ]{0,40}PUBLIC KEY-----|BEGIN SSH2 PUBLIC KEY")


@dataclasses.dataclass(frozen=True)
class PemKey:
    """A private key in PEM (RFC 7468): its label, according to its content, and whether it has a passphrase."""

    label: str
    pem: str = dataclasses.field(repr=False)
    encrypted: bool


def find_key(text: str) -> PemKey:
    """Find the first private key in a text; raises PrivateKeyError that says what the text is instead."""
    if len(text) > _LONGEST:
        raise _too_long()
    lines = [line.strip("\ufeff\u00a0 \t\r\n\f\v") for line in text.splitlines()]
    boundaries = [(number, found) for number, line in enumerate(lines) if (found := _BOUNDARY.fullmatch(line))]
    begin = next((number for number, found in boundaries if found[1] == "BEGIN"), None)
    if begin is None:
        raise _not_found_error(text.strip("\ufeff\u00a0 \t\r\n"))
    end = next((number for number, found in boundaries if found[1] == "END" and number > begin), None)
    if end is None:
        raise private_key_formats.damaged()
    return _pem_key(f"{_label(lines[begin])}PRIVATE KEY", [line for line in lines[begin + 1 : end] if line])


def _too_long() -> PrivateKeyError:
    return PrivateKeyError("the vault secret is too long for an SSH private key", remedy=UPLOAD_AS_IT_IS)


def _label(line: str) -> str:
    found = _BOUNDARY.fullmatch(line)
    return found[2] if found else ""


def _pem_key(label: str, lines: list[str]) -> PemKey:
    headers = [line for line in lines if _HEADER.match(line)]
    body = "".join(line for line in lines if not _HEADER.match(line))
    if len(body) > _LONGEST_BODY:
        raise _too_long()
    if headers:
        return _pem_key_with_headers(label, headers, body)
    try:
        content = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise private_key_formats.damaged() from None
    # If the first line says otherwise, the content counts, as for OpenSSL and so for ssh-keygen.
    content_label = private_key_formats.pem_label(content)
    encrypted = content_label == private_key_formats.ENCRYPTED
    if content_label == private_key_formats.OPENSSH:
        encrypted = private_key_formats.check_openssh(content)
    elif encrypted:
        private_key_formats.check_pkcs8(content)
    label = content_label or label
    return PemKey(label, _pem(label, [], body), encrypted)


def _pem(label: str, headers: list[str], body: str) -> str:
    folded = [body[at : at + 64] for at in range(0, len(body), 64)]
    top = [*headers, ""] if headers else []
    return "\n".join([f"-----BEGIN {label}-----", *top, *folded, f"-----END {label}-----", ""])


def _pem_key_with_headers(label: str, headers: list[str], body: str) -> PemKey:
    """Parse the headers of RFC 1421, by which OpenSSL's older format is encrypted; raises PrivateKeyError."""
    named = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    encrypted = "ENCRYPTED" in named.get("proc-type", "")
    if encrypted:
        private_key_formats.check_legacy_cipher(named.get("dek-info", "").partition(",")[0])
    encryption = [line for line in headers if line.partition(":")[0].lower() in ("proc-type", "dek-info")]
    return PemKey(label, _pem(label, encryption if encrypted else [], body), encrypted)


def _not_found_error(text: str) -> PrivateKeyError:
    """Explain what a text is that has no first line of a private key."""
    if text.startswith("PuTTY-User-Key-File"):
        return PrivateKeyError(
            "the SSH private key is in PuTTY's format",
            remedy="`puttygen key.ppk -O private-openssh -o id_ed25519` exports it in OpenSSH's format, and so does "
            f"PuTTYgen's menu Conversions. Then upload that file: {UPLOAD}",
        )
    if re.match(r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----", text):
        return PrivateKeyError(
            "the SSH private key is in the format of ssh.com's SSH2",
            remedy=f"`ssh-keygen -i -f key > id_ed25519` converts it. Then upload that file: {UPLOAD}",
        )
    if "PRIVATE KEY-----" in text:
        return PrivateKeyError("the SSH private key has lost its line breaks", remedy=UPLOAD_AS_IT_IS)
    if _PUBLIC.search(text[:4096]):
        return PrivateKeyError(
            "the vault secret holds the public half of an SSH key",
            remedy=f"Upload the private half, the file without .pub at the end of its name: {UPLOAD}",
        )
    return _base64_error(text)


def _base64_error(text: str) -> PrivateKeyError:
    """Explain what a text is that may be base64."""
    encoded = "".join(text.split())
    if _BASE64.fullmatch(encoded):
        content = _decoded(encoded)
        if b"PRIVATE KEY-----" in content or content.startswith(b"PuTTY-User-Key-File"):
            return PrivateKeyError(
                "the vault secret holds the base64 of a private key's file instead of the file",
                remedy="Upload the file itself, with `--encoding utf-8`, which is the default. If only its base64 is "
                f"left, `base64 -d encoded.txt > id_ed25519` decodes it: {UPLOAD}",
            )
        if private_key_formats.pem_label(content):
            return PrivateKeyError(
                "the SSH private key has lost its first and last line (-----BEGIN … and -----END …)",
                remedy=UPLOAD_AS_IT_IS,
            )
        if [tag for tag, _ in private_key_formats.der_elements(content)] == [private_key_formats.SEQUENCE]:
            return PrivateKeyError(
                "the vault secret holds no SSH private key, but something in DER: a certificate's PKCS#12?",
                remedy="`base64 -d encoded.txt | openssl pkcs12 -nodes -nocerts -out id_rsa` extracts a private key "
                f"from PKCS#12. Then upload that: {UPLOAD.replace('id_ed25519', 'id_rsa')}",
            )
    return PrivateKeyError("the vault secret holds no SSH private key", remedy=UPLOAD_AS_IT_IS)


def _decoded(text: str) -> bytes:
    plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""
