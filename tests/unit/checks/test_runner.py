"""The engine of a preflight: what waits for what, what is left out, and what an unexpected error becomes."""

import dataclasses
import datetime
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rotator.azure.errors import VaultFirewallError, VaultForbiddenError
from rotator.checks import runner
from rotator.checks.findings import Checkup, Finding, Level
from rotator.checks.runner import Check, OverError, Reporter, Results
from rotator.delivery.errors import UnreachableError
from rotator.redaction import SecretText
from tests.fakes import examples

SECONDS = 10.0
Act = Callable[[Results, Reporter], Any]


class Watcher:
    """Remembers what it was told, from whichever thread."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.told: list[tuple[str, str]] = []

    def began(self, check: str) -> None:
        self.told.append(("began", check))

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.told.append(("found", finding.check))


def clock() -> datetime.datetime:
    return examples.NOW


def run(*looks: Check, announce: runner.Progress | None = None) -> Checkup:
    return runner.run(looks, announce or runner.NoProgress(), clock)


def lines(checkup: Checkup) -> list[tuple[str, str, str]]:
    return [(finding.check, finding.level.value, finding.text) for finding in checkup.findings]


def fine(value: Any = None) -> Act:
    def act(_known: Results, say: Reporter) -> Any:
        say(Level.OK, "fine")
        return value

    return act


def broken(error: Exception) -> Act:
    def act(_known: Results, _say: Reporter) -> None:
        raise error

    return act


def needing(name: str) -> Act:
    def act(known: Results, say: Reporter) -> Any:
        found = known.of(name)
        say(Level.OK, f"got {found}")
        return found

    return act


# What later looks get


def test_later_look_gets_what_an_earlier_one_found() -> None:
    assert lines(run(Check("first", fine(42)), Check("second", needing("first")))) == [
        ("first", "ok", "fine"),
        ("second", "ok", "got 42"),
    ]


def test_none_is_a_finding_too() -> None:
    assert lines(run(Check("first", fine(None)), Check("second", needing("first"))))[1] == ("second", "ok", "got None")


@pytest.mark.parametrize("error", [UnreachableError("no"), OverError(), ValueError("what is this")])
def test_what_an_earlier_look_did_not_find_is_not_looked_at(error: Exception) -> None:
    checkup = run(Check("first", broken(error)), Check("second", needing("first")))
    assert lines(checkup)[-1] == ("second", "skipped", "not looked at: that needs 'first'")


def test_what_needs_a_skipped_look_is_skipped_for_what_was_in_that_one_s_way() -> None:
    looks = [Check("first", broken(UnreachableError("no")))]
    looks += [Check("second", needing("first")), Check("third", needing("second"))]
    assert lines(run(*looks)) == [
        ("first", "failure", "no"),
        ("second", "skipped", "not looked at: that needs 'first'"),
        ("third", "skipped", "not looked at: that needs 'first'"),
    ]


def test_a_look_that_nobody_takes_is_none_that_could_be_waited_for() -> None:
    assert lines(run(Check("only", needing("settings of another time")))) == [
        ("only", "skipped", "not looked at: that needs 'settings of another time'")
    ]


def test_what_does_not_need_the_failed_look_is_looked_at() -> None:
    assert lines(run(Check("first", broken(UnreachableError("no"))), Check("second", fine())))[1][1] == "ok"


def test_a_skipped_check_is_no_failure() -> None:
    assert not run(Check("only", needing("nothing"))).failed


# What is said


def test_a_look_may_say_several_things_and_go_on_after_a_failure() -> None:
    def act(_known: Results, say: Reporter) -> str:
        say(Level.FAILURE, "half of it is wrong", "Mend it.", "mend it")
        say(Level.OK, "the rest is fine")
        return "the rest"

    checkup = run(Check("first", act), Check("second", needing("first")))
    assert lines(checkup) == [
        ("first", "failure", "half of it is wrong"),
        ("first", "ok", "the rest is fine"),
        ("second", "ok", "got the rest"),
    ]
    assert (checkup.findings[0].remedy, checkup.findings[0].command) == ("Mend it.", "mend it")


def test_nothing_is_added_to_what_a_look_said_before_it_was_over() -> None:
    def act(_known: Results, say: Reporter) -> None:
        say(Level.FAILURE, "it is over")
        raise OverError

    assert lines(run(Check("only", act))) == [("only", "failure", "it is over")]


def test_an_error_of_ours_is_told_with_its_remedy_and_the_command_for_it() -> None:
    error = VaultFirewallError("the network", address="192.0.2.1")
    look = Check("vault", broken(error), lambda found: f"let in {getattr(found, 'address', '?')}")
    (finding,) = run(look).findings
    assert finding.level is Level.FAILURE
    assert (finding.text, finding.remedy, finding.command) == ("the network", error.remedy, "let in 192.0.2.1")


def test_the_error_of_what_a_rotation_can_do_without_is_a_warning() -> None:
    look = Check("storage get", broken(VaultForbiddenError("no")), severity=Level.WARNING)
    checkup = run(look)
    assert lines(checkup) == [("storage get", "warning", "no")]
    assert not checkup.failed


def test_an_unexpected_error_is_a_failure_whatever_its_look_is_worth() -> None:
    look = Check("storage get", broken(ZeroDivisionError("by zero")), severity=Level.WARNING)
    checkup = run(look, Check("other", fine()))
    assert checkup.failed
    assert [finding.level.value for finding in checkup.findings] == ["failure", "ok"]
    assert "ZeroDivisionError" in checkup.findings[0].text
    assert checkup.findings[0].command == ""


def test_an_unexpected_error_keeps_its_secrets_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    secret = SecretText("hunter2-hunter2")
    with caplog.at_level(logging.INFO, "rotator"):
        checkup = run(Check("only", broken(ValueError(f"cannot read {secret.reveal()}"))))
    assert "hunter2" not in json.dumps(checkup.as_json())
    assert "hunter2" not in caplog.text


# Order


def test_findings_stand_in_the_looks_order_whichever_ends_first() -> None:
    second_done = threading.Event()

    def slow(_known: Results, say: Reporter) -> None:
        assert second_done.wait(SECONDS)
        say(Level.OK, "at last")

    def quick(_known: Results, say: Reporter) -> None:
        say(Level.OK, "at once")
        second_done.set()

    watcher = Watcher()
    checkup = run(Check("slow", slow), Check("quick", quick), announce=watcher)
    assert [finding.check for finding in checkup.findings] == ["slow", "quick"]
    assert [finding.check for finding in watcher.findings] == ["quick", "slow"]


def test_looks_that_need_nothing_of_each_other_are_under_way_at_once() -> None:
    both = threading.Barrier(2, timeout=SECONDS)

    def act(_known: Results, say: Reporter) -> None:
        both.wait()
        say(Level.OK, "met the other")

    assert {level for _, level, _ in lines(run(Check("one", act), Check("other", act)))} == {"ok"}


def test_a_long_chain_behind_waiting_looks_comes_to_its_end() -> None:
    """More looks wait than there are threads; those before them still get one."""
    looks = [Check("0", fine(0))]
    looks += [Check(f"{number}", needing(f"{number - 1}")) for number in range(1, 40)]
    checkup = run(*looks)
    assert lines(checkup)[-1] == ("39", "ok", "got 0")


def test_a_checkup_says_when_it_began_and_ended() -> None:
    moments = iter([examples.NOW, examples.NOW + datetime.timedelta(seconds=3)])
    checkup = runner.run([Check("only", fine())], runner.NoProgress(), lambda: next(moments))
    assert (checkup.started, checkup.finished) == (examples.NOW, examples.NOW + datetime.timedelta(seconds=3))


# Who watches


def test_each_look_is_announced_before_what_it_finds() -> None:
    watcher = Watcher()
    looks = (Check("one", fine()), Check("two", broken(UnreachableError("no"))), Check("three", needing("two")))
    run(*looks, announce=watcher)
    for check in ("one", "two", "three"):
        assert watcher.told.index(("began", check)) < watcher.told.index(("found", check))


def test_what_is_announced_is_what_is_found() -> None:
    watcher = Watcher()
    looks = (Check("one", fine()), Check("two", broken(ZeroDivisionError())), Check("three", needing("two")))
    checkup = run(*looks, announce=watcher)
    assert set(watcher.findings) == set(checkup.findings)


def test_each_finding_is_one_line_of_json_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    look = Check("login", broken(UnreachableError("no", remedy="Check it.")), lambda _: "mend it")
    with caplog.at_level(logging.INFO, "rotator.checks.runner"):
        run(Check("settings", fine()), look)
    told = sorted((record.levelname, json.loads(record.getMessage())["check"]) for record in caplog.records)
    assert told == [("ERROR", "login"), ("INFO", "settings")]
    failure = next(json.loads(record.getMessage()) for record in caplog.records if record.levelname == "ERROR")
    assert failure == {
        "event": "check_done",
        "check": "login",
        "outcome": "failure",
        "text": "no",
        "remedy": "Check it.",
        "command": "mend it",
    }


def test_findings_are_values() -> None:
    (finding,) = run(Check("only", fine())).findings
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.text = "another"  # type: ignore[misc]
