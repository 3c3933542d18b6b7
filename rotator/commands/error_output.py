"""How the command line tells an error: what is wrong and what to do, to a person and, on request, as JSON."""

import json
import sys
from typing import Any, NoReturn

import click

from rotator import errors, redaction

FAILED = 1
INTERRUPTED = 130  # what a shell makes of SIGINT


def printable(words: str) -> str:
    """Words from elsewhere, without secrets, and without what would act on a terminal instead of being shown."""
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in redaction.scrub(words))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON whose every text is scrubbed by itself: to scrub the whole could end in text that is no JSON."""
    return json.dumps(redaction.scrubbed(value), indent=indent)


def stop(error: errors.RotatorError, *, as_json: bool, indent: int | None = None) -> NoReturn:
    """Print the error and its remedy, and end the process with the error's exit code."""
    if as_json:
        click.echo(json_text(error.as_json(), indent=indent))
    click.secho(printable(str(error)), err=True, fg="red")
    click.echo(printable(error.remedy), err=True)
    sys.exit(error.exit_code)


def is_interrupt(error: BaseException) -> bool:
    """Whether that is Ctrl-C; click makes an Abort of it, as of the end of the input at a prompt."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__ or error.__context__, KeyboardInterrupt)


def interrupted(words: str) -> NoReturn:
    """Say that Ctrl-C ended the command, and what that means; ends the process with 130."""
    click.echo(f"Interrupted. {words}".rstrip(), err=True)
    sys.exit(INTERRUPTED)
