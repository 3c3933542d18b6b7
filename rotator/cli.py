"""The command line: the same runs as in Azure, from a terminal.

Exit codes: 0 done, 1 a target failed, 2 bad settings or usage.
"""

import json
import logging
import sys
from collections.abc import Callable

import click

from rotator import __version__, app, complaint, errors, onboard_command
from rotator.report import Due, Failed, Report, Rotated, TargetReport, Unchanged

_COLOURS = {"rotated": "green", "unchanged": "cyan", "due": "yellow", "failed": "bold red"}

_as_json = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
_force = click.option("--force", is_flag=True, help="Also for a Secret that holds a fresh SAS.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Log each decision to standard error.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Keep the storage credentials in Kubernetes Secrets short-lived and fresh.

    Settings come from environment variables, as the app settings in Azure do.
    Exit codes: 0 done, 1 a target failed, 2 bad settings or usage.
    """


@main.command()
@_as_json
@_force
@_verbose
def rotate(*, as_json: bool, force: bool, verbose: bool) -> None:
    """Issue, prove and deliver a SAS where one is due."""
    _run(lambda: app.rotate(trigger="cli", forced=force), as_json=as_json, verbose=verbose)


@main.command()
@_as_json
@_force
@_verbose
def plan(*, as_json: bool, force: bool, verbose: bool) -> None:
    """Say what `rotate` would do; changes nothing."""
    _run(lambda: app.plan(forced=force), as_json=as_json, verbose=verbose)


main.add_command(onboard_command.onboard)


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
    warnings = [*report.warnings, *(warning for target in report.targets for warning in target.warnings)]
    for warning in warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    console.print(Text(_closing(report), style="dim"))


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
