"""Which key signed a SAS; the expected signatures come from `openssl dgst -sha256 -mac HMAC`."""

import datetime

import pytest

from rotator import errors, sas
from rotator.azure import account_keys
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.redaction import SecretText
from tests.fakes.examples import LONG_AGO, token

# base64 of "the first key, for tests only" and of "the second key, for tests only"
FIRST = AccountKey("key1", SecretText("dGhlIGZpcnN0IGtleSwgZm9yIHRlc3RzIG9ubHk="), LONG_AGO)
SECOND = AccountKey("key2", SecretText("dGhlIHNlY29uZCBrZXksIGZvciB0ZXN0cyBvbmx5"), None)
KEYS = AccountKeys("mystorage", (FIRST, SECOND))
SIGNATURE = "uEfxHHaleHri3fU95bovCE1UlK9SfxdjvlpsFCefcgY="


def signer(**changes: str | None) -> str | None:
    found = KEYS.signer(sas.parse(SecretText(token(**changes))))
    return found.name if found else None


def test_signer_is_the_key_whose_signature_it_is() -> None:
    assert signer(sig=SIGNATURE) == "key1"


def test_every_field_that_is_signed_is_looked_at() -> None:
    assert (
        signer(
            sp="rl",
            ss="bq",
            srt="so",
            st="2026-07-01T11:00:00Z",
            sip="10.0.0.1-10.0.0.9",
            spr="https,http",
            sv="2015-04-05",
            sig="7jrDB4GPdr85D/ySsHDfCBqUAzUxrUgPFCPIE6JY6LI=",
        )
        == "key2"
    )


@pytest.mark.parametrize(
    ("scope", "signature"),
    [
        ("myscope", "QmscF+s+kczAEj9pgNrVXRJYfaAKJqyA3xuTTpbmPfE="),
        (None, "qtkETtH/L/W9kEUC5PJfBdjyaguxzT1jojMR9WmF9ts="),
    ],
)
def test_encryption_scope_is_signed_from_2020_12_06_on(scope: str | None, signature: str) -> None:
    assert signer(sv="2020-12-06", ses=scope, sig=signature) == "key1"
    assert signer(sv="2020-10-02", ses=scope, sig=signature) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"sp": "rw"},
        {"ss": "bf"},
        {"srt": "so"},
        {"se": "2026-07-01T16:00:01Z"},
        {"sv": "2017-11-09"},
        {"spr": None},
        {"st": "2026-07-01T11:00:00Z"},
        {"sip": "10.0.0.1"},
    ],
)
def test_sas_that_was_changed_has_no_signer(changes: dict[str, str | None]) -> None:
    assert signer(sig=SIGNATURE, **changes) is None


def test_sas_of_another_account_or_of_a_former_key_has_no_signer() -> None:
    of_this = sas.parse(SecretText(token(sig=SIGNATURE)))
    assert AccountKeys("another", (FIRST, SECOND)).signer(of_this) is None
    assert AccountKeys("mystorage", (SECOND,)).signer(of_this) is None


def test_key_that_is_no_base64_signed_nothing() -> None:
    damaged = AccountKey("key1", SecretText("no base64!"), None)
    assert AccountKeys("mystorage", (damaged,)).signer(sas.parse(SecretText(token(sig=SIGNATURE)))) is None


def test_key_is_found_by_its_name() -> None:
    assert (KEYS.named("key2"), KEYS.named("key1")) == (SECOND, FIRST)
    with pytest.raises(errors.ActiveKeyError):
        KEYS.named("key3")


def test_stamp_is_the_time_of_making_or_says_that_there_is_none() -> None:
    assert (FIRST.stamp, SECOND.stamp) == ("2026-01-01T00:00:00+00:00", "unknown")
    exact = datetime.datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)
    assert AccountKey("key1", FIRST.value, exact).stamp == "2026-07-01T12:00:00.123456+00:00"


def test_repr_shows_no_key() -> None:
    assert "dGhl" not in repr(KEYS)


def test_other_key_is_the_other_of_two() -> None:
    assert (account_keys.other("key1"), account_keys.other("key2")) == ("key2", "key1")


@pytest.mark.parametrize("name", ["key3", "Key1", "", "primary"])
def test_what_is_no_key_has_no_other(name: str) -> None:
    with pytest.raises(errors.ActiveKeyError, match="an account has key1 and key2, not"):
        account_keys.other(name)
