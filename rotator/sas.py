"""An account SAS: its fields, and what is read from a token.

Fields of the token: https://learn.microsoft.com/rest/api/storageservices/create-account-sas
"""

import base64
import dataclasses
import datetime
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
PROTOCOLS = ("https", "https,http")
_GRANTED = ("sv", "ss", "srt", "sp", "spr")
_ADDED = ("st", "se", "sig")  # written by Key Vault, whatever a template has
CLOCK_SKEW = datetime.timedelta(minutes=5)  # between this host, the vault and storage


@dataclasses.dataclass(frozen=True)
class Sas:
    """A parsed account SAS. Its str and repr show its fingerprint and expiry, never the token.

    `issued` is the token as the vault wrote it, with a leading `?`. `fingerprint` is a hash of the signature. `others`
    are the names of fields that no grant has.
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

    def __str__(self) -> str:
        return f"SAS {self.fingerprint} until {self.expiry:%Y-%m-%dT%H:%M:%SZ}"

    __repr__ = __str__


def parse(token: SecretText) -> Sas:
    """Parse a token, with or without a leading `?`; raises SasError if it is no account SAS."""
    issued = token.reveal().strip()
    text = issued.removeprefix("?")
    try:
        found = fields(text)
    except ValueError:
        raise errors.SasError("the issued SAS is not a query string") from None
    missing = [name for name in ("sv", "ss", "srt", "sp", "se", "sig") if not found.get(name)]
    if missing:
        raise errors.SasError(f"the issued SAS lacks {', '.join(missing)}")
    return Sas(
        token=SecretText(text),
        issued=SecretText(issued),
        version=found["sv"],
        services=found["ss"],
        resource_types=found["srt"],
        permissions=found["sp"],
        protocol=found.get("spr", "https,http"),
        start=_time("st", found["st"]) if "st" in found else None,
        expiry=_time("se", found["se"]),
        fingerprint=_fingerprint(found["sig"]),
        others=other_fields(found),
    )


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
    """Names of the fields that are neither a grant's nor added by the vault; no values, which may be secret."""
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
