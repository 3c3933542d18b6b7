"""Kubernetes' protobuf as far as kubectl sends it: `create` of Secrets, Namespaces, roles and bindings, `auth can-i`.

The numbers are those of generated.proto in k8s.io/api and k8s.io/apimachinery; what isn't named here is skipped.
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

import base64
import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

from sandbox.kubernetes.refusals import Document, bad_request

MAGIC = b"k8s\x00"
Kind = Literal["text", "flag", "message", "texts", "messages", "text map", "bytes map"]


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    kind: Kind = "text"
    message: "dict[int, _Field]" = dataclasses.field(default_factory=dict)


_ENVELOPE = {1: _Field("type", "message", {1: _Field("apiVersion"), 2: _Field("kind")})}
_METADATA = _Field(
    "metadata",
    "message",
    {
        1: _Field("name"),
        2: _Field("generateName"),
        3: _Field("namespace"),
        5: _Field("uid"),
        6: _Field("resourceVersion"),
        11: _Field("labels", "text map"),
        12: _Field("annotations", "text map"),
        14: _Field("finalizers", "texts"),
    },
)
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_RESOURCE = _Field("resourceAttributes", "message", {n: _Field(name) for n, name in enumerate(_ATTRIBUTES, 1)})
_PATH = _Field("nonResourceAttributes", "message", {1: _Field("path"), 2: _Field("verb")})
_RULES = _Field(
    "rules",
    "messages",
    {n: _Field(name, "texts") for n, name in enumerate(("verbs", "apiGroups", "resources", "resourceNames"), 1)},
)
_SUBJECTS = _Field(
    "subjects", "messages", {n: _Field(name) for n, name in enumerate(("kind", "apiGroup", "name", "namespace"), 1)}
)
_ROLE = _Field("roleRef", "message", {n: _Field(name) for n, name in enumerate(("apiGroup", "kind", "name"), 1)})
_PRECONDITIONS = _Field("preconditions", "message", {1: _Field("uid"), 2: _Field("resourceVersion")})
_MESSAGES: dict[str, dict[int, _Field]] = {
    "Namespace": {1: _METADATA},
    "Secret": {
        1: _METADATA,
        2: _Field("data", "bytes map"),
        3: _Field("type"),
        4: _Field("stringData", "text map"),
        5: _Field("immutable", "flag"),
    },
    "Role": {1: _METADATA, 2: _RULES},
    "RoleBinding": {1: _METADATA, 2: _SUBJECTS, 3: _ROLE},
    "SelfSubjectReview": {1: _METADATA},
    "SelfSubjectAccessReview": {1: _METADATA, 2: _Field("spec", "message", {1: _RESOURCE, 2: _PATH})},
    "DeleteOptions": {2: _PRECONDITIONS, 5: _Field("dryRun", "texts")},
}


def decode(body: bytes) -> Document:
    """Return the object as its JSON would be."""
    try:
        envelope = body.removeprefix(MAGIC)
        types: dict[str, str] = _message(envelope, _ENVELOPE)["type"]
        raw = next(value for number, value in _fields(envelope) if number == 2)
        return {**types, **_message(_bytes(raw), _MESSAGES[types["kind"]])}
    except (KeyError, IndexError, StopIteration, TypeError, UnicodeDecodeError) as error:
        raise bad_request("the sandbox can't read this protobuf message") from error


def _message(data: bytes, fields: dict[int, _Field]) -> Document:
    result: Document = {}
    for number, value in _fields(data):
        field = fields.get(number)
        # Go writes every string, set or not: an empty one means that there is none, unless it is in a list.
        if field is None or (value == b"" and field.kind != "texts"):
            continue
        if field.kind == "flag":
            result[field.name] = bool(value)
        elif field.kind == "texts":
            result.setdefault(field.name, []).append(_bytes(value).decode())
        elif field.kind in ("text map", "bytes map"):
            result.setdefault(field.name, {}).update(_entry(_bytes(value), encoded=field.kind == "bytes map"))
        elif field.kind == "messages":
            result.setdefault(field.name, []).append(_message(_bytes(value), field.message))
        elif field.kind == "message":
            result[field.name] = _message(_bytes(value), field.message)
        else:
            result[field.name] = _bytes(value).decode()
    return result


def _entry(data: bytes, *, encoded: bool) -> dict[str, str]:
    entry = {number: _bytes(value) for number, value in _fields(data)}
    value = entry.get(2, b"")
    return {entry.get(1, b"").decode(): base64.b64encode(value).decode() if encoded else value.decode()}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk a message's fields: numbers as they are, everything of a known length as bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, position = _varint(data, position)
        elif wire == 2:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        else:
            raise TypeError(f"wire type {wire}")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where text belongs")
    return value
