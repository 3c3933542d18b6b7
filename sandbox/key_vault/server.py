"""Key Vault's data plane: the challenge, the token's check, permissions and faults around each call.

https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
"""

import dataclasses
import datetime
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.azure import firewall, identity
from sandbox.key_vault import errors, managed_storage, responses, routes, secret_store
from sandbox.server import certificates, faults, journal, loopback

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 24 * 3600  # seconds
LONGEST_RETENTION = 90  # days
PROVIDER = "/providers/Microsoft.KeyVault/vaults"
_API_VERSION = re.compile(r"7\.\d|\d{4}-\d\d-\d\d(-preview)?")
_FLAWS = {
    identity.Flaw.MISSING: "AKV10000: Request is missing a Bearer or PoP token.",
    identity.Flaw.INVALID: "AKV10032: The token's signature or issuer is invalid.",
    identity.Flaw.AUDIENCE: "AKV10022: Invalid audience. Expected {expected}, found: {found}.",
    identity.Flaw.EXPIRED: "AKV10046: The token has expired.",
}
# What the original sample's access policy grants.
SAMPLE_PERMISSIONS = frozenset({"secrets/get", "storage/setsas", "storage/getsas"})


@dataclasses.dataclass(frozen=True)
class Call:
    """One authorised request: the names in its path, its JSON and who asks."""

    names: tuple[str, ...]
    body: dict[str, Any]
    client_id: str
    object_id: str


