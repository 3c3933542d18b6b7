"""Service SAS for one container or blob, which Key Vault was recorded to issue; later its documentation excluded them.

https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping

REQUIRED = ("sv", "sr", "sp")
TEMPLATED = (*REQUIRED, "spr", "sip")
_ORDER = ("sv", "sr", "sp", "st", "se", "sip", "spr")


def resource(template_uri: str) -> str:
    """Return the canonical name of the container or blob that a template leads to, without its account."""
    return urllib.parse.unquote(urllib.parse.urlsplit(template_uri).path)


def signature(account: str, key: str, path: str, fields: Mapping[str, str]) -> str:
    """Sign as version 2018-03-28 does: without the resource's type, but with five response headers, which are empty."""
    lines = [fields.get(name, "") for name in ("sp", "st", "se")]
    lines += [f"/blob/{account}{path}", "", fields.get("sip", ""), fields.get("spr", ""), fields["sv"]]
    text = "\n".join([*lines, "", "", "", "", ""])
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()


def encode(fields: Mapping[str, str], signed: str) -> str:
    """Fields and signature as a query string in Key Vault's form, in which the colons are quoted here."""
    present = {name: fields[name] for name in _ORDER if fields.get(name)}
    return urllib.parse.urlencode({**present, "sig": signed}, quote_via=urllib.parse.quote)
