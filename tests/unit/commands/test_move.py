"""What `plan --issuer` prints for people, and its exit code."""

import dataclasses
from typing import Any

import pytest

from rotator.checks.findings import Finding, Level
from rotator.checks.move import Move
from rotator.commands import move
from rotator.plan.account import IssuerKind

COMMAND = "az functionapp config appsettings set --name a --settings SAS_ISSUER=userdelegation"
POSSIBLE = Move(
    issuer=IssuerKind.USERDELEGATION,
    former=IssuerKind.KEYVAULT,
    identity="me",
    targets=("default/storage-sas@master",),
    missing=(),
    remarks=(Finding("role for revocation", Level.WARNING, "`revoke` would be refused"),),
    settings={"SAS_ISSUER": "userdelegation"},
    command=COMMAND,
    effects=("a SAS allows rw instead of rwu",),
)
MISSING = Finding("role for delegation", Level.FAILURE, "it is missing", "Assign it.", "az role assignment create …")


def printed(found: Move, capsys: pytest.CaptureFixture[str]) -> list[str]:
    move.print_text(found)
    return capsys.readouterr().out.splitlines()


def test_a_move_that_is_possible_ends_with_its_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(POSSIBLE, capsys)
    assert lines[0] == "from keyvault to userdelegation, by the roles of me"
    assert "can move default/storage-sas@master" in lines
    assert "then     a SAS allows rw instead of rwu" in lines
    assert lines[-4:-2] == ["This makes the change:", f"  $ {COMMAND}"]
    assert lines[-1] == "nothing was changed; all targets can move"


def test_azd_s_own_environment_is_changed_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`azd env set NAME VALUE`" in printed(POSSIBLE, capsys)[-2]


def test_who_runs_it_is_told_where_the_app_may_have_other_roles(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(dataclasses.replace(POSSIBLE, note="look again"), capsys)[1] == "note     look again"


def test_a_command_that_repairs_several_findings_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    second = dataclasses.replace(MISSING, check="role for data", text="missing too")
    lines = printed(dataclasses.replace(POSSIBLE, missing=(MISSING, second)), capsys)
    assert lines.count("           $ az role assignment create …") == 1
    assert lines[4] == "missing  role for data: missing too"


def test_what_is_missing_comes_first_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(dataclasses.replace(POSSIBLE, missing=(MISSING,)), capsys)
    assert lines[1:4] == [
        "missing  role for delegation: it is missing",
        "           Assign it.",
        "           $ az role assignment create …",
    ]
    assert "waits    default/storage-sas@master" in lines
    assert lines[-1] == "nothing was changed; 1 missing"


@pytest.mark.parametrize(("missing", "possible"), [((), True), ((MISSING,), False)])
def test_a_move_is_possible_where_nothing_is_missing(missing: Any, possible: bool) -> None:
    found = dataclasses.replace(POSSIBLE, missing=missing)
    assert (found.possible, found.as_json()["possible"]) == (possible, possible)


def test_who_has_that_issuer_already_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    same = dataclasses.replace(POSSIBLE, former=IssuerKind.USERDELEGATION, settings={}, command="")
    assert printed(same, capsys)[-1] == "nothing was changed; SAS_ISSUER is userdelegation already"
