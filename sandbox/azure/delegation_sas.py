"""User delegation SAS: what is signed in each version, with the key that an identity got from the blob service.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import dataclasses
import urllib.parse
from collections.abc import Mapping

from sandbox.azure import service_sas

KEY_FIELDS = ("skoid", "sktid", "skt", "ske", "sks", "skv")
AUTHORIZED_SINCE = "2020-02-10"  # saoid, suoid and scid
BOUND_SINCE = "2025-07-05"  # skdutid and sduoid, by which a SAS is bound to one user
REQUEST_SINCE = "2026-04-06"  # srh and srq, which name headers and parameters of the request


@dataclasses.dataclass(frozen=True)
class Request:
    """The headers and the query of a request with a SAS: a SAS can prescribe the values of some of them."""

    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)


def string_to_sign(account: str, path: str, fields: Mapping[str, str], request: Request) -> str:
    """Return what is signed; `path` begins with the container's slash, fields are unquoted, absent ones empty."""
    version = fields["sv"]
    lines = [*_values(fields, "sp", "st", "se"), f"/blob/{account}{path}", *_values(fields, *KEY_FIELDS)]
    if version >= AUTHORIZED_SINCE:
        lines += _values(fields, "saoid", "suoid", "scid")
    if version >= BOUND_SINCE:
        lines += _values(fields, "skdutid", "sduoid")
    lines += _values(fields, "sip", "spr", "sv")
    lines += service_sas.resource_lines(fields)
    if version >= REQUEST_SINCE:
        lines += [_headers(fields, request), _query(fields, request)]
    return "\n".join([*lines, *_values(fields, *service_sas.RESPONSE_HEADERS)])


def _values(fields: Mapping[str, str], *names: str) -> list[str]:
    return [fields.get(name, "") for name in names]


def _headers(fields: Mapping[str, str], request: Request) -> str:
    """Each prescribed header as a line of its own, with a line's end behind the last one."""
    return "".join(f"{name}:{request.headers.get(name, '')}\n" for name in _names(fields, "srh"))


def _query(fields: Mapping[str, str], request: Request) -> str:
    """Each prescribed parameter as a line of its own, with a line's end before the first one."""
    return "".join(f"\n{name}:{request.query.get(name, '')}" for name in _names(fields, "srq"))


def _names(fields: Mapping[str, str], field: str) -> list[str]:
    return [urllib.parse.unquote(name) for name in fields.get(field, "").split(",") if name]
