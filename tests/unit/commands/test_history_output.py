"""What `python -m rotator history` prints of reports, and which settings it misses."""

import dataclasses
import datetime
import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rotator.commands import history
from rotator.plan import loader
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Report, Trigger, Unchanged, WouldRotate
from tests.fakes.examples import DIGEST, NOW
from tests.unit.plan.test_loader import SAMPLE
from tests.unit.reporting.test_report import ROTATED, report_of

NOTHING = dict.fromkeys(loader.NAMES)
STORAGE = ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__blobServiceUri")
UNREACHABLE = Failed("UnreachableError", "master does not answer", "Check the network.")
STRANGE: list[dict[str, Any]] = [
    {"outcome": 1, "reason": None, "drift": "x"},
    {"outcome": ["rotated"], "warnings": 3, "seconds": [1], "target": {}},
    {},
]


def invoke(*arguments: str, **settings: str) -> Result:
    env = {**NOTHING, **dict.fromkeys(STORAGE), **settings}
    return CliRunner().invoke(history.history, arguments, env=env)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def listed(*reports: dict[str, Any]) -> list[str]:
    with redirect_stdout(io.StringIO()) as printed:
        history._print_list(list(reports))
    return lines(printed.getvalue())[1:]


def shown(report: dict[str, Any]) -> list[str]:
    with redirect_stdout(io.StringIO()) as printed:
        history.print_report(report)
    return lines(printed.getvalue())


def what(report: Report) -> str:
    """The last cell of a report's line."""
    [line] = listed(report.as_json())
    return line.removeprefix(f"2026-07-01 12:00:00Z {report.run} ").partition(" ")[2]


# Settings


