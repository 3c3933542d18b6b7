"""What the operators' page says of checks, states, log lines, metrics and spans, against the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator import telemetry
from rotator.checks import checkup
from rotator.commands import cli
from rotator.event_log import Event
from rotator.reporting.status import State
from rotator.stopwatch import Step

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
MODULES = sorted((ROOT / "rotator").rglob("*.py"))
FUNCTIONS = (ROOT / "function_app.py").read_text()


def section(heading: str) -> str:
    found = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, heading
    return found


def first_cells(heading: str) -> list[str]:
    """What stands in code font in the first column of a section's tables."""
    rows = re.findall(r"^\| (`.*?) \|", section(heading), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def calls(method: str) -> Iterator[ast.Call]:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == method:
                yield node


def constants(nodes: list[ast.expr]) -> set[str]:
    return {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def decisions() -> dict[str, set[str]]:
    """The fields of each event that is named where it is logged."""
    logged: dict[str, set[str]] = {}
    for call in calls("log"):
        if len(call.args) > 2 and isinstance(event := call.args[2], ast.Attribute):
            named = {word.arg for word in call.keywords if word.arg and word.arg != "exc_info"}
            logged.setdefault(Event[event.attr], set()).update(named)
    return logged


def test_every_event_is_explained_and_no_other() -> None:
    assert len(decisions()) > 15
    assert first_cells("Logs") == list(dict.fromkeys(first_cells("Logs")))
    assert set(first_cells("Logs")) == {str(event) for event in Event}


def test_every_field_of_a_decision_is_explained() -> None:
    rows = [line.split(" | ") for line in section("Logs").splitlines() if line.startswith("| `")]
    explained = {name: set(re.findall(r"`(\w+)`", row[1])) for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    for event, fields in decisions().items():
        assert fields <= explained[event], event


def test_every_check_is_explained_and_no_other() -> None:
    names = {check.name for check in checkup.CHECKS}
    assert len(names) == len(checkup.CHECKS) > 20
    assert set(first_cells("Check")) == names


def test_every_state_is_explained() -> None:
    assert first_cells("Status") == list(State)


def metrics() -> set[str]:
    names = {value for value in vars(telemetry).values() if isinstance(value, str) and value.startswith("rotator.")}
    return names - {telemetry.__name__}


def test_every_metric_is_explained_with_its_unit() -> None:
    rows = dict(re.findall(r"^\| `(rotator\.[\w.]+)` \| (.+?) \|", section("Metrics and traces"), re.MULTILINE))
    assert set(rows) == metrics()
    assert {name for name, unit in rows.items() if unit.startswith("seconds")} == set(telemetry.UNITS)


def test_every_step_is_a_span_that_is_named() -> None:
    named = set(re.findall(r"`(rotator\.\w+)`", section("Metrics and traces"))) - metrics()
    assert named == {f"rotator.{name}" for name in {*Step, "lease", "target", "rotate", "check", "status"}}


def test_every_command_is_one() -> None:
    named = re.findall(r"(?:^|`)(?:\$ )?(?:rotator|python -m rotator) ([a-z][a-z-]+)", PAGE, re.MULTILINE)
    assert {"status", "check", "history", "rotate"} <= set(named) <= set(cli.main.commands)


def test_the_screens_key_is_one_of_a_function_that_there_is() -> None:
    (name,) = re.findall(r"--function-name (\w+)", section("Status"))
    assert f'@app.function_name("{name}")\n@app.route(route="{name}"' in FUNCTIONS


@pytest.mark.parametrize("table", ["Alerts", "Run-books", "Check", "Status", "Logs", "Command line"])
def test_every_row_of_a_table_has_as_many_cells_as_its_head(table: str) -> None:
    widths = 0
    for line in section(table).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (widths and cells) or cells == widths, line
        widths = cells
