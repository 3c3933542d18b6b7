"""Azure Resource Manager over HTTPS: tokens, roles and faults around each call.

https://learn.microsoft.com/rest/api/azure/
"""

from typing import Any

from aiohttp import web

from sandbox.azure import arm_errors, identity
from sandbox.resource_manager import locks, routes, versions
from sandbox.resource_manager.state import Call, ResourceManager
from sandbox.server import certificates, faults, http, journal, service

AUDIENCE = "https://management.azure.com"
_FLAWS = {
    identity.Flaw.MISSING: ("AuthenticationFailed", "The 'Authorization' header is missing."),
    identity.Flaw.INVALID: ("InvalidAuthenticationToken", "The access token is invalid."),
    identity.Flaw.AUDIENCE: (
        "InvalidAuthenticationTokenAudience",
        "The access token is for the wrong audience '{}'.",
    ),
    identity.Flaw.EXPIRED: ("ExpiredAuthenticationToken", "The access token expiry is in the past."),
}


class ResourceManagerServer(service.WebService):
    """Serves one Resource Manager, to callers with tokens of one identity endpoint."""

    def __init__(
        self,
        manager: ResourceManager,
        record: journal.Journal,
        authority: certificates.Authority,
        tokens: identity.Identity,
    ) -> None:
        super().__init__(authority.server_context(), exchanges=record, name="resource-manager")
        self._manager = manager
        self._journal = record
        self._identity = tokens

    @property
    def audiences(self) -> frozenset[str]:
        """What a token may be for; SDKs ask with and without a slash at the end."""
        return frozenset(f"{origin}{slash}" for origin in (self.origin, AUDIENCE) for slash in ("", "/"))

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for it."""
        await super().start()
        self._manager.url = self.origin
        self._identity.audiences |= self.audiences

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer_to(request)
        response.headers.update(_headers(request))
        return response

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        try:
            claims = self._authenticate(request)
            return await faults.apply(self._manager.faults, request, lambda: self._carry_out(request, claims), _faulty)
        except arm_errors.ResourceError as refusal:
            return self._refuse(refusal)

    async def _carry_out(self, request: web.Request, claims: dict[str, Any]) -> web.Response:
        route, names = routes.find(request.method, request.path)
        version = versions.check(request.path, request.query.get("api-version"), self._manager.newest_versions)
        scope, object_id = names.pop("scope"), claims["oid"]
        if route.permission is not None and not self._manager.authorizes(object_id, route.permission, scope):
            raise arm_errors.denied(claims["appid"], object_id, route.permission, scope)
        if route.lockable:
            locks.check(self._manager.locks, route.method, scope)
        call = Call(scope, names, request.query, await _body(request), object_id, version)
        detail = scope.rpartition("/")[2]
        self._journal.record("resource-manager", route.action, detail)
        answer = route.carry_out(self._manager, call)
        self._journal.record("resource-manager", route.action, detail, "after")
        return web.json_response(answer, status=route.status) if answer else web.Response(status=route.status)

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
            authority = f"https://login.microsoftonline.com/{self._identity.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return web.json_response(refusal.body(), status=refusal.status, headers=headers)


def _headers(request: web.Request) -> dict[str, str]:
    """Return the headers of every answer; support asks for these ids."""
    ids = http.request_ids(request)
    return {
        "Cache-Control": "no-cache",
        **ids,
        "x-ms-correlation-request-id": ids["x-ms-request-id"],
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    }


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        return await http.json_object(request)
    except ValueError as error:
        raise arm_errors.ResourceError(400, "InvalidRequestContent", str(error)) from error


def _faulty(fault: faults.Fault) -> web.Response:
    body = arm_errors.ResourceError(fault.status, fault.code, "The sandbox was told to answer this.").body()
    return web.json_response(body, status=fault.status, headers=fault.headers)
