"""User delegation keys from storage: its refusals with their remedies, and answers that are none."""

import contextlib
import datetime
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken

from rotator.azure.errors import UserDelegationError, UserDelegationForbiddenError
from rotator.azure.user_delegation import DelegationKey, UserDelegation
from tests.fakes.dripping import Answer, Request, serving
from tests.fakes.examples import NOW, RESOURCE_ID
from tests.unit.azure.test_resource_manager import authority, tls

__all__ = ["authority", "tls"]  # fixtures

HOUR = datetime.timedelta(hours=1)
VALUE = "bm8gc2VjcmV0IGF0IGFsbCwgYnV0IGFzIGxvbmcgYXMgb25l"
FIELDS = {
    "SignedOid": "00000000-0000-0000-0000-000000000001",
    "SignedTid": "00000000-0000-0000-0000-000000000002",
    "SignedStart": "2026-07-01T11:45:00Z",
    "SignedExpiry": "2026-07-01T15:00:00Z",
    "SignedService": "b",
    "SignedVersion": "2026-10-06",
    "Value": VALUE,
}


class Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("the token", 2**40)


class Storage:
    """The same answer to everything."""

    def __init__(self) -> None:
        self.answer: Answer = 200, {}, b""
        self.bodies: list[bytes] = []

    def __call__(self, request: Request) -> Answer:
        self.bodies.append(request.body)
        status, headers, body = self.answer
        return status, {"Content-Type": "application/xml", **headers}, body

    def give(self, **changes: str | None) -> None:
        """Answer with a key that has these fields; None leaves one out."""
        known = {name: text for name, text in {**FIELDS, **changes}.items() if text is not None}
        fields = "".join(f"<{name}>{text}</{name}>" for name, text in known.items())
        self.answer = 200, {}, f"<UserDelegationKey>{fields}</UserDelegationKey>".encode()

    def refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>the key is {VALUE}</Message></Error>"
        self.answer = status, {"x-ms-error-code": code}, body.encode()


@pytest.fixture(scope="module")
def served(tls: ssl.SSLContext, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    storage = Storage()
    with pytest.MonkeyPatch.context() as patch, serving(storage, tls=tls) as url:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        yield storage, f"{url}/mystorage"


@pytest.fixture
def storage(served: tuple[Storage, str]) -> Storage:
    return served[0]


def key(served: tuple[Storage, str], resource: str | None = RESOURCE_ID) -> DelegationKey:
    asking = UserDelegation(served[1], Token(), named="STORAGE_BLOB_ENDPOINT", resource=resource)
    return asking.key(NOW - HOUR / 4, NOW + 4 * HOUR)


def failure(served: tuple[Storage, str], resource: str | None = RESOURCE_ID) -> UserDelegationError:
    with pytest.raises(UserDelegationError) as caught:
        key(served, resource)
    assert VALUE not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.__cause__ is None
    return caught.value


def test_key_is_what_storage_says_it_is(served: Any, storage: Storage) -> None:
    storage.give()
    found = key(served)
    assert (found.expiry, found.value.reveal()) == (NOW + 3 * HOUR, VALUE)
    assert b"<Start>2026-07-01T11:45:00Z</Start><Expiry>2026-07-01T16:00:00Z</Expiry>" in storage.bodies[-1]
    assert VALUE not in repr(found)
    assert found.for_sdk().value == VALUE


@pytest.mark.parametrize("code", ["AuthorizationPermissionMismatch", "AuthorizationFailed", ""])
def test_without_the_role_the_remedy_is_the_command_that_assigns_it(served: Any, storage: Storage, code: str) -> None:
    storage.refuse(403, code)
    found = failure(served)
    assert isinstance(found, UserDelegationForbiddenError)
    assert "az role assignment create --role 'Storage Blob Delegator'" in found.remedy
    assert RESOURCE_ID in found.remedy
    assert "<resource id of the account>" in failure(served, None).remedy


def test_firewall_is_named_and_no_role(served: Any, storage: Storage) -> None:
    storage.refuse(403, "AuthorizationFailure")
    found = failure(served)
    assert not isinstance(found, UserDelegationForbiddenError)
    assert "firewall" in found.remedy
    assert "role" not in found.remedy


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidInput"), (404, "ResourceNotFound"), (409, "FeatureNotEnabled")]
)
def test_other_refusal_is_named_by_status_and_code(served: Any, storage: Storage, status: int, code: str) -> None:
    storage.refuse(status, code)
    assert f"answered {status} {code} to the request for a user delegation key" in str(failure(served))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", [None, ""])
def test_key_without_a_field_is_none(served: Any, storage: Storage, field: str, text: str | None) -> None:
    storage.give(**{field: text})
    assert "answer" in str(failure(served))


@pytest.mark.parametrize("expiry", ["soon", "2026-07-01", "9" * 100, "2026-13-01T00:00:00Z"])
def test_key_without_a_time_is_none(served: Any, storage: Storage, expiry: str) -> None:
    storage.give(SignedExpiry=expiry)
    failure(served)


@pytest.mark.parametrize("body", [b"", b"<", b"no XML", b"<html/>", b"{}", b"\xff\xfe"])
def test_answer_of_another_form_is_none_of_storage(served: Any, storage: Storage, body: bytes) -> None:
    storage.answer = 200, {}, body
    failure(served)


def test_storage_that_does_not_answer_is_found_by_its_setting() -> None:
    closed = UserDelegation("https://127.0.0.1:1/mystorage", Token(), named="STORAGE_BLOB_ENDPOINT")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack():
        patch.setattr("time.sleep", lambda _: None)
        with pytest.raises(UserDelegationError) as caught:
            closed.key(NOW, NOW + HOUR)
    assert "STORAGE_BLOB_ENDPOINT" in caught.value.remedy
