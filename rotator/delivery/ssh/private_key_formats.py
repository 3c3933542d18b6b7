"""The formats of SSH private keys, and how a key is encrypted, as far as that can be read without its passphrase.

Sources: OpenSSH's PROTOCOL.key, RFC 5958 (PKCS#8), RFC 8018 (PBES2), RFC 8017 and RFC 5915 (OpenSSL's older forms).
"""

import re

from rotator.azure import az_commands
from rotator.delivery.errors import PrivateKeyError

OPENSSH = "OPENSSH PRIVATE KEY"
ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_MAGIC = b"openssh-key-v1\0"
# Supported ciphers, and other names that an error may quote: any other text could be anything, even the key.
_CIPHERS = {"none", "aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"}
_OTHER_CIPHERS = re.compile(
    r"(?:aes(?:128|192)-(?:cbc|ctr)|aes128-gcm@openssh\.com|chacha20-poly1305@openssh\.com|3des-cbc)"
)
_LEGACY_CIPHERS = {"AES-128-CBC", "AES-256-CBC", "DES-EDE3-CBC"}
_OTHER_LEGACY_CIPHERS = re.compile(r"(?:AES|CAMELLIA|ARIA|DES|RC2|SEED|IDEA|BF|CAST5|SM4)(?:-[A-Z0-9]{1,5}){0,2}")
_MOST_ROUNDS = 1000  # of bcrypt; `ssh-keygen -a` is 16 or 24 by default, and 1,000 take about ten seconds
_MOST_ITERATIONS = 5_000_000  # of PBKDF2; OpenSSL's default is 2,048, and 5,000,000 take some seconds
_MOST_MEMORY = 2**20  # of scrypt, N * r * p: eight times what OpenSSL takes by default

# Object identifiers in DER: RFC 8018 (PBES2), RFC 7914 (scrypt), and PBES2's supported ciphers.
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_PBES2_CIPHERS = {
    *(bytes.fromhex("6086480165030401") + bytes([last]) for last in (2, 22, 42)),  # AES-128, -192, -256 in CBC
    bytes.fromhex("2a864886f70d0307"),  # DES-EDE3-CBC
    bytes.fromhex("2a864886f70d0302"),  # RC2-CBC
}
_INTEGER, _OCTETS, _OID, SEQUENCE = 0x02, 0x04, 0x06, 0x30

UPLOAD = az_commands.set_secret("…", "…", "id_ed25519")
UPLOAD_AS_IT_IS = f"Upload the key's file as it is: {UPLOAD}"
_REWRITE = (
    "`ssh-keygen -p -Z aes256-ctr -f id_ed25519` rewrites the file in a supported format, with the same passphrase if "
    f"you type that again. Then upload it: {UPLOAD}"
)
_GENERATE = (
    "Generate a key for the rotator with `ssh-keygen -t ed25519 -f id_ed25519`, add its public half to "
    f"authorized_keys, and upload it: {UPLOAD}"
)

Element = tuple[int, bytes]


def damaged() -> PrivateKeyError:
    """The error of a key that is not complete."""
    return PrivateKeyError("the SSH private key is damaged", remedy=UPLOAD_AS_IT_IS)


def unsuitable(what: str) -> PrivateKeyError:
    """The error of a valid key that is not suitable for the rotator."""
    return PrivateKeyError(f"the SSH private key {what}", remedy=_GENERATE)


def check_legacy_cipher(name: str) -> None:
    """Raise PrivateKeyError if OpenSSL's older format is encrypted with an unsupported cipher."""
    if name not in _LEGACY_CIPHERS:
        raise _other_cipher(name if _OTHER_LEGACY_CIPHERS.fullmatch(name) else "")


def _other_cipher(name: str) -> PrivateKeyError:
    return PrivateKeyError(
        f"the SSH private key is encrypted {f'with {name}, which' if name else 'in a way that'} is not supported",
        remedy=_REWRITE,
    )


def _too_slow() -> PrivateKeyError:
    return PrivateKeyError(
        "the SSH private key takes too long to decrypt: its key derivation has too many rounds",
        remedy=_REWRITE.replace(" -p ", " -p -a 24 "),
    )


def check_openssh(content: bytes) -> bool:
    """Whether a key in OpenSSH's format is encrypted, by its unencrypted part (PROTOCOL.key).

    Raises PrivateKeyError if it is unsuitable, or encrypted in an unsupported way.
    """
    fields, rest = [], content[len(_MAGIC) :]
    for _ in range(3):
        field, rest = _ssh_string(rest)
        fields.append(field)
    public, _ = _ssh_string(rest[4:])
    cipher, pem_label = fields[0].decode("latin-1"), _ssh_string(public)[0]
    if pem_label.startswith(b"sk-"):
        raise unsuitable("is the stub of a security key, whose other half never leaves the device")
    if cipher not in _CIPHERS:
        raise _other_cipher(cipher if _OTHER_CIPHERS.fullmatch(cipher) else "")
    _, rounds = _ssh_string(fields[2])
    if int.from_bytes(rounds[:4], "big") > _MOST_ROUNDS:
        raise _too_slow()
    return cipher != "none"


def _ssh_string(data: bytes) -> tuple[bytes, bytes]:
    """Split off a string of RFC 4251 section 5, which is shorter if the data is truncated; return it and the rest."""
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length], data[4 + length :]


def check_pkcs8(content: bytes) -> None:
    """Raise PrivateKeyError if PKCS#8 is encrypted in an unsupported way, or would take too long to decrypt."""
    scheme = der_elements(der_elements(der_elements(content)[0][1])[0][1])  # these exist: pem_label() found them
    if scheme[:1] != [(_OID, _PBES2)]:
        return
    kdf, cipher = (_padded(der_elements(each)) for _, each in _padded(der_elements(_padded(scheme)[1][1]))[:2])
    if cipher[0][1] not in _PBES2_CIPHERS:
        raise _other_cipher("")
    numbers = [int.from_bytes(value, "big") for tag, value in der_elements(kdf[1][1]) if tag == _INTEGER]
    if kdf[0][1] == _SCRYPT:
        n, r, p, *_ = [*numbers, 0, 0, 0]
        slow = n * r * p > _MOST_MEMORY
    else:
        slow = any(number > _MOST_ITERATIONS for number in numbers)
    if slow:
        raise _too_slow()


def _padded(elements: list[Element]) -> list[Element]:
    """Add empty elements, so that the first two exist in any case."""
    return [*elements, (0, b""), (0, b"")]


def pem_label(content: bytes) -> str:
    """The label that belongs into the first line of PEM with this content; empty if it is not a private key."""
    if content.startswith(_MAGIC):
        return OPENSSH
    outer = der_elements(content)
    tags = [tag for tag, _ in der_elements(outer[0][1])] if [tag for tag, _ in outer] == [SEQUENCE] else []
    if tags[:3] == [_INTEGER, SEQUENCE, _OCTETS]:
        return "PRIVATE KEY"
    if tags == [SEQUENCE, _OCTETS]:
        return ENCRYPTED
    if tags[:2] == [_INTEGER, _OCTETS]:
        return "EC PRIVATE KEY"
    if tags[:9] == [_INTEGER] * 9:
        return "RSA PRIVATE KEY"
    return ""


def der_elements(der: bytes) -> list[Element]:
    """The tags and values of successive DER elements (X.690); empty if it is not DER."""
    elements, at = [], 0
    while at < len(der):
        tag, length, at = der[at], int.from_bytes(der[at + 1 : at + 2], "big"), at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            return []
        elements.append((tag, der[at : at + length]))
        at += length
    return elements
