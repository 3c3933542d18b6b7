"""Azure Resource Manager: tokens, roles and faults around each call, and what resources there are.

https://learn.microsoft.com/rest/api/azure/
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from aiohttp import web

from sandbox.azure import accounts, arm_errors, identity
from sandbox.resource_manager import roles, routes, sites, vaults
from sandbox.server import certificates, faults, journal, loopback

AUDIENCE = "https://management.azure.com"
# The newest api-versions here, and no later ones: what every cloud of Azure serves is what infra/ asks for.
NEWEST_VERSIONS = {
    "microsoft.authorization": "2022-04-01",
    "microsoft.keyvault": "2026-02-01",
    "microsoft.managedidentity": "2024-11-30",
    "microsoft.storage": "2025-01-01",
    "microsoft.web": "2025-03-01",
}
_API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
_FLAWS = {
    identity.Flaw.MISSING: ("AuthenticationFailed", "The 'Authorization' header is missing."),
    identity.Flaw.INVALID: ("InvalidAuthenticationToken", "The access token is invalid."),
    identity.Flaw.AUDIENCE: (
        "InvalidAuthenticationTokenAudience",
        "The access token is for the wrong audience '{}'.",
    ),
    identity.Flaw.EXPIRED: ("ExpiredAuthenticationToken", "The access token expiry is in the past."),
}

Resource = TypeVar("Resource")


@dataclasses.dataclass(frozen=True)
class Call:
    """One authorised request: the scope and other names in its path, its query, its JSON and who asks."""

    scope: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]
    object_id: str


class ResourceManager:
    """Vaults and function apps by their ids, storage accounts by name, and the role assignments.

    Of `identities` it has client id and object id; `people` are object ids that are no service's. Tests change all of
    these, and `faults`. `blob_endpoint` gives an account's, without a trailing slash.
    """

    def __init__(
        self,
        record: journal.Journal,
        authority: certificates.Authority,
        tokens: identity.Identity,
        storage: Mapping[str, accounts.StorageAccount],
        blob_endpoint: Callable[[str], str],
    ) -> None:
        self._journal = record
        self._identity = tokens
        self._server = loopback.Loopback(
            self._answer, authority.server_context(), record=record, service="resource-manager"
        )
        self.storage = storage
        self.blob_endpoint = blob_endpoint
        self.vaults: dict[str, vaults.VaultResource] = {}
        self.sites: dict[str, sites.Site] = {}
        self.identities: dict[str, tuple[str, str]] = {}
        self.people: set[str] = set()
        self.role_assignments: list[roles.Assignment] = []
        self.faults: list[faults.Fault] = []

    @property
    def url(self) -> str:
        """The value of AZURE_RESOURCE_MANAGER."""
        return self._server.origin

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    @property
    def tenant_id(self) -> str:
        """The tenant of every resource."""
        return self._identity.tenant_id

    def assign_own(self) -> str:
        """Have the app sign in as its own identity, of which there is one for all; gives its object id."""
        self._identity.unassigned.discard(self._identity.client_id)
        return self._identity.object_id

    def assign(self, identity_id: str) -> tuple[str, str]:
        """Have the app sign in as a user-assigned identity; gives its client id and object id."""
        client_id, object_id = self.find(self.identities, identity_id)
        self._identity.unassigned.discard(client_id)
        return client_id, object_id

    @property
    def audiences(self) -> frozenset[str]:
        """What a token may be for; SDKs ask with and without a slash at the end."""
        return frozenset(f"{origin}{slash}" for origin in (self.url, AUDIENCE) for slash in ("", "/"))

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for it."""
        await self._server.start()
        self._identity.audiences |= self.audiences

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    def authorizes(self, object_id: str, action: str, scope: str) -> bool:
        """Whether a role of this object id allows the action at this scope."""
        return any(role.allows(action) for role in roles.held(self.role_assignments, object_id, scope))

    def readable(self, resource_ids: Iterable[str], object_id: str, kind: str) -> Iterator[str]:
        """Give those of one kind of resource that this object id may read: a list leaves the others out."""
        for resource_id in resource_ids:
            if self.authorizes(object_id, f"{kind}/read", resource_id):
                yield resource_id

    def find(self, resources: Mapping[str, Resource], scope: str) -> Resource:
        """Return the resource with this id in any letter case, or a 404."""
        for resource_id, resource in resources.items():
            if resource_id.lower() == scope.lower():
                return resource
        raise self._not_found(scope)

    def _not_found(self, scope: str) -> arm_errors.ResourceError:
        storage = (account.resource_id for account in self.storage.values())
        known = [resource_id.lower().split("/") for resource_id in (*self.vaults, *self.sites, *storage)]
        return arm_errors.not_found(scope, {parts[2] for parts in known}, {parts[4] for parts in known})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer_to(request)
        response.headers.update(_headers(request))
        return response

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        try:
            claims = self._authenticate(request)
            return await faults.applied(self.faults, request, lambda: self._carry_out(request, claims), _faulty)
        except arm_errors.ResourceError as refusal:
            return self._refuse(refusal)

    async def _carry_out(self, request: web.Request, claims: dict[str, Any]) -> web.Response:
        route, names = routes.find(request.method, request.path)
        _check_api_version(request)
        scope, object_id = names.pop("scope"), claims["oid"]
        if route.permission is not None and not self.authorizes(object_id, route.permission, scope):
            raise arm_errors.denied(claims["appid"], object_id, route.permission, scope)
        call = Call(scope, names, request.query, await _body(request), object_id)
        detail = scope.rpartition("/")[2]
        self._journal.record("resource-manager", route.action, detail)
        answer = route.carry_out(self, call)
        self._journal.record("resource-manager", route.action, detail, "after")
        return web.json_response(answer, status=route.status)

    def _authenticate(self, request: web.Request) -> dict[str, Any]:
        try:
            return self._identity.bearer(request, self.audiences)
        except identity.TokenError as bad:
            code, text = _FLAWS[bad.flaw]
            text = f"Authentication failed. {text.format(bad.audience)}"
            raise arm_errors.ResourceError(401, code, text) from bad

    def _refuse(self, refusal: arm_errors.ResourceError) -> web.Response:
        headers = {}
        if refusal.status == 401:
            authority = f"https://login.microsoftonline.com/{self.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return web.json_response(refusal.body(), status=refusal.status, headers=headers)


def _headers(request: web.Request) -> dict[str, str]:
    """Return the headers of every answer; support asks for these ids."""
    ids = loopback.request_ids(request)
    return {
        "Cache-Control": "no-cache",
        **ids,
        "x-ms-correlation-request-id": ids["x-ms-request-id"],
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    }


def _check_api_version(request: web.Request) -> None:
    version = request.query.get("api-version")
    if version is None:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise arm_errors.ResourceError(400, "MissingApiVersionParameter", text)
    if not _API_VERSION.fullmatch(version):
        text = f"The api-version '{version}' is invalid."
        raise arm_errors.ResourceError(400, "InvalidApiVersionParameter", text)
    provider = request.path.lower().rpartition("/providers/")[2].partition("/")[0]
    newest = NEWEST_VERSIONS.get(provider, version)
    if version > newest:
        raise arm_errors.not_served(provider, version, newest)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        return await loopback.json_object(request)
    except ValueError as error:
        raise arm_errors.ResourceError(400, "InvalidRequestContent", str(error)) from error


def _faulty(fault: faults.Fault) -> web.Response:
    body = arm_errors.ResourceError(fault.status, fault.code, "The sandbox was told to answer this.").body()
    return web.json_response(body, status=fault.status, headers=fault.headers)
