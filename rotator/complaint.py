"""How the command line tells an error: what is wrong and what to do, to a person and, on request, as JSON."""

import json
import sys
from typing import NoReturn

import click

from rotator import errors

FAILED, USAGE, BUSY = 1, 2, 3


def printable(words: str) -> str:
    """Words from elsewhere, without what would act on a terminal instead of being shown."""
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in words)


def stop(error: errors.RotatorError, *, as_json: bool, indent: int | None = None) -> NoReturn:
    """Tell the error and end the process: 2 for bad settings, 3 for a run in progress, 1 for everything else."""
    if as_json:
        click.echo(json.dumps(error.as_json(), indent=indent))
    click.secho(printable(str(error)), err=True, fg="red")
    click.echo(printable(error.remedy), err=True)
    codes = {errors.SettingsError: USAGE, errors.BusyError: BUSY}
    sys.exit(next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED))
