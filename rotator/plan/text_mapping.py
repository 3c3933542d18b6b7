"""A mapping from names to texts as an operator writes it in one setting: in YAML or in JSON.

YAML is read as text only: `on`, `1.10` and `2026-07-01` stay what they are. Null is no text, and is refused, as it
is in JSON: a name without a value may be one whose value was forgotten. PyYAML is the reader that everybody has,
and its base loader makes nothing but texts of scalars (https://pyyaml.org/wiki/PyYAMLDocumentation).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

_KIND = "it must be a mapping in YAML or JSON"
_YAML_NULL = ("", "~", "null", "Null", "NULL")  # https://yaml.org/spec/1.2.2/#1032-tag-resolution


def parse(text: object) -> dict[str, str]:
    """The names and texts of a mapping, in their order; raises ValueError, which quotes no value."""
    if isinstance(text, Mapping):
        return _checked(text.items())
    written = str(text)
    if written.lstrip().startswith("{"):
        try:
            return _checked(_json_pairs(written))
        except json.JSONDecodeError:
            pass  # YAML's own form of a mapping in braces
        except RecursionError:
            raise ValueError(_KIND) from None
    return _checked(_yaml_pairs(written))


def _json_pairs(written: str) -> list[tuple[str, Any]]:
    # Numbers are texts here, as in YAML; a pair's value that is a mapping becomes a list, which is refused.
    found: list[tuple[str, Any]] = json.loads(written, object_pairs_hook=list, parse_int=str, parse_float=str)
    return found


def _yaml_pairs(written: str) -> list[tuple[Any, Any]]:
    import yaml

    try:
        nodes = list(yaml.compose_all(written, Loader=yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:  # not chained: its message quotes the text
        mark = error.problem_mark
        where = f": line {mark.line + 1}, column {mark.column + 1} is not YAML" if mark else ""
        raise ValueError(f"{_KIND}{where}") from None
    except (yaml.YAMLError, RecursionError, ValueError):  # the latter for a code point that is none
        raise ValueError(_KIND) from None
    if len(nodes) > 1:
        raise ValueError(f"it must be one mapping: line {nodes[1].start_mark.line + 1} is of a second YAML document")
    if not nodes or not isinstance(nodes[0], yaml.MappingNode):
        raise ValueError(_KIND)
    return [(_yaml_value(name), _yaml_value(value)) for name, value in nodes[0].value]


def _yaml_value(node: Any) -> str | list[Any] | None:
    """The text of a scalar; None for YAML's null, which is never quoted; an empty list for what is no scalar."""
    if not isinstance(node.value, str):
        return []
    return None if node.style is None and node.value in _YAML_NULL else node.value


def _checked(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            raise ValueError("each name must be a text")  # noqa: TRY004  # as above
        if name in found:
            raise ValueError(f"{_shown(name)} is there twice")
        found[name] = _text(name, value)
    return found


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        raise ValueError(f'the value of {_shown(name)} is null: write a text, or "" for an empty one, or leave it out')
    if not isinstance(value, str):
        raise ValueError(f"the value of {_shown(name)} must be a text: in YAML, one with braces needs quotes")  # noqa: TRY004
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a character that UTF-16 writes in two
        raise ValueError(f"the value of {_shown(name)} is not Unicode") from None
    return value


def _shown(name: str) -> str:
    """A name as a message quotes it, which is short, as a value may have been written in its place."""
    plain = name if name.isprintable() else "a name with control characters"
    return plain if len(plain) <= 80 else f"{plain[:20]}…"  # noqa: PLR2004  # a line's width
