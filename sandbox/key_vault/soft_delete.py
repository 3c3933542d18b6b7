"""Soft deletion: what is deleted stays a while and can be brought back, and both take the service some seconds.

Recorded once: four seconds after its deletion a managed account could not be purged yet, but was not found.
https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
"""

import dataclasses
import time
from typing import TypeVar

from sandbox.key_vault import errors


@dataclasses.dataclass(kw_only=True)
class SoftDeletable:
    """`deleted` is in unix seconds. Until `settled`, on the monotonic clock, a deletion or a recovery is under way."""

    deleted: int = 0
    settled: float = 0.0

    @property
    def settling(self) -> bool:
        """Whether the service is still at it."""
        return time.monotonic() < self.settled


Object = TypeVar("Object", bound=SoftDeletable)


@dataclasses.dataclass(frozen=True)
class Kind:
    """What refusals call an object; `noun` is for a 404 and `title` for a 409."""

    noun: str
    code: str
    title: str

    def not_found(self, name: str) -> errors.VaultError:
        """404, for what is deleted as for what was never there."""
        return errors.not_found(self.code, self.noun, name)


def living(kind: Kind, objects: dict[str, Object], name: str) -> Object:
    """Return an object that can be read; one that is being recovered cannot yet."""
    found = objects.get(name)
    if found is None or found.settling:
        raise kind.not_found(name)
    return found


def writable(kind: Kind, objects: dict[str, Object], gone: dict[str, Object], name: str) -> Object | None:
    """Return what a write would replace; what is deleted or about to be, or being recovered, is a conflict."""
    if name in gone:
        raise (errors.being_deleted(kind.title, name) if gone[name].settling else errors.deleted(kind.title, name))
    found = objects.get(name)
    if found is not None and found.settling:
        raise errors.being_recovered(kind.title, name)
    return found


def delete(kind: Kind, objects: dict[str, Object], gone: dict[str, Object], name: str, seconds: float) -> Object:
    """Delete softly, which takes this long."""
    writable(kind, objects, gone, name)
    found = gone[name] = living(kind, objects, name)
    del objects[name]
    found.deleted, found.settled = int(time.time()), time.monotonic() + seconds
    return found


def recover(kind: Kind, objects: dict[str, Object], gone: dict[str, Object], name: str, seconds: float) -> Object:
    """Bring back what is deleted, which takes this long; a deletion under way is a 404."""
    found = objects[name] = living(kind, gone, name)
    del gone[name]
    found.settled = time.monotonic() + seconds
    return found
