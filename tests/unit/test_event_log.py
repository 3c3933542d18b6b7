"""One line of JSON for each decision, which is all of the record's message."""

import json
import logging
import re
import threading
from typing import Any

import pytest

from rotator import event_log, redaction
from rotator.event_log import Event
from rotator.plan.plan import Strategy
from rotator.redaction import SecretText
from tests.fakes.examples import NOW, TARGET, TOKEN

logger = logging.getLogger("rotator.test")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def line(log: pytest.LogCaptureFixture) -> Any:
    """The only line that was logged."""
    [record] = log.records
    message = record.getMessage()
    assert "\n" not in message
    return json.loads(message)


def test_a_decision_is_one_json_object_with_its_event_first(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.INFO, Event.TARGET_DUE, target=TARGET, reason="there is no Secret yet")
    event = line(log)
    assert event == {"event": "target_due", "text": "due", "target": str(TARGET), "reason": "there is no Secret yet"}
    assert next(iter(event)) == "event"


def test_a_field_text_takes_the_place_of_the_events_own(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, check="clock", text="1 s off")
    assert line(log) == {"event": "check_done", "text": "1 s off", "check": "clock"}


def test_names_of_events_are_stable_for_queries() -> None:
    assert len({event.value for event in Event}) == len(Event)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)+", event) for event in Event)


def test_what_is_not_known_is_left_out(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.INFO, Event.SAS_ISSUED, signing_key=None, proof="", attempts=0)
    assert line(log) == {"event": "sas_issued", "text": "issued", "proof": "", "attempts": 0}


def test_times_names_and_errors_are_told_as_text(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, expires=NOW, strategy=Strategy.APPLY, error=ValueError("odd"))
    assert line(log) | {"expires": "2026-07-01T12:00:00Z", "strategy": "apply", "error": "odd"} == line(log)


@pytest.mark.parametrize("words", ["two\nlines", 'a "quoted" word', "back\\slash", "Zürich 😀", "a\u2028b", "%s %d"])
def test_any_text_is_read_back_as_it_was(log: pytest.LogCaptureFixture, words: str) -> None:
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, message=words)
    assert line(log)["message"] == words


def test_words_of_other_alphabets_can_be_searched_for(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, message="Zürich")
    assert "Zürich" in log.text


def test_the_run_is_named_within_its_block_and_not_after_it(log: pytest.LogCaptureFixture) -> None:
    with event_log.of_run("20260701T120000Z-abc123"):
        event_log.log(logger, logging.INFO, Event.TARGET_DUE)
        with event_log.of_run("another"):
            event_log.log(logger, logging.INFO, Event.CHECK_DONE)
        event_log.log(logger, logging.INFO, Event.SAS_ISSUED)
    event_log.log(logger, logging.INFO, Event.RUN_BUSY)
    runs = {each["event"]: each.get("run") for each in (json.loads(record.getMessage()) for record in log.records)}
    run = "20260701T120000Z-abc123"
    assert runs == {"target_due": run, "check_done": "another", "sas_issued": run, "run_busy": None}


def test_a_run_that_breaks_off_names_no_other(log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), event_log.of_run("20260701T120000Z-abc123"):
        raise ValueError("broken")
    event_log.log(logger, logging.INFO, Event.RUN_BUSY)
    assert "run" not in line(log)


def test_another_threads_run_is_not_named(log: pytest.LogCaptureFixture) -> None:
    with event_log.of_run("20260701T120000Z-abc123"):
        thread = threading.Thread(target=event_log.log, args=(logger, logging.INFO, Event.RUN_BUSY))
        thread.start()
        thread.join()
    assert "run" not in line(log)


def test_level_logger_and_place_are_those_of_the_decision(log: pytest.LogCaptureFixture) -> None:
    event_log.log(logger, logging.WARNING, Event.TARGET_DUE)
    [record] = log.records
    assert (record.levelno, record.name) == (logging.WARNING, "rotator.test")
    assert record.funcName == "test_level_logger_and_place_are_those_of_the_decision"


def test_the_traceback_of_a_defect_is_logged_beside_the_line(log: pytest.LogCaptureFixture) -> None:
    defect = ValueError("odd")
    event_log.log(logger, logging.ERROR, Event.RUN_FAILED, message=defect, exc_info=defect)
    assert line(log) == {"event": "run_failed", "text": "failed", "message": "odd"}
    assert "ValueError: odd" in log.text


def test_a_secret_is_masked_and_the_line_stays_json(log: pytest.LogCaptureFixture) -> None:
    redaction.install()
    phrase = SecretText("correct horse battery staple")
    token = TOKEN.replace("sig=", "sig=un")  # none that another test made a secret
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, message=f"{phrase.reveal()} and {token}", secret=phrase)
    event = line(log)
    assert event["secret"] == "[secret]"
    assert event["message"].startswith("[secret] and sv=2018-03-28")
    assert event["message"].endswith("sig=[secret]")


def test_a_private_key_is_masked_though_json_writes_its_line_ends_otherwise(log: pytest.LogCaptureFixture) -> None:
    redaction.install()
    key = SecretText(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIBkg\nb3BlbnNzaC1rZXktdjEA\n-----END PRIVATE KEY-----\n"
    )
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, message=f"cannot read {key.reveal()}")
    assert "MC4CAQAwBQYDK2VwBCIEIBkg" not in log.text
    assert line(log)["message"].startswith("cannot read ")


@pytest.mark.parametrize("phrase", ['pass"word-123456', "back\\slash-123456", "Zürich-123456", "tab\tinside-123456"])
def test_a_secret_that_json_writes_otherwise_is_masked(log: pytest.LogCaptureFixture, phrase: str) -> None:
    redaction.install()
    secret = SecretText(phrase)
    event_log.log(logger, logging.INFO, Event.CHECK_DONE, message=f"cannot use {secret.reveal()}")
    assert line(log)["message"] == "cannot use [secret]"
