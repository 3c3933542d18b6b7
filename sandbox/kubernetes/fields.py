"""How patches change a Secret, and which field manager owns what, as server-side apply needs it.

https://kubernetes.io/docs/reference/using-api/server-side-apply/ (managedFields themselves aren't shown)
"""

import copy
import dataclasses
from typing import Any

from sandbox.kubernetes.refusals import Document, apply_conflict

Path = tuple[str, ...]
_MAPS: tuple[Path, ...] = (("data",), ("metadata", "labels"), ("metadata", "annotations"))
_LEAVES: tuple[Path, ...] = (("type",), ("immutable",), ("metadata", "finalizers"))


@dataclasses.dataclass(frozen=True)
class Manager:
    """Who writes fields, and whether by applying them."""

    name: str
    applies: bool = False


Owners = dict[Manager, set[Path]]


def merged(current: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386); what only a strategic merge knows, the $ directives, is dropped."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif not key.startswith("$"):
            result[key] = merged(result.get(key), value)
    return result


def leaves(document: Document) -> dict[Path, Any]:
    """Return each field that can have an owner, with its value."""
    found = {path: value for path in _LEAVES if (value := _at(document, path)) is not None}
    for path in _MAPS:
        found |= {(*path, key): value for key, value in (_at(document, path) or {}).items()}
    return found


def written(owners: Owners, manager: Manager, old: Document, new: Document) -> Owners:
    """Return the owners after an ordinary write: the writer owns what it changed."""
    before, after = leaves(old), leaves(new)
    changed = {path for path, value in after.items() if before.get(path) != value}
    rest = {owner: (paths - changed) & after.keys() for owner, paths in owners.items()}
    rest[manager] = rest.get(manager, set()) | changed
    return {owner: paths for owner, paths in rest.items() if paths}


def applied(current: Document, wanted: Document, owners: Owners, manager: Manager, *, force: bool) -> Document:
    """Merge what a manager applies; what it applied before and no longer does is removed unless others own it."""
    present, asked = leaves(current), leaves(wanted)
    others = {owner: paths for owner, paths in owners.items() if owner != manager}
    conflicts = [
        (owner.name, f".{'.'.join(path)}")
        for owner, paths in others.items()
        for path in sorted(paths & asked.keys())
        if present.get(path) != asked[path]
    ]
    if conflicts and not force:
        raise apply_conflict(conflicts)
    result = copy.deepcopy(current)
    for path in owners.get(manager, set()) - asked.keys() - set().union(*others.values()):
        _remove(result, path)
    for path, value in asked.items():
        _put(result, path, value)
    return result


def owners_after_apply(owners: Owners, manager: Manager, wanted: Document, old: Document) -> Owners:
    """Return the owners after an apply: a field that got another value has no other owner any more."""
    present, asked = leaves(old), leaves(wanted)
    taken = {path for path, value in asked.items() if present.get(path) != value}
    rest = {owner: paths - taken for owner, paths in owners.items() if owner != manager}
    return {**{owner: paths for owner, paths in rest.items() if paths}, manager: set(asked)}


def _at(document: Document, path: Path) -> Any:
    for key in path:
        document = document.get(key) or {}
    return document or None if isinstance(document, dict) else document


def _put(document: Document, path: Path, value: Any) -> None:
    for key in path[:-1]:
        document = document.setdefault(key, {})
    document[path[-1]] = value


def _remove(document: Document, path: Path) -> None:
    for key in path[:-1]:
        document = document.get(key, {})
    document.pop(path[-1], None)
