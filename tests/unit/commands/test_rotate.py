"""What `rotate`, `revoke` and `plan` print of a report, and their exit codes."""

import dataclasses
import getpass
import io
import json
import os
import socket
from collections.abc import Callable
from contextlib import redirect_stdout

import click
import pytest
from click.testing import CliRunner, Result

from rotator import errors
from rotator.azure.errors import VaultForbiddenError
from rotator.commands import rotate
from rotator.commands.options import OutputOptions
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Outcome, Report, Trigger, Unchanged, WouldRotate
from tests.fakes.examples import NOW
from tests.unit.reporting.test_report import KEY, ROTATED, report_of


def run(act: Callable[[], Report], *, as_json: bool = False) -> Result:
    @click.command()
    def command() -> None:
        rotate._run(act, OutputOptions(as_json=as_json))

    return CliRunner().invoke(command)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(ROTATED, 0), (Unchanged("its SAS is fresh", NOW), 0), (WouldRotate("why"), 0), (Failed("E", "m", "r"), 1)],
)
def test_exit_code_shows_whether_a_target_failed(outcome: Outcome, code: int) -> None:
    assert run(lambda: report_of(outcome)).exit_code == code
    assert run(lambda: report_of(outcome), as_json=True).exit_code == code


def test_json_output_is_the_report_and_nothing_else() -> None:
    assert json.loads(run(lambda: report_of(ROTATED), as_json=True).stdout) == report_of(ROTATED).as_json()


def test_table_names_each_target_its_outcome_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    failed = Failed("UnreachableError", "master does not answer", "Check the network.")
    printed = run(lambda: report_of(ROTATED, Unchanged("its SAS is fresh", NOW), failed)).stdout
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[0] == "TARGET OUTCOME SAS UNTIL WHY"
    assert lines[1] == ("default/s0@m rotated 2026-07-01 16:00:00Z the SAS is 30 min old; recreate; proof: accepted")
    assert lines[2] == "default/s1@m unchanged 2026-07-01 12:00:00Z its SAS is fresh"
    assert lines[3] == "default/s2@m failed UnreachableError"
    assert lines[4:6] == ["default/s2@m: master does not answer", "Check the network."]
    assert "warning: pin the SHA256 fingerprint" in lines
    assert lines[-1] == "run 20260701T120000Z-abc123: 1 failed, 1 rotated, 1 unchanged in 2.0 s"


@pytest.mark.parametrize(
    ("changed", "definition"),
    [(True, "; the SAS definition would be set"), (False, "; the SAS definition is as wanted"), (None, "")],
)
def test_plan_closes_by_saying_that_nothing_was_changed(changed: bool | None, definition: str) -> None:
    """Only Key Vault as the issuer has a SAS definition."""
    planned = dataclasses.replace(
        report_of(WouldRotate("there is no Secret yet")), trigger=Trigger.PLAN, definition_changed=changed
    )
    assert run(lambda: planned).stdout.endswith(f"plan only: nothing was changed{definition}\n")
    assert planned.as_json()["definition_changed"] is bool(changed)


def test_output_that_is_no_terminal_has_no_colour() -> None:
    assert "\x1b[" not in run(lambda: report_of(ROTATED)).stdout


def test_brackets_in_kubectls_words_are_no_markup() -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        rotate._print_report(
            report_of(Failed("E", "bad value [secret] in [/red]", "r"), WouldRotate("[bold]why[/bold]"))
        )
    assert "bad value [secret] in [/red]" in output.getvalue()


def test_brackets_in_a_cell_of_the_table_are_no_markup() -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        rotate._print_report(report_of(WouldRotate("drift [secret] [/red]")))
    assert "drift [secret] [/red]" in output.getvalue()


def test_failure_of_the_whole_run_has_exit_code_1_and_its_remedy() -> None:
    def act() -> Report:
        raise VaultForbiddenError("no permission", remedy="az keyvault set-policy …")

    done = run(act)
    assert done.exit_code == 1
    assert done.stderr == "no permission\naz keyvault set-policy …\n"


def lines_of(key: KeyReport) -> list[str]:
    shown = dataclasses.replace(report_of(ROTATED), key=key)
    return [" ".join(line.split()) for line in run(lambda: shown).stdout.splitlines()]


def test_a_key_rotation_is_printed_below_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = lines_of(KEY)
    begin = lines.index("revoke done: asked for")
    assert lines[begin : begin + 5] == [
        "revoke done: asked for",
        "regenerated: key2, key1",
        "active key: key1",
        "cut off: default/s0@m did not get another SAS before",
        "the former SAS 3eb1bd439947eb76: storage answered 403",
    ]
    assert lines[-1] == "run 20260701T120000Z-abc123: 1 rotated, revoke done in 2.0 s"


def test_unfinished_key_rotation_says_what_is_left_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    failure = Failed("UnfinishedError", "not every target holds a SAS of key2 yet", "Repair those targets.")
    lines = lines_of(
        KeyReport("revoke", KeyOutcome.UNFINISHED, "asked for", "key2", ("key2",), ("key1",), failure=failure)
    )
    begin = lines.index("revoke unfinished: asked for")
    assert lines[begin + 1 : begin + 6] == [
        "regenerated: key2",
        "to be regenerated: key1",
        "active key: key2",
        "not every target holds a SAS of key2 yet",
        "Repair those targets.",
    ]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (KeyOutcome.DONE, 0),
        (KeyOutcome.DUE, 0),
        (KeyOutcome.WAITING, 0),
        (KeyOutcome.UNFINISHED, 1),
        (KeyOutcome.FAILED, 1),
    ],
)
def test_exit_code_shows_whether_the_key_rotation_failed(outcome: KeyOutcome, code: int) -> None:
    shown = dataclasses.replace(report_of(ROTATED), key=dataclasses.replace(KEY, outcome=outcome))
    assert run(lambda: shown).exit_code == code
    assert run(lambda: shown, as_json=True).exit_code == code


def test_run_in_progress_has_exit_code_3() -> None:
    def act() -> Report:
        raise errors.BusyError("a run is in progress: run 1")

    done = run(act)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "a run is in progress: run 1\nWait for the run in progress to end, then try again.\n"


def test_refused_key_rotation_has_exit_code_1_and_says_until_when() -> None:
    def act() -> Report:
        raise errors.KeyInUseError("key2 may be in use:\n  - s@m holds a SAS, until then", remedy="Wait.")

    done = run(act)
    assert done.exit_code == 1
    assert done.stderr == "key2 may be in use:\n  - s@m holds a SAS, until then\nWait.\n"


def test_who_runs_a_command_is_reported_as_user_and_host() -> None:
    assert rotate.user_and_host() == f"{getpass.getuser()}@{socket.gethostname()}"


def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert rotate.user_and_host() == f"somebody@{socket.gethostname()}"
