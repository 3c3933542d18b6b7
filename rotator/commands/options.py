"""What the options of commands share: --json, --verbose and --debug, and resource ids as values."""

import dataclasses
import functools
from collections.abc import Callable

import click

from rotator.plan import resource_id

_Command = Callable[..., None]


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """How a command reports: as JSON, with each decision logged, with the traceback of an error."""

    as_json: bool = False
    verbose: bool = False
    debug: bool = False


def output_options(command: _Command) -> _Command:
    """Add the options to a command, which gets their values as its parameter `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, as described in docs/schema.")
    @click.option("-v", "--verbose", is_flag=True, help="Log each decision to standard error.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(command)
    def wrapped(*, as_json: bool, verbose: bool, debug: bool, **options: object) -> None:
        command(output=OutputOptions(as_json, verbose, debug), **options)

    return wrapped


def resource(kind: str) -> Callable[[str], resource_id.ResourceId]:
    """Return the type of an option whose value is the resource id of such a resource."""

    def read(text: str) -> resource_id.ResourceId:
        try:
            return resource_id.ResourceId.parse(text, kind)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read
