"""Running checks: which waits for which, which is skipped, what is reported, and what an unexpected error becomes."""

import dataclasses
import datetime
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rotator import errors
from rotator.azure.errors import VaultFirewallError, VaultForbiddenError
from rotator.checks import runner
from rotator.checks.findings import Checkup, Finding, Level, Reporter
from rotator.checks.interface import AlreadyReportedError, Check, PlanCheck, Results
from rotator.delivery.errors import UnreachableError
from rotator.redaction import SecretText
from tests.fakes import checks, examples

SECONDS = 10.0
Act = Callable[[Results, Reporter], Any]
Kind = type[Check[Any]]


class Watcher:
    """A Progress that remembers what it was called with, from whichever thread."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.calls: list[tuple[str, str]] = []

    def began(self, check: str) -> None:
        self.calls.append(("began", check))

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.calls.append(("found", finding.check))


def check(
    called: str,
    act: Act,
    command: Callable[[errors.RotatorError], str] = lambda _: "",
    severity: Level = Level.FAILURE,
) -> Kind:
    """A check of this name that does this."""
    level = severity

    class Checked(PlanCheck[Any]):
        name = called

        @property
        def severity(self) -> Level:
            return level

        def run(self, results: Results, report: Reporter) -> Any:
            return act(results, report)

        def command(self, error: errors.RotatorError, _results: Results) -> str:
            return command(error)

    return Checked


def run(*kinds: Kind, progress: runner.Progress | None = None) -> Checkup:
    return runner.run(kinds, checks.context(), progress or runner.NoProgress())


def lines(checkup: Checkup) -> list[tuple[str, str, str]]:
    return [(finding.check, finding.level.value, finding.text) for finding in checkup.findings]


def fine(value: Any = None) -> Act:
    def act(_results: Results, report: Reporter) -> Any:
        report(Level.OK, "fine")
        return value

    return act


def broken(error: Exception) -> Act:
    def act(_results: Results, _report: Reporter) -> None:
        raise error

    return act


def needing(kind: Kind) -> Act:
    def act(results: Results, report: Reporter) -> Any:
        found = results.of(kind)
        report(Level.OK, f"got {found}")
        return found

    return act


# What later checks get


def test_a_later_check_gets_the_result_of_an_earlier_one() -> None:
    first = check("first", fine(42))
    assert lines(run(first, check("second", needing(first)))) == [
        ("first", "ok", "fine"),
        ("second", "ok", "got 42"),
    ]


def test_none_is_a_result_too() -> None:
    first = check("first", fine(None))
    assert lines(run(first, check("second", needing(first))))[1] == ("second", "ok", "got None")


def test_two_checks_of_one_name_are_two_checks() -> None:
    first, other = check("same", fine(1)), check("same", fine(2))
    assert lines(run(first, other, check("third", needing(first))))[2] == ("third", "ok", "got 1")


@pytest.mark.parametrize("error", [UnreachableError("no"), AlreadyReportedError(), ValueError("what is this")])
def test_a_check_that_needs_a_missing_result_is_skipped(error: Exception) -> None:
    first = check("first", broken(error))
    checkup = run(first, check("second", needing(first)))
    assert lines(checkup)[-1] == ("second", "skipped", "not checked: it needs 'first'")


def test_what_needs_a_skipped_check_is_skipped_for_the_one_that_failed() -> None:
    first = check("first", broken(UnreachableError("no")))
    second = check("second", needing(first))
    assert lines(run(first, second, check("third", needing(second)))) == [
        ("first", "failure", "no"),
        ("second", "skipped", "not checked: it needs 'first'"),
        ("third", "skipped", "not checked: it needs 'first'"),
    ]


def test_a_check_can_do_without_a_missing_result() -> None:
    first = check("first", broken(UnreachableError("no")))
    second = check("second", lambda results, report: report(Level.OK, f"got {results.find(first)}"))
    assert lines(run(first, second))[1] == ("second", "ok", "got None")


def test_a_check_that_is_not_run_has_no_result() -> None:
    absent = check("absent", fine())
    assert lines(run(check("only", needing(absent)))) == [("only", "skipped", "not checked: it needs 'absent'")]


def test_no_check_waits_for_a_later_one() -> None:
    later = check("later", fine())
    assert lines(run(check("first", needing(later)), later)) == [
        ("first", "skipped", "not checked: it needs 'later'"),
        ("later", "ok", "fine"),
    ]


def test_a_check_that_does_not_apply_to_the_plan_is_not_run() -> None:
    class Elsewhere(check("elsewhere", fine())):  # type: ignore[misc]  # its base is made at run time
        @classmethod
        def applies(cls, plan: object) -> bool:
            assert plan
            return False

    assert lines(run(Elsewhere, check("second", needing(Elsewhere)))) == [
        ("second", "skipped", "not checked: it needs 'elsewhere'")
    ]


def test_what_does_not_need_the_failed_check_is_run() -> None:
    assert lines(run(check("first", broken(UnreachableError("no"))), check("second", fine())))[1][1] == "ok"


def test_a_skipped_check_is_no_failure() -> None:
    assert not run(check("only", needing(check("absent", fine())))).failed


# What is reported


def test_a_check_may_report_several_findings_and_go_on_after_a_failure() -> None:
    def act(_results: Results, report: Reporter) -> str:
        report(Level.FAILURE, "half of it is wrong", "Repair it.", "repair it")
        report(Level.OK, "the rest is fine")
        return "the rest"

    first = check("first", act)
    checkup = run(first, check("second", needing(first)))
    assert lines(checkup) == [
        ("first", "failure", "half of it is wrong"),
        ("first", "ok", "the rest is fine"),
        ("second", "ok", "got the rest"),
    ]
    assert (checkup.findings[0].remedy, checkup.findings[0].command) == ("Repair it.", "repair it")


def test_nothing_is_added_to_what_a_check_has_reported_itself() -> None:
    def act(_results: Results, report: Reporter) -> None:
        report(Level.FAILURE, "it is over")
        raise AlreadyReportedError

    assert lines(run(check("only", act))) == [("only", "failure", "it is over")]


def test_an_error_of_ours_is_reported_with_its_remedy_and_the_command_for_it() -> None:
    error = VaultFirewallError("the network", address="192.0.2.1")
    kind = check("vault", broken(error), lambda found: f"let in {getattr(found, 'address', '?')}")
    (finding,) = run(kind).findings
    assert finding.level is Level.FAILURE
    assert (finding.text, finding.remedy, finding.command) == ("the network", error.advice, "let in 192.0.2.1")


def test_an_error_is_reported_without_a_command_where_that_cannot_be_made() -> None:
    def command(_error: errors.RotatorError) -> str:
        raise UnreachableError("the connection is gone")

    (finding,) = run(check("kubectl", broken(UnreachableError("no")), command)).findings
    assert (finding.text, finding.command) == ("no", "")


def test_the_error_of_what_a_rotation_can_do_without_is_a_warning() -> None:
    kind = check("storage get", broken(VaultForbiddenError("no")), severity=Level.WARNING)
    checkup = run(kind)
    assert lines(checkup) == [("storage get", "warning", "no")]
    assert not checkup.failed


def test_an_unexpected_error_is_a_failure_whatever_the_check_s_severity() -> None:
    kind = check("storage get", broken(ZeroDivisionError("by zero")), severity=Level.WARNING)
    checkup = run(kind, check("other", fine()))
    assert checkup.failed
    assert [finding.level.value for finding in checkup.findings] == ["failure", "ok"]
    assert "ZeroDivisionError" in checkup.findings[0].text
    assert checkup.findings[0].command == ""


def test_an_unexpected_error_keeps_its_secrets_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    secret = SecretText("hunter2-hunter2")
    with caplog.at_level(logging.INFO, "rotator"):
        checkup = run(check("only", broken(ValueError(f"cannot read {secret.reveal()}"))))
    assert "hunter2" not in json.dumps(checkup.as_json())
    assert "hunter2" not in caplog.text


# Order


def test_findings_stand_in_the_checks_order_whichever_ends_first() -> None:
    second_done = threading.Event()

    def slow(_results: Results, report: Reporter) -> None:
        assert second_done.wait(SECONDS)
        report(Level.OK, "at last")

    def quick(_results: Results, report: Reporter) -> None:
        report(Level.OK, "at once")
        second_done.set()

    watcher = Watcher()
    checkup = run(check("slow", slow), check("quick", quick), progress=watcher)
    assert [finding.check for finding in checkup.findings] == ["slow", "quick"]
    assert [finding.check for finding in watcher.findings] == ["quick", "slow"]


def test_checks_that_need_nothing_of_each_other_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=SECONDS)

    def act(_results: Results, report: Reporter) -> None:
        both.wait()
        report(Level.OK, "met the other")

    assert {level for _, level, _ in lines(run(check("one", act), check("other", act)))} == {"ok"}


def test_a_long_chain_behind_waiting_checks_comes_to_its_end() -> None:
    """More checks wait than there are threads; those before them still get one."""
    kinds = [check("0", fine(0))]
    for number in range(1, 40):
        kinds.append(check(f"{number}", needing(kinds[-1])))
    checkup = run(*kinds)
    assert lines(checkup)[-1] == ("39", "ok", "got 0")


def test_a_checkup_says_when_it_began_and_ended() -> None:
    times = iter([examples.NOW, examples.NOW + datetime.timedelta(seconds=3)])
    context = dataclasses.replace(checks.context(), clock=lambda: next(times))
    checkup = runner.run([check("only", fine())], context, runner.NoProgress())
    assert (checkup.started, checkup.finished) == (examples.NOW, examples.NOW + datetime.timedelta(seconds=3))


# Who follows


def test_each_check_is_announced_before_what_it_finds() -> None:
    watcher, two = Watcher(), check("two", broken(UnreachableError("no")))
    run(check("one", fine()), two, check("three", needing(two)), progress=watcher)
    for name in ("one", "two", "three"):
        assert watcher.calls.index(("began", name)) < watcher.calls.index(("found", name))


def test_what_is_announced_is_what_is_found() -> None:
    watcher, two = Watcher(), check("two", broken(ZeroDivisionError()))
    checkup = run(check("one", fine()), two, check("three", needing(two)), progress=watcher)
    assert set(watcher.findings) == set(checkup.findings)


def test_each_finding_is_one_line_of_json_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    login = check("login", broken(UnreachableError("no", remedy="Check it.")), lambda _: "repair it")
    with caplog.at_level(logging.INFO, "rotator.checks.runner"):
        run(check("settings", fine()), login)
    logged = sorted((record.levelname, json.loads(record.getMessage())["check"]) for record in caplog.records)
    assert logged == [("ERROR", "login"), ("INFO", "settings")]
    failure = next(json.loads(record.getMessage()) for record in caplog.records if record.levelname == "ERROR")
    assert failure == {
        "event": "check_done",
        "check": "login",
        "outcome": "failure",
        "text": "no",
        "remedy": "Check it.",
        "command": "repair it",
    }


def test_findings_are_values() -> None:
    (finding,) = run(check("only", fine())).findings
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.text = "another"  # type: ignore[misc]
