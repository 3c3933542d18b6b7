"""Blob storage over HTTPS in path style, which lets a request in by its SAS or its bearer token."""

import collections
import dataclasses
import datetime
from collections.abc import Callable, Mapping

from aiohttp import web

from sandbox.azure import accounts, firewall, identity
from sandbox.blob import access, calls, sas, store, xml
from sandbox.blob.errors import BlobError, unauthentic
from sandbox.server import certificates, faults, http, journal, service


class BlobService(service.WebService):
    """The containers of several accounts; a SAS is checked against the accounts' keys and roles of that moment.

    `tokens` checks bearer tokens, and `authorizes` says whether an object id may take a data action at the scope of
    a container or an account, `authorizes_action` whether it may take any other action there.
    Tests change `faults`, `refuse_all` (no SAS is accepted), and `warm_up_requests`: how often a signature that wasn't
    seen before is refused, because new credentials can take a while to be known everywhere. `clock_skew` is how far
    its clock is ahead, by which it judges a SAS too.
    """

    def __init__(
        self,
        record: journal.Journal,
        authority: certificates.Authority,
        known: dict[str, accounts.StorageAccount],
        tokens: identity.Identity | None = None,
    ) -> None:
        super().__init__(authority.server_context(), exchanges=record, name="blob")
        self._journal = record
        self._identity = tokens
        self._uses: collections.Counter[str] = collections.Counter()
        self.accounts = known
        self.containers: dict[str, dict[str, store.Container]] = {}
        self.faults: list[faults.Fault] = []
        self.warm_up_requests = 0
        self.refuse_all = False
        self.clock_skew = datetime.timedelta()
        self.authorizes: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: True
        self.authorizes_action: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: True

    def url(self, account: str) -> str:
        """Return an account's blob endpoint, the value of STORAGE_BLOB_ENDPOINT."""
        return f"{self.origin}/{account}"

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for storage in either spelling."""
        await super().start()
        if self._identity is not None:
            self._identity.audiences |= access.AUDIENCES

    def now(self) -> datetime.datetime:
        """Return the time by its clock."""
        return datetime.datetime.now(datetime.UTC) + self.clock_skew

    @property
    def signatures(self) -> list[str]:
        """The signatures of every SAS that was right so far."""
        return list(self._uses)

    def put_container(self, account: str, container: str) -> None:
        """Create a container from within the process; an existing one stays as it is."""
        self.containers.setdefault(account, {}).setdefault(container, store.Container())

    def put_blob(self, account: str, container: str, name: str, data: bytes, content_type: str) -> None:
        """Create or replace a blob from within the process."""
        self.containers[account][container].blobs[name] = store.Blob(data, content_type)

    def expire_leases(self) -> None:
        """Let the time of every lease but infinite ones pass at once."""
        for containers in list(self.containers.values()):
            for container in list(containers.values()):
                for one in list(container.blobs.values()):
                    one.lease.expire()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer_to(request)
        # Without a version of its own, a request with a SAS is carried out in that of the SAS.
        version = request.headers.get("x-ms-version") or request.query.get("sv")
        response.headers.update(http.request_ids(request) | ({"x-ms-version": version} if version else {}))
        return response

    async def _answer_to(self, request: web.Request) -> web.StreamResponse:
        try:
            return await faults.apply(self.faults, request, lambda: self._carry_out(request), _faulty)
        except BlobError as refusal:
            return self._refused(request, refusal)

    async def _carry_out(self, request: web.Request) -> web.Response:
        account, _, rest = request.path.lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        if account not in self.accounts:
            raise BlobError(404, "ResourceNotFound")
        ours = self.containers.setdefault(account, {})
        call = calls.Call(request, self.url(account), self.accounts[account], ours, container, name, self.now())
        operation = calls.find(call)
        try:
            call = dataclasses.replace(call, claims=self._admit(call, operation.needed))
        except BlobError as refusal:
            self._journal.record("blob", "refuse", f"{operation.action} {refusal.code}", "after")
            raise
        detail = "/".join(filter(None, (container, name)))
        self._journal.record("blob", operation.action, detail)
        response = await operation.carry_out(call)
        self._journal.record("blob", operation.action, detail, "after")
        return response

    def _admit(self, call: calls.Call, needed: access.Needed) -> Mapping[str, str]:
        """Judge the address, then authentication, then authorisation, as the real service does; return the claims."""
        if call.account.private or not firewall.admits(call.account.firewall, call.request.remote or ""):
            raise BlobError(403, "AuthorizationFailure")
        if "sig" in call.request.query:
            self._admit_sas(call, needed)
            return {}
        if "Authorization" not in call.request.headers or self._identity is None:
            raise BlobError(401, "NoAuthenticationInformation")
        claims = access.claims(self._identity, call.request)
        scope = call.account.container_id(call.container)
        if needed.action:
            allowed = self.authorizes_action(claims["oid"], needed.action, scope)
        else:
            allowed = self.authorizes(claims["oid"], needed.data_action, scope)
        if not allowed:
            raise BlobError(403, "AuthorizationPermissionMismatch")
        return claims

    def _admit_sas(self, call: calls.Call, needed: access.Needed) -> None:
        if self.refuse_all:
            raise unauthentic("The sandbox was told to refuse every SAS.")
        if needed.action:
            raise unauthentic("Only authentication scheme Bearer is supported")
        found = sas.of(self._presented(call))
        if found.signed_with_account_key and not call.account.takes_shared_key("blob"):
            raise BlobError(403, "KeyBasedAuthenticationNotPermitted")
        found.authenticate()
        signature = call.request.query["sig"]
        self._uses[signature] += 1
        if self._uses[signature] <= self.warm_up_requests:
            raise unauthentic("Signature did not match: it isn't known here yet.")
        found.authorize(needed)

    def _presented(self, call: calls.Call) -> sas.Presented:
        bound = call.request.query.get("sduoid") and "Authorization" in call.request.headers
        user = access.claims(self._identity, call.request)["oid"] if bound and self._identity else ""
        container = call.containers.get(call.container)
        return sas.Presented(
            call.account,
            call.request.query,
            call.request.headers,
            call.request.remote or "",
            call.now,
            call.container,
            call.blob,
            container.policies if container else {},
            user,
            self.authorizes,
        )

    def _refused(self, request: web.Request, refusal: BlobError) -> web.Response:
        headers = {"x-ms-error-code": refusal.code}
        if refusal.status == 401:
            tenant = self._identity.tenant_id if self._identity else "common"
            authority = f"https://login.microsoftonline.com/{tenant}/oauth2/authorize"
            headers["WWW-Authenticate"] = f"Bearer authorization_uri={authority} resource_id=https://storage.azure.com"
        body = b"" if request.method == "HEAD" or refusal.status == 304 else xml.error(refusal)
        return calls.xml_answer(body, refusal.status, headers)


def _faulty(fault: faults.Fault) -> web.Response:
    body = xml.error(BlobError(fault.status, fault.code))
    return calls.xml_answer(body, fault.status, {**fault.headers, "x-ms-error-code": fault.code})
