"""From a request's bytes to a Secret as the API server keeps it: decoded, checked for types, defaulted."""

import base64
import binascii
import json
import re
from typing import Any

from sandbox.kubernetes import protobuf
from sandbox.kubernetes.refusals import Document, bad_request

_FIELDS = {"apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"}
_METADATA_FIELDS = {
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
    "managedFields",
}
_LONGEST_SUMMARY = 30  # bytes of a body that the real server quotes, apimachinery's runtime.summarizeData


def parse(body: bytes, kind: str = "Secret", version: str = "v1") -> Document:
    """Read an object of one kind; the API takes one without `kind` for what belongs there."""
    try:
        binary = body.startswith(protobuf.MAGIC)
        document = protobuf.decode(body) if binary else json.loads(body)
    except ValueError as error:
        raise _unrecognized(body, kind, _json_error(body)) from error
    if not isinstance(document, dict):
        raise _unrecognized(body, kind, "json: cannot unmarshal array into Go value of type struct")
    actual, stated = document.get("kind") or kind, document.get("apiVersion") or version
    if (actual, stated) != (kind, version):
        words = f"converting ({stated}.{actual}) to (core.{kind}): unknown conversion"
        if stated != version:
            words = f'no kind "{actual}" is registered for version "{stated}" in scheme "legacyscheme/scheme.go:30"'
        raise bad_request(f'{actual} in version "{stated}" cannot be handled as a {kind}: {words}')
    if not isinstance(document.setdefault("metadata", {}), dict):
        raise _mistyped("metadata", document["metadata"], "v1.ObjectMeta", kind)
    return document


def check_unknown_fields(document: Document, *, patch: bool = False) -> None:
    """Refuse misspelled fields, as with fieldValidation=Strict, which kubectl asks for by default."""
    unknown = [field for field in document if field not in _FIELDS]
    unknown += [f"metadata.{field}" for field in document["metadata"] if field not in _METADATA_FIELDS]
    unknown = [field for field in unknown if not (patch and field.rpartition(".")[2].startswith("$"))]
    if unknown:
        problems = ", ".join(f'unknown field "{field}"' for field in unknown)
        raise _unusable(f"strict decoding error: {problems}")


def secret(document: Document) -> Document:
    """Check the types and the base64, fold stringData into data and fill in what has a default."""
    metadata = {key: value for key, value in document["metadata"].items() if key in _METADATA_FIELDS and value}
    metadata.pop("managedFields", None)
    for field in ("labels", "annotations"):
        _check_strings(f"metadata.{field}", metadata.get(field, {}))
    for field in ("name", "namespace", "uid", "resourceVersion", "generateName"):
        if not isinstance(metadata.get(field, ""), str):
            raise _mistyped(f"metadata.{field}", metadata[field], "string")
    data = _data(document)
    result: Document = {"kind": "Secret", "apiVersion": "v1", "metadata": metadata}
    if data:
        result["data"] = data
    immutable = document.get("immutable")
    if not isinstance(immutable, bool | None):
        raise _mistyped("immutable", immutable, "bool")
    if immutable is not None:
        result["immutable"] = immutable
    kind = document.get("type") or "Opaque"
    if not isinstance(kind, str):
        raise _mistyped("type", kind, "v1.SecretType")
    return {**result, "type": kind}


def decoded_bytes(document: Document) -> int:
    """Return the size of the values, as the limit of 1 MiB counts them."""
    return sum(len(base64.b64decode(value)) for value in document.get("data", {}).values())


def _data(document: Document) -> dict[str, str]:
    data, plain = document.get("data") or {}, document.get("stringData") or {}
    _check_strings("stringData", plain)
    if not isinstance(data, dict):
        raise _mistyped("data", data, "map[string][]uint8")
    encoded = {key: _base64(value) for key, value in data.items()}
    return encoded | {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}


def _base64(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _mistyped("data", value, "[]uint8")
    compact = value.replace("\r", "").replace("\n", "")  # Go's decoder skips line ends
    try:
        return base64.b64encode(base64.b64decode(compact, validate=True)).decode()
    except (binascii.Error, ValueError) as error:
        wrong = re.search(r"[^A-Za-z0-9+/]", compact)
        position = wrong.start() if wrong else len(compact)
        raise _unusable(f"illegal base64 data at input byte {position}") from error


def _check_strings(field: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise _mistyped(field, value, "map[string]string")
    for entry in value.values():
        if not isinstance(entry, str):
            raise _mistyped(field, entry, "string")


def _mistyped(field: str, value: Any, wanted: str, kind: str = "Secret") -> Exception:
    found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return _unusable(f"json: cannot unmarshal {found} into Go struct field {kind}.{field} of type {wanted}", kind)


def _unusable(words: str, kind: str = "Secret") -> Exception:
    return bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {words}')


def _unrecognized(body: bytes, kind: str, words: str) -> Exception:
    text = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind"
    return bad_request(f"{text}; json parse error: {words} ({_summary(body)})")


def _json_error(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    if not text or text[0] in '{["':
        return "unexpected end of JSON input"
    return f"invalid character '{text[0]}' looking for beginning of value"


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    cut = body[:_LONGEST_SUMMARY]
    shown = cut.decode(errors="replace") if body.startswith(b"{") else cut.hex()
    return shown if len(body) <= _LONGEST_SUMMARY else f"{shown} ..."
