"""Management locks: what they forbid, however wide the caller's roles are.

https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
"""

import dataclasses
from collections.abc import Iterable

from sandbox.azure import arm_errors
from sandbox.resource_manager import roles

READ_ONLY = "ReadOnly"
CAN_NOT_DELETE = "CanNotDelete"


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock on a resource id, or on the beginning of one: a resource group or a subscription."""

    scope: str
    name: str
    level: str = READ_ONLY
    notes: str = ""

    @property
    def id(self) -> str:
        """The lock's own resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/locks/{self.name}"


def check(locks: Iterable[Lock], method: str, scope: str) -> None:
    """Refuse what a ReadOnly lock forbids; a POST counts as writing, even if it only reads keys."""
    if method == "GET":
        return
    locked = [lock.scope for lock in locks if lock.level == READ_ONLY and roles.reaches(lock.scope, scope)]
    if locked:
        raise arm_errors.locked(scope, locked)
