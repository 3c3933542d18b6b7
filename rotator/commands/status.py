"""`python -m rotator status`: what each target holds, how old and how fresh, and whether somebody must see to it."""

import sys
from typing import TYPE_CHECKING

import click

from rotator import app, timestamps
from rotator.commands import error_output, interrupts, options, printing, tables
from rotator.commands.options import OutputOptions
from rotator.reporting.status import State, Status, TargetStatus

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    State.FRESH: "green",
    State.LATE: "yellow",
    State.DRIFT: "yellow",
    State.EXPIRED: "bold red",
    State.MISSING: "bold red",
    State.UNKNOWN: "bold red",
}


@click.command()
@options.output_options
def status(*, output: OutputOptions) -> None:
    """Look at what every target holds, and change nothing.

    Exit codes: 0 every target is fresh, 1 one is expired, late, missing, changed by somebody, or cannot be looked at,
    2 bad settings or usage.

    \b
    Examples:
      python -m rotator status
      python -m rotator status --json | jq -r '.targets[] | "\\(.target) \\(.seconds_to_expiry)"'
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    with error_output.report_errors(output):
        with interrupts.read_only(output):
            found = app.status()
        if output.as_json:
            click.echo(printing.json_text(found.as_json(), indent=2))
        else:
            _show(found)
    sys.exit(0 if found.well else error_output.FAILED)


def _show(found: Status) -> None:
    console = printing.console()
    headings = ("TARGET", "STATE", "SAS UNTIL", "ROTATED", "SIGNED BY", "RUN")
    rows = [_cells(target, found) for target in found.targets]
    tables.show(console, tables.headed(console, headings, rows, whole=headings))
    for target in found.targets:
        console.print(printing.text(f"{target.target}: {target.text}", "" if target.well else "bold"))
        if target.failure:
            console.print(printing.text(f"  {target.failure.error}: {target.failure.message}"))
            console.print(printing.text(f"  {target.failure.remedy}"))
    for warning in found.warnings:
        console.print(printing.text(f"warning: {warning}", "yellow"))
    console.print(printing.text(_closing(found), "dim"))


def _cells(target: TargetStatus, found: Status) -> "list[Text]":
    known, since = target.last_known, target.rotated
    until, last = (known.expires, ", last known") if known else (target.expires, "")
    more = [
        f"{timestamps.text(until)} ({timestamps.relative(until, found.now)}){last}" if until else "",
        timestamps.relative(since, found.now) if since else "",
        target.signing_key or "",
        target.run or "",
    ]
    state = printing.text(target.state, _STYLES[target.state])
    return [printing.text(target.target), state, *map(printing.text, more)]


def _closing(found: Status) -> str:
    return f"next run {timestamps.text(found.next_run)} ({timestamps.relative(found.next_run, found.now)})"
