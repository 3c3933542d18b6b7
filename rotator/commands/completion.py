"""`python -m rotator completion`: a script that defines `rotator` in a shell, with completion."""

import shlex
import sys
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_VARIABLE = "_ROTATOR_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that defines and completes `rotator`.

    \b
    Examples:
      eval "$(.venv/bin/python -m rotator completion bash)"
      .venv/bin/python -m rotator completion fish | source
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    # PYTHONPATH, as the package need not be installed and the shell may be in any directory.
    command = shlex.join(["env", f"PYTHONPATH={Path(__file__).resolve().parents[2]}", sys.executable, "-m", "rotator"])
    source = _SHELLS[shell](context.find_root().command, {}, "rotator", _VARIABLE).source()
    # click's scripts start a program by `env`, and zsh's looks for one, but `rotator` is a shell function.
    call = " $1)" if shell == "bash" else " rotator)"
    source = source.replace(call, f" {command})").replace("commands[rotator]", "functions[rotator]")
    function = f"function rotator\n  {command} $argv\nend" if shell == "fish" else f'rotator() {{ {command} "$@"; }}'
    click.echo(f"{function}\n{source}")
