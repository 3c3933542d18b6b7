"""A type for secret values that never shows them, and a log filter that removes them wherever they turn up."""

import collections
import hmac
import itertools
import logging
import re
import threading
import traceback
from typing import Any, NoReturn, Self

from rotator import secret_forms
from rotator.secret_forms import Forms
from rotator.secret_index import SecretIndex

MASK = "[secret]"

# What a SAS or key looks like even when this process never saw it as a Secret: a signature, an account key, a PEM body.
_SIGNATURE = re.compile(r"(?i)(?<![A-Za-z])sig(?:=|%3D)([^&\s\"'<>\\]+)")
_ACCOUNT_KEY = re.compile(r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{16,}={0,2})")
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))", re.DOTALL)
_LOOKS_SECRET = (_SIGNATURE, _ACCOUNT_KEY, _PEM)

_everywhere = SecretIndex(shortest=6)
_in_quotations = SecretIndex(shortest=3, words=True)


class _Entry:
    """A secret's place in the indexes. Its forms are worked out by the first scrubbing after it was made, if any."""

    __slots__ = ("foreign", "forms", "value")

    def __init__(self, value: str, *, foreign: bool) -> None:
        self.value: str | None = value  # None once the secret is dead
        self.foreign = foreign
        self.forms: Forms | None = None  # None as long as it is not in the indexes


# Secrets die whenever the interpreter likes, maybe while this thread holds the lock. Appending needs no lock.
_new: collections.deque[_Entry] = collections.deque()
_dead: collections.deque[_Entry] = collections.deque()
_lock = threading.RLock()  # a signal's handler may scrub while this thread does
_MOST_NEW = 1_000  # of which the values are kept until they are looked at


class SecretText:
    """A secret text. Only `reveal()` gives it; repr, str, format, pickle and JSON do not.

    As long as it lives, it is masked in whatever is scrubbed. A `foreign` one is a value that others keep beside ours.
    It may be a password or a word such as `true`: what is no more distinctive than a word is only masked in what a
    server is quoted with, as only a server could have put it there.
    """

    __slots__ = ("_entry", "_value")
    __hash__ = None  # type: ignore[assignment]  # nothing should look a secret up by value

    def __init__(self, value: str, *, foreign: bool = False) -> None:
        self._value = value
        self._entry = _Entry(value, foreign=foreign)
        _new.append(self._entry)
        if len(_new) > _MOST_NEW:
            _update_indexes()

    def __del__(self, append: Any = _dead.append) -> None:
        if entry := getattr(self, "_entry", None):
            entry.value = None
            append(entry)

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _update_indexes() -> None:
    """Take in the secrets that were made since, and drop those that are dead."""
    if not _new and not _dead:
        return
    with _lock:
        while _new:
            # It stays in the queue until it is indexed, for a signal's handler that scrubs at this very moment.
            entry = _new[0]
            _add(entry)
            if _new and _new[0] is entry:
                _new.popleft()
        while _dead:
            if forms := _dead.popleft().forms:
                _everywhere.discard(forms.everywhere)
                _in_quotations.discard(forms.in_quotations)


def _add(entry: _Entry) -> None:
    value = entry.value
    if value is None or entry.forms is not None:
        return
    forms = secret_forms.of(value, foreign=entry.foreign)
    entry.forms = forms
    _everywhere.add(forms.everywhere)
    _in_quotations.add(forms.in_quotations)


def scrub(text: str) -> str:
    """`text` with every living secret, every SAS signature, account key and PEM key masked."""
    return _scrubbed(text, _everywhere)


def scrub_quotation(text: str) -> str:
    """What a server said, scrubbed, and with short and ordinary values masked too where they stand as words."""
    return _scrubbed(text, _everywhere, _in_quotations)


def _scrubbed(text: str, *indexes: SecretIndex) -> str:
    _update_indexes()
    kept: list[str] = []
    end = 0
    # Looked for in the text as it is: of a key that is known in part, masking that part first would leave the rest.
    unknown = (found.span(1) for pattern in _LOOKS_SECRET for found in pattern.finditer(text))
    for begin, until in sorted(itertools.chain(unknown, *(index.spans(text) for index in indexes))):
        if begin > end or not kept:
            kept += [text[end:begin], MASK]
        end = max(end, until)
    text = "".join(kept) + text[end:]
    return _SIGNATURE.sub(f"sig={MASK}", text)  # also where it was written as sig%3D


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
