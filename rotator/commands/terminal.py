"""What the commands of the command line share: options, logging, the console, and how an error ends a command."""

import contextlib
import dataclasses
import functools
import getpass
import io
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

import click

from rotator import errors, redaction
from rotator.commands import error_output, status_line
from rotator.commands.status_line import StatusLine
from rotator.reporting import report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_Command = Callable[..., None]
_ENDLESS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a command tells: as JSON, with each decision logged, with the traceback of an error."""

    as_json: bool = False
    verbose: bool = False
    debug: bool = False


def mannered(command: _Command) -> _Command:
    """Give a command the options for that, and their values as `manner`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/schema describes it.")
    @click.option("-v", "--verbose", is_flag=True, help="Log each decision to standard error.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(command)
    def wrapped(*, as_json: bool, verbose: bool, debug: bool, **options: object) -> None:
        command(manner=Manner(as_json, verbose, debug), **options)

    return wrapped


@contextlib.contextmanager
def telling(manner: Manner, *, indent: int | None = 2, interrupted: str = "Nothing was changed.") -> Iterator[None]:
    """Log as asked for, and end the command with words and an exit code when it fails, not with a traceback.

    `interrupted` says what Ctrl-C means for it, which ends it with 130.
    """
    logging.basicConfig(
        level=logging.INFO if manner.verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        if not error_output.is_interrupt(error):
            raise
        error_output.interrupted(interrupted)
    except (click.exceptions.Exit, click.ClickException, OSError):
        raise  # an OSError is that of the output: what the product meets it raises as its own
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told and not thrown at the operator
        _trace(error, manner)
        error_output.stop(_explained(error, manner), as_json=manner.as_json, indent=indent)


def _explained(error: Exception, manner: Manner) -> errors.RotatorError:
    if isinstance(error, errors.RotatorError) and not isinstance(error, errors.UnexpectedError):
        return error
    failed = report.failure(error)
    more = "" if manner.debug else " Run it again with --debug for that."
    return errors.UnexpectedError(failed.message, remedy=failed.remedy + more)


def _trace(error: BaseException, manner: Manner) -> None:
    if manner.debug:
        click.echo(error_output.printable(redaction.scrub("".join(traceback.format_exception(error)))), err=True)


@contextlib.contextmanager
def abandoned(*, erased: str = "", restored: str = "") -> Iterator[None]:
    """Have Ctrl-C end the process at once: for a command that changes nothing, whatever still waits for an answer.

    `erased` is written to standard error before the words, `restored` to standard output: what puts a terminal right.
    """

    def end(_number: int, _frame: object) -> NoReturn:
        # No stream is used: the signal may come while one is written. And nothing is raised: what is closed on the way
        # out, while others still use it, may raise something else instead.
        if restored:
            os.write(1, restored.encode())
        os.write(2, f"{erased}Interrupted. Nothing was changed.\n".encode())
        os._exit(error_output.INTERRUPTED)

    former = signal.getsignal(signal.SIGINT)
    if former is signal.SIG_IGN:  # whoever started it wants that
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


@contextlib.contextmanager
def looking(manner: Manner) -> Iterator[None]:
    """Show what a command waits for that changes nothing."""
    shown = status_line.is_wanted(as_json=manner.as_json, verbose=manner.verbose)
    erased = status_line.ERASE if shown else ""
    with StatusLine("Ctrl-C is safe: nothing is changed", shown=shown), abandoned(erased=erased):
        yield


def asked_by() -> str:
    """Say who sits at the terminal, for the report."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def forgiving() -> None:
    """Have standard output and standard error show a question mark for what their encoding lacks, and not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """End with words when standard output takes no more; that its reader has gone is click's to handle."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        click.echo(f"standard output cannot be written: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it fails no more
        sys.exit(error_output.FAILED)


def console() -> "Console":
    """Give what is printed on: plain unless it is a terminal, without colour where NO_COLOR is set.

    What goes into a pipe or a file is searched line by line, so nothing is folded there, unless COLUMNS says where.
    """
    from rich.console import Console

    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if folded else _ENDLESS)


def text(words: str, style: str = "") -> "Text":
    """Give words as they are: brackets are no markup, and control characters do nothing to the terminal."""
    from rich.text import Text

    return Text(error_output.printable(words), style)
