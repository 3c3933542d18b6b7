"""Templates of a Secret's data: texts with placeholders, such as `AZURE_STORAGE_SAS_TOKEN={sas}`.

A placeholder is a name in braces; `{{` and `}}` are braces. Everything else stays as it is, line breaks included.
"""

import dataclasses
import enum
import re

# A dotted name is kept free for one of several grants: `{reader.sas}`.
_TOKEN = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,63})\}|(?P<lone>[{}])")
# What other syntaxes have beside a name: { sas }, {sas!r}, {sas[0]}.
_WITH_MORE = re.compile(r"\{\s*(?P<name>[A-Za-z_]+)(?![A-Za-z0-9_])[^{}]{0,100}\}")


class Placeholder(enum.Enum):
    """What a template may ask for, by the name in its braces."""

    SAS = "sas"  # without a leading ?
    SAS_QUERY = "sas_query"  # with a leading ?
    URL = "url"  # what the SAS is for: the account's blob endpoint, or the container, with the SAS
    CONTAINER_URL = "container_url"
    CONNECTION_STRING = "connection_string"
    ACCOUNT = "account"
    CONTAINER = "container"
    BLOB_ENDPOINT = "blob_endpoint"  # without a final /
    EXPIRES = "expires"  # ISO 8601 in UTC
    PREVIOUS = "previous"  # the SAS before, without ?, as long as it is valid; else empty
    ACCOUNT_KEY = "account_key"

    @property
    def written(self) -> str:
        """As it stands in a template."""
        return f"{{{self.value}}}"


_KNOWN = {each.value: each for each in Placeholder}
SAS_BEARING = frozenset(
    {
        Placeholder.SAS,
        Placeholder.SAS_QUERY,
        Placeholder.URL,
        Placeholder.CONTAINER_URL,
        Placeholder.CONNECTION_STRING,
    }
)
"""The placeholders whose value has the SAS in it."""


@dataclasses.dataclass(frozen=True)
class Template:
    """A parsed template: literal texts and placeholders, in their order.

    Its repr has the placeholders only: somebody may have written a password beside them.
    """

    text: str
    pieces: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> frozenset[Placeholder]:
        """The placeholders in it."""
        return frozenset(each for each in self.pieces if isinstance(each, Placeholder))

    @property
    def least_bytes(self) -> int:
        """The length of its value in UTF-8 as far as it is known: that of its texts alone."""
        return sum(len(each.encode()) for each in self.pieces if isinstance(each, str))

    def __repr__(self) -> str:
        return f"Template({''.join(each.written for each in self.pieces if isinstance(each, Placeholder))})"


def parse(text: str) -> Template:
    """Parse a template; raises ValueError for an unknown placeholder, or a brace that belongs to none."""
    pieces: list[str | Placeholder] = []
    end = 0
    for found in _TOKEN.finditer(text):
        pieces.append(text[end : found.start()])
        pieces.append(_piece(found))
        end = found.end()
    pieces.append(text[end:])
    return Template(text, tuple(piece for piece in pieces if piece))


def _piece(found: re.Match[str]) -> str | Placeholder:
    if found["brace"]:
        return found["brace"][0]
    if found["lone"]:
        raise ValueError(
            f"the {found['lone']} at character {found.start() + 1} belongs to no placeholder: {_remedy(found)}"
        )
    if found["name"] not in _KNOWN:
        raise ValueError(f"{{{found['name']}}} is no placeholder: {_instead_of(found['name'])}")
    return _KNOWN[found["name"]]


def _remedy(lone: re.Match[str]) -> str:
    meant = _WITH_MORE.match(lone.string, lone.start())
    if meant and meant["name"].lower() in _KNOWN:
        return f"write {_KNOWN[meant['name'].lower()].written}, without anything else between its braces"
    return f"write a brace twice, as {2 * lone['lone']}"


def _instead_of(name: str) -> str:
    if name.lower() in _KNOWN:
        return f"did you mean {_KNOWN[name.lower()].written}"
    return f"there are {', '.join(each.written for each in Placeholder)}"
