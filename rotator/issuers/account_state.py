"""What vault and storage account hold at one time: the SAS definition, the active key, the account's keys."""

import dataclasses
import datetime
from collections.abc import Mapping

from rotator import timestamps, untrusted
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.azure.managed_account import StorageBundle
from rotator.sas import Sas, SasDefinition

UNTIL = "rotator-sas-until"


@dataclasses.dataclass(frozen=True)
class StoredDefinition:
    """The SAS definition in the vault: whether it differs from the wanted one, its tags, its longest validity."""

    differs: bool
    tags: Mapping[str, str]
    validity: datetime.timedelta | None

    @property
    def sas_until(self) -> datetime.datetime | None:
        """Until when SAS may live that were issued with a longer validity; None where no tag says so."""
        return untrusted.moment(self.tags.get(UNTIL))

    def tags_for(self, definition: SasDefinition, now: datetime.datetime) -> dict[str, str]:
        """The tags to set with the wanted definition: the present ones, and until when longer-lived SAS may live."""
        tags = dict(self.tags)
        until = self.sas_until
        if until and until <= now:
            del tags[UNTIL]
        if self.validity and self.validity > definition.validity:
            longest = timestamps.after(now, self.validity)
            tags[UNTIL] = timestamps.text(max(longest, until or longest))
        return tags


@dataclasses.dataclass(frozen=True)
class AccountState:
    """One reading; `managed` is None where the identity may not read it, `keys` where they were not listed."""

    stored: StoredDefinition
    managed: StorageBundle | None
    keys: AccountKeys | None = None

    @property
    def active(self) -> str | None:
        """The name of the key that the vault signs with, where that may be known."""
        return self.managed.active_key if self.managed else None

    @property
    def active_key(self) -> AccountKey | None:
        """The active key itself, where keys were listed."""
        return self.keys.named(self.active) if self.keys and self.active else None

    def signer(self, token: Sas) -> str | None:
        """The name of the key that signed the SAS, by its signature; None when neither did or keys were not listed."""
        key = self.keys.signer(token) if self.keys else None
        return key.name if key else None
