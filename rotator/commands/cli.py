"""The command line's group, with the commands that it has.

Exit codes: 0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress,
130 interrupted by Ctrl-C, 143 ended by SIGTERM.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from rotator import __version__
from rotator.commands import (
    check,
    completion,
    error_handling,
    finish_deployment,
    history,
    interrupts,
    onboard,
    rotate,
    status,
    streams,
)


class CommandLine(click.Group):
    """A group whose output is masked, and which Ctrl-C ends with 130, also while it parses or prompts."""

    def main(self, args: Sequence[str] | None = None, *arguments: Any, **options: Any) -> Any:
        """Run and exit as click does; with 130 after Ctrl-C, 1 when the input ends at a prompt."""
        run: Callable[..., Any] = super().main
        if not options.pop("standalone_mode", True):
            return run(args, *arguments, standalone_mode=False, **options)
        with streams.masked():
            try:
                # An option that ends the command, such as --help, returns its exit code here.
                sys.exit(run(args, *arguments, standalone_mode=False, **options))
            except click.ClickException as error:
                error.show()
                sys.exit(error.exit_code)
            except (click.Abort, KeyboardInterrupt) as abort:
                _exit_aborted(abort)


def _exit_aborted(abort: BaseException) -> NoReturn:
    if interrupts.is_interrupt(abort):
        interrupts.exit_interrupted("Nothing was changed.")  # a command that changes something catches it itself
    click.echo("Aborted!", err=True)
    sys.exit(error_handling.FAILED)


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
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
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False


for command in (
    rotate.rotate,
    rotate.revoke,
    rotate.plan,
    check.check,
    status.status,
    history.history,
    onboard.onboard,
    finish_deployment.finish_deployment,
    completion.completion,
):
    main.add_command(command)
