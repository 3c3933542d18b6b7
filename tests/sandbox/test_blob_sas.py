"""What is signed in a SAS for a container, a directory or a blob, against the SDK's own words."""

import datetime
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from azure.storage.blob import UserDelegationKey, generate_account_sas, generate_blob_sas, generate_container_sas

from sandbox.azure import account_sas, accounts, delegation_sas, sas_policy, service_sas, signatures
from sandbox.azure.delegation_keys import DelegationKeys, KeyFields

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
COMMON: dict[str, Any] = {
    "start": START,
    "expiry": START + datetime.timedelta(hours=4),
    "ip": "127.0.0.1-127.0.0.9",
    "protocol": "https",
    "encryption_scope": "scope-1",
    "cache_control": "no-store",
    "content_type": "text/plain",
}
KEYS = KeyFields("an-object", "a-tenant", "2026-01-01T00:00:00Z", "2026-01-07T00:00:00Z", "b", "2026-10-06")
Sign = Callable[..., str]


def container_sas(**options: Any) -> str:
    return generate_container_sas("alpha", "pictures", permission="rl", **{**COMMON, **options})


def directory_sas(**options: Any) -> str:
    return generate_blob_sas("alpha", "pictures", "a/b", permission="rl", is_directory=True, **{**COMMON, **options})


def blob_sas(**options: Any) -> str:
    return generate_blob_sas("alpha", "pictures", "a/hello world.png", permission="r", **{**COMMON, **options})


PATHS: list[tuple[Sign, str]] = [
    (container_sas, "/pictures"),
    (directory_sas, "/pictures/a/b"),
    (blob_sas, "/pictures/a/hello world.png"),
]


def fields_of(token: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(token))


def delegation_key(value: str) -> UserDelegationKey:
    key = UserDelegationKey()  # type: ignore[no-untyped-call]
    key.signed_oid, key.signed_tid = KEYS.object_id, KEYS.tenant_id
    key.signed_start, key.signed_expiry = KEYS.start, KEYS.expiry
    key.signed_service, key.signed_version, key.value = KEYS.service, KEYS.version, value
    return key


@pytest.mark.parametrize(("sign", "path"), PATHS)
def test_a_service_sas_is_signed_as_the_sdk_does(sign: Sign, path: str) -> None:
    texts: list[str] = []
    account_key = accounts.new_key()
    fields = fields_of(sign(account_key=account_key, sts_hook=texts.append))
    assert service_sas.string_to_sign("alpha", path, fields) == texts[0]
    assert service_sas.signature("alpha", account_key, path, fields) == fields["sig"]


@pytest.mark.parametrize(("sign", "path"), PATHS)
def test_a_delegation_sas_is_signed_as_the_sdk_does(sign: Sign, path: str) -> None:
    texts: list[str] = []
    key = delegation_key(accounts.new_key())
    more = {
        "correlation_id": "a-guid",
        "user_delegation_oid": "a-user",
        "request_headers": {"x-ms-a": "1", "x-ms-b": "2"},
        "request_query_params": {"q": "3"},
    }
    fields = fields_of(sign(user_delegation_key=key, sts_hook=texts.append, **more))
    request = delegation_sas.Request({"x-ms-a": "1", "x-ms-b": "2"}, {"q": "3"})
    assert delegation_sas.string_to_sign("alpha", path, fields, request) == texts[0]
    assert KeyFields.of_sas(fields) == KEYS


def test_a_plain_delegation_sas_has_27_line_breaks_as_measured() -> None:
    fields = fields_of(container_sas(user_delegation_key=delegation_key(accounts.new_key())))
    text = delegation_sas.string_to_sign("alpha", "/pictures", fields, delegation_sas.Request())
    assert text.count("\n") == 27


@pytest.mark.parametrize(
    ("version", "lines"), [("2018-03-28", 13), ("2018-11-09", 15), ("2020-12-06", 16), ("2026-10-06", 16)]
)
def test_older_versions_of_a_service_sas_sign_less(version: str, lines: int) -> None:
    assert len(service_sas.string_to_sign("alpha", "/pictures", {"sv": version}).split("\n")) == lines


