"""Blob storage over HTTPS in path style, which lets a request in by its account SAS or its bearer token."""

import collections
import datetime
from collections.abc import Callable

from aiohttp import web

from sandbox.azure import accounts, firewall, identity
from sandbox.blob import access, calls, store, xml
from sandbox.blob.access import BlobError
from sandbox.server import certificates, faults, http, journal, service


class BlobService(service.WebService):
    """The containers of several accounts; a SAS is checked against the accounts' keys of that moment.

    `tokens` checks bearer tokens, and `authorizes` says whether their object id may take a data action at an
    account's scope. Tests change `faults`, `refuse_all` (no SAS is accepted), and `warm_up_requests`: how often a
    signature that wasn't seen before is refused, because new credentials can take a while to be known everywhere.
    `clock_skew` is how far its clock is ahead, by which it judges a SAS too.
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
        call = calls.Call(request, self.url(account), ours, container, name)
        operation = calls.find(call)
        try:
            self._admit(request, self.accounts[account], operation.needed)
        except BlobError as refusal:
            self._journal.record("blob", "refuse", f"{operation.action} {refusal.code}", "after")
            raise
        detail = "/".join(filter(None, (container, name)))
        self._journal.record("blob", operation.action, detail)
        response = await operation.carry_out(call)
        self._journal.record("blob", operation.action, detail, "after")
        return response

    def _admit(self, request: web.Request, account: accounts.StorageAccount, needed: access.Needed) -> None:
        """Judge the address, then authentication, then authorisation, as the real service does."""
        if not firewall.admits(account.firewall, request.remote or ""):
            raise BlobError(403, "AuthorizationFailure")
        if "sig" in request.query:
            self._admit_sas(request, account, needed)
        elif "Authorization" in request.headers and self._identity is not None:
            object_id = access.object_id(self._identity, request)
            if not self.authorizes(object_id, needed.data_action, account.resource_id):
                raise BlobError(403, "AuthorizationPermissionMismatch")
        else:
            raise BlobError(401, "NoAuthenticationInformation")

    def _admit_sas(self, request: web.Request, account: accounts.StorageAccount, needed: access.Needed) -> None:
        if self.refuse_all:
            raise BlobError(403, "AuthenticationFailed", "The sandbox was told to refuse every SAS.")
        if not account.allow_shared_key_access:
            raise BlobError(403, "KeyBasedAuthenticationNotPermitted")
        access.authenticate(account, request.query, request.remote or "", self.now())
        signature = request.query["sig"]
        self._uses[signature] += 1
        if self._uses[signature] <= self.warm_up_requests:
            raise BlobError(403, "AuthenticationFailed", "Signature did not match: it isn't known here yet.")
        access.authorize(request.query, needed)

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
