"""Key Vault's data plane over HTTPS: the challenge, the token's check, permissions and faults around each call.

https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
"""

import datetime
import re
from typing import Any

from aiohttp import web

from sandbox.azure import firewall, identity
from sandbox.key_vault import errors, responses, routes
from sandbox.key_vault.state import Call, Vault
from sandbox.server import certificates, faults, http, journal, service

_API_VERSION = re.compile(r"7\.\d|\d{4}-\d\d-\d\d(-preview)?")
_FLAWS = {
    identity.Flaw.MISSING: "AKV10000: Request is missing a Bearer or PoP token.",
    identity.Flaw.INVALID: "AKV10032: The token's signature or issuer is invalid.",
    identity.Flaw.AUDIENCE: "AKV10022: Invalid audience. Expected {expected}, found: {found}.",
    identity.Flaw.EXPIRED: "AKV10046: The token has expired.",
}


class VaultServer(service.WebService):
    """Serves one vault, to callers with tokens of one identity endpoint."""

    def __init__(
        self, vault: Vault, record: journal.Journal, authority: certificates.Authority, tokens: identity.Identity
    ) -> None:
        super().__init__(authority.server_context(), exchanges=record, name="vault")
        self._vault = vault
        self._journal = record
        self._identity = tokens

    def now(self) -> datetime.datetime:
        """Return the time by the vault's clock."""
        return self._vault.now()

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for this vault."""
        await super().start()
        self._vault.url = self.origin
        self._identity.audiences.add(self._vault.resource)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer_to(request)
        common = responses.headers(request, self._vault.location)
        response.headers.update({name: text for name, text in common.items() if name not in response.headers})
        return response

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        try:
            claims = self._authenticate(request)
            self._admit(request, claims)
            return await faults.apply(self._vault.faults, request, lambda: self._carry_out(request, claims), _faulty)
        except errors.VaultError as refusal:
            return self._refuse(refusal)

    async def _carry_out(self, request: web.Request, claims: dict[str, Any]) -> web.Response:
        found = routes.find(request.method, request.path)
        if found is None:
            raise errors.VaultError(405, "MethodNotAllowed", "There is no such operation.")
        route, names = found
        _check_api_version(request)
        self._authorize(route.permission, request.path, claims)
        call = Call(names, await _body(request), claims["appid"], claims["oid"])
        # A definition goes by its own name, everything else by the first one in the path.
        detail = names[1] if "/sas/" in request.path else "".join(names[:1])
        self._journal.record("vault", route.action, detail)
        answer = route.carry_out(self._vault, call)
        self._journal.record("vault", route.action, detail, "after")
        return responses.json_answer(answer, request.query["api-version"])

    def _admit(self, request: web.Request, claims: dict[str, Any]) -> None:
        address = request.remote or ""
        if self._vault.private:
            raise errors.denied_by_connection(self._caller(claims))
        if not firewall.admits(self._vault.firewall, address):
            raise errors.denied_by_firewall(address, self._caller(claims))

    def _authorize(self, permission: str, path: str, claims: dict[str, Any]) -> None:
        caller = self._caller(claims)
        if self._vault.rbac:
            resource_id = f"{self._vault.resource_id}{path.rstrip('/')}"
            if not self._vault.opens_data(caller.object_id, errors.data_action(permission), resource_id):
                raise errors.denied_by_role(permission, caller, resource_id)
            return
        enough = {permission, f"{permission.partition('/')[0]}/all"}
        if not self._vault.granted(caller.object_id).isdisjoint(enough):
            return
        compound = [held for (who, _), held in self._vault.compound_policies.items() if who == caller.object_id]
        if any(not held.isdisjoint(enough) for held in compound):
            raise errors.denied_without_application(caller)
        raise errors.denied(permission, caller, self._vault.policy_code)

    def _caller(self, claims: dict[str, Any]) -> errors.Caller:
        vault = f"{self._vault.name};location={self._vault.location}"
        return errors.Caller(claims["appid"], claims["oid"], claims["iss"], vault)

    def _authenticate(self, request: web.Request) -> dict[str, Any]:
        try:
            return self._identity.bearer(request, {self._vault.resource})
        except identity.TokenError as bad:
            text = _FLAWS[bad.flaw].format(expected=self._vault.resource, found=bad.audience)
            raise errors.VaultError(401, "Unauthorized", text) from bad

    def _refuse(self, refusal: errors.VaultError) -> web.Response:
        headers = {}
        if refusal.status == 401:
            authorization = f"https://login.windows.net/{self._identity.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization="{authorization}", resource="{self._vault.resource}"'
        return web.json_response(refusal.body(), status=refusal.status, headers=headers)


def _faulty(fault: faults.Fault) -> web.Response:
    body = errors.VaultError(fault.status, fault.code, "The sandbox was told to answer this.").body()
    return web.json_response(body, status=fault.status, headers=fault.headers)


def _check_api_version(request: web.Request) -> None:
    version = request.query.get("api-version", "")
    if not _API_VERSION.fullmatch(version):
        raise errors.bad_parameter(f"The specified version ({version}) is not recognized: api-version.")
    if request.path.startswith(("/storage", "/deletedstorage")) and version not in responses.STORAGE_VERSIONS:
        raise errors.bad_parameter(f"The specified version ({version}) does not have managed storage.")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        return await http.json_object(request)
    except ValueError as error:
        raise errors.bad_parameter(str(error)) from error
