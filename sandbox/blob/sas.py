"""Whether a SAS allows a request, judged in the order and with the codes of the real service.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas
https://learn.microsoft.com/rest/api/storageservices/create-service-sas
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import abc
import dataclasses
import datetime
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from sandbox.azure import account_sas, accounts, delegation_sas, sas_policy, service_sas, signatures
from sandbox.azure.delegation_keys import KeyFields
from sandbox.blob.access import Needed
from sandbox.blob.errors import BlobError, unauthentic

_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_OLDEST_VERSION = "2015-04-05"  # the first with account SAS
_PERMISSIONS = "racwdxyltfmeopi"  # in the order in which service and user delegation SAS have them
_POLICY_FIELDS = ("sp", "st", "se")


@dataclasses.dataclass(frozen=True)
class Presented:
    """A request with a SAS, and what it is judged by.

    `query` has the SAS's fields among others, `source` is the client's address, `container` and `blob` may be empty.
    `policies` are the container's stored access policies by id, with fields as in a SAS. `user` is the object id
    of a bearer token that came along, empty without one. `authorizes` says whether a role of an object id allows a
    data action at a scope.
    """

    account: accounts.StorageAccount
    query: Mapping[str, str]
    headers: Mapping[str, str]
    source: str
    now: datetime.datetime
    container: str = ""
    blob: str = ""
    policies: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    user: str = ""
    authorizes: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: False


class Sas(abc.ABC):
    """A SAS of one kind, in one request."""

    mandatory: ClassVar[tuple[str, ...]]
    signed_with_account_key: ClassVar[bool] = True

    def __init__(self, presented: Presented) -> None:
        self.presented = presented
        self.account = presented.account
        self.fields = presented.query

    def authenticate(self) -> None:
        """Check signature, time window, address, protocol and policies; BlobError unless all fit.

        We serve HTTPS only.
        """
        for name in self.mandatory:
            if not self.fields.get(name):
                raise unauthentic(f"{name} is mandatory. Cannot be empty")
        if not _VERSION.fullmatch(self.fields["sv"]) or self.fields["sv"] < _OLDEST_VERSION:
            raise unauthentic("sv is invalid")
        text = self.string_to_sign()
        if not any(signatures.is_signed_by(key, text, self.fields["sig"]) for key in self.keys()):
            raise unauthentic(f"Signature did not match. String to sign used was {text}")
        self._check_limits()

    @abc.abstractmethod
    def string_to_sign(self) -> str:
        """Return what must have been signed for this request."""

    def keys(self) -> list[str]:
        """Return what it may be signed with, in base64."""
        return list(self.account.keys.values())

    @abc.abstractmethod
    def authorize(self, needed: Needed) -> None:
        """Check what it allows; BlobError unless that is enough."""

    def _check_limits(self) -> None:
        check_window(self.fields, "st", "se", self.presented.now)
        if self.fields.get("sip") and not _in_range(self.presented.source, self.fields["sip"]):
            raise BlobError(403, "AuthorizationSourceIPMismatch")
        if self.fields.get("spr") and "https" not in self.fields["spr"].split(","):
            raise BlobError(403, "AuthorizationProtocolMismatch")
        violation = sas_policy.violation(self.account.sas_policy, self.fields)
        if violation is not None:
            raise unauthentic(violation)


class AccountSas(Sas):
    """For an account, as far as services and resource types say."""

    mandatory: ClassVar[tuple[str, ...]] = ("sv", "ss", "srt", "sp", "se", "sig")

    def string_to_sign(self) -> str:
        """Return what an account SAS signs."""
        return account_sas.string_to_sign(self.account.name, self.fields)

    def authorize(self, needed: Needed) -> None:
        """Check service, resource type and permission."""
        if "b" not in self.fields["ss"]:
            raise BlobError(403, "AuthorizationServiceMismatch")
        if needed.resource_type not in self.fields["srt"]:
            raise BlobError(403, "AuthorizationResourceTypeMismatch")
        _check_permission(needed, self.fields)


class ServiceSas(Sas):
    """For one container, directory or blob; what its stored access policy has needn't be in it."""

    mandatory: ClassVar[tuple[str, ...]] = ("sv", "sr", "sp", "se", "sig")

    def __init__(self, presented: Presented) -> None:
        super().__init__(presented)
        self.fields = self._with_policy()

    def string_to_sign(self) -> str:
        """Return what a service SAS signs, to which nothing belongs that is in its policy."""
        return service_sas.string_to_sign(self.account.name, self._path(), self.presented.query)

    def authorize(self, needed: Needed) -> None:
        """Check that it is about blobs, and the permission."""
        if not needed.in_one_container:
            raise BlobError(403, "AuthorizationFailure")
        _check_permission(needed, self.fields)

    def _check_limits(self) -> None:
        if sorted(self.fields["sp"], key=_PERMISSIONS.find) != list(self.fields["sp"]):
            raise unauthentic("sp is invalid: its letters aren't in the documented order")
        super()._check_limits()

    def _path(self) -> str:
        """Return the canonical name of the resource that is signed, without its account."""
        kind, container = self.fields["sr"], f"/{self.presented.container}"
        if kind == "c":
            return container
        if kind == "b":
            return f"{container}/{self.presented.blob}"
        depth = self.fields.get("sdd", "")
        if kind == "d" and depth.isdecimal():
            return f"{container}/{'/'.join(self._within(int(depth)))}"
        raise unauthentic("sr is invalid")

    def _within(self, depth: int) -> list[str]:
        """Return the directory of this depth that the request's blob, or the prefix of its list, lies in."""
        parts = (self.presented.blob or self.presented.query.get("prefix", "")).split("/")
        if len(parts) <= depth:
            raise unauthentic(f"The request leads out of the directory: it is less than {depth} levels deep")
        return parts[:depth]

    def _with_policy(self) -> Mapping[str, str]:
        given, identifier = self.presented.query, self.presented.query.get("si")
        if not identifier:
            return given
        if identifier not in self.presented.policies:
            raise unauthentic("The container has no stored access policy with this si")
        stored = self.presented.policies[identifier]
        twice = [name for name in _POLICY_FIELDS if given.get(name) and stored.get(name)]
        if twice:
            raise unauthentic(f"{', '.join(twice)} is in the SAS and in its stored access policy")
        return {**given, **{name: stored[name] for name in _POLICY_FIELDS if stored.get(name)}}


