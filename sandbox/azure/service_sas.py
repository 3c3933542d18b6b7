"""Service SAS for a container, a directory or a blob: what is signed in each version, and with what.

Key Vault was recorded to issue them too; later its documentation excluded them.
https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

import urllib.parse
from collections.abc import Mapping

from sandbox.azure import signatures

REQUIRED = ("sv", "sr", "sp")
TEMPLATED = (*REQUIRED, "spr", "sip")
RESPONSE_HEADERS = ("rscc", "rscd", "rsce", "rscl", "rsct")
RESOURCE_SIGNED_SINCE = "2018-11-09"  # from this version on, `sr` and the snapshot's time are signed
ENCRYPTION_SCOPE_SINCE = "2020-12-06"
_ORDER = ("sv", "sr", "sp", "st", "se", "sip", "spr")


def resource(template_uri: str) -> str:
    """Return the canonical name of the container or blob that a template leads to, without its account."""
    return urllib.parse.unquote(urllib.parse.urlsplit(template_uri).path)


def string_to_sign(account: str, path: str, fields: Mapping[str, str]) -> str:
    """Return what is signed; `path` begins with the container's slash, fields are unquoted, absent ones empty."""
    lines = [fields.get(name, "") for name in ("sp", "st", "se")]
    lines += [f"/blob/{account}{path}", *(fields.get(name, "") for name in ("si", "sip", "spr", "sv"))]
    lines += resource_lines(fields)
    return "\n".join([*lines, *(fields.get(name, "") for name in RESPONSE_HEADERS)])


def resource_lines(fields: Mapping[str, str]) -> list[str]:
    """Return the lines about the resource that the SAS's version has, also in a user delegation SAS."""
    lines = []
    if fields["sv"] >= RESOURCE_SIGNED_SINCE:
        lines += [fields.get("sr", ""), fields.get("snapshot", "")]
    if fields["sv"] >= ENCRYPTION_SCOPE_SINCE:
        lines.append(fields.get("ses", ""))
    return lines


def signature(account: str, key: str, path: str, fields: Mapping[str, str]) -> str:
    """Return the base64 HMAC-SHA256 that belongs to these fields and this container, directory or blob."""
    return signatures.sign(key, string_to_sign(account, path, fields))


def encode(fields: Mapping[str, str], signed: str) -> str:
    """Fields and signature as a query string in Key Vault's form, in which the colons are quoted here."""
    present = {name: fields[name] for name in _ORDER if fields.get(name)}
    return urllib.parse.urlencode({**present, "sig": signed}, quote_via=urllib.parse.quote)
