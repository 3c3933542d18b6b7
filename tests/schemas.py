"""The published JSON Schemas as tests take them: strictly, so that a field that a schema does not know is an error."""

import copy
import datetime
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import referencing

FOLDER = Path(__file__).resolve().parents[1] / "docs/schema"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))

Schema = dict[str, Any]

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.datetime.fromisoformat(value).tzinfo is not None


def published() -> dict[str, Schema]:
    """Every schema by its name, as it is published: open for fields to come."""
    return {name: json.loads((FOLDER / f"{name}.schema.json").read_text()) for name in NAMES}


@functools.cache
def strict() -> dict[str, Schema]:
    """The same, closed."""
    schemas = published()
    for schema in schemas.values():
        for _, node in nodes(schema):
            if "properties" in node:
                node["additionalProperties"] = False
    return schemas


def problems(name: str, value: object, schemas: Mapping[str, Schema]) -> list[str]:
    """What a schema says against a value."""
    return [f"{error.json_path}: {error.message}" for error in _validator(name, schemas).iter_errors(value)]


def fits(name: str, value: object, schemas: Mapping[str, Schema]) -> bool:
    return _validator(name, schemas).is_valid(value)


def _validator(name: str, schemas: Mapping[str, Schema]) -> jsonschema.Draft202012Validator:
    resources = [(each["$id"], referencing.Resource.from_contents(each)) for each in schemas.values()]
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(schemas[name], registry=registry, format_checker=_formats)


def nodes(node: object, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a schema, each with the JSON pointer to it."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield at, node
    for place, child in children:
        yield from nodes(child, f"{at}/{place}")


def narrower(name: str) -> Iterator[tuple[str, dict[str, Schema]]]:
    """All strict schemas without one field, value, type or alternative that the named one has, for each of these."""
    for at, node in nodes(strict()[name]):
        for word, places in _parts(node):
            for place in places:
                schemas = copy.deepcopy(strict())
                del dict(nodes(schemas[name]))[at][word][place]
                yield f"{at}/{word}: {place if word == 'properties' else node[word][place]}", schemas


def _parts(node: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(node.get("properties"), dict) and "type" in node:
        yield "properties", list(node["properties"])
    for word in ("enum", "type", "anyOf", "oneOf"):
        if isinstance(node.get(word), list):
            yield word, list(range(len(node[word])))
