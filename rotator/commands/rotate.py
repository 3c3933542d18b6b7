"""`python -m rotator rotate`, `revoke` and `plan`: the same runs as in Azure, and their reports as text or JSON."""

import getpass
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from rotator import app, errors
from rotator.commands import error_handling, interrupts, move, options, printing, status_line, tables
from rotator.commands.options import OutputOptions
from rotator.commands.status_line import StatusLine
from rotator.plan.account import IssuerKind
from rotator.reporting.report import Failed, KeyReport, Report, Rotated, TargetReport, Trigger, Unchanged, WouldRotate
from rotator.rotation.state import Operation

if TYPE_CHECKING:
    from rich.console import Console

_no_lease = click.option(
    "--no-lease", is_flag=True, help="Run without the lease; make sure that no other run starts meanwhile."
)


@click.command()
@click.option("--regenerate-key", is_flag=True, help="Regenerate the account key that is not active, and activate it.")
@click.option(
    "--force",
    is_flag=True,
    help="Rotate even where the SAS is fresh; with --regenerate-key, even if that key may still be in use.",
)
@_no_lease
@options.output_options
def rotate(*, regenerate_key: bool, force: bool, no_lease: bool, output: OutputOptions) -> None:
    """Rotate the targets that are due.

    Issues a SAS, proves that storage accepts it, and delivers it. Resumes an unfinished key rotation, or
    starts one that is due by age.

    \b
    Examples:
      python -m rotator rotate
      python -m rotator rotate --force --json | jq -r '.targets[].expires'
      python -m rotator rotate --regenerate-key
    """  # noqa: D301
    operation = Operation.REGENERATE if regenerate_key else None
    _run(_rotation(operation, forced=force, leased=not no_lease), output)


@click.command()
@click.option("--force", is_flag=True, help="Continue where a target cannot be updated: its SAS stops working.")
@_no_lease
@options.output_options
def revoke(*, force: bool, no_lease: bool, output: OutputOptions) -> None:
    """After a leak: regenerate both account keys.

    Every SAS issued before stops working. Each target gets a new SAS before the key of its old one is regenerated.

    \b
    Examples:
      python -m rotator revoke
      python -m rotator revoke --force
    """  # noqa: D301
    _run(_rotation(Operation.REVOKE, forced=force, leased=not no_lease), output)


@click.command()
@click.option("--force", is_flag=True, help="Plan a rotation with --force: even where the SAS is fresh.")
@click.option(
    "--issuer",
    type=click.Choice([str(kind) for kind in IssuerKind]),
    help="Show instead what a move to this SAS_ISSUER takes: exit code 1 if anything is missing.",
)
@options.output_options
def plan(*, force: bool, issuer: str | None, output: OutputOptions) -> None:
    """Show what `rotate` would do; change nothing.

    \b
    Examples:
      python -m rotator plan
      python -m rotator plan --issuer userdelegation
      python -m rotator plan --json | jq -r '.targets[] | "\\(.target): \\(.reason)"'
    """  # noqa: D301
    if issuer is not None:
        move.show(IssuerKind(issuer), output)
    _run(lambda: app.plan(forced=force), output, reads=True)


def user_and_host() -> str:
    """Return who runs the command, for the report: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _rotation(operation: Operation | None, *, forced: bool, leased: bool) -> Callable[[], Report]:
    return lambda: app.rotate(
        trigger=Trigger.CLI, asked_by=user_and_host(), forced=forced, operation=operation, lease=leased
    )


def _run(action: Callable[[], Report], output: OutputOptions, *, reads: bool = False) -> None:
    """Run the action, print its report, and exit; Ctrl-C ends one that only `reads` at once."""
    interrupted = "Nothing was changed." if reads else f"The run was stopped. {errors.InterruptedRunError.remedy}"
    shown = status_line.is_wanted(as_json=output.as_json, verbose=output.verbose)
    line = StatusLine("Ctrl-C is safe: the next run finishes what this one began", shown=shown)
    with error_handling.report_errors(output, interrupted=interrupted), interrupts.stop_in_order(line):
        with interrupts.read_only(output) if reads else line:
            report = action()
        if output.as_json:
            click.echo(printing.json_text(report.as_json(), indent=2))
        else:
            _print_report(report)
    sys.exit(error_handling.FAILED if report.failed else 0)


def _print_report(report: Report) -> None:
    console, rows = printing.console(), []
    for target in report.targets:
        kind = target.outcome.kind
        expires, reason = _expiry_and_reason(target)
        cells = (target.target, ""), (kind, printing.OUTCOME_STYLES[kind]), (expires, ""), (reason, "")
        rows.append([printing.text(words, style) for words, style in cells])
    tables.show(console, tables.headed(console, ("TARGET", "OUTCOME", "SAS UNTIL", "WHY"), rows))
    for target in report.targets:
        if isinstance(target.outcome, Failed):
            console.print(printing.text(f"{target.target}: ", "bold red") + printing.text(target.outcome.message))
            console.print(printing.text(f"  {target.outcome.remedy}"))
    if report.key:
        _print_key(console, report.key)
    warnings = [*report.warnings, *(warning for target in report.targets for warning in target.warnings)]
    for warning in warnings:
        console.print(printing.text(f"warning: {warning}", "yellow"))
    for sentence in report.tolerance.sentences() if report.tolerance else ():
        console.print(printing.text(sentence, "dim"))
    console.print(printing.text(_summary(report), "dim"))


def _print_key(console: "Console", key: KeyReport) -> None:
    outcome = printing.text(key.outcome, printing.OUTCOME_STYLES[key.outcome])
    console.print(printing.text(f"{key.operation} ") + outcome + printing.text(f": {key.reason}"))
    facts = {
        "regenerated": ", ".join(key.regenerated),
        "to be regenerated": ", ".join(key.remaining),
        "active key": key.active_key or "",
    }
    lines = [f"{name}: {text}" for name, text in facts.items() if text]
    lines += [f"cut off: {each}" for each in key.cut_off] + [f"the former SAS {each}" for each in key.proofs]
    lines += [key.failure.message, key.failure.remedy] if key.failure else []
    for line in lines:
        console.print(printing.text(f"  {line}"))


def _expiry_and_reason(target: TargetReport) -> tuple[str, str]:
    match target.outcome:
        case Rotated(reason=reason, expires=expires, act=act, proof=proof):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}", f"{reason}; {act}; proof: {proof}"
        case Unchanged(reason=reason, expires=expires):
            return f"{expires:%Y-%m-%d %H:%M:%SZ}" if expires else "", reason
        case WouldRotate(reason=reason):
            return "", reason
        case Failed(error=error):
            return "", error


def _summary(report: Report) -> str:
    seconds = (report.finished - report.started).total_seconds()
    if report.trigger == Trigger.PLAN:
        done = "plan only: nothing was changed"
        if report.definition_changed is None:
            return done
        return f"{done}; the SAS definition {'would be set' if report.definition_changed else 'is as wanted'}"
    definition = "; the SAS definition was set" if report.definition_changed else ""
    late = f"; {report.late.total_seconds() / 60:.0f} min late" if report.past_due and report.late else ""
    return f"run {report.run}: {report.counts()} in {seconds:.1f} s{definition}{late}"
