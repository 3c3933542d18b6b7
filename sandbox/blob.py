"""Blob storage over HTTPS in path style, which lets a request in by its account SAS alone."""

import collections

from aiohttp import web

from sandbox import (
    accounts,
    blob_access,
    blob_operations,
    blob_store,
    blob_xml,
    certificates,
    faults,
    journal,
    loopback,
)
from sandbox.blob_access import BlobError


class BlobService:
    """The containers of several accounts; a SAS is checked against the accounts' keys of that moment.

    Tests turn `faults`, `refuse_all` (no SAS is accepted), and `warm_up_requests`: how often a signature that
    wasn't seen before is refused, because new credentials can take a while to be known everywhere.
    """

    def __init__(
        self,
        record: journal.Journal,
        authority: certificates.Authority,
        known: dict[str, accounts.StorageAccount],
    ) -> None:
        self._journal = record
        self._server = loopback.Loopback(self._answer, authority.server_context())
        self._uses: collections.Counter[str] = collections.Counter()
        self.accounts = known
        self.containers: dict[str, dict[str, blob_store.Container]] = {}
        self.faults: list[faults.Fault] = []
        self.warm_up_requests = 0
        self.refuse_all = False

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    def url(self, account: str) -> str:
        """Return an account's blob endpoint, the value of STORAGE_BLOB_ENDPOINT."""
        return f"{self._server.origin}/{account}"

    async def start(self) -> None:
        """Listen on a free port."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    def put_container(self, account: str, container: str) -> None:
        """Create a container from within the process; an existing one stays as it is."""
        self.containers.setdefault(account, {}).setdefault(container, blob_store.Container())

    def put_blob(self, account: str, container: str, name: str, data: bytes, content_type: str) -> None:
        """Create or replace a blob from within the process."""
        self.containers[account][container].blobs[name] = blob_store.Blob(data, content_type)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await faults.applied(self.faults, request, lambda: self._carry_out(request), _faulty)
        except BlobError as refusal:
            return _refused(request, refusal)

    async def _carry_out(self, request: web.Request) -> web.Response:
        account, _, rest = request.path.lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        if account not in self.accounts:
            raise BlobError(404, "ResourceNotFound")
        ours = self.containers.setdefault(account, {})
        call = blob_operations.Call(request, self.url(account), ours, container, name)
        operation = blob_operations.find(call)
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

    def _admit(self, request: web.Request, account: accounts.StorageAccount, needed: blob_access.Needed) -> None:
        """Judge authentication before authorisation, as the real service does."""
        if self.refuse_all:
            raise BlobError(403, "AuthenticationFailed", "The sandbox was told to refuse every SAS.")
        blob_access.authenticate(account, request.query, request.remote or "")
        signature = request.query["sig"]
        self._uses[signature] += 1
        if self._uses[signature] <= self.warm_up_requests:
            raise BlobError(403, "AuthenticationFailed", "Signature did not match: it isn't known here yet.")
        blob_access.authorize(request.query, needed)


def _refused(request: web.Request, refusal: BlobError) -> web.Response:
    headers = {"x-ms-error-code": refusal.code}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer authorization_uri=https://login.microsoftonline.com/common"
    body = b"" if request.method == "HEAD" else blob_xml.error(refusal)
    return blob_operations.xml(body, refusal.status, headers)


def _faulty(fault: faults.Fault) -> web.Response:
    body = blob_xml.error(BlobError(fault.status, fault.code))
    return blob_operations.xml(body, fault.status, {**fault.headers, "x-ms-error-code": fault.code})
