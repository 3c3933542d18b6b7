import json
from pathlib import Path
from typing import Any

import pytest

from rotator.azure import key_vault_refusals
from rotator.azure.key_vault_refusals import Answer, Cause
from rotator.azure.permissions import Permission

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "azure" / "recorded" / "keyvault-managed-storage.json"
LACKS = "The user, group or application 'appid=a;oid=o;iss=i' does not have secrets get permission on key vault"
OBO = "The policy requires the caller 'appid=a;oid=o;iss=i' to use on-behalf-of (OBO) flow. For more information …"
SERVICE = "Key vault service doesn't have proper permissions to access the storage account"
ON_BEHALF = "The client 'c' with object id 'o' does not have authorization to perform action 'Microsoft.Storage/…'"
ANY = [Permission.SECRETS_GET, Permission.STORAGE_GET, Permission.STORAGE_SET, Permission.STORAGE_REGENERATEKEY]
ADDRESS = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.7\r\n"


def answer(status: int, *codes: str, message: str = "") -> Answer:
    error: dict[str, Any] | None = None
    for code in reversed(codes):
        error = {"code": code, **({"innererror": error} if error else {})}
    return key_vault_refusals.read(status, json.dumps({"error": {**(error or {}), "message": message}}))


@pytest.mark.parametrize("permission", ANY)
@pytest.mark.parametrize(
    ("codes", "message", "cause"),
    [
        (("Forbidden", "ForbiddenByPolicy"), LACKS, Cause.POLICY),
        (("Forbidden", "AccessDenied"), LACKS, Cause.POLICY),
        (("Forbidden", "AccessDenied"), "Access denied. Caller was not found on any access policy.", Cause.POLICY),
        (("Forbidden", "ForbiddenByPolicy"), OBO, Cause.APPLICATION),
        (("Forbidden", "AccessDenied"), OBO, Cause.APPLICATION),
        (("Forbidden", "ForbiddenByFirewall"), ADDRESS, Cause.FIREWALL),
        (("Forbidden", "ForbiddenByConnection"), "Public network access is disabled …", Cause.PRIVATE),
        (("Forbidden", "ForbiddenByNsp"), "The request was forbidden by NSP policy.", Cause.PERIMETER),
        (("Forbidden", "ForbiddenByRbac"), "Caller is not authorized to perform action on resource.", Cause.ROLES),
        (("Forbidden", "SecretDisabled"), "Operation get is not allowed on a disabled secret.", Cause.DISABLED),
        (("Forbidden",), SERVICE, Cause.KEYS),
    ],
)
def test_a_refusal_has_one_cause(codes: tuple[str, ...], message: str, cause: Cause, permission: Permission) -> None:
    assert answer(403, *codes, message=message).cause(permission) is cause


@pytest.mark.parametrize(
    ("permission", "cause"),
    [
        (Permission.STORAGE_SET, Cause.KEYS),
        (Permission.STORAGE_REGENERATEKEY, Cause.KEYS),
        (Permission.STORAGE_SETSAS, Cause.POLICY),
        (Permission.SECRETS_GET, Cause.POLICY),
    ],
)
def test_a_refusal_without_a_reason_is_about_the_keys_only_where_keys_are_handled(
    permission: Permission, cause: Cause
) -> None:
    assert answer(403, "Forbidden").cause(permission) is cause
    assert answer(403, "Forbidden", message=ON_BEHALF).cause(permission) is cause
    assert Answer(403).cause(permission) is cause


@pytest.mark.parametrize(
    ("status", "codes", "refuses"),
    [
        (403, ("Forbidden",), True),
        (403, (), True),
        (400, ("Forbidden",), True),
        (400, ("BadParameter",), False),
        (400, ("BadParameter", "Forbidden"), False),
        (400, (), False),
        (404, ("StorageAccountNotFound",), False),
        (409, ("Conflict", "ObjectIsBeingRecovered"), False),
    ],
)
def test_a_refusal_may_come_as_a_bad_request(status: int, codes: tuple[str, ...], refuses: bool) -> None:
    assert answer(status, *codes).refuses is refuses


def test_the_address_is_what_the_firewall_saw() -> None:
    assert answer(403, "Forbidden", "ForbiddenByFirewall", message=ADDRESS).address == "192.0.2.7"
    assert (
        answer(403, "Forbidden", "ForbiddenByFirewall", message=ADDRESS.replace("2.7", "2.7.")).address == "192.0.2.7"
    )
    assert answer(403, "Forbidden", "ForbiddenByPolicy", message=LACKS).address == ""


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        "null",
        '{"error": null}',
        '{"error": "no"}',
        '{"error": {"code": null}}',
        "[" * 100_000,
        '{"error": {"code": 7, "message": 7}}',
    ],
)
def test_what_is_no_error_of_the_vault_has_no_codes(body: str) -> None:
    assert key_vault_refusals.read(502, body) == Answer(502)


def test_what_the_vault_said_is_not_in_the_repr() -> None:
    assert "oid=o" not in repr(answer(403, "Forbidden", message=LACKS))


def test_the_recorded_refusals_have_the_causes_that_they_had() -> None:
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there")
    refusals = json.loads(RECORDED.read_text())["refusals"]
    found = [key_vault_refusals.read(one["status"], json.dumps(one["response"])) for one in refusals]
    assert all(one.refuses for one in found)
    assert [one.cause(Permission.SECRETS_GET) for one in found] == [
        Cause.POLICY,
        Cause.POLICY,
        Cause.APPLICATION,
        Cause.ROLES,
        Cause.KEYS,
    ]