class Vault:
    """A vault; `policies` are its access policies by object id, each a set as in {"secrets/get"}.

    `compound_policies` name an application besides the object: they allow nothing to a caller that comes without it.

    Tests turn what follows. `permissions`: the system-assigned identity's policy. `policy_delay`: seconds until
    `set_policy` takes effect. `policy_code`: how the lack of a permission is told. `rbac`: nobody has a data role then.
    `firewall`: the addresses and networks that are let through, None for every one. `private`: it takes requests
    through private endpoints only, of which there are none here. `clock_skew`: how far its clock is ahead, by which it
    mints too. `faults`. `tamper`: applied to each minted SAS. `sas_start_offset`: a SAS then has a start time.
    `deletion_seconds`, `recovery_seconds`: how long these take. `retention_days`, `purge_protection`: of soft deletion.

    What Resource Manager says when the vault goes there for an account's keys: `caller_may_manage_keys`, and
    `authorizes` with an object id, an action and a scope; with `asks_first` it goes there before it looks at the
    request's body, which no source says. `service_status`: how it is told that the vault itself may not. `minted` lists
    every SAS handed out.
    """

    name = "sandbox"
    location = "westeurope"

    def __init__(self, record: journal.Journal, authority: certificates.Authority, tokens: identity.Identity) -> None:
        self._journal = record
        self._identity = tokens
        self._server = loopback.Loopback(
            self._answer, authority.server_context(), lambda: self.clock_skew, record=record, service="vault"
        )
        self.secrets = secret_store.SecretStore()
        self.storage = managed_storage.ManagedStorage()
        self.policies: dict[str, set[str]] = {tokens.object_id: set(SAMPLE_PERMISSIONS)}
        self.compound_policies: dict[tuple[str, str], set[str]] = {}
        self.policy_delay = 0.0
        self.policy_code = errors.POLICY_CODES[0]
        self.service_status = 400
        self.rbac = False
        self.firewall: set[str] | None = None
        self.private = False
        self.clock_skew = datetime.timedelta()
        self.resource_id = f"/subscriptions/{uuid.UUID(int=0)}/resourceGroups/sandbox{PROVIDER}/{self.name}"
        self.service_principal_id = str(uuid.uuid4())
        self.authorizes: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: True
        self.faults: list[faults.Fault] = []
        self.tamper: Callable[[str], str] | None = None
        self.sas_start_offset: datetime.timedelta | None = None
        self.recovery_seconds = self.deletion_seconds = 0.0
        self.retention_days, self.purge_protection = 90, True
        self.caller_may_manage_keys = True
        self.asks_first = False
        self.minted: list[str] = []
        self._outdated: dict[str, tuple[float, set[str]]] = {}

    @property
    def url(self) -> str:
        """The value of KEYVAULT_BASEURL."""
        return self._server.origin

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    @property
    def resource(self) -> str:
        """The audience that the challenge asks for.

        SDKs accept a challenge only when the vault's host ends with a dot and the resource's host. An address
        has no domain, so it is cut at its first dot: "0.0.1:port" fits "127.0.0.1:port"; nobody contacts it.
        """
        return f"https://0.0.1:{self.port}"

    def now(self) -> datetime.datetime:
        """The time by its clock."""
        return datetime.datetime.now(datetime.UTC) + self.clock_skew

    @property
    def recovery(self) -> dict[str, Any]:
        """The attributes that say how what is deleted can be recovered."""
        level = "CustomizedRecoverable" if self.retention_days < LONGEST_RETENTION else "Recoverable"
        more = "" if self.purge_protection else "+Purgeable"
        return {"recoveryLevel": f"{level}{more}", "recoverableDays": self.retention_days}

    def deletion(self, path: str, deleted: int) -> dict[str, Any]:
        """Return what an answer tells of an object that was deleted then, in unix seconds."""
        purged = deleted + self.retention_days * DAY
        return {"recoveryId": f"{self.url}/deleted{path}", "deletedDate": deleted, "scheduledPurgeDate": purged}

    @property
    def permissions(self) -> set[str]:
        """The access policy of the sandbox's system-assigned identity."""
        return self.policies.setdefault(self._identity.object_id, set())

    @permissions.setter
    def permissions(self, permissions: set[str]) -> None:
        self.policies[self._identity.object_id] = permissions

    def set_policy(self, object_id: str, permissions: set[str]) -> None:
        """Change an access policy; what was granted before goes on being so for `policy_delay`."""
        self._outdated[object_id] = (time.monotonic() + self.policy_delay, self._granted(object_id))
        self.policies[object_id] = permissions

    def settle(self) -> None:
        """Let every change of a policy take effect now."""
        self._outdated.clear()

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for this vault."""
        await self._server.start()
        self._identity.audiences.add(self.resource)

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer_to(request)
        common = responses.headers(request, self.location)
        response.headers.update({name: text for name, text in common.items() if name not in response.headers})
        return response

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        try:
            claims = self._authenticate(request)
            self._admit(request, claims)
            return await faults.applied(self.faults, request, lambda: self._carry_out(request, claims), _faulty)
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
        answer = route.carry_out(self, call)
        self._journal.record("vault", route.action, detail, "after")
        return responses.json_answer(answer, request.query["api-version"])

    def _admit(self, request: web.Request, claims: dict[str, Any]) -> None:
        address = request.remote or ""
        if self.private:
            raise errors.denied_by_connection(self._caller(claims))
        if not firewall.admits(self.firewall, address):
            raise errors.denied_by_firewall(address, self._caller(claims))

    def _authorize(self, permission: str, path: str, claims: dict[str, Any]) -> None:
        caller = self._caller(claims)
        if self.rbac:
            raise errors.denied_by_role(permission, caller, f"{self.resource_id}{path.rstrip('/')}")
        enough = {permission, f"{permission.partition('/')[0]}/all"}
        if not self._granted(caller.object_id).isdisjoint(enough):
            return
        compound = [held for (who, _), held in self.compound_policies.items() if who == caller.object_id]
        if any(not held.isdisjoint(enough) for held in compound):
            raise errors.denied_without_application(caller)
        raise errors.denied(permission, caller, self.policy_code)

    def _caller(self, claims: dict[str, Any]) -> errors.Caller:
        vault = f"{self.name};location={self.location}"
        return errors.Caller(claims["appid"], claims["oid"], claims["iss"], vault)

    def _granted(self, object_id: str) -> set[str]:
        until, before = self._outdated.get(object_id, (0.0, set()))
        return before if time.monotonic() < until else self.policies.get(object_id, set())

    def _authenticate(self, request: web.Request) -> dict[str, Any]:
        try:
            return self._identity.bearer(request, {self.resource})
        except identity.TokenError as bad:
            text = _FLAWS[bad.flaw].format(expected=self.resource, found=bad.audience)
            raise errors.VaultError(401, "Unauthorized", text) from bad

    def _refuse(self, refusal: errors.VaultError) -> web.Response:
        headers = {}
        if refusal.status == 401:
            authorization = f"https://login.windows.net/{self._identity.tenant_id}"
            headers["WWW-Authenticate"] = f'Bearer authorization="{authorization}", resource="{self.resource}"'
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
        return await loopback.json_object(request)
    except ValueError as error:
        raise errors.bad_parameter(str(error)) from error