@pytest.mark.parametrize(
    ("version", "lines"),
    [("2018-11-09", 20), ("2020-02-10", 23), ("2020-12-06", 24), ("2025-07-05", 26), ("2026-04-06", 28)],
)
def test_older_versions_of_a_delegation_sas_sign_less(version: str, lines: int) -> None:
    text = delegation_sas.string_to_sign("alpha", "/pictures", {"sv": version}, delegation_sas.Request())
    assert len(text.split("\n")) == lines


def test_an_account_sas_with_an_encryption_scope_is_signed_as_the_sdk_does() -> None:
    key = accounts.new_key()
    more = {name: COMMON[name] for name in ("start", "expiry", "ip", "protocol", "encryption_scope")}
    fields = fields_of(generate_account_sas("alpha", key, resource_types="sco", permission="rl", **more))
    assert fields["ses"] == "scope-1"
    assert account_sas.is_signed_by("alpha", key, fields)


def test_a_delegation_key_is_the_same_until_it_is_revoked() -> None:
    keys = DelegationKeys()
    value = keys.issue(KEYS)
    assert keys.issue(KEYS) == value
    assert keys.valid(KEYS) == [value]
    keys.revoke()
    assert value not in keys.valid(KEYS)
    assert keys.issue(KEYS) not in (value, "")
    assert keys.issued[0] == value


def test_a_revoked_key_signs_until_the_delay_is_over() -> None:
    keys = DelegationKeys()
    keys.revocation_delay = 3600
    value = keys.issue(KEYS)
    keys.revoke()
    assert value in keys.valid(KEYS)
    keys.settle()
    assert value not in keys.valid(KEYS)


def test_signatures_are_compared_with_the_key() -> None:
    key = accounts.new_key()
    assert signatures.is_signed_by(key, "text", signatures.sign(key, "text"))
    assert not signatures.is_signed_by(key, "text", signatures.sign(accounts.new_key(), "text"))


@pytest.mark.parametrize(
    ("policy", "fields", "text"),
    [
        (None, {"se": "2026-01-02T00:00:00Z"}, None),
        ({"sasExpirationPeriod": "0.01:00:00", "expirationAction": "Log"}, {"se": "2027-01-01T00:00:00Z"}, None),
        ({"sasExpirationPeriod": "0.01:00:00", "expirationAction": "Block"}, {"se": "2026-01-01"}, "no signed start"),
        (
            {"sasExpirationPeriod": "0.01:00:00", "expirationAction": "Block"},
            {"st": "2026-01-01T00:00:00Z", "se": "2026-01-01T01:00:01Z"},
            "length",
        ),
        (
            {"sasExpirationPeriod": "0.01:00:00", "expirationAction": "Block"},
            {"st": "2026-01-01T00:00:00Z", "se": "2026-01-01T01:00:00Z"},
            None,
        ),
        ({"requireUserBoundUserDelegationSasAction": "Block"}, {"skoid": "a"}, "delegated user"),
        ({"requireUserBoundUserDelegationSasAction": "Block"}, {"skoid": "a", "sduoid": "b"}, None),
        ({"requireUserBoundUserDelegationSasAction": "Block"}, {}, None),
        (
            {"requireUserBoundUserDelegationSas": False, "requireUserBoundUserDelegationSasAction": "Block"},
            {"skoid": "a"},
            None,
        ),
    ],
)
def test_only_a_policy_that_blocks_has_something_against_a_sas(
    policy: dict[str, Any] | None, fields: dict[str, str], text: str | None
) -> None:
    found = sas_policy.violation(policy, fields)
    assert (found is None) if text is None else (text in (found or ""))


def test_a_policy_s_period_is_days_hours_minutes_seconds() -> None:
    assert sas_policy.period("1.15:59:59") == datetime.timedelta(days=1, hours=15, minutes=59, seconds=59)
    with pytest.raises(ValueError, match="written as DD"):
        sas_policy.period("36:00:00")
