"""The forms in which a secret may appear in a text: encoded, quoted, or a part that grants access by itself.

Each value is first split into texts: the value, its lines, the credentials within it (a SAS signature, an account key,
a URL's password), and what its base64 or JSON contains. Each text is then encoded in every way that a log or a server's
message may show it: JSON, URL, HTML and Python escapes, base64, and base64 of a longer text that contains it.

Which texts may be masked everywhere depends on whose the value is. The rotator's own secrets are; of a value that
somebody else keeps in a Secret, only what is `distinctive`, as the value may be an ordinary word.
"""

import base64
import binascii
import dataclasses
import html
import itertools
import json
import re
import urllib.parse
from collections.abc import Collection, Iterable, Iterator
from typing import Any

_SHORTEST = 6  # characters of a form that is masked everywhere; shorter ones would mask ordinary words
_LONG = 16_384  # characters; a longer text gets only the most likely encodings
_MANY = 1_000  # texts of one value; if it has more, each gets only the most likely encodings
_MAX_NESTED = 3  # levels of base64 in base64, as in a Secret whose value is base64
_LONGEST_NAME = 25  # characters of a text of lower-case words that counts as a name
_ALWAYS_DISTINCTIVE = 16  # characters from which on any text is, except for names and _ORDINARY

# Parts that grant access by themselves: the signature of a SAS, the key in a connection string, a URL's password.
_CREDENTIALS = re.compile(
    r"(?i)(?<![A-Za-z])(?:sig|AccountKey|SharedAccessKey)=([^&;\s\"'<>\\]+)|://[^/\s:@]*:([^@\s/]+)@"
)
# An assignment: the value to the line's end. A closing quote is cut off afterwards, as matching it here would take
# quadratic time.
_ASSIGNED = re.compile(r"""(?:export |- )?["']?[\w.-]+["']?\s*[=:](?!//)\s*["']?(.+)""")
_PERCENT = re.compile("%[0-9A-F]{2}")
_GO = {ord(letter): f"\\u{ord(letter):04x}" for letter in "&<>"}  # as Go escapes JSON
_URL_SAFE, _FROM_URL_SAFE = str.maketrans("+/", "-_"), str.maketrans("-_", "+/")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
# What a Secret holds beside credentials, and what the rotator's own log is full of.
_ORDINARY = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+(?::\d+)?/?"  # a host, or a URL without a path
    r"|(?:/[\w.-]{1,24})+/?"  # a file
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # an identity, a subscription
    r"|\d{4}-?\d\d-?\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)(?:-[0-9a-f]{6})?"  # a time, a run
)
_NAME = re.compile(r"[a-z]+(?:[-._/ ][a-z]+)*")


@dataclasses.dataclass(frozen=True)
class Forms:
    """What to mask in every text, and what only in a server's message, as it might be an ordinary word."""

    everywhere: tuple[str, ...]
    in_quotations: tuple[str, ...]


def of(value: str, *, foreign: bool) -> Forms:
    """Compute the forms of one of the rotator's secrets, or of a `foreign` value, which may be no secret at all."""
    own = set() if foreign else _own_texts(value)
    certain = _forms(own)
    uncertain = _forms((_foreign_texts(value) if foreign else _less_certain_texts(value)) - own)
    everywhere = {form for form in certain if len(form) >= _SHORTEST}
    everywhere |= {form for form in uncertain if distinctive(form)}
    return Forms(tuple(everywhere), tuple((certain | uncertain) - everywhere))


def distinctive(text: str) -> bool:
    """Whether a text cannot be an ordinary word, so that it can be masked everywhere.

    It has 16 characters or more and is no name, host, path, identifier or time; or it has 8 or more and mixes capitals,
    small letters and digits. Masking a word, a number or a version would damage lines that have it for another reason.
    """
    if len(text) < 8 or not text.strip():  # noqa: PLR2004  # as the docstring says
        return False
    if len(text) < _ALWAYS_DISTINCTIVE:
        return _changes(text) >= 4 and all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]"))  # noqa: PLR2004  # "Password1" has 2
    return not (_ORDINARY.fullmatch(text) or (len(text) <= _LONGEST_NAME and _NAME.fullmatch(text)))


