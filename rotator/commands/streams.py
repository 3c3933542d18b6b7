"""Standard output and standard error of the command line: secrets are masked, write errors reported."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO, cast

import click

from rotator import redaction
from rotator.commands import error_handling
from rotator.plan import secret_settings

if TYPE_CHECKING:
    from typing_extensions import Buffer


class MaskedStream(io.TextIOBase):
    """A text stream that masks every secret, whatever writes: click, rich, logging, or Python itself.

    What is written to its `buffer` is masked too. A secret that is written in pieces is not found, so text that may
    hold one is also masked before it is laid out (see printing.py).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.buffer = _MaskedBuffer(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        """The wrapped stream's."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # read-only here
        """The wrapped stream's."""
        return self._stream.errors

    def write(self, text: str) -> int:
        """Write the text with its secrets masked."""
        self._stream.write(redaction.scrub(text))
        return len(text)

    def flush(self) -> None:
        """Flush the wrapped stream."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the wrapped stream open: it belongs to the process."""

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()


class _MaskedBuffer(io.RawIOBase):
    """The `buffer` of a masked stream, for those who encode text themselves, as click does for shell completion."""

    def __init__(self, stream: MaskedStream) -> None:
        self._stream = stream

    def write(self, data: "Buffer") -> int:
        """Decode the bytes and write them as text."""
        self._stream.write(bytes(data).decode(errors="replace"))
        return len(bytes(data))

    def flush(self) -> None:
        """Flush the wrapped stream."""
        self._stream.flush()

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def close(self) -> None:
        """Leave the wrapped stream open."""


@contextlib.contextmanager
def masked() -> Iterator[None]:
    """Mask secrets in standard output and standard error, including those in environment variables."""
    secrets = secret_settings.secret_values(os.environ)  # masked while they are referenced
    former = sys.stdout, sys.stderr
    ours = tuple(cast("TextIO", MaskedStream(stream)) for stream in former)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        # click replaces them when the reader of the output has gone.
        if (sys.stdout, sys.stderr) == ours:
            sys.stdout, sys.stderr = former
        del secrets


def replace_unencodable() -> None:
    """Print a question mark for a character that the encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def report_write_errors() -> Iterator[None]:
    """Exit with a message when standard output cannot be written, as on a full disk; click handles a closed pipe."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        click.echo(f"standard output cannot be written: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest at exit
        sys.exit(error_handling.FAILED)
