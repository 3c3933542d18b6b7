"""The forms of an SSH private key, and how one is encrypted, as far as that is told without its passphrase.

Sources: OpenSSH's PROTOCOL.key, RFC 5958 (PKCS#8), RFC 8018 (PBES2), RFC 8017 and RFC 5915 (OpenSSL's older forms).
"""

import re

from rotator.azure import az_commands
from rotator.delivery.errors import PrivateKeyError

OPENSSH = "OPENSSH PRIVATE KEY"
ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_MAGIC = b"openssh-key-v1\0"
# What is read, and which other names may be shown: a foreign text could be anything, the key included.
_CIPHERS = {"none", "aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"}
_OTHER_CIPHERS = re.compile(
    r"(?:aes(?:128|192)-(?:cbc|ctr)|aes128-gcm@openssh\.com|chacha20-poly1305@openssh\.com|3des-cbc)"
)
_LEGACY_CIPHERS = {"AES-128-CBC", "AES-256-CBC", "DES-EDE3-CBC"}
_OTHER_LEGACY_CIPHERS = re.compile(r"(?:AES|CAMELLIA|ARIA|DES|RC2|SEED|IDEA|BF|CAST5|SM4)(?:-[A-Z0-9]{1,5}){0,2}")
_MOST_ROUNDS = 1000  # of bcrypt; `ssh-keygen -a` is 16 or 24 by default, and a thousand take some ten seconds
_MOST_ITERATIONS = 5_000_000  # of PBKDF2; OpenSSL's default is 2,048, and five millions take some seconds
_MOST_MEMORY = 2**20  # of scrypt, N * r * p: eight times what OpenSSL takes by default

# In DER, with what they stand for: RFC 8018 (PBES2, PBKDF2), RFC 7914 (scrypt), and the ciphers of PBES2 that are read.
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
    "`ssh-keygen -p -Z aes256-ctr -f id_ed25519` writes the file anew in the form that is read here, with the same "
    f"passphrase if you type that again. Then upload it: {UPLOAD}"
)
_MAKE = (
    "Make a key of the rotator's own with `ssh-keygen -t ed25519 -f id_ed25519`, let its public half into "
    f"authorized_keys, and upload it: {UPLOAD}"
)

Element = tuple[int, bytes]


def damaged() -> PrivateKeyError:
    """Say that it is a key, but not whole."""
    return PrivateKeyError("the SSH private key is damaged", remedy=UPLOAD_AS_IT_IS)


def useless(what: str) -> PrivateKeyError:
    """Say that it is a key, whole, but none for this purpose."""
    return PrivateKeyError(f"the SSH private key {what}", remedy=_MAKE)


def check_legacy_cipher(name: str) -> None:
    """Raise PrivateKeyError if OpenSSL's older form is encrypted with what is not read here."""
    if name not in _LEGACY_CIPHERS:
        raise _other_cipher(name if _OTHER_LEGACY_CIPHERS.fullmatch(name) else "")


def _other_cipher(name: str) -> PrivateKeyError:
    return PrivateKeyError(
        f"the SSH private key is encrypted {f'with {name}' if name else 'in a way'} that is not read here",
        remedy=_REWRITE,
    )


def _too_slow() -> PrivateKeyError:
    return PrivateKeyError(
        "the SSH private key takes too long to open: its passphrase is stretched beyond all measure",
        remedy=_REWRITE.replace(" -p ", " -p -a 24 "),
    )


def openssh(inside: bytes) -> bool:
    """Look at the open part of OpenSSH's form (PROTOCOL.key); tell whether it is encrypted."""
    fields, rest = [], inside[len(_MAGIC) :]
    for _ in range(3):
        field, rest = _string(rest)
        fields.append(field)
    public, _ = _string(rest[4:])
    cipher, kind = fields[0].decode("latin-1"), _string(public)[0]
    if kind.startswith(b"sk-"):
        raise useless("is the stub of a security key, whose other half never leaves the device")
    if cipher not in _CIPHERS:
        raise _other_cipher(cipher if _OTHER_CIPHERS.fullmatch(cipher) else "")
    _, rounds = _string(fields[2])
    if int.from_bytes(rounds[:4], "big") > _MOST_ROUNDS:
        raise _too_slow()
    return cipher != "none"


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Split a string of SSH's off, and give the rest; what is cut off is shorter."""
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length], data[4 + length :]


def check_pkcs8(inside: bytes) -> None:
    """Look at how PKCS#8 is encrypted; raises PrivateKeyError where that is not read, or would take for ever."""
    scheme = elements(elements(elements(inside)[0][1])[0][1])  # as kind() found it
    if scheme[:1] != [(_OID, _PBES2)]:
        return
    kdf, cipher = (_padded(elements(each)) for _, each in _padded(elements(_padded(scheme)[1][1]))[:2])
    if cipher[0][1] not in _PBES2_CIPHERS:
        raise _other_cipher("")
    numbers = [int.from_bytes(value, "big") for tag, value in elements(kdf[1][1]) if tag == _INTEGER]
    if kdf[0][1] == _SCRYPT:
        n, r, p, *_ = [*numbers, 0, 0, 0]
        slow = n * r * p > _MOST_MEMORY
    else:
        slow = any(number > _MOST_ITERATIONS for number in numbers)
    if slow:
        raise _too_slow()


def _padded(found: list[Element]) -> list[Element]:
    return [*found, (0, b""), (0, b"")]


def kind(inside: bytes) -> str:
    """Name the label that belongs to what is inside; empty where it is nothing known."""
    if inside.startswith(_MAGIC):
        return OPENSSH
    outer = elements(inside)
    tags = [tag for tag, _ in elements(outer[0][1])] if [tag for tag, _ in outer] == [SEQUENCE] else []
    if tags[:3] == [_INTEGER, SEQUENCE, _OCTETS]:
        return "PRIVATE KEY"
    if tags == [SEQUENCE, _OCTETS]:
        return ENCRYPTED
    if tags[:2] == [_INTEGER, _OCTETS]:
        return "EC PRIVATE KEY"
    if tags[:9] == [_INTEGER] * 9:
        return "RSA PRIVATE KEY"
    return ""


def elements(der: bytes) -> list[Element]:
    """Read the elements of DER that stand one behind the other; empty if it is none."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], int.from_bytes(der[at + 1 : at + 2], "big"), at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            return []
        found.append((tag, der[at : at + length]))
        at += length
    return found
