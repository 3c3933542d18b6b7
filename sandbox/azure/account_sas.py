"""Account SAS tokens: how they are signed, and how the signature is checked.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string
"""

import datetime
import urllib.parse
from collections.abc import Mapping

from sandbox.azure import signatures

SIGNED_FIELDS = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")
ENCRYPTION_SCOPE_SINCE = "2020-12-06"  # from this version on, one more line is signed
_ORDER = ("sv", "ss", "srt", "sp", "st", "se", "sip", "spr")  # Key Vault's, as recorded; st and sip by guess


def string_to_sign(account: str, fields: Mapping[str, str]) -> str:
    """Nine lines, or ten for versions that know encryption scopes; fields are unquoted, absent ones empty."""
    lines = [account, *(fields.get(name, "") for name in SIGNED_FIELDS)]
    if fields.get("sv", "") >= ENCRYPTION_SCOPE_SINCE:
        lines.append(fields.get("ses", ""))
    return "\n".join(lines) + "\n"


def signature(account: str, key: str, fields: Mapping[str, str]) -> str:
    """Return the base64 HMAC-SHA256 that belongs to these fields."""
    return signatures.sign(key, string_to_sign(account, fields))


def token(account: str, key: str, fields: Mapping[str, str]) -> str:
    """Return a query string without a leading question mark, signed with this key."""
    return encode(fields, signature(account, key, fields))


def encode(fields: Mapping[str, str], signed: str) -> str:
    """Fields and signature as a query string in Key Vault's form: empty fields left out, colons bare."""
    present = {name: fields[name] for name in _ORDER if fields.get(name)}
    return urllib.parse.urlencode({**present, "sig": signed}, safe=":", quote_via=urllib.parse.quote)


def is_signed_by(account: str, key: str, fields: Mapping[str, str]) -> bool:
    """Whether the fields' `sig` was made with this key."""
    return signatures.is_signed_by(key, string_to_sign(account, fields), fields.get("sig", ""))


def format_time(time: datetime.datetime) -> str:
    """UTC to the second, the form that Key Vault and the SDKs write."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime.datetime:
    """Any of the ISO 8601 forms that storage accepts, UTC when no offset is given; ValueError otherwise."""
    time = datetime.datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
