"""The command line: the same runs as in Azure, from a terminal.

Exit codes: 0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress,
130 interrupted by Ctrl-C.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

import click

from rotator import __version__, app, errors
from rotator.commands import (
    check,
    completion,
    error_output,
    history,
    onboard,
    output,
    status,
    status_line,
    tables,
    terminal,
)
from rotator.commands.status_line import StatusLine
from rotator.commands.terminal import Manner
from rotator.reporting.report import Failed, KeyReport, Report, Rotated, TargetReport, Unchanged, WouldRotate
from rotator.rotation.state import Operation

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

_no_lease = click.option("--no-lease", is_flag=True, help="Trust that no other run starts meanwhile.")
_force = click.option("--force", is_flag=True, help="Also for a Secret that holds a fresh SAS.")


@click.group(cls=output.CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Keep the storage credentials in Kubernetes Secrets short-lived and fresh.

    Settings come from environment variables, as the app settings in Azure do.
    Exit codes: 0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress.

    \b
    Examples:
      python -m rotator check       is everything in place for a rotation?
      python -m rotator plan        what would a rotation do?
      python -m rotator rotate      do it
      python -m rotator status      what do the clusters hold?
      python -m rotator history     what did earlier runs do?
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False


@main.command()
@click.option("--regenerate-key", is_flag=True, help="Have the account key that is not in use regenerated, and use it.")
@click.option("--force", is_flag=True, help="Also where a SAS is fresh, or where that key may still be in use.")
@_no_lease
@terminal.mannered
def rotate(*, regenerate_key: bool, force: bool, no_lease: bool, manner: Manner) -> None:
    """Issue, prove and deliver a SAS where one is due.

    \b
    Examples:
      python -m rotator rotate
      python -m rotator rotate --force --json | jq -r '.targets[].expires'
      python -m rotator rotate --regenerate-key
    """  # noqa: D301
    operation = Operation.REGENERATE if regenerate_key else None
    _run(_rotation(operation, forced=force, leased=not no_lease), manner)


@main.command()
@click.option("--force", is_flag=True, help="Also if a target cannot be reached, whose SAS then dies.")
@_no_lease
@terminal.mannered
def revoke(*, force: bool, no_lease: bool, manner: Manner) -> None:
    """After a leak: have both account keys regenerated, so that nothing issued before works.

    Every target gets a SAS of a new key before the key of its old one dies.

    \b
    Examples:
      python -m rotator revoke
      python -m rotator revoke --force
    """  # noqa: D301
    _run(_rotation(Operation.REVOKE, forced=force, leased=not no_lease), manner)


@main.command()
@_force
@terminal.mannered
def plan(*, force: bool, manner: Manner) -> None:
    """Say what `rotate` would do; changes nothing.

    \b
    Examples:
      python -m rotator plan
      python -m rotator plan --json | jq -r '.targets[] | "\\(.target): \\(.reason)"'
    """  # noqa: D301
    _run(lambda: app.plan(forced=force), manner, reads=True)


for command in (
    check.check,
    status.status,
    history.history,
    onboard.onboard,
    completion.completion,
):
    main.add_command(command)


def _rotation(operation: Operation | None, *, forced: bool, leased: bool) -> Callable[[], Report]:
    return lambda: app.rotate(
        trigger="cli", asked_by=terminal.asked_by(), forced=forced, operation=operation, lease=leased
    )


_STOPPED = f"The run was stopped. {errors.InterruptedRunError.remedy}"


def _run(act: Callable[[], Report], manner: Manner, *, reads: bool = False) -> None:
    """Do this, show its report, and exit; what only `reads` may be left at any time."""
    words = "Nothing was changed." if reads else _STOPPED
    shown = status_line.is_wanted(as_json=manner.as_json, verbose=manner.verbose)
    line = StatusLine("Ctrl-C is safe: the next run finishes what this one began", shown=shown)
    with terminal.telling(manner, interrupted=words), _terminable(line):
        with terminal.looking(manner) if reads else line:
            report = act()
        if manner.as_json:
            click.echo(error_output.json_text(report.as_json(), indent=2))
        else:
            _show(report)
    sys.exit(error_output.FAILED if report.failed else 0)


@contextlib.contextmanager
def _terminable(line: StatusLine) -> Iterator[None]:
    """Have SIGTERM end the run as Ctrl-C does: told, and its lease given back; then with 143.

    After either the line says that the run stops: what is under way is waited for.
    """
    ended = False

    def end(number: int, _frame: object) -> NoReturn:
        nonlocal ended
        ended = ended or number == signal.SIGTERM
        line.stop()
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, end)
    interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where they are ignored
    if interrupts:
        signal.signal(signal.SIGINT, end)
    try:
        yield
    except KeyboardInterrupt:
        if not ended:
            raise
        click.echo(f"Interrupted. {errors.InterruptedRunError.remedy}", err=True)
        sys.exit(128 + signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
        if interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _show(report: Report) -> None:
    console, rows = terminal.console(), []
    for target in report.targets:
        kind = target.outcome.kind
        until, why = _cells(target)
        cells = (target.target, ""), (kind, _COLOURS[kind]), (until, ""), (why, "")
        rows.append([terminal.text(words, style) for words, style in cells])
    tables.show(console, tables.headed(console, ("TARGET", "OUTCOME", "SAS UNTIL", "WHY"), rows))
    for target in report.targets:
        if isinstance(target.outcome, Failed):
            console.print(terminal.text(f"{target.target}: ", "bold red") + terminal.text(target.outcome.message))
            console.print(terminal.text(f"  {target.outcome.remedy}"))
    if report.key:
        _show_key(console, report.key)
    warnings = [*report.warnings, *(warning for target in report.targets for warning in target.warnings)]
    for warning in warnings:
        console.print(terminal.text(f"warning: {warning}", "yellow"))
    console.print(terminal.text(_closing(report), "dim"))


def _show_key(console: "Console", key: KeyReport) -> None:
    outcome = terminal.text(key.outcome, _COLOURS[key.outcome])
    console.print(terminal.text(f"{key.operation} ") + outcome + terminal.text(f": {key.reason}"))
    told = {
        "regenerated": ", ".join(key.regenerated),
        "to be regenerated": ", ".join(key.remaining),
        "active key": key.active_key or "",
    }
    lines = [f"{name}: {text}" for name, text in told.items() if text]
    lines += [f"cut off: {each}" for each in key.cut_off] + [f"the former SAS {each}" for each in key.proofs]
    lines += [key.failure.message, key.failure.remedy] if key.failure else []
    for line in lines:
        console.print(terminal.text(f"  {line}"))


def _cells(target: TargetReport) -> tuple[str, str]:
    match target.outcome:
        case Rotated(reason=reason, expires=expires, act=act, proof=proof):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}", f"{reason}; {act}; proof: {proof}"
        case Unchanged(reason=reason, expires=expires):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}" if expires else "", reason
        case WouldRotate(reason=reason):
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
