"""Secrets are masked in everything that the command line writes; Ctrl-C ends it with 130."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rotator import redaction
from rotator.commands import cli, error_handling, options, printing
from rotator.commands.cli import CommandLine
from rotator.commands.options import OutputOptions
from rotator.commands.streams import MaskedStream
from rotator.redaction import SecretText
from tests.fakes.examples import TOKEN

ROOT = Path(__file__).resolve().parents[3]
HOOK = "https://hooks.example.com/services/T000/B000/0123456789abcdef"


def written_by(write: "click.Command", *arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(CommandLine(commands={"say": write}), ["say", *arguments], env=settings, input="n\n")


@click.command()
def _everywhere() -> None:
    """Write the same in each way that there is."""
    hook = os.environ["NOTIFY_WEBHOOK_URL"]
    click.echo(hook)
    click.echo(hook, err=True)
    click.echo(hook.encode())
    click.secho(hook, fg="red", err=True)
    printing.console().print(hook)
    sys.stdout.write(hook)
    sys.stderr.buffer.write(hook.encode())
    logging.StreamHandler(sys.stderr).emit(logging.makeLogRecord({"msg": hook}))
    click.confirm(f"Post to {hook}?", err=True)
    raise click.UsageError(f"bad: {hook}")


def test_a_secret_of_the_environment_is_masked_in_all_that_is_written() -> None:
    done = written_by(_everywhere, NOTIFY_WEBHOOK_URL=HOOK)
    assert done.exit_code == 2
    assert "0123456789abcdef" not in done.output
    assert done.output.count(redaction.MASK) >= 9


def test_a_secret_in_a_wrong_option_is_masked() -> None:
    done = CliRunner().invoke(cli.main, ["onboard", "--active-key", TOKEN])
    assert done.exit_code == 2
    assert "--active-key" in done.output
    assert "MDEyMzQ1Njc4OWFi" not in done.output


def test_json_with_half_a_key_in_it_stays_json() -> None:
    held = SecretText("correct horse battery staple")
    value = {"message": f"-----BEGIN PRIVATE KEY-----\n{'A' * 20}", "lines": [f"x {held.reveal()}"], "count": 3}
    text = printing.json_text(value)
    assert json.loads(text) == {"message": "[secret]", "lines": ["x [secret]"], "count": 3}


def test_a_secret_that_a_table_would_fold_is_masked_before() -> None:
    held = SecretText("correct-horse-battery-staple-" * 3)

    @click.command()
    def command() -> None:
        printing.console().print(printing.text(f"bad value {held.reveal()}"))

    assert CliRunner().invoke(command, env={"COLUMNS": "20"}).stdout == "bad value [secret]\n"


def test_an_output_is_what_its_stream_is() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    output = MaskedStream(stream)
    assert (output.encoding, output.errors, output.isatty(), output.writable()) == ("latin-1", "replace", False, True)
    output.close()
    assert not stream.closed


@pytest.mark.parametrize("standalone", [True, False])
def test_the_input_that_ends_at_a_prompt_is_no_interrupt(standalone: bool) -> None:
    @click.command()
    def ask() -> None:
        click.confirm("Go on?")

    group = CommandLine(commands={"ask": ask})
    done = CliRunner().invoke(group, ["ask"], input="", standalone_mode=standalone)
    assert done.exit_code == 1
    assert ("Aborted!" in done.output) is standalone


def test_an_interrupt_in_a_command_outside_of_report_errors_ends_with_130() -> None:
    @click.command()
    def fail() -> None:
        raise KeyboardInterrupt

    done = CliRunner().invoke(CommandLine(commands={"fail": fail}), ["fail"])
    assert done.exit_code == 130
    assert "Interrupted" in done.output


def test_an_interrupt_at_a_prompt_ends_with_130() -> None:
    @click.command()
    @options.output_options
    def fail(output: OutputOptions) -> None:
        with error_handling.report_errors(output):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise click.Abort from None  # as click's own prompts do

    done = CliRunner().invoke(fail)
    assert (done.exit_code, done.output) == (130, "Interrupted. Nothing was changed.\n")


@pytest.mark.parametrize("arguments", [["--help"], ["rotate", "--help"], ["plan"], ["completion", "bash"]])
@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.4])
def test_an_interrupt_at_any_time_shows_no_traceback(arguments: list[str], seconds: float) -> None:
    """Also while Python still imports what the command needs."""
    # What Python does before it comes to our first lines shows a traceback, and cannot be helped.
    begun = """
import runpy, sys

class Seen:
    def find_spec(self, name, *_):
        if name == "rotator.commands.cli":
            print(flush=True)

sys.meta_path.insert(0, Seen())
runpy.run_module("rotator", run_name="__main__")
"""
    with subprocess.Popen(
        [sys.executable, "-c", begun, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in {130, 0, 2}  # or it was done before
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors


def test_an_interrupt_once_all_is_said_changes_no_exit_code() -> None:
    last = """
import os, runpy, signal

class Last:
    def __del__(self, kill=os.kill, own=os.getpid()):
        kill(own, signal.SIGINT)

kept = Last()  # until Python takes its modules apart
runpy.run_module("rotator", run_name="__main__")
"""
    command = [sys.executable, "-c", last, "rotate", "--nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert "No such option" in done.stderr
    assert done.returncode == 2


def test_an_interrupt_before_anything_has_begun_says_that_nothing_was_changed() -> None:
    begun = """
import runpy, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "rotator.commands.cli":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module("rotator", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", begun, "rotate"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted. Nothing was changed.\n")


def test_an_interrupt_that_whoever_started_it_ignores_is_ignored() -> None:
    shell = 'trap "" INT; exec "$0" -m rotator --help'
    with subprocess.Popen(["sh", "-c", shell, sys.executable], cwd=ROOT, stdout=subprocess.PIPE) as process:
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Usage:" in shown
