"""The blob service's REST calls: what each needs of a SAS, and what carries it out.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

import base64
import dataclasses
import datetime
import re
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sandbox.azure import accounts
from sandbox.blob import dates, store, user_delegation, xml
from sandbox.blob.access import Needed
from sandbox.blob.errors import BlobError
from sandbox.blob.lease import ACTIONS

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_MOST_LISTED = "5000"  # on one page
_META = "x-ms-meta-"
_ENCRYPTED = {"x-ms-request-server-encrypted": "true"}
_META_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # they have to be C# identifiers


@dataclasses.dataclass(frozen=True)
class Call:
    """One authorised request; `containers` are the account's, `blob` may hold slashes.

    `claims` are those of its bearer token, none with a SAS. `now` is the time by the service's clock.
    """

    request: web.Request
    endpoint: str
    account: accounts.StorageAccount
    containers: dict[str, store.Container]
    container: str
    blob: str
    now: datetime.datetime
    claims: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def found_container(self) -> store.Container:
        """Return the container, or raise a 404."""
        if self.container not in self.containers:
            raise BlobError(404, "ContainerNotFound")
        return self.containers[self.container]

    def found_blob(self) -> store.Blob:
        """Return the blob, or raise a 404."""
        blobs = self.found_container().blobs
        if self.blob not in blobs:
            raise BlobError(404, "BlobNotFound")
        return blobs[self.blob]


@dataclasses.dataclass(frozen=True)
class Operation:
    """One call of the API; `action` is what the journal says."""

    action: str
    needed: Needed
    carry_out: Callable[[Call], Awaitable[web.Response]]


async def _get_service_properties(_call: Call) -> web.Response:
    return xml_answer(xml.service_properties())


async def _get_user_delegation_key(call: Call) -> web.Response:
    version = call.request.headers.get("x-ms-version", "")
    fields = user_delegation.read(await call.request.read(), call.claims, version, call.now)
    return xml_answer(user_delegation.write(fields, call.account.delegation_keys.issue(fields)))


async def _list_containers(call: Call) -> web.Response:
    return xml_answer(xml.containers(call.endpoint, call.containers))


async def _create_container(call: Call) -> web.Response:
    if call.container in call.containers:
        raise BlobError(409, "ContainerAlreadyExists")
    call.containers[call.container] = store.Container()
    return web.Response(status=201, headers=call.found_container().stamp)


async def _get_container(call: Call) -> web.Response:
    lease = {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
    immutability = {"x-ms-has-immutability-policy": "false", "x-ms-has-legal-hold": "false"}
    return web.Response(headers=call.found_container().stamp | lease | immutability)


async def _delete_container(call: Call) -> web.Response:
    call.found_container()
    del call.containers[call.container]
    return web.Response(status=202)


async def _list_blobs(call: Call) -> web.Response:
    query = call.request.query
    prefix, marker, most = query.get("prefix", ""), query.get("marker", ""), query.get("maxresults", _MOST_LISTED)
    if not str(most).isdecimal() or int(most) == 0:
        raise BlobError(400, "OutOfRangeQueryParameterValue")
    size = min(int(most), int(_MOST_LISTED))
    blobs = sorted(call.found_container().blobs.items())
    found = [(name, blob) for name, blob in blobs if name.startswith(prefix) and name >= _place(marker)]
    further = base64.urlsafe_b64encode(found[size][0].encode()).decode() if len(found) > size else ""
    asked = {"Prefix": prefix, "Marker": marker, "MaxResults": query.get("maxresults", "")}
    return xml_answer(xml.blobs(call.endpoint, call.container, asked, found[:size], further))


def _place(marker: str) -> str:
    """Where a page begins; clients take the marker as it is."""
    try:
        return base64.b64decode(marker, altchars="-_", validate=True).decode()
    except ValueError:
        raise BlobError(400, "InvalidQueryParameterValue") from None


async def _put_blob(call: Call) -> web.Response:
    headers, data = call.request.headers, await call.request.read()
    blobs = call.found_container().blobs
    if headers.get("x-ms-blob-type") != "BlockBlob":
        raise BlobError(400, "InvalidHeaderValue")
    metadata = _metadata(headers)
    if call.blob not in blobs and "If-Match" in headers:
        raise BlobError(412, "ConditionNotMet")
    if call.blob in blobs:
        if headers.get("If-None-Match") == "*":
            raise BlobError(409, "BlobAlreadyExists")
        blobs[call.blob].check(headers, writing=True)
    blob = blobs.setdefault(call.blob, store.Blob(b""))
    blob.data, blob.metadata = data, metadata
    blob.content_type = headers.get("x-ms-blob-content-type") or call.request.content_type
    blob.changed()
    return web.Response(status=201, headers=blob.stamp | {"Content-MD5": blob.md5} | _ENCRYPTED)


async def _get_blob(call: Call) -> web.Response:
    blob = call.found_blob()
    blob.check(call.request.headers, writing=False)
    headers = {"x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes", "Content-Type": blob.content_type}
    headers |= blob.stamp | blob.lease.headers | {"x-ms-server-encrypted": "true"}
    headers["x-ms-creation-time"] = dates.http_date(blob.created)
    headers |= {f"{_META}{name}": text for name, text in blob.metadata.items()}
    asked = call.request.headers.get("x-ms-range") or call.request.headers.get("Range") or ""
    wanted = _RANGE.fullmatch(asked)
    if wanted is None:
        return web.Response(body=blob.data, headers={**headers, "Content-MD5": blob.md5})
    size = len(blob.data)
    first, last = int(wanted[1]), min(int(wanted[2] or size), size - 1)
    if first >= size:
        raise BlobError(416, "InvalidRange")
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return web.Response(status=206, body=blob.data[first : last + 1], headers=headers)


async def _set_metadata(call: Call) -> web.Response:
    blob = call.found_blob()
    metadata = _metadata(call.request.headers)
    blob.check(call.request.headers, writing=True)
    blob.metadata = metadata
    blob.changed()
    return web.Response(headers=blob.stamp | _ENCRYPTED)


async def _lease_blob(call: Call) -> web.Response:
    blob, headers = call.found_blob(), call.request.headers
    blob.check_conditions(headers, writing=True)
    status, answered = blob.lease.carry_out(headers["x-ms-lease-action"], headers)
    return web.Response(status=status, headers=blob.stamp | answered)


async def _delete_blob(call: Call) -> web.Response:
    call.found_blob().check(call.request.headers, writing=True)
    del call.containers[call.container].blobs[call.blob]
    return web.Response(status=202)


# By the path's depth, the method, `restype` and `comp`.
_OPERATIONS = {
    ("service", "GET", "service", "properties"): Operation(
        "get-service-properties", Needed("s", "r"), _get_service_properties
    ),
    ("service", "POST", "service", "userdelegationkey"): Operation(
        "get-user-delegation-key", Needed("s", "", user_delegation.ACTION), _get_user_delegation_key
    ),
    ("service", "GET", "", "list"): Operation("list-containers", Needed("s", "l"), _list_containers),
    ("container", "PUT", "container", ""): Operation("create-container", Needed("c", "cw"), _create_container),
    ("container", "GET", "container", ""): Operation("get-container", Needed("c", "r"), _get_container),
    ("container", "HEAD", "container", ""): Operation("get-container", Needed("c", "r"), _get_container),
    ("container", "DELETE", "container", ""): Operation("delete-container", Needed("c", "d"), _delete_container),
    ("container", "GET", "container", "list"): Operation("list-blobs", Needed("c", "l"), _list_blobs),
    ("blob", "PUT", "", ""): Operation("put-blob", Needed("o", "w"), _put_blob),
    ("blob", "PUT", "", "metadata"): Operation("set-metadata", Needed("o", "w"), _set_metadata),
    ("blob", "PUT", "", "lease"): Operation("lease", Needed("o", "w"), _lease_blob),
    ("blob", "GET", "", ""): Operation("get-blob", Needed("o", "r"), _get_blob),
    ("blob", "HEAD", "", ""): Operation("get-blob", Needed("o", "r"), _get_blob),
    ("blob", "DELETE", "", ""): Operation("delete-blob", Needed("o", "d"), _delete_blob),
}


def find(call: Call) -> Operation:
    """Return the operation that is meant; to create a blob needs less than to overwrite one."""
    level = "blob" if call.blob else "container" if call.container else "service"
    query = call.request.query
    operation = _OPERATIONS.get((level, call.request.method, query.get("restype", ""), query.get("comp", "")))
    if operation is None:
        raise BlobError(405, "UnsupportedHttpVerb")
    if operation.action == "lease":
        return _lease_operation(call.request.headers.get("x-ms-lease-action", ""), operation)
    container = call.containers.get(call.container)
    if operation.action == "put-blob" and (container is None or call.blob not in container.blobs):
        return dataclasses.replace(operation, needed=Needed("o", "cw"))
    return operation


def xml_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with an XML document."""
    return web.Response(status=status, body=body, content_type="application/xml", headers=headers)


def _lease_operation(action: str, operation: Operation) -> Operation:
    if action not in ACTIONS:
        raise BlobError(400, "InvalidHeaderValue" if action else "MissingRequiredHeader")
    needed = Needed("o", "wd" if action == "break" else "w")
    return dataclasses.replace(operation, action=f"{action}-lease", needed=needed)


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    given = {name[len(_META) :]: text for name, text in headers.items() if name.lower().startswith(_META)}
    if not all(_META_NAME.fullmatch(name) for name in given):
        raise BlobError(400, "InvalidMetadata")
    return given
