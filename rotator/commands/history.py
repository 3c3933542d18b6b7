"""`python -m rotator history`: what earlier runs did, from the reports in the app's own storage."""

import collections
import datetime
from typing import TYPE_CHECKING, Any

import click

from rotator import activity, app
from rotator.commands import error_handling, interrupts, options, printing, tables
from rotator.commands.options import OutputOptions
from rotator.reporting.timer import TimerReading

if TYPE_CHECKING:
    from rich.text import Text

_ACTIVITY = "the app's own storage, for the reports"


@click.command()
@click.argument("run", required=False)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many runs to list at most."
)
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How many days to go back.")
@options.output_options
def history(*, run: str | None, limit: int, days: int, output: OutputOptions) -> None:
    """Show what earlier runs did.

    Lists the newest run first; with RUN, shows everything about that one. The reports are in
    the container that REPORT_CONTAINER names, in the app's own storage.

    \b
    Examples:
      python -m rotator history --days 7
      python -m rotator history 20261124T043505Z-ec886b
      python -m rotator history --json | jq '.reports[] | select(.failed)'
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    with error_handling.report_errors(output):
        if run is None:
            _list_runs(limit, days, output)
        else:
            _show_run(run, output)


def _list_runs(limit: int, days: int, output: OutputOptions) -> None:
    now = datetime.datetime.now(datetime.UTC)
    with interrupts.read_only(output), activity.of(_ACTIVITY):
        reports, reading = app.history(limit, now - datetime.timedelta(days=days))
    if output.as_json:
        found = {"reports": reports, "timer": reading.timer.as_json() if reading.timer else None}
        click.echo(printing.json_text(found, indent=2))
        for warning in reading.warnings:
            click.echo(printing.printable(f"warning: {warning}"), err=True)
        return
    if reports:
        _print_list(reports)
    else:
        click.echo(f"no report was kept in the last {days} days")
    _print_timer(reading, now)


def _show_run(run: str, output: OutputOptions) -> None:
    with interrupts.read_only(output), activity.of(_ACTIVITY), app.archive() as archive:
        report = archive.find(run)
    if output.as_json:
        click.echo(printing.json_text(report, indent=2))
    else:
        print_report(report)


def _print_timer(reading: TimerReading, now: datetime.datetime) -> None:
    console = printing.console()
    for warning in reading.warnings:
        console.print(printing.text(f"warning: {warning}", "yellow"))
    if reading.timer:
        console.print(printing.text(f"timer {reading.timer.summary(now)}", "dim"))


def _print_list(reports: list[dict[str, Any]]) -> None:
    console, rows = printing.console(), []
    for report in reports:
        *before, outcome, what = _cells(report)
        rows.append([*map(printing.text, before), _outcome_text(outcome), printing.text(what)])
    headings = ("WHEN", "RUN", "ASKED BY", "OUTCOME", "WHAT")
    # A run's name is copied as a whole, so it is not folded; it begins with the time, so WHEN can be left out.
    tables.show(console, tables.headed(console, headings, rows, whole=headings[:-1], spare={"WHEN"}))


def _cells(report: dict[str, Any]) -> tuple[str, str, str, str, str]:
    if "problem" in report:
        return "", "", "", "no report", f"{report['blob']}: {report['problem']}"
    when = str(report["started"]).replace("T", " ")
    return when, report["run"], str(report.get("asked_by") or report.get("trigger")), _outcome(report), _what(report)


def _outcome(report: dict[str, Any]) -> str:
    kinds = [str(target.get("outcome")) for target in report["targets"]]
    if report["failed"]:
        return "failed"
    return "rotated" if "rotated" in kinds else next(iter(kinds), "done")


def _what(report: dict[str, Any]) -> str:
    """Return what happened and why, for one cell."""
    if report.get("error"):
        return f"{report['error'].get('error')}: {report['error'].get('message')}"
    targets, key = report["targets"], report.get("key")
    kinds = collections.Counter(str(target.get("outcome")) for target in targets)
    parts = [", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))] if len(targets) > 1 else []
    parts += dict.fromkeys(str(target.get("reason") or target.get("error")) for target in targets)
    parts += ["drift"] if any(target.get("drift") for target in targets) else []
    parts += ["the SAS definition was set"] if report.get("definition_changed") else []
    parts += [f"{key.get('operation')} {key.get('outcome')}: {key.get('reason')}"] if key else []
    return "; ".join(parts)


def print_report(report: dict[str, Any]) -> None:
    """Print everything about one run, from its report as JSON values."""
    error = report.get("error") or {}
    _print_section(f"run {report['run']}", _outcome(report), {**report, **error}, "run", "failed", "targets", "key")
    for target in report["targets"]:
        _print_section(target.get("target"), target.get("outcome"), target, "target", "outcome")
    if key := report.get("key"):
        failure = key.get("failure") or {}
        _print_section(key.get("operation"), key.get("outcome"), {**key, **failure}, "operation", "outcome", "failure")


def _print_section(title: object, outcome: object, facts: dict[str, Any], *left_out: str) -> None:
    """Print a heading and the facts, except those `left_out`, which the heading or another section shows."""
    from rich.table import Table

    console = printing.console()
    console.print(printing.text(f"{title}: ") + _outcome_text(str(outcome)))
    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in facts.items():
        for each in value if isinstance(value, list) else [value]:
            if each and name not in left_out:
                table.add_row(printing.text(name.replace("_", " ")), printing.text(_value_text(each)))
    tables.show(console, table)


def _value_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return "yes" if value is True else str(value)


def _outcome_text(outcome: str) -> "Text":
    return printing.text(outcome, printing.OUTCOME_STYLES.get(outcome, ""))
