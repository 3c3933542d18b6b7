"""An account SAS as a value: what it grants, until when, and how to name it without showing it.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas
"""

import base64
import dataclasses
import datetime
import hashlib
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Sas:
    """`fingerprint` is the one that the rotator's report shows; the token is in no repr."""

    token: str = dataclasses.field(repr=False)
    expiry: datetime.datetime
    permissions: str
    resource_types: str
    fingerprint: str

    @property
    def grants_list(self) -> bool:
        """Whether it may list a container's blobs."""
        return "l" in self.permissions and "c" in self.resource_types


def parse(content: bytes, encoding: str) -> Sas:
    """Read what the Secret holds; ValueError, without a word of the content, when that is no account SAS."""
    try:
        raw = base64.b64decode(content, validate=False) if encoding == "base64" else content
        token = raw.decode("ascii").strip().lstrip("?")
        fields = dict(urllib.parse.parse_qsl(token, strict_parsing=True))
        signature = _signature(fields["sig"])
        expiry = datetime.datetime.fromisoformat(fields["se"])
        return Sas(
            token=token,
            expiry=expiry.astimezone(datetime.UTC) if expiry.tzinfo else expiry.replace(tzinfo=datetime.UTC),
            permissions=fields["sp"],
            resource_types=fields["srt"],
            fingerprint=hashlib.sha256(signature).hexdigest()[:16],
        )
    except (ValueError, KeyError, OverflowError):
        raise ValueError("the Secret holds something else than an account SAS") from None


def _signature(text: str) -> bytes:
    signature = base64.b64decode(text, validate=True)
    if len(signature) != hashlib.sha256().digest_size:
        raise ValueError("it was cut off")
    return signature
