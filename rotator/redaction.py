"""A type for secret values that never shows them, and a log filter that removes them wherever they turn up."""

import base64
import hmac
import json
import logging
import re
import traceback
import urllib.parse
import weakref
from typing import Any, NoReturn, Self

MASK = "[secret]"

# What a SAS or key looks like even when this process never saw it as a Secret: its signature, a PEM body.
_SIGNATURE = re.compile(r"(?i)(?<![A-Za-z])sig(?:=|%3D)[^&\s\"'<>\\]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_MINIMUM_LENGTH = 6  # shorter values would mask ordinary words

# By identity, not by value: of two equal secrets, one may die before the other.
_living: "weakref.WeakValueDictionary[int, Secret]" = weakref.WeakValueDictionary()


class Secret:
    """A secret text. Only `reveal()` gives it; repr, str, format, pickle and JSON do not."""

    __slots__ = ("__weakref__", "_forms", "_value")
    __hash__ = None  # type: ignore[assignment]  # nothing should look a secret up by value

    def __init__(self, value: str) -> None:
        self._value = value
        self._forms = _forms(value)
        _living[id(self)] = self

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def forms(self) -> tuple[str, ...]:
        """The value as it may turn up in a text: raw, URL-quoted, base64, whole and line by line."""
        return self._forms

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _forms(value: str) -> tuple[str, ...]:
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    found: set[str] = set()
    for raw in {value, *lines}:
        encoded = raw.encode()
        found |= {raw, urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)}
        found |= {repr(raw)[1:-1], json.dumps(raw)[1:-1], json.dumps(raw, ensure_ascii=False)[1:-1]}
        found |= {base64.b64encode(encoded).decode(), base64.urlsafe_b64encode(encoded).decode().rstrip("=")}
    return tuple(form for form in found if len(form) >= _MINIMUM_LENGTH)


def scrub(text: str) -> str:
    """`text` with every living secret, every SAS signature and every PEM key masked."""
    forms = {form for secret in list(_living.values()) for form in secret.forms() if form in text}
    for form in sorted(forms, key=len, reverse=True):  # a short one may be the beginning of a longer one
        text = text.replace(form, MASK)
    return _PEM.sub(MASK, _SIGNATURE.sub(f"sig={MASK}", text))


def scrubbed(value: Any) -> Any:
    """JSON values with every text in them scrubbed."""
    if isinstance(value, dict):
        return {name: scrubbed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [scrubbed(each) for each in value]
    return scrub(value) if isinstance(value, str) else value


class _ScrubbedRecord(logging.LogRecord):
    """A log record whose message and traceback are scrubbed before any handler sees them.

    A filter on a handler would miss handlers that are added later, such as the Functions worker's.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed through as logging gave it
        try:
            message = super().getMessage()
        except (TypeError, ValueError):  # logging would print arguments that do not fit as they are
            message = f"{self.msg} {self.args!r}"
        self.msg, self.args = scrub(message), None
        if self.exc_info and self.exc_info[1] is not None:
            kind, error, _ = self.exc_info
            self.exc_text = scrub("".join(traceback.format_exception(error)).rstrip("\n"))
            # For a handler that reads the exception itself, as OpenTelemetry's does.
            self.exc_info = (kind, Exception(scrub(str(error))), None)


def install() -> None:
    """Scrub every log record of this process from now on; idempotent."""
    if not issubclass(_factory_class(), _ScrubbedRecord):
        logging.setLogRecordFactory(_ScrubbedRecord)


def _factory_class() -> type:
    factory = logging.getLogRecordFactory()
    return factory if isinstance(factory, type) else object
