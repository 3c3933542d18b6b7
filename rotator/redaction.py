"""A type for secret values that never shows them, and a log filter that removes them wherever they turn up."""

import collections
import hmac
import itertools
import logging
import re
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
# Secrets die whenever the interpreter likes, maybe while this thread holds an index's lock. Appending needs no lock.
_dead: collections.deque[Forms] = collections.deque()


class SecretText:
    """A secret text. Only `reveal()` gives it; repr, str, format, pickle and JSON do not.

    As long as it lives, it is masked in whatever is scrubbed. A `foreign` one is a value that others keep beside ours.
    It may be a password or a word such as `true`: what is no more distinctive than a word is only masked in what a
    server is quoted with, as only a server could have put it there.
    """

    __slots__ = ("_forms", "_value")
    __hash__ = None  # type: ignore[assignment]  # nothing should look a secret up by value

    def __init__(self, value: str, *, foreign: bool = False) -> None:
        self._value = value
        forms = secret_forms.of(value, foreign=foreign)
        _forget_the_dead()
        _everywhere.add(forms.everywhere)
        _in_quotations.add(forms.in_quotations)
        self._forms = forms

    def __del__(self, bury: Any = _dead.append) -> None:
        if forms := getattr(self, "_forms", None):
            bury(forms)

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


def _forget_the_dead() -> None:
    while _dead:
        try:
            forms = _dead.popleft()
        except IndexError:  # another thread took it
            return
        _everywhere.discard(forms.everywhere)
        _in_quotations.discard(forms.in_quotations)


def scrub(text: str) -> str:
    """`text` with every living secret, every SAS signature, account key and PEM key masked."""
    return _scrubbed(text, _everywhere)


def scrub_quotation(text: str) -> str:
    """What a server said, scrubbed, and with short and ordinary values masked too where they stand as words."""
    return _scrubbed(text, _everywhere, _in_quotations)


def _scrubbed(text: str, *indexes: SecretIndex) -> str:
    _forget_the_dead()
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
