"""A stateful stand-in for a storage account and the time: keys that sign, and SAS that are accepted or not."""

import base64
import datetime
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping

from tests.fakes.examples import LONG_AGO, NOW


class Clock:
    def __init__(self) -> None:
        self.now: datetime.datetime = NOW

    def __call__(self) -> datetime.datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += datetime.timedelta(**duration)


class Account:
    """A storage account: its two keys, when each was made, and which SAS it accepts.

    A user delegation key signs until it is revoked: instead of by its signature, it is known by its owner's id.
    """

    def __init__(self, clock: Clock) -> None:
        self.name = "mystorage"
        self.clock = clock
        self.made: dict[str, datetime.datetime | None] = {"key1": LONG_AGO, "key2": LONG_AGO}
        self.regenerated: list[str] = []
        self.revocations = 0

    @property
    def owner(self) -> str:
        """Whose user delegation keys are given now: another one after each revocation."""
        return f"00000000-0000-0000-0000-{self.revocations:012}"

    def value(self, name: str) -> str:
        times = self.regenerated.count(name)
        return base64.b64encode(f"{name} after {times} regenerations".ljust(64).encode()).decode()

    def regenerate(self, name: str) -> None:
        self.regenerated.append(name)
        self.made[name] = self.clock()

    def sign(self, fields: Mapping[str, str], key: str) -> str:
        """https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string."""
        names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
        names += ["ses"] if fields.get("sv", "") >= "2020-12-06" else []
        text = "".join(f"{line}\n" for line in (self.name, *(fields.get(name, "") for name in names)))
        mac = hmac.new(base64.b64decode(self.value(key)), text.encode(), hashlib.sha256)
        return base64.b64encode(mac.digest()).decode()

    def signer(self, token: str) -> str | None:
        fields = dict(urllib.parse.parse_qsl(token))
        return next((key for key in self.made if self.sign(fields, key) == fields.get("sig")), None)

    def accepts(self, token: str) -> bool:
        fields = dict(urllib.parse.parse_qsl(token))
        until = datetime.datetime.fromisoformat(fields["se"])
        if "skoid" in fields:
            of_key = datetime.datetime.fromisoformat(fields["ske"])
            return min(until, of_key) > self.clock() and fields["skoid"] == self.owner
        return until > self.clock() and self.signer(token) is not None
