"""Whether an account SAS or a token allows a request, judged in the order and with the codes of the real service.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

import dataclasses
import datetime
import ipaddress
import re
from collections.abc import Mapping

from aiohttp import web

from sandbox.azure import account_sas, accounts, identity

AUDIENCES = frozenset({"https://storage.azure.com", "https://storage.azure.com/"})
MANDATORY = ("sv", "ss", "srt", "sp", "se", "sig")
_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_OLDEST_VERSION = "2015-04-05"  # the first with account SAS
_MISMATCH = "This request is not authorized to perform this operation using this {}."
_FLAWS = {
    identity.Flaw.MISSING: "The Authorization header's scheme is not Bearer.",
    identity.Flaw.INVALID: "Signature validation failed.",
    identity.Flaw.AUDIENCE: "Audience validation failed. Audience did not match.",
    identity.Flaw.EXPIRED: "Lifetime validation failed. The token is expired.",
}
_VERBS = {"r": "read", "l": "read", "c": "write", "w": "write", "d": "delete"}
MESSAGES = {
    "AuthenticationFailed": "Server failed to authenticate the request. Make sure the "
    "value of Authorization header is formed correctly including the signature.",
    "AuthorizationFailure": "This request is not authorized to perform this operation.",
    "KeyBasedAuthenticationNotPermitted": "Key based authentication is not permitted on this storage account.",
    "AuthorizationPermissionMismatch": _MISMATCH.format("permission"),
    "AuthorizationResourceTypeMismatch": _MISMATCH.format("resource type"),
    "AuthorizationServiceMismatch": _MISMATCH.format("service"),
    "AuthorizationProtocolMismatch": _MISMATCH.format("protocol"),
    "AuthorizationSourceIPMismatch": _MISMATCH.format("source IP"),
    "NoAuthenticationInformation": "Server failed to authenticate the request. Please "
    "refer to the information in the www-authenticate header.",
    "InvalidAuthenticationInfo": "Server failed to authenticate the request. Please "
    "refer to the information in the www-authenticate header.",
    "ResourceNotFound": "The specified resource does not exist.",
    "ContainerNotFound": "The specified container does not exist.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "BlobNotFound": "The specified blob does not exist.",
    "BlobAlreadyExists": "The specified blob already exists.",
    "InvalidRange": "The range specified is invalid for the current size of the resource.",
    "InvalidHeaderValue": "The value for one of the HTTP headers is not in the correct format.",
    "MissingRequiredHeader": "An HTTP header that's mandatory for this request is not specified.",
    "InvalidMetadata": "The metadata specified is invalid. It has characters that are not permitted.",
    "ConditionNotMet": "The condition specified using HTTP conditional header(s) is not met.",
    "LeaseAlreadyPresent": "There is already a lease present.",
    "LeaseIdMissing": "There is currently a lease on the blob and no lease ID was specified in the request.",
    "LeaseIdMismatchWithBlobOperation": "The lease ID specified did not match the lease ID for the blob.",
    "LeaseIdMismatchWithLeaseOperation": "The lease ID specified did not match the lease ID for the blob.",
    "LeaseIsBreakingAndCannotBeAcquired": "The lease ID matched, but the lease is currently in breaking state "
    "and cannot be acquired until it is broken.",
    "LeaseIsBreakingAndCannotBeChanged": "The lease ID matched, but the lease is currently in breaking state "
    "and cannot be changed.",
    "LeaseIsBrokenAndCannotBeRenewed": "The lease ID matched, but the lease has been broken explicitly "
    "and cannot be renewed.",
    "LeaseLost": "A lease ID was specified, but the lease for the blob has expired.",
    "LeaseNotPresentWithBlobOperation": "There is currently no lease on the blob.",
    "LeaseNotPresentWithLeaseOperation": "There is currently no lease on the blob.",
    "UnsupportedHttpVerb": "The resource doesn't support the specified HTTP verb.",
}


class BlobError(Exception):
    """An error answer; `detail` is what the real service says about a failed authentication."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence that goes with the code."""
        return MESSAGES.get(self.code, "The sandbox was told to answer this.")


@dataclasses.dataclass(frozen=True)
class Needed:
    """What an operation asks of a SAS: a resource type letter, and one of the permission letters."""

    resource_type: str
    permissions: str

    @property
    def data_action(self) -> str:
        """What it asks of a role. Containers are judged as their blobs are."""
        verb = _VERBS[self.permissions[0]]
        return f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{verb}"


def authenticate(
    account: accounts.StorageAccount, fields: Mapping[str, str], source: str, now: datetime.datetime
) -> None:
    """Check signature, time window, address and protocol; BlobError unless all fit. We serve HTTPS only."""
    for name in MANDATORY:
        if not fields.get(name):
            raise _unauthentic(f"{name} is mandatory. Cannot be empty")
    if not _VERSION.fullmatch(fields["sv"]) or fields["sv"] < _OLDEST_VERSION:
        raise _unauthentic("sv is invalid")
    if not any(account_sas.is_signed_by(account.name, key, fields) for key in account.keys.values()):
        signed = account_sas.string_to_sign(account.name, fields)
        raise _unauthentic(f"Signature did not match. String to sign used was {signed}")
    _check_window(fields, now)
    if fields.get("sip") and not _in_range(source, fields["sip"]):
        raise BlobError(403, "AuthorizationSourceIPMismatch")
    if fields.get("spr") and "https" not in fields["spr"].split(","):
        raise BlobError(403, "AuthorizationProtocolMismatch")


def object_id(tokens: identity.Identity, request: web.Request) -> str:
    """Return who a request's bearer token was issued to; BlobError unless it is valid here."""
    try:
        return str(tokens.bearer(request, AUDIENCES)["oid"])
    except identity.TokenError as bad:
        raise BlobError(401, "InvalidAuthenticationInfo", _FLAWS[bad.flaw]) from bad


def authorize(fields: Mapping[str, str], needed: Needed) -> None:
    """Check service, resource type and permission; BlobError unless all fit."""
    if "b" not in fields["ss"]:
        raise BlobError(403, "AuthorizationServiceMismatch")
    if needed.resource_type not in fields["srt"]:
        raise BlobError(403, "AuthorizationResourceTypeMismatch")
    if not set(needed.permissions) & set(fields["sp"]):
        raise BlobError(403, "AuthorizationPermissionMismatch")


def _unauthentic(detail: str) -> BlobError:
    return BlobError(403, "AuthenticationFailed", detail)


def _check_window(fields: Mapping[str, str], now: datetime.datetime) -> None:
    try:
        start = account_sas.parse_time(fields["st"]) if fields.get("st") else now
        expiry = account_sas.parse_time(fields["se"])
    except ValueError as error:
        raise _unauthentic("st or se is not a time") from error
    if not start <= now < expiry:
        window = f"Start [{start}] - Expiry [{expiry}] - Current [{now}]"
        raise _unauthentic(f"Signature not valid in the specified time frame: {window}")


def _in_range(source: str, allowed: str) -> bool:
    """Whether the address is the allowed one or within `first-last`."""
    first, _, last = allowed.partition("-")
    try:
        lower, upper = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last or first)
        return lower <= ipaddress.IPv4Address(source) <= upper
    except ValueError:
        return False
