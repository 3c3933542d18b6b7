"""What a SAS definition is made of: a template for an account SAS or a service SAS, and a lifetime."""

import datetime
import re
import urllib.parse

from sandbox.azure import service_sas
from sandbox.key_vault import errors

SERVICE = "service"

NEWEST_SIGNED_VERSION = "2018-03-28"
REQUIRED = ("sv", "ss", "srt", "sp")
_TEMPLATED = (*REQUIRED, "spr", "sip")  # lifetimes and anything newer are ignored, says the documentation
_DURATION = re.compile(
    r"P(?!$)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)


def fields(template_uri: str, sas_type: str = "account") -> dict[str, str]:
    """Return the fields that go into a SAS; a template may be a bare query string, or one behind a URL."""
    service = sas_type == SERVICE
    given = dict(urllib.parse.parse_qsl(template_uri.rpartition("?")[2]))
    missing = [name for name in (service_sas.REQUIRED if service else REQUIRED) if not given.get(name)]
    if missing:
        raise errors.bad_parameter(f"templateUri lacks {', '.join(missing)}.")
    return {name: given[name] for name in (service_sas.TEMPLATED if service else _TEMPLATED) if name in given}


def duration(text: str) -> datetime.timedelta:
    """Return an ISO 8601 duration, with .NET's 365-day years and 30-day months."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise errors.bad_parameter("validityPeriod is not an ISO 8601 duration.")
    parts = {unit: int(number or 0) for unit, number in match.groupdict().items()}
    days = parts.pop("years") * 365 + parts.pop("months") * 30 + parts.pop("days")
    return datetime.timedelta(days=days, **parts)


def validate(template_uri: object, sas_type: object, validity_period: object) -> None:
    """Refuse what Key Vault refuses in a definition."""
    for name, value in (("templateUri", template_uri), ("validityPeriod", validity_period)):
        if not isinstance(value, str) or not value:
            raise errors.bad_parameter(f"Property '{name}' is required.")
    if sas_type not in ("account", SERVICE):
        raise errors.bad_parameter("Property 'sasType' must be 'account' or 'service'.")
    if sas_type == SERVICE and not re.match(r"/[^/]", service_sas.resource(str(template_uri))):
        raise errors.bad_parameter("templateUri leads to no resource.")
    fields(str(template_uri), str(sas_type))
    duration(str(validity_period))
