"""Requests to Azure Resource Manager's REST API, and what its errors mean in this product's words.

https://learn.microsoft.com/rest/api/resources/
"""

import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.policies import HttpLoggingPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from rotator import activity, errors
from rotator.azure import network_errors, paging, permissions, retries
from rotator.azure.errors import (
    IdentityError,
    ResourceLockedError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    ResourceNotFoundError,
    UnservedVersionError,
)

_UNSERVED = ("NoRegisteredProviderFound", "InvalidApiVersionParameter", "InvalidResourceType")
_HEADERS = {"Accept": "application/json"}
_UNREACHABLE = "Check AZURE_RESOURCE_MANAGER, and the firewalls in between: it is reached by HTTPS, port 443."


class ArmClient:
    """One Resource Manager, as one identity. Every method raises IdentityError or a ResourceManagerError."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._url = url
        self.scope = f"{url}/.default"
        self._pipeline: ARMPipelineClient[Any, Any] = ARMPipelineClient(
            url,
            policies=[retry_policy(), ARMChallengeAuthenticationPolicy(credential, self.scope), HttpLoggingPolicy()],
            transport=retries.transport(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pipeline.close()

    def send(
        self, method: str, path: str, version: str, what: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one request and return the JSON object of its answer; `what` names the resource in an error."""
        with self.translated(what):
            found = self._exchange(method, path, version, body).json()
        if not isinstance(found, dict):
            raise self._not_resource_manager()
        return found

    def start(self, path: str, version: str, what: str) -> None:
        """POST a request whose answer has no content; `what` names the resource in an error."""
        with self.translated(what):
            self._exchange("POST", path, version, None)

    def list_all(self, path: str, version: str, what: str) -> list[dict[str, Any]]:
        """Read all pages of a list; raises ResourceManagerError for a page on another host, or more than 100 pages."""
        return paging.records(
            path, lambda page: self.send("GET", page, version, what), self._url, what, ResourceManagerError
        )

    def roles(self, scope: str) -> permissions.Roles:
        """Read what the caller may do at a scope: a resource id, or the id of a container in an account.

        https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
        """
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        return permissions.Roles(tuple(self.list_all(path, permissions.AUTHORIZATION_VERSION, "roles")))

    @contextlib.contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise this product's errors for the SDK's; `what` names the resource in them."""
        try:
            with activity.of(f"Resource Manager, for {what}"):
                yield
        except HttpResponseError as error:
            if error.response is None:  # the answer broke off
                raise ResourceManagerError(f"{self._url} does not answer ({type(error).__name__})") from error
            raise self._error_for(error, what) from error
        except (ServiceRequestError, ServiceResponseError, OSError) as error:
            diagnosis = network_errors.diagnose(error, self._url, "AZURE_RESOURCE_MANAGER", _UNREACHABLE)
            raise ResourceManagerError(diagnosis.text, remedy=diagnosis.remedy) from error
        except (
            ValueError,
            TypeError,
            AttributeError,
        ) as error:  # the SDK met an answer of another form
            raise self._not_resource_manager() from error

    def _exchange(self, method: str, path: str, version: str, body: Mapping[str, Any] | None) -> HttpResponse:
        url = path if path.startswith("https://") else f"{self._url}{path}?api-version={version}"
        response: HttpResponse = self._pipeline.send_request(HttpRequest(method, url, headers=_HEADERS, json=body))
        response.raise_for_status()
        return response

    def _error_for(self, error: HttpResponseError, what: str) -> errors.RotatorError:
        code = error.error.code if error.error else None
        text = f"Resource Manager answered {error.status_code} ({code or 'no code'}) for {what}"
        if isinstance(error, ClientAuthenticationError):
            return IdentityError(f"{self._url} does not accept this identity's token")
        if error.status_code == HTTPStatus.FORBIDDEN:
            return ResourceManagerForbiddenError(text)
        if code == "ScopeLocked":
            return ResourceLockedError(text)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return ResourceNotFoundError(text)
        if code in _UNSERVED:
            return UnservedVersionError(text)
        return ResourceManagerError(text)

    def _not_resource_manager(self) -> ResourceManagerError:
        return ResourceManagerError(f"{self._url} does not answer as Resource Manager does")


def retry_policy() -> retries.BoundedRetryPolicy:
    """Make a policy for one pipeline; it cannot be shared, as it holds a reference to the next policy there."""
    return retries.BoundedRetryPolicy(retry_total=4)
