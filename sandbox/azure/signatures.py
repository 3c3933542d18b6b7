"""HMAC-SHA256 in base64, by which every SAS is signed.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string
"""

import base64
import hashlib
import hmac
import urllib.parse


def sign(key: str, text: str) -> str:
    """Sign a text with a key in base64."""
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()


def is_signed_by(key: str, text: str, signature: str) -> bool:
    """Whether this is the text's signature by the key, compared in constant time."""
    return hmac.compare_digest(sign(key, text).encode(), signature.encode())


def of_token(sas: str) -> str:
    """Return a SAS's signature, unquoted; empty for what is no SAS."""
    return dict(urllib.parse.parse_qsl(sas.lstrip("?"))).get("sig", "")
