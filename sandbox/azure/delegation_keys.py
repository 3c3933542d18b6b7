"""The user delegation keys of a storage account, which it computes from a secret of its own and need not keep.

https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
https://learn.microsoft.com/rest/api/storagerp/storage-accounts/revoke-user-delegation-keys
"""

import base64
import dataclasses
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Self


@dataclasses.dataclass(frozen=True)
class KeyFields:
    """What a key was issued for; times are written as in a SAS, `service` is a letter, as in `ss`."""

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    delegated_tenant_id: str = ""

    @classmethod
    def of_sas(cls, fields: Mapping[str, str]) -> Self:
        """Read which key signed a SAS; absent fields are empty."""
        return cls(*(fields.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid")))


class DelegationKeys:
    """Issues the keys of one account, for every identity; `issued` are their values, for a search for leaks.

    `revocation_delay` is how many seconds a revoked key still signs: the service caches keys, and names no figure.
    """

    def __init__(self) -> None:
        self.revocation_delay = 0.0
        self.issued: list[str] = []
        self._secret = secrets.token_bytes(32)
        self._revoked: list[tuple[float, bytes]] = []

    def issue(self, fields: KeyFields) -> str:
        """Return a key's value, in base64: the same one for the same fields, until keys are revoked."""
        value = _value(self._secret, fields)
        self.issued.append(value)
        return value

    def valid(self, fields: KeyFields) -> list[str]:
        """Return the values with which a SAS of these fields may be signed now."""
        now = time.monotonic()
        known = [self._secret, *(secret for until, secret in self._revoked if now < until)]
        return [_value(secret, fields) for secret in known]

    def revoke(self) -> None:
        """End all keys issued until now, whoever asked for them, after the delay."""
        self._revoked.append((time.monotonic() + self.revocation_delay, self._secret))
        self._secret = secrets.token_bytes(32)

    def settle(self) -> None:
        """Let every revocation take effect now."""
        self._revoked.clear()


def _value(secret: bytes, fields: KeyFields) -> str:
    text = "\n".join(dataclasses.astuple(fields)).encode()
    return base64.b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()
