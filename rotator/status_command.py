"""`python -m rotator status`: what each target holds, how old and how fresh, and whether somebody must see to it."""

import json
import sys
from typing import TYPE_CHECKING

import click

from rotator import app, complaint, moments, terminal
from rotator.status import State, Status, TargetStatus
from rotator.terminal import Manner

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
@terminal.mannered
def status(*, manner: Manner) -> None:
    """Look at what every target holds, and change nothing.

    Exit codes: 0 every target is fresh, 1 one is expired, late, missing, changed by somebody, or cannot be looked at,
    2 bad settings or usage.

    \b
    Examples:
      python -m rotator status
      python -m rotator status --json | jq -r '.targets[] | "\\(.target) \\(.seconds_to_expiry)"'
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    with terminal.telling(manner):
        found = app.status()
        if manner.as_json:
            click.echo(json.dumps(found.as_json(), indent=2))
        else:
            _show(found)
    sys.exit(0 if found.well else complaint.FAILED)


def _show(found: Status) -> None:
    from rich.table import Table

    console = terminal.console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("TARGET", "STATE", "SAS UNTIL", "ROTATED", "SIGNED BY", "RUN"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"STATE", "RUN"})
    for target in found.targets:
        table.add_row(
            terminal.text(target.target), terminal.text(target.state, _STYLES[target.state]), *_cells(target, found)
        )
    console.print(table)
    for target in found.targets:
        console.print(terminal.text(f"{target.target}: {target.text}", "" if target.well else "bold"))
        if target.failure:
            console.print(terminal.text(f"  {target.failure.error}: {target.failure.message}"))
            console.print(terminal.text(f"  {target.failure.remedy}"))
    for warning in found.warnings:
        console.print(terminal.text(f"warning: {warning}", "yellow"))
    console.print(terminal.text(_closing(found), "dim"))


def _cells(target: TargetStatus, found: Status) -> "list[Text]":
    until, since = target.expires, target.rotated
    cells = [
        f"{moments.text(until)} ({moments.relative(until, found.now)})" if until else "",
        moments.relative(since, found.now) if since else "",
        target.signing_key or "",
        target.run or "",
    ]
    return [terminal.text(cell) for cell in cells]


def _closing(found: Status) -> str:
    return f"next run {moments.text(found.next_run)} ({moments.relative(found.next_run, found.now)})"
