"""Private keys as vault secrets hold them. All keys here are made for the test and opened nowhere."""

import functools
import re
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from rotator.delivery.errors import PrivateKeyError
from rotator.delivery.ssh import private_key
from rotator.redaction import SecretText

_Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | dsa.DSAPrivateKey
    | ed448.Ed448PrivateKey
)
PASSPHRASE = "correct horse battery staple"
KINDS = ("rsa", "ecdsa", "ed25519")
NAMES = {"rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256", "ed25519": "ssh-ed25519"}
# Ed25519 has no form of its own in OpenSSL's older PEM.
FORMS = [(kind, form) for kind in KINDS for form in ("OpenSSH", "PKCS8", "TraditionalOpenSSL")]
FORMS.remove(("ed25519", "TraditionalOpenSSL"))


@functools.cache
def key(kind: str) -> _Key:
    makers: dict[str, Callable[[], _Key]] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "dsa": lambda: dsa.generate_private_key(1024),
        "ed448": ed448.Ed448PrivateKey.generate,
    }
    return makers[kind]()


def text(kind: str, form: str = "PKCS8", passphrase: str | None = None) -> str:
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return (
        key(kind)
        .private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), encryption)
        .decode()
    )


def refused(found: str, passphrase: str | None = None) -> str:
    """The error's text, in which no line of the key stands, nor in anything that is chained to it."""
    with pytest.raises(PrivateKeyError) as caught:
        private_key.load(SecretText(found), SecretText(passphrase) if passphrase else None)
    error: BaseException | None = caught.value
    assert caught.value.remedy
    while error is not None:
        words = f"{error} {error!r} {getattr(error, 'remedy', '')}"
        assert not [line for line in found.split() if len(line) > 30 and line in words]
        assert not (passphrase and passphrase in words)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_key_is_read_in_each_form(kind: str, form: str) -> None:
    loaded = private_key.load(SecretText(text(kind, form)))
    assert loaded.get_name() == NAMES[kind]
    assert loaded.can_sign()
    assert loaded.sign_ssh_data(b"data")


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_key_with_a_passphrase_is_read(form: str) -> None:
    loaded = private_key.load(SecretText(text("ecdsa", form, PASSPHRASE)), SecretText(PASSPHRASE))
    assert loaded.get_name() == "ecdsa-sha2-nistp256"


@functools.cache
def openssh_with_passphrase() -> str:
    """Cached, as bcrypt takes a while by design."""
    return text("ed25519", "OpenSSH", PASSPHRASE)


def test_openssh_key_with_a_passphrase_is_read() -> None:
    assert private_key.load(SecretText(openssh_with_passphrase()), SecretText(PASSPHRASE)).get_name() == "ssh-ed25519"


def test_all_forms_are_the_same_key() -> None:
    fingerprints = {
        private_key.load(SecretText(text(kind, form))).fingerprint for kind, form in FORMS if kind == "ecdsa"
    }
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.rstrip("\n"),
        lambda pem: f"\n\n  {pem}\n\n",
    ],
    ids=["CRLF", "no last line break", "white space around"],
)
@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8"])
def test_harmless_white_space_does_not_matter(form: str, spoil: Callable[[str], str]) -> None:
    assert private_key.load(SecretText(spoil(text("ed25519", form)))).get_name() == "ssh-ed25519"


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_missing_passphrase_is_reported_as_such(form: str) -> None:
    assert refused(text("ecdsa", form, PASSPHRASE)) == "the SSH private key needs a passphrase"


def test_missing_passphrase_of_an_openssh_key_is_reported_as_such() -> None:
    assert refused(openssh_with_passphrase()) == "the SSH private key needs a passphrase"


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_wrong_passphrase_is_reported_as_such(form: str) -> None:
    assert refused(text("ecdsa", form, PASSPHRASE), "another one") == (
        "the SSH private key does not open with the passphrase from the vault"
    )


@pytest.mark.parametrize("vector", ["00", "", "0011223344556677"])
def test_an_initialization_vector_that_is_too_short_is_an_error_of_ours(vector: str) -> None:
    found = re.sub(r"(DEK-Info: [^,]+,)[0-9A-F]+", rf"\g<1>{vector}", text("ecdsa", "TraditionalOpenSSL", PASSPHRASE))
    assert f",{vector}\n" in found
    with pytest.raises(PrivateKeyError):
        private_key.load(SecretText(found), SecretText(PASSPHRASE))


def test_wrong_passphrase_of_an_openssh_key_is_reported_as_such() -> None:
    assert refused(openssh_with_passphrase(), f"{PASSPHRASE}\n") == (
        "the SSH private key does not open with the passphrase from the vault"
    )


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_needless_passphrase_is_reported_as_such(kind: str, form: str) -> None:
    assert refused(text(kind, form), PASSPHRASE) == ("the SSH private key has no passphrase, but one is configured")


@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8"])
def test_lost_line_breaks_are_reported_as_such(form: str) -> None:
    assert refused(text("ed25519", form).replace("\n", " ")) == "the SSH private key has lost its line breaks"
    assert refused(text("ed25519", form).replace("\n", "\\n")) == "the SSH private key has lost its line breaks"
    assert refused(text("ed25519", form).replace("\n", "")) == "the SSH private key has lost its line breaks"


def test_key_with_other_text_in_its_middle_is_damaged() -> None:
    lines = text("ecdsa").splitlines()
    assert refused("\n".join([lines[0], "!" * 60, *lines[2:]])) == "the SSH private key is damaged"
    assert refused("\n".join(lines[:2])) == "the SSH private key is damaged"


def test_openssh_key_that_is_cut_off_is_damaged() -> None:
    lines = text("ed25519", "OpenSSH").splitlines()
    assert refused("\n".join([*lines[:2], lines[-1]])) == "the SSH private key is damaged"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVubGlrZWx5 rotator",
            "the vault secret holds the public half of an SSH key",
        ),
        (
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= x",
            "the vault secret holds the public half of an SSH key",
        ),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----",
            "the vault secret holds the public half of an SSH key",
        ),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", "the SSH private key is in PuTTY's format"),
        ("hunter2-hunter2-hunter2-hunter2-hunter2", "the vault secret holds no SSH private key"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "the vault secret holds no SSH private key"),
    ],
)
def test_what_is_no_private_key_is_reported_as_what_it_is(found: str, problem: str) -> None:
    assert refused(found) == problem


def test_short_rsa_key_is_refused() -> None:
    assert refused(text("rsa1024")) == "the SSH private key is RSA with 1024 bits"


@pytest.mark.parametrize("kind", ["dsa", "ed448"])
def test_key_that_ssh_has_no_use_for_is_refused(kind: str) -> None:
    assert refused(text(kind)) == "the SSH private key is not RSA, ECDSA or Ed25519"


def test_ecdsa_key_on_another_curve_is_refused() -> None:
    assert "curve" in refused(text("secp256k1"))