class DelegationSas(ServiceSas):
    """Signed with the key that an identity was given: it allows nothing that this identity may not do itself."""

    mandatory: ClassVar[tuple[str, ...]] = (*ServiceSas.mandatory, *delegation_sas.KEY_FIELDS)
    signed_with_account_key = False

    def string_to_sign(self) -> str:
        """Return what a user delegation SAS signs."""
        request = delegation_sas.Request(self.presented.headers, self.presented.query)
        return delegation_sas.string_to_sign(self.account.name, self._path(), self.fields, request)

    def keys(self) -> list[str]:
        """Return the value of the key that the SAS names."""
        return self.account.delegation_keys.valid(KeyFields.of_sas(self.fields))

    def authorize(self, needed: Needed) -> None:
        """Check what it allows, and that the identity that delegated it has a role for that now."""
        super().authorize(needed)
        scope = self.account.container_id(self.presented.container)
        if not self.presented.authorizes(self.fields["skoid"], needed.data_action, scope):
            raise BlobError(403, "AuthorizationPermissionMismatch")

    def _check_limits(self) -> None:
        check_window(self.fields, "skt", "ske", self.presented.now)
        if self.fields["sks"] != "b":
            raise BlobError(403, "AuthorizationServiceMismatch")
        if self.fields.get("sduoid") and self.fields["sduoid"] != self.presented.user:
            raise unauthentic("The SAS is for a user whose token didn't come along: sduoid")
        super()._check_limits()

    def _with_policy(self) -> Mapping[str, str]:
        if self.presented.query.get("si"):
            raise unauthentic("si is not supported with a user delegation key")
        return self.presented.query


def of(presented: Presented) -> Sas:
    """Return the SAS in a request; BlobError where not even its kind makes sense."""
    if "skoid" in presented.query:
        return DelegationSas(presented)
    return ServiceSas(presented) if "sr" in presented.query else AccountSas(presented)


def check_window(fields: Mapping[str, str], first: str, last: str, now: datetime.datetime) -> None:
    """Check that it is now between two fields' times, of which the first may be absent; BlobError otherwise."""
    try:
        start = account_sas.parse_time(fields[first]) if fields.get(first) else now
        expiry = account_sas.parse_time(fields[last])
    except ValueError as error:
        raise unauthentic(f"{first} or {last} is not a time") from error
    if start <= now < expiry:
        return
    if last == "ske":
        window = f"Key start [{start}] - Key expiry [{expiry}] - Current [{now}]"
        raise unauthentic(f"Signature not valid in the specified key time frame: {window}")
    window = f"Start [{start}] - Expiry [{expiry}] - Current [{now}]"
    raise unauthentic(f"Signature not valid in the specified time frame: {window}")


def _check_permission(needed: Needed, fields: Mapping[str, str]) -> None:
    if not set(needed.permissions) & set(fields["sp"]):
        raise BlobError(403, "AuthorizationPermissionMismatch")


def _in_range(source: str, allowed: str) -> bool:
    """Whether the address is the allowed one or within `first-last`."""
    first, _, last = allowed.partition("-")
    try:
        lower, upper = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last or first)
        return lower <= ipaddress.IPv4Address(source) <= upper
    except ValueError:
        return False
