"""What an account's expiration policy says about a SAS, and whether a user delegation SAS has to be bound to a user.

https://learn.microsoft.com/azure/storage/common/sas-expiration-policy
"""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from sandbox.azure import account_sas

BLOCK = "Block"
_PERIOD = re.compile(r"(\d+)\.(\d\d):(\d\d):(\d\d)")


def period(text: str) -> datetime.timedelta:
    """Read "DD.HH:MM:SS"; ValueError for any other form."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise ValueError("sasExpirationPeriod is not written as DD.HH:MM:SS.")
    days, hours, minutes, seconds = map(int, found.groups())
    return datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def violation(policy: Mapping[str, Any] | None, fields: Mapping[str, str]) -> str | None:
    """Return what a policy that blocks has against a SAS; None where it has nothing, or only writes to the log.

    The first text is the service's, as reported in microsoft/AzureStorageExplorer#8845; the others are by guess.
    """
    policy = policy or {}
    if policy.get("expirationAction") == BLOCK and policy.get("sasExpirationPeriod"):
        if not fields.get("st"):
            return "Policy violated by no signed start."
        lifetime = account_sas.parse_time(fields["se"]) - account_sas.parse_time(fields["st"])
        if lifetime > period(policy["sasExpirationPeriod"]):
            return "Policy violated by the length of the signed interval."
    unbound = "skoid" in fields and not fields.get("sduoid")
    # The action alone counts as a demand too: whether the service asks for both is not known.
    required = policy.get("requireUserBoundUserDelegationSas", True)
    if unbound and required and policy.get("requireUserBoundUserDelegationSasAction") == BLOCK:
        return "Policy violated by no signed delegated user object id."
    return None
