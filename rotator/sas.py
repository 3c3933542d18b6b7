"""A SAS: its fields, and what is read from a token.

Fields of the token of an account SAS: https://learn.microsoft.com/rest/api/storageservices/create-account-sas
of a service SAS: https://learn.microsoft.com/rest/api/storageservices/create-service-sas
and of a user delegation SAS: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import base64
import dataclasses
import datetime
import enum
import hashlib
import re
import urllib.parse
from collections.abc import Mapping

from rotator import errors
from rotator.redaction import SecretText

# Key Vault signs as this version does and ignores later fields; with a later `sv`, storage answers "signature did not
# match".
SIGNED_VERSION = "2018-03-28"
SERVICES = "bfqt"
RESOURCE_TYPES = "sco"
PERMISSIONS = "rwdlacup"  # of SIGNED_VERSION, in the order in which the service writes them
# Of later versions too. Which of them a SAS may have depends on what it is for.
ALL_PERMISSIONS = f"{PERMISSIONS}xytfmei"
PROTOCOLS = ("https", "https,http")
_GRANTED = ("sv", "ss", "srt", "sp", "spr")
_ADDED = ("st", "se", "sig")  # written by Key Vault, whatever a template has
_NARROWING = ("sr", "sdd", "sip", "ses")  # a container or a part of it, addresses, an encryption scope
_DELEGATION = ("skoid", "sktid", "skt", "ske", "sks", "skv", "scid")  # the user delegation key, and the SAS's own GUID
_ACCOUNT_MANDATORY = ("sv", "ss", "srt", "sp", "se", "sig")
_SERVICE_MANDATORY = ("sv", "sr", "sp", "se", "sig")
CLOCK_SKEW = datetime.timedelta(minutes=5)  # between this host, the vault and storage


class Scope(enum.StrEnum):
    """What a SAS is for: the account, or a part of blob storage by its letter in the field `sr`."""

    ACCOUNT = ""
    CONTAINER = "c"
    DIRECTORY = "d"  # the blobs whose names begin with a prefix
    BLOB = "b"


@dataclasses.dataclass(frozen=True)
class Sas:
    """A parsed SAS. Its str and repr show its fingerprint and expiry, never the token.

    `issued` is the token as the vault wrote it, with a leading `?`. `fingerprint` is a hash of the signature. `scope`
    and `path` are what it is for; a token does not have the path (`container` or `container/name`), but its signature
    does. `ip` and `encryption_scope` narrow it. With `delegated`, a user delegation key signed it instead of an account
    key, and `correlation_id` is by what storage's logs name it. `others` are the names of fields that no grant has.
    """

    token: SecretText
    issued: SecretText
    version: str
    services: str
    resource_types: str
    permissions: str
    protocol: str
    start: datetime.datetime | None
    expiry: datetime.datetime
    fingerprint: str
    others: tuple[str, ...] = ()
    scope: Scope = Scope.ACCOUNT
    path: str = ""
    ip: str = ""
    encryption_scope: str = ""
    delegated: bool = False
    correlation_id: str = ""

    def __str__(self) -> str:
        return f"SAS {self.fingerprint} until {self.expiry:%Y-%m-%dT%H:%M:%SZ}"

    __repr__ = __str__


def parse(token: SecretText, *, path: str = "") -> Sas:
    """Parse a token, with or without a leading `?`; raises SasError if it is no SAS. `path` is what it is for."""
    issued = token.reveal().strip()
    text = issued.removeprefix("?")
    try:
        found = fields(text)
    except ValueError:
        raise errors.SasError("the issued SAS is not a query string") from None
    missing = [
        name
        for name in (_SERVICE_MANDATORY if "sr" in found and "ss" not in found else _ACCOUNT_MANDATORY)
        if not found.get(name)
    ]
    if missing:
        raise errors.SasError(f"the issued SAS lacks {', '.join(missing)}")
    return Sas(
        token=SecretText(text),
        issued=SecretText(issued),
        version=found["sv"],
        services=found.get("ss", ""),
        resource_types=found.get("srt", ""),
        permissions=found["sp"],
        protocol=found.get("spr", "https,http"),
        start=_time("st", found["st"]) if "st" in found else None,
        expiry=_time("se", found["se"]),
        fingerprint=_fingerprint(found["sig"]),
        others=tuple(name for name in other_fields(found) if name not in (*_NARROWING, *_DELEGATION)),
        scope=Scope.ACCOUNT if "ss" in found else _scope(found["sr"]),
        path=path,
        ip=found.get("sip", ""),
        encryption_scope=found.get("ses", ""),
        delegated="skoid" in found,
        correlation_id=found.get("scid", ""),
    )


def _scope(letter: str) -> Scope:
    try:
        return Scope(letter)
    except ValueError:
        raise errors.SasError("the issued SAS is for no container, directory or blob") from None


def tolerance(validity: datetime.timedelta) -> datetime.timedelta:
    """How much the time until a SAS expires may differ from what was asked for, as the clocks may differ."""
    return min(CLOCK_SKEW, validity / 4)


def fields(query: str) -> dict[str, str]:
    """Parse a query string; raises ValueError if it is none or has a field twice."""
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def other_fields(found: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the fields that a SAS definition's template does not have; no values, which may be secret."""
    names = (_plain(name) for name, text in found.items() if text and name not in (*_GRANTED, *_ADDED))
    return tuple(dict.fromkeys(names))


def _plain(name: str) -> str:
    return name if re.fullmatch("[A-Za-z-]{1,20}", name) else "an unknown one"


def normal(name: str, value: str) -> str:
    """The value of a grant's field as it compares: the order of letters and protocols means nothing."""
    if name == "spr":
        return ",".join(sorted((value or "https,http").split(",")))
    return value if name == "sv" else "".join(sorted(value))


def _time(name: str, text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
        return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        raise errors.SasError(f"the issued SAS has a malformed time in {name}") from None


def _fingerprint(signature: str) -> str:
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:  # not base64, or not even ASCII
        raise errors.SasError("the issued SAS has a malformed signature") from None
    return hashlib.sha256(raw).hexdigest()[:16]
