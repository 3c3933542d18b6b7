"""An account SAS, the SAS definition that Key Vault issues it from, and the check that it is what was asked for.

Fields of the token: https://learn.microsoft.com/rest/api/storageservices/create-account-sas
"""

import base64
import dataclasses
import datetime
import hashlib
import re
import urllib.parse
from collections.abc import Mapping

import isodate

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
class SasDefinition:
    """A named template in Key Vault, which issues a new account SAS from it at each read.

    `services`, `resource_types` and `permissions` are letters, as in the token.
    """

    name: str
    services: str
    resource_types: str
    permissions: str
    protocol: str
    validity: datetime.timedelta

    @property
    def template(self) -> str:
        """The `templateUri` of the definition: a SAS token without signature and times."""
        return urllib.parse.urlencode(
            {
                "sv": SIGNED_VERSION,
                "ss": self.services,
                "srt": self.resource_types,
                "sp": self.permissions,
                "spr": self.protocol,
            },
            safe=",",
        )

    @property
    def validity_period(self) -> str:
        """The validity as an ISO 8601 duration, as Key Vault takes it."""
        return str(isodate.duration_isoformat(self.validity))

    @property
    def label(self) -> str:
        """The name and a hash of the content: it changes whenever what the definition grants changes."""
        content = f"{self.template}&{self.validity_period}"
        return f"{self.name}@{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def same_template(self, template_uri: str) -> bool:
        """Whether another template grants the same; signature, times and the order of letters are ignored.

        A template with any other field does not: `sip` and `ses` narrow a SAS, and an unknown field may.
        """
        try:
            found = fields(template_uri.partition("?")[2] or template_uri)
        except ValueError:
            return False
        wanted = fields(self.template)
        return not _others(found) and all(
            _normal(name, found.get(name, "")) == _normal(name, wanted[name]) for name in wanted
        )


@dataclasses.dataclass(frozen=True)
class Sas:
    """A parsed account SAS. Its str and repr show its fingerprint and expiry, never the token.

    `issued` is the token as the vault wrote it, with a leading `?`. `fingerprint` is a hash of the signature. `others`
    are the names of fields that no definition has.
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
        others=_others(found),
    )


def tolerance(validity: datetime.timedelta) -> datetime.timedelta:
    """How much the time until a SAS expires may differ from what was asked for, as the clocks may differ."""
    return min(CLOCK_SKEW, validity / 4)


def check(sas: Sas, definition: SasDefinition, now: datetime.datetime) -> None:
    """Raise SasError unless `sas` grants exactly what `definition` does, and is valid now and for as long."""
    problems = [
        f"{name} are {got!r} instead of {wanted!r}"
        for name, got, wanted in (
            ("services", sas.services, definition.services),
            ("resource types", sas.resource_types, definition.resource_types),
            ("permissions", sas.permissions, definition.permissions),
        )
        if set(got) != set(wanted)
    ]
    if _normal("spr", sas.protocol) != _normal("spr", definition.protocol):
        problems.append(f"protocol is {sas.protocol!r} instead of {definition.protocol!r}")
    if sas.version > SIGNED_VERSION:
        problems.append(f"version {sas.version} is later than {SIGNED_VERSION}, which Key Vault cannot sign")
    if sas.others:
        problems.append(f"it has the fields {', '.join(sas.others)}, which are not in the definition and may narrow it")
    problems += _window_problems(sas, definition.validity, now)
    if problems:
        raise errors.SasError(f"the issued SAS ({sas.fingerprint}) is not what was asked for: {'; '.join(problems)}")


def _window_problems(sas: Sas, validity: datetime.timedelta, now: datetime.datetime) -> list[str]:
    """Compare start and expiry with now and with the validity that was asked for."""
    left = sas.expiry - now
    if left <= datetime.timedelta(0):
        return [f"it expired at {sas.expiry:%Y-%m-%dT%H:%M:%SZ}"]
    problems = []
    if sas.start is not None and sas.start > now + CLOCK_SKEW:
        problems.append(f"it is not valid before {sas.start:%Y-%m-%dT%H:%M:%SZ}")
    if left < validity - tolerance(validity):
        problems.append(f"it is valid for {_rounded(left)} instead of {validity}")
    if left > validity + tolerance(validity):
        problems.append(f"it is valid for {_rounded(left)}, longer than {validity}")
    return problems


def _rounded(duration: datetime.timedelta) -> datetime.timedelta:
    return datetime.timedelta(seconds=round(duration.total_seconds()))


def fields(query: str) -> dict[str, str]:
    """Parse a query string; raises ValueError if it is none or has a field twice."""
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _others(found: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the fields that are neither a definition's nor added by the vault; no values, which may be secret."""
    names = (_plain(name) for name, text in found.items() if text and name not in (*_GRANTED, *_ADDED))
    return tuple(dict.fromkeys(names))


def _plain(name: str) -> str:
    return name if re.fullmatch("[A-Za-z-]{1,20}", name) else "an unknown one"


def _normal(name: str, value: str) -> str:
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
