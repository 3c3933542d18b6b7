"""Another clock than Azure's: the workflow rotate.yml, and the script that it runs, with stand-ins for az and curl."""

import re
from pathlib import Path

import pytest
import yaml

from tests.infra import FOLDER, ROOT
from tests.infra.hooks import Surroundings

TEXT = (ROOT / ".github/workflows/rotate.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
(JOB,) = WORKFLOW["jobs"].values()
KEY = "zN3u-key_of-rotate_due=="
APP = "/subscriptions/1/resourceGroups/rg-rotator/providers/Microsoft.Web/sites/func-1"
AZ = """#!/bin/sh
echo "az $*" >> "$STATE/commands"
case "$1 $2 $3 $4 $5" in
  "rest --method get --uri $APP?api-version="*) cat "$STATE/host" ;;
  "rest --method post --uri $APP/functions/rotate_due/listkeys?api-version="*) cat "$STATE/key" ;;
  *) exit 99 ;;
esac
"""
CURL = """#!/bin/sh
echo "curl $*" >> "$STATE/commands"
cat > "$STATE/headers"
[ -e "$STATE/code" ] || exit 28
printf '%s\\n%s' "$(cat "$STATE/body")" "$(cat "$STATE/code")"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Surroundings:
    surroundings = Surroundings(tmp_path)
    surroundings.executable(tmp_path / "infra/hooks/rotate-due.sh", (FOLDER / "rotate-due.sh").read_text())
    surroundings.program("az", AZ.replace("$APP", APP))
    surroundings.program("curl", CURL)
    surroundings.known("host", "func-1.azurewebsites.net")
    surroundings.known("key", KEY)
    surroundings.known("code", "200")
    surroundings.known("body", '{"status": "done"}')
    return surroundings


def test_the_app_is_asked_for_what_its_timer_would_do(machine: Surroundings) -> None:
    done = machine.run("rotate-due", APP)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    asked = "\n".join(machine.written("commands"))
    assert asked.endswith(" https://func-1.azurewebsites.net/api/rotate-due")
    assert '--data {"trigger": "workflow"} ' in asked


def test_the_key_is_in_a_header_and_in_no_argument(machine: Surroundings) -> None:
    machine.run("rotate-due", APP)
    assert machine.written("headers") == [f"x-functions-key: {KEY}"]
    assert KEY not in "\n".join(machine.written("commands"))


def test_github_takes_the_key_out_of_its_log(machine: Surroundings) -> None:
    printed = machine.run("rotate-due", APP, GITHUB_ACTIONS="true").stdout
    assert printed.splitlines()[0] == f"::add-mask::{KEY}"
    assert printed.count(KEY) == 1


@pytest.mark.parametrize(("code", "status"), [("200", "done"), ("200", "not due"), ("409", "busy")])
def test_a_run_that_was_made_or_is_being_made_is_enough(machine: Surroundings, code: str, status: str) -> None:
    machine.known("code", code)
    machine.known("body", f'{{"status": "{status}"}}')
    done = machine.run("rotate-due", APP)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{status}\n", "")


@pytest.mark.parametrize("code", ["000", "202", "204", "301", "400", "401", "404", "409", "500", "502", "503"])
def test_any_other_answer_fails_the_workflow(machine: Surroundings, code: str) -> None:
    machine.known("code", code)
    done = machine.run("rotate-due", APP)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"answered {code}" in done.stderr


@pytest.mark.parametrize(("code", "status"), [("200", "failed"), ("500", "failed"), ("502", "failed"), ("200", "busy")])
def test_a_run_that_failed_fails_the_workflow(machine: Surroundings, code: str, status: str) -> None:
    machine.known("code", code)
    machine.known("body", f'{{"status": "{status}"}}')
    done = machine.run("rotate-due", APP)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"answered {code} {status}: docs/operations.md, Timer silent" in done.stderr


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!DOCTYPE html>\n<html>rubbish</html>",
        "::stop-commands::rubbish",
        '{"status": "rubbish"}',
        '{"status": ""}',
        '{"status": "done", "rubbish": 1}',
        '{"status": "done"}\n::stop-commands::rubbish',
        '::set-output name=rubbish::1\n{"status": "done"}',
        '{"status": "done"}\n{"status": "not due"}',
        '{"status": "do*"}',
        "200",
    ],
)
@pytest.mark.parametrize("github", [{}, {"GITHUB_ACTIONS": "true"}])
def test_what_the_app_does_not_say_is_a_failure_and_is_not_printed(
    machine: Surroundings, body: str, github: dict[str, str]
) -> None:
    """GitHub acts on some lines of a log, whoever wrote them."""
    machine.known("body", body)
    done = machine.run("rotate-due", APP, **github)
    assert done.returncode == 1
    assert done.stdout == (f"::add-mask::{KEY}\n" if github else "")
    words = "https://func-1.azurewebsites.net/api/rotate-due answered 200 with something else than the app"
    assert done.stderr == f"rotate-due: {words}: docs/operations.md, Timer silent\n"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("code", "https://func-1.azurewebsites.net does not answer"),
        ("key", "the key of the function rotate_due cannot be read: docs/deploy.md, Another clock"),
        ("host", f"this identity may not read {APP}: docs/deploy.md, Another clock"),
    ],
)
def test_what_is_missing_is_told(machine: Surroundings, missing: str, words: str) -> None:
    machine.known(missing, None)
    done = machine.run("rotate-due", APP)
    assert done.returncode == 1
    assert words in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("given", [[], [""], ["func-1"], ["https://example.com"]])
def test_what_is_no_app_is_asked_for_nothing(machine: Surroundings, given: list[str]) -> None:
    done = machine.run("rotate-due", *given)
    assert done.returncode == 1
    assert "azd env get-value FUNCTION_APP_ID" in done.stderr
    assert machine.written("commands") == []


def test_a_key_that_is_empty_asks_for_nothing(machine: Surroundings) -> None:
    machine.known("key", "")
    assert machine.run("rotate-due", APP).returncode == 1
    assert machine.written("headers") == []


def test_a_copy_of_the_repository_does_not_run_it_by_itself() -> None:
    assert JOB["if"] == "vars.ROTATE_BY_WORKFLOW == 'true'"


def test_it_signs_in_without_a_secret_and_may_write_nothing() -> None:
    assert WORKFLOW["permissions"] == {"id-token": "write", "contents": "read"}
    assert "secrets." not in TEXT
    assert JOB["environment"] == "${{ vars.ROTATE_ENVIRONMENT || 'production' }}"


def test_it_runs_twice_an_hour_away_from_the_full_one() -> None:
    """When GitHub is busiest, runs are left out. YAML 1.1 has `on` as a boolean."""
    (schedule,) = WORKFLOW[True]["schedule"]
    minutes = [int(minute) for minute in schedule["cron"].partition(" ")[0].split(",")]
    assert len(minutes) == 2
    assert not {0, 30} & {*minutes}
    assert "workflow_dispatch" in WORKFLOW[True]


def test_its_actions_are_those_of_the_deployment() -> None:
    deployed = (ROOT / ".github/workflows/deploy.yml").read_text()
    used = re.findall(r"uses: (\S+@\w{40} # v\S+)", TEXT)
    assert len(used) == TEXT.count("uses: ") == 2
    assert [each for each in used if each not in deployed] == []


def test_no_variable_is_part_of_a_command() -> None:
    """GitHub would put its text into the script, whatever it holds."""
    assert [step["run"] for step in JOB["steps"] if "run" in step] == ['./infra/rotate-due.sh "$FUNCTION_APP_ID"']
    assert (FOLDER / "rotate-due.sh").stat().st_mode & 0o111
