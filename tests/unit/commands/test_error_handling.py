"""How a command fails: a message and a remedy, an exit code, JSON and a traceback on request."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner, Result

from rotator import errors
from rotator.commands import error_handling, options
from rotator.commands.options import OutputOptions
from rotator.delivery.errors import UnreachableError
from rotator.redaction import SecretText
from tests.fakes.examples import TOKEN

REFUSED = UnreachableError("master.example.com does not answer")
TRACEBACK = "Traceback (most recent call last)"


@contextlib.contextmanager
def fresh_logging() -> Iterator[None]:
    """Remove pytest's handlers: `basicConfig` does nothing where the root logger has some."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(act: Callable[[], object], *arguments: str) -> Result:
    """Run a command that does this."""

    @click.command()
    @click.option("--name", default="")
    @options.output_options
    def command(*, name: str, output: OutputOptions) -> None:
        with error_handling.report_errors(output):
            act()
        click.echo(f"{name}{output}")

    with fresh_logging():
        return CliRunner().invoke(command, arguments)


def failing(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def test_a_command_gets_the_output_options_and_its_own_options() -> None:
    assert run(int).stdout == "OutputOptions(as_json=False, verbose=False, debug=False)\n"
    asked = run(int, "--name", "x ", "--json", "-v", "--debug")
    assert asked.stdout == "x OutputOptions(as_json=True, verbose=True, debug=True)\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, 1),
        (errors.SettingsError(["KUBERNETES_DNS is missing"]), 2),
        (errors.BusyError("a run is in progress"), 3),
    ],
)
def test_an_error_ends_with_its_exit_code_message_and_remedy(error: errors.RotatorError, code: int) -> None:
    done = run(failing(error))
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr == f"{error}\n{error.remedy}\n"


def test_an_error_is_json_on_request() -> None:
    done = run(failing(REFUSED), "--json")
    assert json.loads(done.stdout) == REFUSED.as_json()
    assert done.exit_code == 1


@pytest.mark.parametrize("error", [REFUSED, ValueError("odd")])
def test_no_traceback_is_shown_without_debug(error: Exception) -> None:
    for arguments in ([], ["-v"], ["--json"]):
        assert TRACEBACK not in run(failing(error), *arguments).output


@pytest.mark.parametrize("error", [REFUSED, ValueError("odd")])
def test_debug_shows_the_traceback_before_the_message(error: Exception) -> None:
    done = run(failing(error), "--debug")
    assert done.exit_code == 1
    assert done.stderr.startswith(TRACEBACK)
    assert "in fail" in done.stderr
    assert str(error) in done.stderr.splitlines()[-2]


def test_debug_keeps_standard_output_for_json() -> None:
    done = run(failing(REFUSED), "--debug", "--json")
    assert json.loads(done.stdout)["error"] == "UnreachableError"
    assert TRACEBACK in done.stderr


def test_a_traceback_holds_no_secret() -> None:
    phrase = SecretText("correct horse battery staple")

    def fail() -> None:
        try:
            os.environ[phrase.reveal()]
        except KeyError as error:
            raise ValueError(f"odd: {TOKEN}") from error

    done = run(fail, "--debug")
    assert "KeyError: '[secret]'" in done.stderr
    assert "MDEyMzQ1Njc4OWFi" not in done.output
    assert phrase.reveal() not in done.output


@pytest.mark.parametrize("error", [KeyError("targets"), errors.UnexpectedError("KeyError: 'targets'")])
def test_a_defect_is_reported_as_one_with_how_to_learn_more(error: Exception) -> None:
    done = run(failing(error))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "KeyError: 'targets'"
    assert "please report it" in done.stderr
    assert "Run it again with --debug" in done.stderr


def test_a_defect_under_debug_does_not_ask_for_debug() -> None:
    assert "Run it again with --debug" not in run(failing(KeyError("targets")), "--debug").stderr


def test_a_defect_is_json_on_request() -> None:
    answer = json.loads(run(failing(KeyError("targets")), "--json").stdout)
    assert answer["error"] == "UnexpectedError"
    assert answer["message"] == "KeyError: 'targets'"


def test_a_secret_in_a_defects_message_is_masked() -> None:
    for arguments in ([], ["--json"], ["--debug"]):
        done = run(failing(ValueError(f"odd: {TOKEN}")), *arguments)
        assert "MDEyMzQ1Njc4OWFi" not in done.output
        assert "odd" in done.output


@pytest.mark.parametrize("error", [click.UsageError("no such thing"), click.BadParameter("no such thing")])
def test_click_reports_wrong_usage(error: click.ClickException) -> None:
    done = run(failing(error))
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert "no such thing" in done.stderr


def test_an_interrupted_command_says_so_without_a_traceback() -> None:
    done = run(failing(KeyboardInterrupt()))
    assert (done.exit_code, done.stderr) == (130, "Interrupted. Nothing was changed.\n")
    assert TRACEBACK not in done.output


def test_an_exit_code_is_kept() -> None:
    assert run(lambda: sys.exit(1)).exit_code == 1


@pytest.mark.parametrize(("arguments", "shown"), [([], False), (["-v"], True)])
def test_decisions_are_logged_to_standard_error_on_request(arguments: list[str], shown: bool) -> None:
    done = run(lambda: logging.getLogger("rotator.rotation.run").info("due"), *arguments)
    assert ("INFO rotator.rotation.run: due" in done.stderr) is shown
    assert "due" not in done.stdout
