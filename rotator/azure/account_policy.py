"""What a storage account's own properties say about SAS: keys switched off, policies, networks.

Properties of Azure Resource Manager: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/get-properties
"""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from typing import Any, Self

from rotator import untrusted
from rotator.azure import resource_facts

# By the letters that SAS_SERVICES has; the names are those of Resource Manager.
SERVICES = {"b": "blob", "f": "file", "q": "queue", "t": "table"}
_LONGEST_DAYS = 36500  # a longer period means nothing, and timedelta is bounded


class PolicyAction(enum.StrEnum):
    """What storage does with a SAS that a policy does not allow."""

    NONE = "None"
    LOG = "Log"  # accepts it, and writes that to its log
    BLOCK = "Block"

    @classmethod
    def read(cls, found: object, missing: "PolicyAction") -> "PolicyAction":
        """Read Azure's word in any case; an unknown one counts as LOG: worth a look, and no failure."""
        if found is None:
            return missing
        return next((one for one in cls if one.lower() == str(found).lower()), cls.LOG)


@dataclasses.dataclass(frozen=True)
class AccountPolicy:
    """What an account accepts.

    `keyless` are the services that refuse whatever an account key signed. `longest` is the longest time between a SAS's
    start and its expiry, None without such a policy, and `action` is what storage does with a longer one. `unbound` is
    what it does with a user delegation SAS that is not bound to a user. `key_age` is how old a key should become.
    `admits_listed_only` says that only listed networks reach it, and `private` that no public network does.
    """

    keyless: frozenset[str] = frozenset()
    longest: datetime.timedelta | None = None
    action: PolicyAction = PolicyAction.LOG
    unbound: PolicyAction = PolicyAction.NONE
    key_age: datetime.timedelta | None = None
    admits_listed_only: bool = False
    private: bool = False

    @classmethod
    def from_answer(cls, properties: Mapping[str, Any]) -> Self:
        """Read `properties`; what is missing there, or of another form, restricts nothing."""
        sas, networks = untrusted.mapping(properties.get("sasPolicy")), properties.get("networkAcls")
        longest = resource_facts.timespan(sas.get("sasExpirationPeriod"))
        public = str(properties.get("publicNetworkAccess") or "Enabled").lower()
        return cls(
            keyless=_keyless(properties),
            longest=longest or None,
            action=PolicyAction.read(sas.get("expirationAction"), PolicyAction.LOG),
            unbound=_unbound(sas),
            key_age=_days(untrusted.mapping(properties.get("keyPolicy")).get("keyExpirationPeriodInDays")),
            admits_listed_only=str(untrusted.mapping(networks).get("defaultAction")).lower() == "deny",
            private=public in ("disabled", "securedbyperimeter"),
        )


def _keyless(properties: Mapping[str, Any]) -> frozenset[str]:
    """The services without shared key access: all, or those that are switched off by themselves; null means allowed."""
    if properties.get("allowSharedKeyAccess") is False:
        return frozenset(SERVICES.values())
    each = untrusted.mapping(properties.get("allowSharedKeyAccessForServices"))
    return frozenset(one for one in SERVICES.values() if untrusted.mapping(each.get(one)).get("enabled") is False)


def _unbound(sas: Mapping[str, Any]) -> PolicyAction:
    """The action counts where the requirement is not switched off; Azure may leave either of them out."""
    required = sas.get("requireUserBoundUserDelegationSas")
    if required is False:
        return PolicyAction.NONE
    missing = PolicyAction.LOG if required else PolicyAction.NONE
    return PolicyAction.read(sas.get("requireUserBoundUserDelegationSasAction"), missing)


def _days(found: object) -> datetime.timedelta | None:
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= _LONGEST_DAYS:
        return None
    return datetime.timedelta(days=found)
