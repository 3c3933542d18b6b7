"""Keeps secrets out of logs, messages and reports: a type that never shows its value, and `scrub` for every text.

How `scrub` finds a secret:

1. Code that holds a secret value makes a `SecretText` of it. As long as that object lives, its value is known here.
2. A secret may appear in a text encoded, quoted or in part. `secret_forms` computes these forms once, at the first
   `scrub` after the `SecretText` was made: base64, URL and JSON encodings, the signature of a SAS, the lines of a
   private key, and more. Most secrets are gone before that.
3. `secret_index` holds the forms of all living secrets and finds them in one pass over a text. There are two indexes:
   forms that are masked in every text, and forms that may also be ordinary words, masked only in what a server sent.
4. Patterns find what looks like a SAS signature, an account key or a private key, even if no `SecretText` has it.

`install` makes logging scrub each record when it is created; the command line and the reports call `scrub` themselves.
"""

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

# Secrets that this process may not know as a SecretText: a SAS signature, an account key, a private key in PEM form.
_SIGNATURE = re.compile(r"(?i)(?<![A-Za-z])sig(?:=|%3D)([^&\s\"'<>\\]+)")
_ACCOUNT_KEY = re.compile(r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{16,}={0,2})")
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))", re.DOTALL)
_LOOKS_SECRET = (_SIGNATURE, _ACCOUNT_KEY, _PEM)

_everywhere = SecretIndex(shortest=6)
_in_quotations = SecretIndex(shortest=3, words=True)


class _Entry:
    """A secret's place in the indexes; its forms are computed by the first `scrub` after it was made, if any."""

    __slots__ = ("foreign", "forms", "value")

    def __init__(self, value: str, *, foreign: bool) -> None:
        self.value: str | None = value  # None once the secret was garbage-collected
        self.foreign = foreign
        self.forms: Forms | None = None  # None as long as it is not in the indexes


# Secrets to add to the indexes, and garbage-collected ones to remove, both at the next `scrub`. Collection may happen
# at any time, even while this thread holds the lock; appending to a deque needs none.
_new: collections.deque[_Entry] = collections.deque()
_collected: collections.deque[_Entry] = collections.deque()
_lock = threading.RLock()  # reentrant: a signal's handler may scrub while this thread does
_MAX_NEW = 1_000  # secrets that wait for the next `scrub`; with more, they are indexed at once


class SecretText:
    """A secret text. Only `reveal()` returns it; repr, str and format show a mask, pickling raises TypeError.

    As long as the object lives, `scrub` masks its value. A `foreign` value is one that somebody else keeps in the same
    Kubernetes Secret: it may be a password, or a word such as `true`. If it is not distinctive, it is masked only in
    what a server sent, as only a server can have put it there.
    """

    __slots__ = ("_entry", "_value")
    __hash__ = None  # type: ignore[assignment]  # nothing should look a secret up by value

    def __init__(self, value: str, *, foreign: bool = False) -> None:
        self._value = value
        self._entry = _Entry(value, foreign=foreign)
        _new.append(self._entry)
        if len(_new) > _MAX_NEW:
            _update_indexes()

    def __del__(self, append: Any = _collected.append) -> None:  # bound now: at exit, globals may be gone
        if entry := getattr(self, "_entry", None):
            entry.value = None
            append(entry)

    def reveal(self) -> str:
        """The value itself, for the code that sends it."""
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
        raise TypeError("a SecretText cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _update_indexes() -> None:
    """Add the secrets that were made since the last call, and remove those that were garbage-collected."""
    if not _new and not _collected:
        return
    with _lock:
        while _new:
            # It stays in the queue until it is indexed, for a signal's handler that scrubs in between.
            entry = _new[0]
            _add(entry)
            if _new and _new[0] is entry:
                _new.popleft()
        while _collected:
            if forms := _collected.popleft().forms:
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
    """Mask every living secret, and every SAS signature, account key and private key."""
    return _scrubbed(text, _everywhere)


def scrub_quotation(text: str) -> str:
    """Scrub what a server sent: also mask short and ordinary values of living secrets where they appear as words."""
    return _scrubbed(text, _everywhere, _in_quotations)


def _scrubbed(text: str, *indexes: SecretIndex) -> str:
    """Mask what the indexes and the patterns find; spans that overlap become one mask."""
    _update_indexes()
    kept: list[str] = []
    end = 0
    # All are found in the unchanged text: of a key of which a part is a known secret, masking that part first would
    # hide the rest from its pattern.
    unknown = (found.span(1) for pattern in _LOOKS_SECRET for found in pattern.finditer(text))
    for begin, until in sorted(itertools.chain(unknown, *(index.spans(text) for index in indexes))):
        if begin > end or not kept:
            kept += [text[end:begin], MASK]
        end = max(end, until)
    text = "".join(kept) + text[end:]
    return _SIGNATURE.sub(f"sig={MASK}", text)  # also where it was written as sig%3D


def scrubbed(value: Any) -> Any:
    """Scrub every text in JSON values, except the names of fields."""
    if isinstance(value, dict):
        return {name: scrubbed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [scrubbed(each) for each in value]
    return scrub(value) if isinstance(value, str) else value


class _ScrubbedRecord(logging.LogRecord):
    """A log record whose message and traceback are scrubbed before any handler sees them.

    A filter on each handler would miss handlers that are added later, such as the Functions worker's.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through
        try:
            message = super().getMessage()
        except (TypeError, ValueError):  # the arguments do not fit the format, for which logging prints both
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
