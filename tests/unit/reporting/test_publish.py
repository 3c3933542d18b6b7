"""What becomes of a report where nothing outside is needed: the log line, and trouble that fails no run."""

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pytest

from rotator import event_log, redaction
from rotator.event_log import Event
from rotator.reporting import publish
from rotator.reporting.report import Failed, Report, Unchanged
from tests.fakes.examples import NOW, TOKEN, plan
from tests.unit.reporting.test_chat_message import report_of

FAILED = Failed("UnreachableError", "m does not answer", "Check the network.")
UNCHANGED = Unchanged("its SAS is fresh", NOW)


class Credential:
    """Nothing here asks for a token."""

    def get_token(self, *scopes: str, **options: Any) -> NoReturn:
        raise AssertionError(scopes)

    def close(self) -> None:
        """Nothing is open."""


class Broken(Mapping[str, str]):
    """An environment that nobody can read."""

    def __getitem__(self, name: str) -> NoReturn:
        raise RuntimeError(f"{name} of {TOKEN}")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError(TOKEN)

    def __len__(self) -> int:
        return 1


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    redaction.install()
    caplog.set_level(logging.INFO)
    return caplog


def published(report: Report, environment: Mapping[str, str] | None = None, **changes: Any) -> Report:
    return publish.publish(report, plan(**changes), environment or {}, Credential())


def lines(log: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in log.records]


@pytest.mark.parametrize(
    ("report", "level"),
    [
        (report_of(UNCHANGED), logging.INFO),
        (report_of(UNCHANGED, FAILED), logging.ERROR),
        (report_of(error=FAILED), logging.ERROR),
    ],
    ids=["done", "a target failed", "refused"],
)
def test_a_report_is_one_line_of_json_at_the_level_of_its_outcome(
    log: pytest.LogCaptureFixture, report: Report, level: int
) -> None:
    publish.log_and_measure(report)
    [(found, message)] = lines(log)
    assert found == level
    word, _, text = message.partition(" ")
    assert (word, json.loads(text)) == ("report", report.as_json())
    assert "\n" not in message


def test_without_container_and_webhook_a_report_is_logged_and_given_back(log: pytest.LogCaptureFixture) -> None:
    report = report_of(UNCHANGED, warnings=("pin the SHA256 fingerprint",))
    assert published(report) == report
    assert [message.partition(" ")[0] for _, message in lines(log)] == ["report"]


def test_a_report_that_cannot_be_kept_is_given_back_with_a_warning(log: pytest.LogCaptureFixture) -> None:
    report = report_of(UNCHANGED, warnings=("pin the SHA256 fingerprint",))
    result = published(report, report_container="rotation-reports")
    assert result.warnings[0] == "pin the SHA256 fingerprint"
    assert result.warnings[1].startswith("the report was not kept: settings are missing or wrong")
    assert "AzureWebJobsStorage__accountName" in result.warnings[1]
    assert dataclasses.replace(result, warnings=report.warnings) == report
    assert not result.failed


def test_what_was_not_kept_is_one_decision_line_at_error(log: pytest.LogCaptureFixture) -> None:
    published(report_of(UNCHANGED), report_container="rotation-reports")
    [_, (level, message)] = lines(log)
    event = json.loads(message)
    assert (level, event["event"], event["error"]) == (logging.ERROR, "report_not_kept", "SettingsError")
    assert event["remedy"]


def test_a_defect_in_keeping_fails_no_run_and_shows_no_secret(log: pytest.LogCaptureFixture) -> None:
    result = published(report_of(UNCHANGED), Broken(), report_container="rotation-reports")
    assert result.warnings == ("the report was not kept: RuntimeError",)
    assert "Traceback" in log.text
    assert "MDEyMzQ1Njc4OWFi" not in log.text


def test_a_log_line_stays_json_whatever_is_taken_out_of_it(caplog: pytest.LogCaptureFixture) -> None:
    redaction.install()
    hostile = Failed("ManifestRejectedError", 'webhook "w" denied "https://x/?se=1&sig=zzyyxx" \\ "more"', "Read it.")
    with caplog.at_level(logging.INFO):
        publish.log_and_measure(report_of(hostile))
        event_log.log(logging.getLogger("rotator.test"), logging.INFO, Event.RUN_FAILED, message=hostile.message)
    report, decision = caplog.messages
    assert json.loads(report.removeprefix("report "))["targets"][0]["error"] == "ManifestRejectedError"
    assert "sig=[secret]" in json.loads(decision)["message"]
    assert "zzyyxx" not in caplog.text
