"""The manners that all commands share: options, words for errors, tracebacks on request, colour."""

import contextlib
import getpass
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner, Result

from rotator import errors
from rotator.commands import terminal
from rotator.commands.terminal import Manner
from rotator.delivery.errors import UnreachableError
from rotator.redaction import SecretText
from tests.fakes.examples import TOKEN

REFUSED = UnreachableError("master.example.com does not answer")
TRACEBACK = "Traceback (most recent call last)"


@contextlib.contextmanager
def logs_set_up_anew() -> Iterator[None]:
    """`basicConfig` is for the whole process, and does nothing where there are handlers, as of the test's own log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def told(act: Callable[[], object], *arguments: str) -> Result:
    """What a command says that does this."""

    @click.command()
    @click.option("--name", default="")
    @terminal.mannered
    def command(*, name: str, manner: Manner) -> None:
        with terminal.telling(manner):
            act()
        click.echo(f"{name}{manner}")

    with logs_set_up_anew():
        return CliRunner().invoke(command, arguments)


def failing(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def test_a_command_gets_its_manner_and_its_own_options() -> None:
    assert told(int).stdout == "Manner(as_json=False, verbose=False, debug=False)\n"
    asked = told(int, "--name", "x ", "--json", "-v", "--debug")
    assert asked.stdout == "x Manner(as_json=True, verbose=True, debug=True)\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, 1),
        (errors.SettingsError(["KUBERNETES_DNS is missing"]), 2),
        (errors.BusyError("a run is in progress"), 3),
    ],
)
def test_an_error_ends_with_its_code_its_words_and_its_remedy(error: errors.RotatorError, code: int) -> None:
    done = told(failing(error))
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr == f"{error}\n{error.remedy}\n"


def test_an_error_is_told_as_json_on_request() -> None:
    done = told(failing(REFUSED), "--json")
    assert json.loads(done.stdout) == REFUSED.as_json()
    assert done.exit_code == 1


@pytest.mark.parametrize("error", [REFUSED, ValueError("odd")])
def test_no_traceback_is_shown_without_debug(error: Exception) -> None:
    for arguments in ([], ["-v"], ["--json"]):
        assert TRACEBACK not in told(failing(error), *arguments).output


@pytest.mark.parametrize("error", [REFUSED, ValueError("odd")])
def test_debug_shows_the_traceback_and_the_words_after_it(error: Exception) -> None:
    done = told(failing(error), "--debug")
    assert done.exit_code == 1
    assert done.stderr.startswith(TRACEBACK)
    assert "in fail" in done.stderr
    assert str(error) in done.stderr.splitlines()[-2]


def test_debug_keeps_standard_output_for_json() -> None:
    done = told(failing(REFUSED), "--debug", "--json")
    assert json.loads(done.stdout)["error"] == "UnreachableError"
    assert TRACEBACK in done.stderr


def test_a_traceback_holds_no_secret() -> None:
    phrase = SecretText("correct horse battery staple")

    def fail() -> None:
        try:
            os.environ[phrase.reveal()]
        except KeyError as error:
            raise ValueError(f"odd: {TOKEN}") from error

    done = told(fail, "--debug")
    assert "KeyError: '[secret]'" in done.stderr
    assert "MDEyMzQ1Njc4OWFi" not in done.output
    assert phrase.reveal() not in done.output


@pytest.mark.parametrize("error", [KeyError("targets"), errors.UnexpectedError("KeyError: 'targets'")])
def test_a_defect_is_told_as_one_and_how_to_learn_more(error: Exception) -> None:
    done = told(failing(error))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "KeyError: 'targets'"
    assert "please report it" in done.stderr
    assert "Run it again with --debug" in done.stderr


def test_a_defect_under_debug_does_not_ask_for_debug() -> None:
    assert "Run it again with --debug" not in told(failing(KeyError("targets")), "--debug").stderr


def test_a_defect_is_told_as_json_on_request() -> None:
    answer = json.loads(told(failing(KeyError("targets")), "--json").stdout)
    assert answer["error"] == "UnexpectedError"
    assert answer["message"] == "KeyError: 'targets'"


def test_a_defect_whose_words_hold_a_secret_is_told_without_it() -> None:
    for arguments in ([], ["--json"], ["--debug"]):
        done = told(failing(ValueError(f"odd: {TOKEN}")), *arguments)
        assert "MDEyMzQ1Njc4OWFi" not in done.output
        assert "odd" in done.output


@pytest.mark.parametrize("error", [click.UsageError("no such thing"), click.BadParameter("no such thing")])
def test_wrong_usage_is_clicks_to_tell(error: click.ClickException) -> None:
    done = told(failing(error))
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert "no such thing" in done.stderr


def test_an_interrupted_command_says_so_without_a_traceback() -> None:
    done = told(failing(KeyboardInterrupt()))
    assert (done.exit_code, done.stderr) == (130, "Interrupted. Nothing was changed.\n")
    assert TRACEBACK not in done.output


def test_an_exit_code_is_passed_on() -> None:
    assert told(lambda: sys.exit(1)).exit_code == 1


@pytest.mark.parametrize(("arguments", "shown"), [([], False), (["-v"], True)])
def test_decisions_are_logged_to_standard_error_on_request(arguments: list[str], shown: bool) -> None:
    done = told(lambda: logging.getLogger("rotator.rotation.run").info("due"), *arguments)
    assert ("INFO rotator.rotation.run: due" in done.stderr) is shown
    assert "due" not in done.stdout


# Who asks


def test_who_sits_at_the_terminal_is_told_by_user_and_host() -> None:
    assert terminal.asked_by() == f"{getpass.getuser()}@{socket.gethostname()}"


def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert terminal.asked_by() == f"somebody@{socket.gethostname()}"


# What is printed on


def printed(words: str) -> str:
    @click.command()
    def command() -> None:
        terminal.console().print(terminal.text(words, "bold red"))

    return CliRunner().invoke(command).stdout


def test_output_that_is_no_terminal_is_plain() -> None:
    assert printed("late") == "late\n"


@pytest.mark.parametrize(
    "words", ["[bold]late[/bold]", "[link=https://example.com]x[/link]", "a [/nothing] b", ":smile:"]
)
def test_brackets_and_colons_are_no_markup(words: str) -> None:
    assert printed(words) == f"{words}\n"


@pytest.mark.parametrize("foreign", ["\x1b[31mred", "bell\x07", "back\rspace\x08", "\u202eesrever", "\u200bnothing"])
def test_foreign_control_characters_do_nothing_to_the_terminal(foreign: str) -> None:
    shown = printed(foreign).removesuffix("\n")
    assert shown.isprintable()
    assert "�" in shown


def test_lines_and_words_of_other_alphabets_stay() -> None:
    assert printed("Zürich\n東京") == "Zürich\n東京\n"
