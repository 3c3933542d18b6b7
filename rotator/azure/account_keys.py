"""A storage account's two keys: when each was created, and which of them signed a SAS.

https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string
https://learn.microsoft.com/rest/api/storageservices/create-service-sas#constructing-the-signature-string
"""

import base64
import binascii
import dataclasses
import datetime
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from rotator import errors, sas, untrusted
from rotator.redaction import SecretText
from rotator.sas import Sas, Scope

NAMES = ("key1", "key2")
UNKNOWN = "unknown"  # the stamp of a key without a creation time
# The fields of the string to sign, in its order; a service SAS has its resource between the two parts.
_SIGNED = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")
_SIGNED_BEFORE, _SIGNED_AFTER = ("sp", "st", "se"), ("si", "sip", "spr", "sv", "sr", "snapshot")
_RESPONSE_HEADERS = ("rscc", "rscd", "rsce", "rscl", "rsct")
_RESOURCE_SINCE = "2018-11-09"  # from this version on, a service SAS signs the kind of its resource
_SCOPE_SINCE = "2020-12-06"  # from this version on, the encryption scope is signed as well


@dataclasses.dataclass(frozen=True)
class AccountKey:
    """One key; `created` is None for a key from before 2021, when Azure began to record the time."""

    name: str
    value: SecretText
    created: datetime.datetime | None

    @property
    def stamp(self) -> str:
        """The creation time as text; it changes when the key is regenerated."""
        return self.created.isoformat() if self.created else UNKNOWN

    def is_in(self, text: str) -> bool:
        """Whether its value stands in a text."""
        value = self.value.reveal()
        return bool(value) and value in text


@dataclasses.dataclass(frozen=True)
class AccountKeys:
    """The keys of a storage account at one time."""

    account: str
    keys: tuple[AccountKey, ...]

    @classmethod
    def from_answer(cls, account: str, keys: Iterable[Any]) -> Self:
        """Read the SDK's answer to listKeys (https://learn.microsoft.com/rest/api/storagerp/storage-accounts/list-keys)."""
        return cls(account.lower(), tuple(_sas_keys(keys)))

    def named(self, name: str) -> AccountKey:
        """The key with this name; raises ActiveKeyError if there is none."""
        found = next((key for key in self.keys if key.name == name), None)
        if found is None:
            raise _unknown(name)
        return found

    @property
    def newest(self) -> AccountKey:
        """The key that was made last; one without a time is the oldest. Raises ActiveKeyError if there is none."""
        if not self.keys:
            raise errors.ActiveKeyError(
                f"Resource Manager lists no key of the storage account {self.account}",
                remedy="Look at its keys in the portal: key1 and key2 should be there.",
            )
        oldest = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        made_last = max(key.created or oldest for key in self.keys)
        return min((key for key in self.keys if (key.created or oldest) == made_last), key=lambda key: key.name)

    def signer(self, token: Sas) -> AccountKey | None:
        """Find the key that signed the SAS; None if neither did, in which case storage refuses the SAS."""
        return next((key for key in self.keys if _signed_with(token, self.account, key.value)), None)


def can_tell(token: Sas) -> bool:
    """Whether keys tell if one of them signed the SAS.

    Not of a user delegation SAS, nor of a service SAS whose path is not known: the signature has it, the token has not.
    """
    return not token.delegated and (token.scope is Scope.ACCOUNT or bool(token.path))


def other(name: str) -> str:
    """The name of the other key; raises ActiveKeyError for any name but key1 and key2."""
    if name not in NAMES:
        raise _unknown(name)
    return NAMES[1 - NAMES.index(name)]


def _sas_keys(keys: Iterable[Any]) -> Iterator[AccountKey]:
    """Leave out Kerberos keys, which may be listed too and sign no SAS."""
    for key in keys:
        name = getattr(key, "key_name", None)
        if isinstance(name, str) and name in NAMES:
            yield AccountKey(name, SecretText(str(key.value or "")), _creation_time(key.creation_time))


def _creation_time(found: object) -> datetime.datetime | None:
    """Read a key's creation time; the SDK leaves as text what it cannot parse."""
    if isinstance(found, datetime.datetime):
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return untrusted.iso_time(found)


def _unknown(name: str) -> errors.ActiveKeyError:
    return errors.ActiveKeyError(
        f"an account has {' and '.join(NAMES)}, not {name!r}",
        remedy="Make key1 or key2 the vault's active key (PATCH /storage/<name> with activeKeyName).",
    )


def _signed_with(token: Sas, account: str, key: SecretText) -> bool:
    """Sign the SAS with the key, and compare the signatures; another kind of key signs a user delegation SAS."""
    fields = sas.fields(token.token.reveal())
    if token.delegated:
        return False
    text = (
        _account_text(account, fields) if token.scope is Scope.ACCOUNT else _service_text(account, token.path, fields)
    )
    try:
        raw = base64.b64decode(key.reveal(), validate=True)
    except binascii.Error:
        return False
    signature = base64.b64encode(hmac.digest(raw, text.encode(), hashlib.sha256))
    return hmac.compare_digest(signature, fields.get("sig", "").encode())


def _account_text(account: str, fields: Mapping[str, str]) -> str:
    lines = [account, *(fields.get(name, "") for name in _SIGNED)]
    if fields.get("sv", "") >= _SCOPE_SINCE:
        lines.append(fields.get("ses", ""))
    return "\n".join(lines) + "\n"


def _service_text(account: str, path: str, fields: Mapping[str, str]) -> str:
    """https://learn.microsoft.com/rest/api/storageservices/create-service-sas#version-2020-12-06-and-later."""
    version = fields.get("sv", "")
    after = _SIGNED_AFTER if version >= _RESOURCE_SINCE else _SIGNED_AFTER[:4]
    if version >= _SCOPE_SINCE:
        after = (*after, "ses")
    lines = [*(fields.get(name, "") for name in _SIGNED_BEFORE), f"/blob/{account}/{path}"]
    lines += [fields.get(name, "") for name in (*after, *_RESPONSE_HEADERS)]
    return "\n".join(lines)
