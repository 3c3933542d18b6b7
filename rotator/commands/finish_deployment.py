"""`python -m rotator finish-deployment`: the end of a deployment, each step as text or JSON."""

import os
from collections.abc import Callable

import click

from rotator import app
from rotator.commands import error_handling, history, options, printing
from rotator.commands.options import OutputOptions
from rotator.deployment.progress import Progress, ProgressKind
from rotator.plan import resource_id

_COLOURS = {
    ProgressKind.WAITING: "cyan",
    ProgressKind.WARNING: "yellow",
    ProgressKind.DONE: "green",
    ProgressKind.FAILED: "red",
}
_INTERRUPTED = "The deployment stays as it is, and a run that was asked for goes on in the app. Run it again."


@click.command("finish-deployment")
@click.option(
    "--function-app",
    type=options.resource(resource_id.FUNCTION_APP),
    metavar="ID",
    envvar="FUNCTION_APP_ID",
    required=True,
    help="The function app's resource id.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the functions, and then for a run, at most.",
)
@options.output_options
def finish_deployment(*, function_app: resource_id.ResourceId, timeout: int, output: OutputOptions) -> None:
    """Wait until a deployed app runs.

    \b
    Needs the role Website Contributor on the function app. In this order:
      1. syncs the triggers until the app's functions are listed
      2. asks for a run of what is due, and shows its report
      3. looks whether the timer has a next moment

    A second run does no harm. AZURE_RESOURCE_MANAGER names Resource Manager in
    other clouds than the public one.

    Exit codes: 0 the app runs, 1 something is refused or does not answer, 2 bad usage, 3 another run was in
    progress all the time, 4 the functions are not listed or are disabled, 5 the timer has no next moment, or that
    is not known, 6 the run failed.

    \b
    Examples:
      python -m rotator finish-deployment
      python -m rotator finish-deployment --timeout 900
      python -m rotator finish-deployment --json | jq -r '.next_run // empty'
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    announce: Callable[[Progress], None] = _print_json if output.as_json else _print_text
    with (
        error_handling.report_errors(output, indent=None, interrupted=_INTERRUPTED),  # each step is a line of JSON
        app.deployment(function_app, announce, seconds=timeout, environment=os.environ) as deployment,
    ):
        deployment.finish()


def _print_json(progress: Progress) -> None:
    click.echo(printing.json_text(progress.as_json()))


def _print_text(progress: Progress) -> None:
    # What is waited for says so itself.
    label = "" if progress.kind is ProgressKind.WAITING else progress.kind
    click.echo(f"{click.style(f'{label:<7}', fg=_COLOURS[progress.kind])} {printing.printable(progress.text)}")
    if progress.report is not None:
        history.print_report(dict(progress.report))
