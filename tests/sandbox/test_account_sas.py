import datetime
import urllib.parse

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from sandbox.azure import account_sas, accounts
from sandbox.key_vault import errors, sas_template


def test_the_signature_is_the_sdk_s() -> None:
    account = accounts.StorageAccount("alpha")
    token = generate_account_sas(
        account_name="alpha",
        account_key=account.keys["key2"],
        resource_types=ResourceTypes(service=True, object=True),
        permission=AccountSasPermissions(read=True, list=True),
        start=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        expiry=datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC),
        ip="127.0.0.1-127.0.0.9",
        protocol="https",
    )
    fields = dict(urllib.parse.parse_qsl(token))
    assert account_sas.signature("alpha", account.keys["key2"], fields) == fields["sig"]
    assert not account_sas.is_signed_by("alpha", account.keys["key1"], fields)
    assert dict(urllib.parse.parse_qsl(account_sas.token("alpha", account.keys["key2"], fields))) == fields


def test_versions_up_to_2020_12_06_sign_nine_lines() -> None:
    fields = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "r", "se": "2027-01-01T00:00:00Z"}
    assert account_sas.string_to_sign("alpha", fields) == "alpha\nr\nb\nsco\n\n2027-01-01T00:00:00Z\n\n\n2018-03-28\n"
    assert account_sas.string_to_sign("alpha", fields | {"sv": "2020-12-06"}).endswith("\n2020-12-06\n\n")


def test_a_regenerated_key_is_another_one() -> None:
    account = accounts.StorageAccount("alpha")
    before = dict(account.keys)
    account.regenerate("key1")
    assert account.keys["key1"] != before["key1"]
    assert account.keys["key2"] == before["key2"]
    assert account.retired_keys == [before["key1"]]
    assert before["key2"] not in repr(account)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT4H", 14400), ("P1DT30M", 88200), ("P2W", 1209600), ("P1M", 2592000), ("P1Y", 31536000), ("PT0.5S", None)],
)
def test_durations(text: str, seconds: int | None) -> None:
    if seconds is None:
        with pytest.raises(errors.VaultError):
            sas_template.duration(text)
    else:
        assert sas_template.duration(text).total_seconds() == seconds
