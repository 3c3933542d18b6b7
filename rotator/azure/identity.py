"""The app's identity and its tokens: a managed identity in Azure, the developer's own sign-in on a workstation."""

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

# The endpoint is on this host; one that does not answer is retried, for each client that needs a token.
_ANSWER_SECONDS = 5
_NO_ENDPOINT = (
    "The platform sets IDENTITY_ENDPOINT and answers there with the app's tokens: restart the app. A sandbox "
    "answers only until it is stopped: start it again, and take over its settings; elsewhere unset IDENTITY_ENDPOINT."
)
_WHOLE_SECONDS = 10.0  # for one try, from connecting to the last byte
# On an instance that has just started, the endpoint is unavailable or answers 500 or 401 for a while
# (https://github.com/Azure/azure-functions-host/issues/10238).
_COLD_START_SECONDS = 60.0


class Credential:
    """The SDK's credential, with every error translated into an IdentityError.

    Otherwise a client would take an identity endpoint that does not answer for its own service, and retry.
    """

    def __init__(
        self, credential: identity.ManagedIdentityCredential | identity.DefaultAzureCredential, endpoint: str = ""
    ) -> None:
        self._credential = credential
        self._endpoint = endpoint
        # Now: threads whose first requests coincide would each open a connection pool, and leak all but the last.
        credential.__enter__()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Get a token for these scopes; raises IdentityError."""
        place = "the identity endpoint, for a token" if self._endpoint else "the sign-in service, for a token"
        try:
            with activity.of(place):
                return self._credential.get_token(*scopes, **options)
        except (AzureError, ValueError, OSError) as error:  # the answer may not be JSON
            raise _error_for(error, self._endpoint) from error

    def close(self) -> None:
        """Close the connections."""
        self._credential.close()


def credential(
    client_id: str | None,
    environment: Mapping[str, str] = os.environ,
    *,
    whole: float = _WHOLE_SECONDS,
    unattended: bool = False,
) -> Credential:
    """Make the credential for this environment: in App Service its managed identity, else DefaultAzureCredential.

    `whole` bounds one try to get a token from the identity endpoint, in seconds. Where nobody waits (`unattended`), the
    endpoint is asked for up to a minute; otherwise it is asked four times, which takes some seconds.
    """
    policy = (
        retries.PersistentRetryPolicy(seconds=_COLD_START_SECONDS)
        if unattended
        else retries.BoundedRetryPolicy(retry_total=3)
    )
    found = _sdk_credential(client_id, environment, whole, policy)
    return Credential(found, environment.get("IDENTITY_ENDPOINT", ""))


def _error_for(error: Exception, endpoint: str) -> IdentityError:
    """Distinguish a network problem from a missing identity."""
    words = f"the identity gets no token ({type(error).__name__})"
    if endpoint:
        host = f"the identity endpoint {urllib.parse.urlsplit(endpoint).netloc.rpartition('@')[2]}"
        if not isinstance(error, ServiceRequestError | ServiceResponseError | OSError):
            return IdentityError(words)
        return _network_error(network_errors.diagnose(error, host, "IDENTITY_ENDPOINT", _NO_ENDPOINT))
    found = network_errors.find_cause(error, "the sign-in service", "AZURE_AUTHORITY_HOST", words=str(error))
    return _network_error(found) if found else IdentityError(words)


def _network_error(diagnosis: network_errors.Diagnosis) -> IdentityError:
    error = IdentityError(f"the identity gets no token: {diagnosis.text}", remedy=diagnosis.remedy)
    error.unanswered = True
    return error


def _sdk_credential(
    client_id: str | None, environment: Mapping[str, str], whole: float, retry_policy: retries.BoundedRetryPolicy
) -> identity.ManagedIdentityCredential | identity.DefaultAzureCredential:
    if "IDENTITY_ENDPOINT" in environment:
        return identity.ManagedIdentityCredential(
            client_id=client_id,
            # The SDK makes the policy from a class, and ignores `retry_policy`.
            retry_policy_class=lambda **_options: retry_policy,
            transport=retries.transport(connect=_ANSWER_SECONDS, read=_ANSWER_SECONDS, whole=whole),
        )
    return identity.DefaultAzureCredential(managed_identity_client_id=client_id)


def whoami(token_source: TokenCredential, scope: str) -> Principal:
    """Describe the identity; raises IdentityError if it gets no token."""
    token_source.get_token(scope)
    return describe(token_source, scope)


def describe(token_source: TokenCredential, scope: str) -> Principal:
    """Describe the identity by its token's claims, which are not verified; a placeholder if there is no token.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
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
    # Only a user's token has scopes (scp); an application's may lack idtyp.
    return "User" if claims.get("idtyp") == "user" or "scp" in claims else "ServicePrincipal"
