"""How a command ends when it fails: what is wrong and what to do, as text and, on request, as JSON; and its exit code.

Exit codes are those of the error classes; FAILED is for everything that has no class of its own.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import NoReturn

import click

from rotator import errors, redaction
from rotator.commands import interrupts, printing
from rotator.commands.options import OutputOptions
from rotator.reporting import report

FAILED = 1


@contextlib.contextmanager
def report_errors(
    output: OutputOptions, *, indent: int | None = 2, interrupted: str = "Nothing was changed."
) -> Iterator[None]:
    """Set up logging, and end a command that fails with a message and an exit code, not with a traceback.

    `interrupted` is what Ctrl-C means for the command; it is printed, and the exit code is 130.
    """
    logging.basicConfig(
        level=logging.INFO if output.verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        if not interrupts.is_interrupt(error):
            raise
        interrupts.exit_interrupted(interrupted)
    except (click.exceptions.Exit, click.ClickException, OSError):
        raise  # an OSError here is of the output: those of the product's own work are translated where they occur
    except Exception as error:  # noqa: BLE001  # whatever it is, the operator gets a message
        if output.debug:
            trace = "".join(traceback.format_exception(error))
            click.echo(printing.printable(redaction.scrub(trace)), err=True)
        _exit(_as_rotator_error(error, output), as_json=output.as_json, indent=indent)


def _as_rotator_error(error: Exception, output: OutputOptions) -> errors.RotatorError:
    if isinstance(error, errors.RotatorError) and not isinstance(error, errors.UnexpectedError):
        return error
    failed = report.failure(error)
    more = "" if output.debug else " Run it again with --debug for that."
    return errors.UnexpectedError(failed.message, remedy=failed.remedy + more)


def _exit(error: errors.RotatorError, *, as_json: bool, indent: int | None) -> NoReturn:
    if as_json:
        click.echo(printing.json_text(error.as_json(), indent=indent))
    click.secho(printing.printable(str(error)), err=True, fg="red")
    click.echo(printing.printable(error.remedy), err=True)
    sys.exit(error.exit_code)
