"""XML as the values that an OpenAPI document describes, by its `xml` hints.

https://swagger.io/specification/v2/#xml-object
"""

from typing import Any
from xml.etree import ElementTree


def read(spec: Any, schema: Any, body: bytes) -> Any:
    """Read a document; raises ValueError when it is none."""
    try:
        return _value(spec, schema, ElementTree.fromstring(body.removeprefix(b"\xef\xbb\xbf")))
    except ElementTree.ParseError as error:
        raise ValueError("no XML") from error


def _value(spec: Any, schema: Any, element: ElementTree.Element) -> Any:
    schema = spec.deref(schema)
    if schema.get("type") == "array":
        return [_value(spec, schema["items"], child) for child in element]
    if "properties" in schema:
        return _members(spec, schema, element)
    return _scalar(schema.get("type"), element.text or "")


def _members(spec: Any, schema: Any, element: ElementTree.Element) -> dict[str, Any]:
    members: dict[str, Any] = {}
    known = {name: spec.deref(each) for name, each in schema["properties"].items()}
    names = {each.get("xml", {}).get("name", name): name for name, each in known.items()}
    for name, each in known.items():
        if (
            each.get("type") == "array"
            and not each.get("xml", {}).get("wrapped")
            and name in schema.get("required", ())
        ):
            members[name] = []  # none of them is no element at all
    for name, text in element.attrib.items():
        members[names.get(name, name)] = text
    for child in element:
        name = names.get(child.tag, child.tag)
        each = known.get(name)
        if each is None:
            # An array that is not wrapped stands as its items, each under the item's own name.
            name, each = _unwrapped(spec, known, child.tag)
            if each is not None:
                members.setdefault(name, []).append(_value(spec, each["items"], child))
                continue
        members[name] = child.text if each is None else _value(spec, each, child)
    return members


def _unwrapped(spec: Any, known: dict[str, Any], tag: str) -> tuple[str, Any]:
    for name, each in known.items():
        if each.get("type") == "array" and not each.get("xml", {}).get("wrapped"):
            item = spec.deref(each["items"])
            if item.get("xml", {}).get("name") == tag or tag in (
                name,
                each["items"].get("$ref", "").rpartition("/")[2],
            ):
                return name, each
    return tag, None


def _scalar(kind: str | None, text: str) -> Any:
    if kind == "integer":
        return int(text)
    return {"true": True, "false": False}[text] if kind == "boolean" else text