def _changes(text: str) -> int:
    """How often the text changes between capitals, small letters, digits and others."""
    kinds = [(letter.islower(), letter.isupper(), letter.isdigit()) for letter in text]
    return sum(before != after for before, after in itertools.pairwise(kinds))


def _own_texts(value: str) -> set[str]:
    """The texts of an own secret that are masked everywhere: the value, its credentials, a private key's lines."""
    lines = value.splitlines() if "-----BEGIN" in value else []
    body = (line for line in lines if not line.startswith("-----"))
    return {value, value.strip(), value.lstrip("?"), *body, *_credentials_in(value)}


def _less_certain_texts(value: str) -> set[str]:
    """The texts of an own secret that may be ordinary words: its lines, and what it contains in base64."""
    inner = set(_decoded(value))
    return {*value.splitlines(), *inner, *itertools.chain.from_iterable(_credentials_in(text) for text in inner)}


def _foreign_texts(value: str) -> set[str]:
    """The texts of a foreign value, each of which is masked everywhere only if it is distinctive."""
    texts: set[str] = set()
    for reading in (value, *_decoded(value)):
        lines = reading.splitlines()
        texts |= {reading, reading.strip(), *lines, *_credentials_in(reading), *_assigned(lines)}
        for leaf in _leaves(reading):
            texts |= {leaf, *_decoded(leaf), *_credentials_in(leaf)}
    return texts


def _assigned(lines: Iterable[str]) -> Iterator[str]:
    """Yield each line without surrounding blanks, and the value that it assigns to a name, if it does."""
    for line in map(str.strip, lines):
        yield line
        if found := _ASSIGNED.match(line):
            yield found[1].rstrip("\"',;")


def _credentials_in(text: str) -> Iterator[str]:
    for found in _CREDENTIALS.finditer(text):
        part = found[1] or found[2]
        yield part
        yield urllib.parse.unquote(part)


def _decoded(text: str, depth: int = _MAX_NESTED) -> Iterator[str]:
    """Yield what the text is the base64 of, and so on for that, as long as it is printable text."""
    one = "".join(text.split())  # first, as matching blanks in a pattern takes quadratic time
    if not depth or not _BASE64.fullmatch(one):
        return
    try:
        raw = base64.b64decode(one.translate(_FROM_URL_SAFE), validate=True)
        inner = raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    if inner and all(letter.isprintable() or letter.isspace() for letter in inner):
        yield inner
        yield from _decoded(inner, depth - 1)


def _leaves(text: str) -> Iterator[str]:
    """Yield every text within a JSON document, such as the passwords of a `.dockerconfigjson`."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        pending: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            pending += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield value


def _forms(texts: Collection[str]) -> set[str]:
    few = len(texts) <= _MANY
    return set(itertools.chain.from_iterable(_encodings(text, whole=few and len(text) <= _LONG) for text in texts))


def _encodings(text: str, *, whole: bool) -> Iterator[str]:
    """Yield the text in every encoding; only as it is, as JSON and as base64 unless `whole`."""
    raw = text.encode(errors="surrogatepass")
    as_json = json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (text, as_json, base64.b64encode(raw).decode())
    if not whole:
        return
    yield from _quoted(text, raw)
    yield from (repr(text)[1:-1], json.dumps(text)[1:-1], html.escape(text), html.escape(text, quote=False))
    yield as_json.translate(_GO)
    yield from _within_base64(raw)


def _quoted(text: str, raw: bytes) -> Iterator[str]:
    quoted = urllib.parse.quote(raw)
    if quoted != text or "/" in text:
        for form in (quoted, quoted.replace("/", "%2F"), quoted.replace("/", "%2F").replace("%20", "+")):
            yield form
            yield _PERCENT.sub(lambda code: code[0].lower(), form)


def _within_base64(raw: bytes) -> Iterator[str]:
    """Yield how this text appears in the base64 of a longer one that contains it.

    base64 encodes 3 bytes as 4 characters, so there is one form for each of the 3 possible alignments. Characters
    that depend on neighbouring bytes are left out; at the end there is also a form with them, for a text that ends
    there.
    """
    for before, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        certain = encoded[first : (before + len(raw)) * 8 // 6]
        for form in (certain, encoded[first:].rstrip("="), encoded[first:]):
            yield form
            if "+" in form or "/" in form:
                yield form.translate(_URL_SAFE)
