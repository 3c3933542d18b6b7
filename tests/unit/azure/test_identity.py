"""Who signs in, as a token tells."""

import base64
import json
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from rotator.azure import identity
from rotator.azure.errors import IdentityError
from rotator.azure.permissions import Principal

SCOPE = "https://vault.azure.net/.default"


class Credential:
    """Gives this token, or fails."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self._token is None:
            raise IdentityError("nobody is signed in")
        return AccessToken(self._token, 0)


def token(**claims: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "ServicePrincipal"),
        ({"idtyp": "app", "xms_mirid": "/subscriptions/s"}, "ServicePrincipal"),
        ({"idtyp": "user", "scp": "user_impersonation"}, "User"),
        ({"scp": "user_impersonation", "upn": "alice@example.com"}, "User"),
    ],
)
def test_a_person_is_told_from_an_application_by_the_token(more: dict[str, str], kind: str) -> None:
    found = identity.whoami(Credential(token(oid="object", appid="client", **more)), SCOPE)
    assert (found.object_id, found.kind) == ("object", kind)
    assert found.name == "the identity with object id object and client id client"


@pytest.mark.parametrize("given", [None, "opaque", "a.b.c"])
def test_of_a_token_that_tells_nothing_nothing_is_said(given: str | None) -> None:
    assert identity.describe(Credential(given), SCOPE) == Principal()


def test_where_nobody_is_signed_in_that_is_an_error() -> None:
    with pytest.raises(IdentityError):
        identity.whoami(Credential(None), SCOPE)
