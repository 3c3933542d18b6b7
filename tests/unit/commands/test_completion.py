"""The printed scripts, in the shells themselves where these are installed."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rotator.commands import cli

ROOT = Path(cli.__file__).parents[2]
COMMANDS = sorted(cli.main.commands)
# What a shell runs for `rotator <words>` and the tab key, and how it prints what it would offer.
BASH = """
complete -p rotator >/dev/null || exit 9
function=$(complete -p rotator | sed -E 's/.* -F ([^ ]+) .*/\\1/')
COMP_WORDS=(rotator "$@"); COMP_CWORD=$#
"$function" rotator
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_describe() { print -rl -- ${(P)3} }
words=(rotator "$@"); CURRENT=$(( $# + 1 ))
_rotator_completion
"""


def script(shell: str) -> str:
    done = CliRunner().invoke(cli.main, ["completion", shell])
    assert done.exit_code == 0, done.output
    return done.stdout


def required(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


def run(command: list[str]) -> str:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def bash(*words: str) -> list[str]:
    """What bash offers to complete the last word with."""
    return run([required("bash"), "--norc", "-c", script("bash") + BASH, "bash", *words]).splitlines()


def test_bash_completes_the_commands() -> None:
    assert bash("") == COMMANDS
    assert bash("st") == ["status"]
    assert bash("re") == ["revoke"]


def test_bash_completes_a_commands_options() -> None:
    offered = bash("rotate", "--")
    assert {"--regenerate-key", "--force", "--no-lease", "--json", "--verbose", "--debug", "--help"} <= set(offered)
    assert bash("history", "--li") == ["--limit"]


def test_bash_completes_a_choice() -> None:
    assert bash("completion", "f") == ["fish"]


def test_bash_knows_rotator_as_a_command() -> None:
    called = script("bash") + 'rotator --version; rotator status --help | head -n 1; rotator "no such"; exit 0'
    done = subprocess.run(
        [required("bash"), "--norc", "-c", called], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Usage: python -m rotator status [OPTIONS]" in done.stdout
    assert "No such command 'no such'" in done.stderr


def test_an_interpreter_in_a_folder_with_a_space_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my tools"
    folder.mkdir()
    wrapper = folder / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    assert bash("st") == ["status"]


def zsh(*words: str) -> list[str]:
    """What zsh would offer: each of `words` with its description."""
    code = f"compdef() {{ :; }}\n{script('zsh')}\n{ZSH}"
    return run([required("zsh"), "-f", "-c", code, "zsh", *words]).splitlines()


def test_zsh_completes_the_commands() -> None:
    assert [offered.partition(":")[0] for offered in zsh("")] == COMMANDS
    assert [offered.partition(":")[0] for offered in zsh("st")] == ["status"]


def test_zsh_completes_a_commands_options() -> None:
    assert [offered.partition(":")[0] for offered in zsh("history", "--li")] == ["--limit"]


def fish(line: str) -> list[str]:
    """What fish offers to complete a command line with."""
    code = f"{script('fish')}\ncomplete --do-complete {shlex.quote(line)}"
    return [offered.partition("\t")[0] for offered in run([required("fish"), "--no-config", "-c", code]).splitlines()]


def test_fish_completes_the_commands() -> None:
    assert fish("rotator ") == COMMANDS
    assert fish("rotator st") == ["status"]


def test_fish_completes_a_commands_options() -> None:
    assert fish("rotator history --li") == ["--limit"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_asked_for_with_a_program_as_rotator_is_a_function_only(shell: str) -> None:
    printed = script(shell)
    assert printed.count(f"{sys.executable} -m rotator") == 2
    assert "$+commands[rotator]" not in printed


def test_an_unknown_shell_is_refused() -> None:
    done = CliRunner().invoke(cli.main, ["completion", "tcsh"])
    assert done.exit_code == 2
    assert "bash" in done.stderr
