"""`python -m rotator completion`: a script that makes a shell know `rotator`, and complete its commands and options."""

import shlex
import sys
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_KINDS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_VARIABLE = "_ROTATOR_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(list(_KINDS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that defines `rotator` in a shell, and completes it.

    \b
    Examples:
      eval "$(.venv/bin/python -m rotator completion bash)"
      .venv/bin/python -m rotator completion fish | source
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    # From wherever the shell is: the package need not be installed.
    command = shlex.join(["env", f"PYTHONPATH={Path(__file__).resolve().parents[2]}", sys.executable, "-m", "rotator"])
    source = _KINDS[shell](context.find_root().command, {}, "rotator", _VARIABLE).source()
    # `rotator` is a function, which `env` in these scripts cannot start, and zsh's looks for a program.
    asks = " $1)" if shell == "bash" else " rotator)"
    source = source.replace(asks, f" {command})").replace("commands[rotator]", "functions[rotator]")
    function = f"function rotator\n  {command} $argv\nend" if shell == "fish" else f'rotator() {{ {command} "$@"; }}'
    click.echo(f"{function}\n{source}")
