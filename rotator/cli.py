"""The command line: the same runs as in Azure, from a terminal.

Exit codes: 0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from rotator import __version__, app, complaint, errors, onboard_command
from rotator.pending import Operation
from rotator.report import Due, Failed, KeyReport, Report, Rotated, TargetReport, Unchanged

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {
    "rotated": "green",
    "unchanged": "cyan",
    "due": "yellow",
    "failed": "bold red",
    "done": "green",
    "waiting": "yellow",
    "unfinished": "bold red",
}

_as_json = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
_no_lease = click.option("--no-lease", is_flag=True, help="Trust that no other run starts meanwhile.")
_force = click.option("--force", is_flag=True, help="Also for a Secret that holds a fresh SAS.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Log each decision to standard error.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Keep the storage credentials in Kubernetes Secrets short-lived and fresh.

    Settings come from environment variables, as the app settings in Azure do.
    Exit codes: 0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress.
    """


@main.command()
@click.option("--regenerate-key", is_flag=True, help="Have the account key that is not in use regenerated, and use it.")
@click.option("--force", is_flag=True, help="Also where a SAS is fresh, or where that key may still be in use.")
@_no_lease
@_as_json
@_verbose
def rotate(*, regenerate_key: bool, force: bool, no_lease: bool, as_json: bool, verbose: bool) -> None:
    """Issue, prove and deliver a SAS where one is due."""
    operation = Operation.REGENERATE if regenerate_key else None
    _act(operation, forced=force, leased=not no_lease, as_json=as_json, verbose=verbose)


@main.command()
@click.option("--force", is_flag=True, help="Also if a target cannot be reached, whose SAS then dies.")
@_no_lease
@_as_json
@_verbose
def revoke(*, force: bool, no_lease: bool, as_json: bool, verbose: bool) -> None:
    """After a leak: have both account keys regenerated, so that nothing issued before works.

    Every target gets a SAS of a new key before the key of its old one dies.
    """
    _act(Operation.REVOKE, forced=force, leased=not no_lease, as_json=as_json, verbose=verbose)


@main.command()
@_as_json
@_force
@_verbose
def plan(*, as_json: bool, force: bool, verbose: bool) -> None:
    """Say what `rotate` would do; changes nothing."""
    _run(lambda: app.plan(forced=force), as_json=as_json, verbose=verbose)


main.add_command(onboard_command.onboard)


def _act(operation: Operation | None, *, forced: bool, leased: bool, as_json: bool, verbose: bool) -> None:
    _run(
        lambda: app.rotate(trigger="cli", forced=forced, operation=operation, lease=leased),
        as_json=as_json,
        verbose=verbose,
    )


def _run(act: Callable[[], Report], *, as_json: bool, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        report = act()
    except errors.RotatorError as error:
        complaint.stop(error, as_json=as_json, indent=2)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _show(report)
    sys.exit(complaint.FAILED if report.failed else 0)


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("TARGET", "OUTCOME", "SAS UNTIL", "WHY"):
        table.add_column(heading, overflow="fold")
    for target in report.targets:
        kind = target.outcome.kind
        until, why = _cells(target)
        # As Text: a message may hold brackets, which are no markup.
        table.add_row(Text(target.target), Text(kind, style=_COLOURS[kind]), Text(until), Text(why))
    console.print(table)
    for target in report.targets:
        if isinstance(target.outcome, Failed):
            console.print(Text.assemble((f"{target.target}: ", "bold red"), target.outcome.message))
            console.print(Text(f"  {target.outcome.remedy}"))
    if report.key:
        _show_key(console, report.key)
    warnings = [*report.warnings, *(warning for target in report.targets for warning in target.warnings)]
    for warning in warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    console.print(Text(_closing(report), style="dim"))


def _show_key(console: "Console", key: KeyReport) -> None:
    from rich.text import Text

    console.print(Text.assemble(f"{key.operation} ", (key.outcome, _COLOURS[key.outcome]), f": {key.reason}"))
    told = {
        "regenerated": ", ".join(key.regenerated),
        "to be regenerated": ", ".join(key.remaining),
        "active key": key.active_key or "",
    }
    lines = [f"{name}: {text}" for name, text in told.items() if text]
    lines += [f"cut off: {each}" for each in key.cut_off] + [f"the former SAS {each}" for each in key.proofs]
    lines += [key.failure.message, key.failure.remedy] if key.failure else []
    for line in lines:
        console.print(Text(f"  {line}"))


def _cells(target: TargetReport) -> tuple[str, str]:
    match target.outcome:
        case Rotated(reason=reason, expires=expires, act=act, proof=proof):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}", f"{reason}; {act}; proof: {proof}"
        case Unchanged(reason=reason, expires=expires):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}" if expires else "", reason
        case Due(reason=reason):
            return "", reason
        case Failed(error=error):
            return "", error


def _closing(report: Report) -> str:
    seconds = (report.finished - report.started).total_seconds()
    if report.trigger == "plan":
        definition = "would be set" if report.definition_changed else "is as wanted"
        return f"plan only: nothing was changed; the SAS definition {definition}"
    definition = "; the SAS definition was set" if report.definition_changed else ""
    return f"run {report.run}: {report.counts()} in {seconds:.1f} s{definition}"
