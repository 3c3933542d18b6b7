"""A storage account as Key Vault manages it (a StorageBundle), and a SAS definition as the vault has it.

https://learn.microsoft.com/rest/api/keyvault/
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import isodate

from rotator import timestamps, untrusted
from rotator.plan.account import Grant

UNTIL_TAG = "rotator-sas-until"


@dataclasses.dataclass(frozen=True)
class StorageBundle:
    """A managed storage account; `updated` is when the vault's record of it last changed.

    `period_text` is the time between two key regenerations as the vault has it, and `period` the shortest time that
    this can be (a month has 28 days), or None if it cannot be read.
    """

    resource_id: str
    active_key: str
    auto_regenerate: bool
    period: datetime.timedelta | None
    created: datetime.datetime | None = None
    updated: datetime.datetime | None = None
    period_text: str = ""

    @property
    def every(self) -> str:
        """The time between two key regenerations as an ISO 8601 duration; "" if the vault has none."""
        return self.period_text or (isodate.duration_isoformat(self.period) if self.period else "")

    @property
    def account(self) -> str:
        """The storage account's own name."""
        return self.resource_id.rstrip("/").rpartition("/")[2]

    @property
    def regeneration(self) -> dict[str, object]:
        """The fields of automatic key regeneration in a request to the vault."""
        body: dict[str, object] = {"autoRegenerateKey": self.auto_regenerate}
        return {**body, "regenerationPeriod": self.every} if self.every else body

    @property
    def bundle(self) -> dict[str, object]:
        """The body of a request that puts this account under the vault's management."""
        return {"resourceId": self.resource_id, "activeKeyName": self.active_key, **self.regeneration}


def parse(bundle: Mapping[str, Any]) -> StorageBundle:
    """Read a StorageBundle."""
    attributes = untrusted.mapping(bundle.get("attributes"))
    period = bundle.get("regenerationPeriod")
    span = untrusted.span(period)
    return StorageBundle(
        resource_id=str(bundle.get("resourceId", "")),
        active_key=str(bundle.get("activeKeyName", "")).lower(),
        auto_regenerate=bool(bundle.get("autoRegenerateKey")),
        period=span.shortest if span else None,
        created=untrusted.unix_time(attributes.get("created")),
        updated=untrusted.unix_time(attributes.get("updated")),
        period_text=str(period or ""),
    )


@dataclasses.dataclass(frozen=True)
class StoredDefinition:
    """The SAS definition in the vault: whether it differs from the wanted one, its tags, its longest validity."""

    differs: bool
    tags: Mapping[str, str]
    validity: datetime.timedelta | None

    @property
    def sas_until(self) -> datetime.datetime | None:
        """The latest expiry of SAS that were issued with a longer validity; None if no tag has one."""
        return untrusted.iso_time(self.tags.get(UNTIL_TAG))

    def tags_for(
        self, definition: Grant, now: datetime.datetime, tags: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return the tags to set with the wanted definition: these or the present ones, and UNTIL_TAG."""
        tags = dict(self.tags if tags is None else tags)
        until = self.sas_until
        if until and until <= now:
            del tags[UNTIL_TAG]
        if self.validity and self.validity > definition.validity:
            longest = timestamps.after(now, self.validity)
            tags[UNTIL_TAG] = timestamps.text(max(longest, until or longest))
        return tags
