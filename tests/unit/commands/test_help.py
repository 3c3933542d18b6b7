"""What each command's help shows: examples that can be run, and every option."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rotator.commands import cli
from tests.fakes.examples import RESOURCE_ID

PROGRAM = re.compile(r"(?:\.venv/bin/)?python -m rotator (.*)")
WIDE = {"COLUMNS": "200"}
COMMANDS = sorted(cli.main.commands)
# What azd's environment has, which the examples do not repeat.
RESOURCES = {
    "STORAGE_ACCOUNT_ID": RESOURCE_ID,
    "KEY_VAULT_ID": f"{RESOURCE_ID.partition('/Microsoft.Storage/')[0]}/Microsoft.KeyVault/vaults/myvault",
    "FUNCTION_APP_ID": f"{RESOURCE_ID.partition('/Microsoft.Storage/')[0]}/Microsoft.Web/sites/myapp",
}


def shown(*words: str) -> str:
    done = CliRunner().invoke(cli.main, [*words, "--help"], env=WIDE)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def examples(text: str) -> list[list[str]]:
    """The words after `python -m rotator` of each example, up to a pipe, a closing bracket or a remark."""
    _, _, listed = text.partition("Examples:\n")
    block = listed.partition("\n\n")[0]
    found = (PROGRAM.search(line) for line in block.splitlines())
    return [shlex.split(re.split(r" \||   |\)\"", match[1])[0]) for match in found if match]


def test_the_examples_are_found_in_the_helps() -> None:
    assert examples("Examples:\n  python -m rotator plan --json | jq .\n  python -m rotator check       why\n") == [
        ["plan", "--json"],
        ["check"],
    ]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_help_has_examples(command: str) -> None:
    assert examples(shown(*command.split()))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_example_is_what_the_command_line_takes(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id_ed25519").touch()
    for name, resource in RESOURCES.items():
        monkeypatch.setenv(name, resource)
    for words in examples(shown(*command.split())):
        name, *arguments = words
        if command:
            assert name == command
        assert arguments == [] or _parsed(name, arguments), words


def _parsed(name: str, arguments: list[str]) -> bool:
    """Parse as the command would, carrying out nothing; raises UsageError for what it does not take."""
    return isinstance(cli.main.commands[name].make_context(name, list(arguments)), click.Context)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_explained(command: str) -> None:
    options = [each for each in cli.main.commands[command].params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert all(option.opts[-1] in shown(command) for option in options)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"completion"}))
def test_each_command_prints_json_and_a_traceback_on_request(command: str) -> None:
    options = {name for each in cli.main.commands[command].params for name in each.opts}
    assert {"--json"} <= options
    if command != "onboard":
        assert {"--debug", "--verbose", "-v"} <= options


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_help_is_wider_than_a_narrow_terminal_but_for_its_examples(command: str) -> None:
    done = CliRunner().invoke(cli.main, [*command.split(), "--help"], env={"COLUMNS": "80"})
    beside = done.stdout.partition("Examples:\n")
    text = beside[0] + beside[2].partition("\n\n")[2]
    assert [line for line in text.splitlines() if len(line) > 80] == []
