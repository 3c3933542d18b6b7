"""What an issuer knows of its account at one time: which key signs, since when, and how long SAS live."""

import dataclasses
import datetime
from collections.abc import Mapping

from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.sas import Sas


@dataclasses.dataclass(frozen=True)
class AccountState:
    """One reading of an account.

    `account` is the storage account's name and `active` the key that signs; both are None where the identity may not
    read them. `active_since` is when another key may last have become the active one. `keys` is None where they were
    not listed. `prepared` says whether a SAS can be issued without changing anything before. `validity` is how long the
    SAS that are issued now live at most, and `sas_until` until when longer-lived ones may live that were issued before.
    `entries` are what earlier runs recorded (see `RunState`). `warnings` are what does not fit together.
    """

    account: str | None = None
    active: str | None = None
    active_since: datetime.datetime | None = None
    keys: AccountKeys | None = None
    prepared: bool = True
    validity: datetime.timedelta | None = None
    sas_until: datetime.datetime | None = None
    entries: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def active_key(self) -> AccountKey | None:
        """The active key itself, where keys were listed."""
        return self.keys.named(self.active) if self.keys and self.active else None

    def signer(self, token: Sas) -> str | None:
        """The name of the key that signed the SAS, by its signature; None when neither did or keys were not listed."""
        key = self.keys.signer(token) if self.keys else None
        return key.name if key else None
