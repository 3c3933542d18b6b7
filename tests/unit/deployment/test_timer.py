import datetime
from typing import Any

import pytest

from rotator.azure.errors import AppUnreachableError
from rotator.azure.function_endpoint import Answer
from rotator.deployment import timer
from rotator.deployment.errors import TimerSilentError
from rotator.deployment.progress import Progress
from rotator.redaction import SecretText
from tests.fakes.deployment import NOW, STATUS, FakeEndpoint, Time, answering

KEY = SecretText("the key of status")
NEXT = datetime.datetime(2026, 7, 1, 12, 30, tzinfo=datetime.UTC)


def status(next_run: str | None, *missed: str) -> dict[str, Any]:
    return STATUS | {"timer": {"last": None, "next": next_run, "missed": list(missed)}}


def look(endpoint: FakeEndpoint) -> list[Progress]:
    lines: list[Progress] = []
    timer.wait_for_next_run(endpoint, KEY, Time().wait(60), lines.append)
    return lines


def silent(value: dict[str, Any], code: int = 200) -> str:
    with pytest.raises(TimerSilentError) as caught:
        look(answering(status=Answer(code, value)))
    assert caught.value.exit_code == 5
    assert "Timer silent" in caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("code", [200, 503])
def test_next_run_and_the_first_expiry_are_what_a_user_wants_to_know(code: int) -> None:
    (done,) = look(answering(status=Answer(code, STATUS)))
    assert done.text == ("next run at 2026-07-01T12:30:00Z (in 30 min), SAS valid until 2026-07-01T15:00:00Z (in 3 h)")
    assert (done.next_run, done.sas_until) == (NEXT, NEXT + datetime.timedelta(hours=2, minutes=30))


def test_targets_without_a_sas_are_said_to_hold_none() -> None:
    (done,) = look(answering(status=Answer(503, STATUS | {"targets": [{"expires": None}]})))
    assert done.text.endswith("no target holds a SAS")
    assert done.sas_until is None


def test_record_that_is_written_later_is_waited_for() -> None:
    waiting, done = look(answering(status=[Answer(200, STATUS | {"timer": None}), Answer(200, STATUS)]))
    assert waiting.text == "waiting for the timer's next moment: when its timer fires is not known, 0 s"
    assert done.next_run == NEXT


def test_next_moment_that_has_passed_is_none() -> None:
    assert silent(status("2026-07-01T12:00:00Z")) == (
        "the app runs, but its timer should have fired at 2026-07-01T12:00:00Z and did not"
    )


def test_missed_times_are_named_up_to_three() -> None:
    missed = [f"2026-07-01T{hour:02}:00:00Z" for hour in range(6, 11)]
    assert silent(status(missed[0], *missed)).endswith(
        "should have fired at 2026-07-01T06:00:00Z, 2026-07-01T07:00:00Z, 2026-07-01T08:00:00Z and 2 more and did not"
    )


@pytest.mark.parametrize("next_run", [None, "", "tomorrow", "2026-07-01T12:30:00"])
def test_timer_without_a_next_moment_is_silent(next_run: str | None) -> None:
    assert silent(status(next_run)) == "the app runs, but its timer has no next moment"


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_not_known_of_the_timer_is_said_with_the_warnings(value: object) -> None:
    text = silent(STATUS | {"timer": value, "warnings": ["the host's record cannot be read", 3]})
    assert text.endswith("when its timer fires is not known; the host's record cannot be read")


def test_schedule_under_a_minute_has_no_record_and_the_next_run_of_the_plan() -> None:
    frequent = STATUS | {"timer": None, "interval_seconds": 20.0, "next_run": "2026-07-01T12:00:20Z"}
    (done,) = look(answering(status=Answer(200, frequent)))
    assert done.text.startswith("next run at 2026-07-01T12:00:20Z (in 20 s)")


def test_status_of_an_older_app_has_no_timer() -> None:
    assert "not known" in silent({name: value for name, value in STATUS.items() if name != "timer"})


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"error": "SettingsError", "message": "SAS_VALIDITY is\nwrong"}, 500, "500: SAS_VALIDITY is\\nwrong"),
        ({}, 401, "the app answers 401"),
        ({"now": "yesterday", "targets": []}, 200, "the app answers 200"),
        ({"now": NOW}, 200, "the app answers 200"),
    ],
)
def test_answer_that_is_no_status_says_why_nothing_is_known(value: dict[str, Any], code: int, words: str) -> None:
    assert words in silent(value, code)


def test_app_that_stops_answering_is_waited_for() -> None:
    waiting, done = look(answering(status=[AppUnreachableError("nothing answers"), Answer(200, STATUS)]))
    assert "nothing answers" in waiting.text
    assert done.next_run == NEXT