def test_both_settings_that_are_missing_are_named() -> None:
    done = invoke(**SAMPLE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert [line.split()[1] for line in done.stderr.splitlines()[1:-1]] == [
        "REPORT_CONTAINER",
        "AzureWebJobsStorage__accountName",
    ]


def test_a_missing_container_is_reported_as_json() -> None:
    done = invoke("--json", **SAMPLE, AzureWebJobsStorage__accountName="mystorage")
    assert done.exit_code == 2
    answer = json.loads(done.stdout)
    assert answer["error"] == "SettingsError"
    assert "REPORT_CONTAINER is missing" in answer["message"]


@pytest.mark.parametrize("words", [("--limit", "0"), ("--days", "367"), ("--limit", "many"), ("one", "two")])
def test_what_cannot_be_asked_for_is_a_usage_error(words: tuple[str, ...]) -> None:
    assert invoke(*words).exit_code == 2


def test_help_has_examples() -> None:
    output = invoke("--help").stdout
    assert "python -m rotator history 20261124T043505Z-ec886b\n" in output


# The list


@pytest.mark.usefixtures("wide")
def test_a_line_says_when_which_who_how_and_why() -> None:
    report = dataclasses.replace(report_of(ROTATED), asked_by="anna@laptop", definition_changed=True)
    assert listed(report.as_json()) == [
        f"2026-07-01 12:00:00Z {report.run} anna@laptop rotated the SAS is 30 min old; the SAS definition was set"
    ]


@pytest.mark.usefixtures("wide")
def test_without_a_name_of_who_asked_the_trigger_stands_there() -> None:
    report = dataclasses.replace(report_of(ROTATED), trigger=Trigger.TIMER, asked_by="")
    assert f"{report.run} timer rotated" in listed(report.as_json())[0]


@pytest.mark.usefixtures("wide")
def test_several_targets_are_counted() -> None:
    report = report_of(ROTATED, Unchanged("its SAS is fresh", NOW), UNREACHABLE, UNREACHABLE)
    assert what(report) == (
        "failed 2 failed, 1 rotated, 1 unchanged; the SAS is 30 min old; its SAS is fresh; UnreachableError"
    )


@pytest.mark.usefixtures("wide")
def test_drift_is_listed() -> None:
    drifted = dataclasses.replace(ROTATED, reason="the Secret was changed by hand", drift=True)
    assert what(report_of(drifted)) == "rotated the Secret was changed by hand; drift"


@pytest.mark.usefixtures("wide")
def test_a_refused_run_is_listed_with_its_error() -> None:
    report = dataclasses.replace(report_of(), error=Failed("BusyError", "a run is in progress: run x", "Wait."))
    assert what(report) == "failed BusyError: a run is in progress: run x"


@pytest.mark.usefixtures("wide")
def test_an_operation_on_keys_is_listed() -> None:
    key = KeyReport("revoke", KeyOutcome.FAILED, "asked for", failure=UNREACHABLE)
    assert what(dataclasses.replace(report_of(ROTATED), key=key)) == (
        "failed the SAS is 30 min old; revoke failed: asked for"
    )


def test_in_a_narrow_terminal_long_cells_fold_and_names_of_runs_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report = dataclasses.replace(report_of(ROTATED), error=Failed("E", "why " * 50, "r"))
    found = listed(report.as_json())
    assert report.run in found[0]
    assert " ".join(found).count("why") == 50


@pytest.mark.usefixtures("wide")
def test_what_is_no_report_is_listed_as_such() -> None:
    strange = {"blob": "2026/07/01/[red]x.json", "problem": "this is no report of a run"}
    assert listed(strange) == ["no report 2026/07/01/[red]x.json: this is no report of a run"]


# One report


@pytest.mark.usefixtures("wide")
def test_one_report_is_printed_section_by_section() -> None:
    rotated = dataclasses.replace(ROTATED, previous_digest="sha256:old", signing_key="key1", drift=True)
    key = KeyReport("regenerate", KeyOutcome.UNFINISHED, "asked for", "key1", ("key2",), ("key1",), failure=UNREACHABLE)
    report = dataclasses.replace(
        report_of(rotated, UNREACHABLE), key=key, warnings=("first", "second"), interval=datetime.timedelta(minutes=30)
    )
    found = shown(report.as_json())
    assert found[0] == f"run {report.run}: failed"
    for line in (
        "interval seconds 1800.0",
        "warnings first",
        "warnings second",
        "default/s0@m: rotated",
        "expires 2026-07-01T16:00:00Z",
        f"digest {DIGEST}",
        "previous digest sha256:old",
        "signing key key1",
        "drift yes",
        "warnings mind",
        "seconds connect 0.123",
        "default/s1@m: failed",
        "message master does not answer",
        "remedy Check the network.",
        "regenerate: unfinished",
        "remaining key1",
        "error UnreachableError",
    ):
        assert line in found


@pytest.mark.usefixtures("wide")
def test_what_a_report_does_not_say_has_no_line() -> None:
    found = " ".join(shown(report_of(WouldRotate("there is no Secret yet")).as_json()))
    assert not any(word in found for word in ("None", "False", "key", "drift", "error"))


@pytest.mark.parametrize("target", STRANGE)
def test_a_report_with_odd_values_is_shown_as_it_is(target: dict[str, Any]) -> None:
    report = report_of().as_json() | {"targets": [target], "error": {"error": 1}, "key": {"failure": None}}
    assert shown(report)
    assert listed(report)
    assert listed(report | {"error": None})


def test_control_characters_do_not_reach_the_terminal() -> None:
    report = dataclasses.replace(report_of(), error=Failed("E", "\x1b[2Jgone\x9b31m\r\b", "r")).as_json()
    for text in ("".join(shown(report)), "".join(listed(report))):
        assert "gone" in text
        assert not set(text) & set("\x1b\x9b\r\b")


def test_output_that_is_no_terminal_has_no_colour() -> None:
    assert "\x1b[" not in "".join([*shown(report_of(ROTATED).as_json()), *listed(report_of(ROTATED).as_json())])
