"""Azure's resource types as Bicep has them, and whether a declaration is one.

https://github.com/Azure/bicep-types/blob/main/src/bicep-types/src/types.ts has the format.
"""

import enum
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.infra import bicep

# Of a declaration in Bicep, not of the resource.
_OF_BICEP = {"parent", "scope", "dependsOn"}


class _Flag(enum.IntFlag):
    REQUIRED = 1
    READ_ONLY = 2


class Types:
    """The types in every `types.json` under a folder, by `type@version`."""

    def __init__(self, folder: Path) -> None:
        self._bodies: dict[str, tuple[list[Any], Any]] = {}
        for path in sorted(folder.rglob("types.json")):
            types = json.loads(path.read_text())
            for each in types:
                if each["$type"] == "ResourceType":
                    self._bodies[each["name"].lower()] = (types, each["body"])

    def knows(self, target: str) -> bool:
        """Whether there is a type of that name and version."""
        return target.lower() in self._bodies

    def problems(self, resource: bicep.Declaration) -> list[str]:
        """In what the declaration is not of its type; what only a deployment can evaluate may be anything."""
        if not self.knows(resource.target):
            return [f"there is no type {resource.target}"]
        types, body = self._bodies[resource.target.lower()]
        value = {name: each for name, each in resource.body.items() if name not in _OF_BICEP}
        return list(_Check(types).value("", value, body))


class _Check:
    def __init__(self, types: list[Any]) -> None:
        self._types = types

    def value(self, where: str, value: Any, reference: Mapping[str, str]) -> Iterator[str]:
        kind = self._types[int(reference["$ref"].rpartition("/")[2])]
        if value is None or isinstance(value, bicep.Code):
            return
        yield from getattr(self, f"_{kind['$type']}")(where, value, kind)

    def _AnyType(self, _where: str, _value: Any, _kind: Any) -> Iterator[str]:  # noqa: N802  # by the type's name
        yield from ()

    def _StringType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        if not isinstance(value, str):
            yield f"{where}: {value!r} is no text"
        elif not kind.get("minLength", 0) <= len(value) <= kind.get("maxLength", len(value)):
            yield f"{where}: {value!r} is too short or too long"
        elif "pattern" in kind and not re.search(kind["pattern"], value):
            yield f"{where}: {value!r} is not as {kind['pattern']}"

    def _StringLiteralType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        if value != kind["value"]:
            yield f"{where}: {value!r} is not {kind['value']!r}"

    def _BooleanType(self, where: str, value: Any, _kind: Any) -> Iterator[str]:  # noqa: N802
        if not isinstance(value, bool):
            yield f"{where}: {value!r} is no boolean"

    def _IntegerType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{where}: {value!r} is no integer"
        elif not kind.get("minValue", value) <= value <= kind.get("maxValue", value):
            yield f"{where}: {value} is out of range"

    def _ArrayType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for number, each in enumerate(value):
            yield from self.value(f"{where}[{number}]", each, kind["itemType"])

    def _UnionType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        found = [list(self.value(where, value, each)) for each in kind["elements"]]
        if all(found):
            yield from min(found, key=len)

    def _ObjectType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        yield from self._members(where, value, kind.get("properties", {}), kind.get("additionalProperties"))

    def _DiscriminatedObjectType(self, where: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: N802
        chosen = value.get(kind["discriminator"]) if isinstance(value, dict) else None
        if isinstance(chosen, bicep.Code):
            return
        element = kind["elements"].get(chosen)
        if element is None:
            yield f"{where}.{kind['discriminator']}: {chosen!r} is none of {', '.join(kind['elements'])}"
            return
        more = self._types[int(element["$ref"].rpartition("/")[2])]
        yield from self._members(where, value, {**kind["baseProperties"], **more["properties"]}, None)

    def _members(self, where: str, value: Any, known: Mapping[str, Any], others: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        for name, each in known.items():
            if each["flags"] & _Flag.REQUIRED and name not in value:
                yield f"{where}.{name} is missing"
        for name, each in value.items():
            if name in known:
                if known[name]["flags"] & _Flag.READ_ONLY:
                    yield f"{where}.{name} is read-only"
                yield from self.value(f"{where}.{name}", each, known[name]["type"])
            elif others is None:
                yield f"{where}.{name} is no member"
            else:
                yield from self.value(f"{where}.{name}", each, others)
