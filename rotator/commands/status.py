"""`python -m rotator status`: which SAS each target holds, how old it is, and whether somebody has to act."""

import sys
from typing import TYPE_CHECKING

import click

from rotator import app, timestamps
from rotator.commands import error_handling, interrupts, options, printing, tables
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
    """Show which SAS each target's Secret holds, and change nothing.

    Exit codes: 0 every target is fresh, 1 one is late, expired, missing, changed by somebody else, or cannot be read,
    2 bad settings or usage.

    \b
    Examples:
      python -m rotator status
      python -m rotator status --json | jq -r '.targets[] | "\\(.target) \\(.seconds_to_expiry)"'
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    with error_handling.report_errors(output):
        with interrupts.read_only(output):
            found = app.status()
        if output.as_json:
            click.echo(printing.json_text(found.as_json(), indent=2))
        else:
            _print_status(found)
    sys.exit(0 if found.well else error_handling.FAILED)


def _print_status(found: Status) -> None:
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
    console.print(printing.text(_next_run(found), "dim"))
    timer = f"timer {found.timer.summary(found.now)}" if found.timer else "when the timer fired is not known here"
    console.print(printing.text(timer, "dim"))


def _cells(target: TargetStatus, found: Status) -> "list[Text]":
    known, rotated = target.last_known, target.rotated
    expires, origin = (known.expires, ", last known") if known else (target.expires, "")
    cells = [
        f"{timestamps.with_distance(expires, found.now)}{origin}" if expires else "",
        timestamps.relative(rotated, found.now) if rotated else "",
        target.signing_key or "",
        target.run or "",
    ]
    state = printing.text(target.state, _STYLES[target.state])
    return [printing.text(target.target), state, *map(printing.text, cells)]


def _next_run(found: Status) -> str:
    return f"next run {timestamps.with_distance(found.next_run, found.now)}"
