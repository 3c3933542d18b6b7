"""The outermost layer of the command line: what is written is scrubbed, and Ctrl-C ends with words and status 130."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

import click

from rotator import redaction
from rotator.commands import error_output
from rotator.plan import secret_settings

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Output(io.TextIOBase):
    """A text stream that masks every secret, whoever writes: click, rich, logging, or Python itself.

    Its `buffer` writes nothing past it either. A secret that is written in pieces is not found; so what may hold one
    is scrubbed before it is laid out, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        """The stream's own."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # read-only here
        """The stream's own."""
        return self._stream.errors

    def write(self, text: str) -> int:
        """Write the text without its secrets."""
        self._stream.write(redaction.scrub(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is the process's."""

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()


class _Bytes(io.RawIOBase):
    """The bytes of a text stream, for those who encode by themselves, as click does for a shell's completion."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, data: "Buffer") -> int:
        """Write the text that these bytes are."""
        self._output.write(bytes(data).decode(errors="replace"))
        return len(bytes(data))

    def flush(self) -> None:
        """Flush the stream."""
        self._output.flush()

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def close(self) -> None:
        """Leave the stream open."""


@contextlib.contextmanager
def scrubbed() -> Iterator[None]:
    """Have standard output and standard error masked, the environment's own secrets included."""
    secrets = secret_settings.secret_values(os.environ)
    former = sys.stdout, sys.stderr
    ours = tuple(cast("TextIO", Output(stream)) for stream in former)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        # click puts others in their place where the reader of the output has gone.
        if (sys.stdout, sys.stderr) == ours:
            sys.stdout, sys.stderr = former
        del secrets


class CommandLine(click.Group):
    """A group whose output is scrubbed and which Ctrl-C ends with status 130, while it parses or prompts too."""

    def main(self, args: Sequence[str] | None = None, *arguments: Any, **options: Any) -> Any:
        """Run and exit as click does; status 130 for Ctrl-C, 1 for the end of the input at a prompt."""
        whole: Callable[..., Any] = super().main
        if not options.pop("standalone_mode", True):
            return whole(args, *arguments, standalone_mode=False, **options)
        with scrubbed():
            try:
                # What ends a command by itself, as `--help` does, comes back as its exit code.
                sys.exit(whole(args, *arguments, standalone_mode=False, **options))
            except click.ClickException as error:
                error.show()
                sys.exit(error.exit_code)
            except (click.Abort, KeyboardInterrupt) as abort:
                _stop(abort)


def _stop(abort: BaseException) -> NoReturn:
    if error_output.is_interrupt(abort):
        error_output.interrupted("Nothing was changed.")  # what changes something says so itself
    click.echo("Aborted!", err=True)
    sys.exit(error_output.FAILED)
