"""`python -m rotator check`: every step of a rotation looked at, live in a terminal, with the remedies."""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rotator import app
from rotator.checks.findings import Checkup, Finding, Level
from rotator.commands import error_output, interrupts, options, printing, tables
from rotator.commands.options import OutputOptions

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red", Level.SKIPPED: "dim"}
_CURSOR = "\x1b[?25h"  # shown again


@click.command()
@options.output_options
def check(*, output: OutputOptions) -> None:
    """Look at every step of a rotation, and change nothing.

    Identity, vault and its permissions, SAS definition, SSH key, master and host key, kubectl and what it may do,
    storage, clocks, lease: each with ok, warning or failure, and with the command that mends it.

    Exit codes: 0 nothing would fail, 1 something would, 2 bad settings or usage.

    \b
    Examples:
      python -m rotator check
      python -m rotator check --json | jq -r '.findings[] | select(.command != "") | .command'
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    with error_output.report_errors(output):
        checkup = _json() if output.as_json else _told(printing.console(), verbose=output.verbose)
    sys.exit(error_output.FAILED if checkup.failed else 0)


def _json() -> Checkup:
    with interrupts.exit_at_once():
        checkup = app.check()
    click.echo(printing.json_text(checkup.as_json(), indent=2))
    return checkup


def _told(console: "Console", *, verbose: bool) -> Checkup:
    # Not the console's own idea of a terminal, which FORCE_COLOR changes; and lines of the log would tear what is live.
    if sys.stdout.isatty() and console.is_terminal and not verbose:
        checkup = _live(console)
    else:
        with interrupts.exit_at_once():
            checkup = app.check()
        tables.show(console, _table(checkup.findings, narrow=tables.is_narrow(console)))
    for finding in checkup.findings:
        _mend(console, finding)
    console.print(printing.text(checkup.verdict(), "bold red" if checkup.failed else "bold"))
    return checkup


def _live(console: "Console") -> Checkup:
    from rich.live import Live

    with Live(console=console, refresh_per_second=12) as live, interrupts.exit_at_once(restored=f"{_CURSOR}\n"):
        checkup = app.check(announce=_Watcher(live))
        live.update(_table(checkup.findings, narrow=tables.is_narrow(console)))
    return checkup


def _mend(console: "Console", finding: Finding) -> None:
    """Say what to do. Not wrapped, so that a command can be copied in one piece."""
    if finding.remedy or finding.command:
        console.print(printing.text(f"\n{finding.check}: {finding.text}", _STYLES[finding.level]), soft_wrap=True)
    if finding.remedy:
        console.print(printing.text(f"  {finding.remedy}"), soft_wrap=True)
    if finding.command:
        console.print(printing.text(f"  $ {finding.command}", "bold"), soft_wrap=True)


class _Watcher:
    """Shows what is being looked at, and what was found so far."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._lock = threading.Lock()
        self._findings: list[Finding] = []
        self._under_way: list[str] = []

    def began(self, check: str) -> None:
        """Show that a look has begun."""
        with self._lock:
            self._under_way.append(check)
            self._show()

    def found(self, finding: Finding) -> None:
        """Show what it found."""
        with self._lock:
            self._findings.append(finding)
            if finding.check in self._under_way:
                self._under_way.remove(finding.check)
            self._show()

    def _show(self) -> None:
        from rich.console import Group
        from rich.spinner import Spinner

        waiting = Spinner("line", printing.text(", ".join(self._under_way), "dim"))
        self._live.update(Group(_table(tuple(self._findings), narrow=tables.is_narrow(self._live.console)), waiting))


def _table(findings: tuple[Finding, ...], *, narrow: bool) -> "RenderableType":
    """Show each finding in a row, its text beside the check's name or, in a narrow terminal, under it."""
    from rich.text import Text

    table = tables.plain(narrow=narrow)
    for level, check, text in _rows(findings):
        cells = [printing.text(check), printing.text(text)]
        table.add_row(printing.text(level, _STYLES[level]), *([Text("\n").join(cells)] if narrow else cells))
    return table


def _rows(findings: tuple[Finding, ...]) -> Iterator[tuple[Level, str, str]]:
    """Give a row for each, but one in all for what was not looked at for the same reason."""
    skipped: dict[str, list[str]] = {}
    for finding in findings:
        if finding.level is Level.SKIPPED:
            skipped.setdefault(finding.text, []).append(finding.check)
        else:
            yield finding.level, finding.check, finding.text
    for text, checks in skipped.items():
        yield (
            (Level.SKIPPED, checks[0], text)
            if len(checks) == 1
            else (
                Level.SKIPPED,
                f"{len(checks)} checks",
                f"{text}: {', '.join(checks)}",
            )
        )
