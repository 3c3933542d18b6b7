"""Ctrl-C and SIGTERM: a command that only reads exits at once, one that changes something stops in order."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from rotator import errors
from rotator.commands import status_line
from rotator.commands.options import OutputOptions
from rotator.commands.status_line import StatusLine

INTERRUPTED = 130  # the exit code that shells use for a process ended by SIGINT
_TERMINATED = 128 + signal.SIGTERM


def is_interrupt(error: BaseException) -> bool:
    """Whether the error is Ctrl-C. click raises Abort for it, and also at the end of the input at a prompt."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__ or error.__context__, KeyboardInterrupt)


def exit_interrupted(consequence: str) -> NoReturn:
    """Print that Ctrl-C ended the command, and with what consequence; exit with 130."""
    click.echo(f"Interrupted. {consequence}".rstrip(), err=True)
    sys.exit(INTERRUPTED)


@contextlib.contextmanager
def exit_at_once(*, erased: str = "", restored: str = "") -> Iterator[None]:
    """Let Ctrl-C end the process at once, with 130: for a command that only reads, whatever it still waits for.

    What repairs the terminal is written before the message: `erased` to standard error, `restored` to standard output.
    """

    def end(_number: int, _frame: object) -> NoReturn:
        # No stream is used: the signal may come while one is written to. And nothing is raised: closing what others
        # still use, on the way out, may raise something else instead.
        if restored:
            os.write(1, restored.encode())
        os.write(2, f"{erased}Interrupted. Nothing was changed.\n".encode())
        os._exit(INTERRUPTED)

    former = signal.getsignal(signal.SIGINT)
    if former is signal.SIG_IGN:  # as with nohup
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


@contextlib.contextmanager
def read_only(output: OutputOptions) -> Iterator[None]:
    """Show the status line of a command that only reads; Ctrl-C ends it at once."""
    shown = status_line.is_wanted(as_json=output.as_json, verbose=output.verbose)
    erased = status_line.ERASE if shown else ""
    with StatusLine("Ctrl-C is safe: nothing is changed", shown=shown), exit_at_once(erased=erased):
        yield


@contextlib.contextmanager
def stop_in_order(line: StatusLine) -> Iterator[None]:
    """Let SIGTERM stop a run as Ctrl-C does: it is reported and its lease released; then exit with 143.

    After either the status line shows that the run stops, as it waits for what is under way.
    """
    terminated = False

    def stop(number: int, _frame: object) -> NoReturn:
        nonlocal terminated
        terminated = terminated or number == signal.SIGTERM
        line.stop()
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, stop)
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where SIGINT is ignored
    if interruptible:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not terminated:
            raise
        click.echo(f"Interrupted. {errors.InterruptedRunError.remedy}", err=True)
        sys.exit(_TERMINATED)
    finally:
        signal.signal(signal.SIGTERM, former)
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
