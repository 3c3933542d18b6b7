"""The identity that the app acts as: managed in Azure, the developer's own on a workstation."""

import base64
import os
import urllib.parse
from collections.abc import Mapping
from typing import Any

from azure import identity
from azure.core.credentials import AccessToken
from azure.core.credentials import TokenCredential as TokenCredential  # noqa: PLC0414  # for rooms that know no SDK
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError

from rotator import activity, untrusted
from rotator.azure import network_errors, retries
from rotator.azure.errors import IdentityError
from rotator.azure.permissions import Principal

# The endpoint is on this very host; a mute one is asked several times, by each of those who need a token.
_ANSWER_SECONDS = 5
_NO_ENDPOINT = (
    "The platform that gives the app its identity sets IDENTITY_ENDPOINT and answers there: restart the app. A sandbox "
    "answers only until it is stopped: start it again, and take over its settings; elsewhere unset IDENTITY_ENDPOINT."
)
_WHOLE_SECONDS = 10.0  # for one try


class Credential:
    """The SDK's credential, whose every trouble is an IdentityError.

    A client's pipeline would otherwise take a mute identity endpoint for a mute service, and ask again and again.
    """

    def __init__(
        self, credential: identity.ManagedIdentityCredential | identity.DefaultAzureCredential, endpoint: str = ""
    ) -> None:
        self._credential = credential
        self._endpoint = endpoint
        # Now: threads that ask at the same moment would each open one, and lose all but the last.
        credential.__enter__()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Give a token; raises IdentityError."""
        place = "the identity endpoint, for a token" if self._endpoint else "the sign-in service, for a token"
        try:
            with activity.of(place):
                return self._credential.get_token(*scopes, **options)
        except (AzureError, ValueError, OSError) as error:  # what answers may be no identity endpoint, nor speak JSON
            raise _failure(error, self._endpoint) from error

    def close(self) -> None:
        """Close the connections."""
        self._credential.close()


def credential(
    client_id: str | None, environment: Mapping[str, str] = os.environ, *, whole: float = _WHOLE_SECONDS
) -> Credential:
    """Give the credential for where this runs: in App Service only its managed identity is asked.

    `whole` bounds one try to get a token, in seconds.
    """
    return Credential(_for(client_id, environment, whole), environment.get("IDENTITY_ENDPOINT", ""))


def _failure(error: Exception, endpoint: str) -> IdentityError:
    """Tell a network that is in the way from an identity that is missing."""
    words = f"no token could be had ({type(error).__name__})"
    if endpoint:
        host = f"the identity endpoint {urllib.parse.urlsplit(endpoint).netloc.rpartition('@')[2]}"
        if not isinstance(error, ServiceRequestError | ServiceResponseError | OSError):
            return IdentityError(words)
        trouble = network_errors.explain(error, host, "IDENTITY_ENDPOINT", _NO_ENDPOINT)
        return _unanswered(trouble)
    found = network_errors.find(error, "the sign-in service", "AZURE_AUTHORITY_HOST", words=str(error))
    return _unanswered(found) if found else IdentityError(words)


def _unanswered(trouble: network_errors.Trouble) -> IdentityError:
    error = IdentityError(f"no token could be had: {trouble.text}", remedy=trouble.remedy)
    error.unanswered = True
    return error


def _for(
    client_id: str | None, environment: Mapping[str, str], whole: float
) -> identity.ManagedIdentityCredential | identity.DefaultAzureCredential:
    if "IDENTITY_ENDPOINT" in environment:
        return identity.ManagedIdentityCredential(
            client_id=client_id,
            retry_policy=retries.BoundedRetryPolicy(retry_total=3),
            transport=retries.transport(connect=_ANSWER_SECONDS, read=_ANSWER_SECONDS, whole=whole),
        )
    return identity.DefaultAzureCredential(managed_identity_client_id=client_id)


def whoami(token_source: TokenCredential, scope: str) -> Principal:
    """Name the identity as `describe` does; raises IdentityError when there is none."""
    token_source.get_token(scope)
    return describe(token_source, scope)


def describe(token_source: TokenCredential, scope: str) -> Principal:
    """Say who the identity is, as the token's claims tell (not verified)."""
    try:
        token = token_source.get_token(scope).token
        payload = token.split(".")[1]
        claims = untrusted.mapping(untrusted.json_value(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    except (IdentityError, IndexError, ValueError):
        return Principal()
    if not claims:
        return Principal()
    object_id = untrusted.one_line(claims.get("oid", "?"))
    name = f"the identity with object id {object_id} and client id {untrusted.one_line(claims.get('appid', '?'))}"
    return Principal(object_id, _kind(claims), name)


def _kind(claims: Mapping[str, Any]) -> str:
    # https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: only a person's has scopes.
    return "User" if claims.get("idtyp") == "user" or "scp" in claims else "ServicePrincipal"
