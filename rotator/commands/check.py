"""`python -m rotator check`: what would fail in a rotation and how to fix it, as a live table in a terminal."""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rotator import app
from rotator.checks.findings import Checkup, Finding, Level
from rotator.commands import error_handling, interrupts, options, printing, tables
from rotator.commands.options import OutputOptions

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red", Level.SKIPPED: "dim"}
_SHOW_CURSOR = "\x1b[?25h"


@click.command()
@options.output_options
def check(*, output: OutputOptions) -> None:
    """Check every step of a rotation, and change nothing.

    Checks the identity, the vault and its permissions, the SAS definition, the SSH key, the master and its host key,
    kubectl and its permissions, storage, the clocks and the lease. Each problem comes with the command that fixes it.

    Exit codes: 0 no failure, 1 a rotation would fail, 2 bad settings or usage.

    \b
    Examples:
      python -m rotator check
      python -m rotator check --json | jq -r '.findings[] | select(.command != "") | .command'
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    with error_handling.report_errors(output):
        checkup = _print_json() if output.as_json else _print_text(printing.console(), verbose=output.verbose)
    sys.exit(error_handling.FAILED if checkup.failed else 0)


def _print_json() -> Checkup:
    with interrupts.exit_at_once():
        checkup = app.check()
    click.echo(printing.json_text(checkup.as_json(), indent=2))
    return checkup


def _print_text(console: "Console", *, verbose: bool) -> Checkup:
    # FORCE_COLOR makes any output a terminal for rich, so ask standard output too. Log lines would break the table.
    if sys.stdout.isatty() and console.is_terminal and not verbose:
        checkup = _run_live(console)
    else:
        with interrupts.exit_at_once():
            checkup = app.check()
        tables.show(console, _table(checkup.findings, narrow=tables.is_narrow(console)))
    for finding in checkup.findings:
        _print_remedy(console, finding)
    console.print(printing.text(checkup.verdict(), "bold red" if checkup.failed else "bold"))
    return checkup


def _run_live(console: "Console") -> Checkup:
    from rich.live import Live

    with Live(console=console, refresh_per_second=12) as live, interrupts.exit_at_once(restored=f"{_SHOW_CURSOR}\n"):
        checkup = app.check(announce=_LiveTable(live))
        live.update(_table(checkup.findings, narrow=tables.is_narrow(console)))
    return checkup


def _print_remedy(console: "Console", finding: Finding) -> None:
    """Print what to do, unwrapped, so that a command can be copied."""
    if finding.remedy or finding.command:
        console.print(printing.text(f"\n{finding.check}: {finding.text}", _STYLES[finding.level]), soft_wrap=True)
    if finding.remedy:
        console.print(printing.text(f"  {finding.remedy}"), soft_wrap=True)
    if finding.command:
        console.print(printing.text(f"  $ {finding.command}", "bold"), soft_wrap=True)


class _LiveTable:
    """The findings so far, and the checks that are running. Its methods are called from several threads."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._lock = threading.Lock()
        self._findings: list[Finding] = []
        self._running: list[str] = []

    def began(self, check: str) -> None:
        """Show that a check is running."""
        with self._lock:
            self._running.append(check)
            self._update()

    def found(self, finding: Finding) -> None:
        """Show what a check found."""
        with self._lock:
            self._findings.append(finding)
            if finding.check in self._running:
                self._running.remove(finding.check)
            self._update()

    def _update(self) -> None:
        from rich.console import Group
        from rich.spinner import Spinner

        running = Spinner("line", printing.text(", ".join(self._running), "dim"))
        self._live.update(Group(_table(tuple(self._findings), narrow=tables.is_narrow(self._live.console)), running))


def _table(findings: tuple[Finding, ...], *, narrow: bool) -> "RenderableType":
    """Return a row for each finding: its text beside the check's name or, in a narrow terminal, under it."""
    from rich.text import Text

    table = tables.plain(narrow=narrow)
    for level, check, text in _rows(findings):
        cells = [printing.text(check), printing.text(text)]
        table.add_row(printing.text(level, _STYLES[level]), *([Text("\n").join(cells)] if narrow else cells))
    return table


def _rows(findings: tuple[Finding, ...]) -> Iterator[tuple[Level, str, str]]:
    """Yield a row for each finding, and a single one for all checks that were skipped for the same reason."""
    skipped: dict[str, list[str]] = {}
    for finding in findings:
        if finding.level is Level.SKIPPED:
            skipped.setdefault(finding.text, []).append(finding.check)
        else:
            yield finding.level, finding.check, finding.text
    for text, checks in skipped.items():
        if len(checks) == 1:
            yield Level.SKIPPED, checks[0], text
        else:
            yield Level.SKIPPED, f"{len(checks)} checks", f"{text}: {', '.join(checks)}"
