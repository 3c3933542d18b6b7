from typing import Any

import pytest

from rotator import errors
from rotator.azure.errors import AppUnreachableError
from rotator.azure.function_endpoint import Answer
from rotator.deployment import run
from rotator.deployment.errors import RunNotAnsweredError, RunRefusedError
from rotator.deployment.progress import Progress
from rotator.redaction import SecretText
from tests.fakes.deployment import BUSY, FAILED_REPORT, REPORT, FakeEndpoint, Time, answering

KEY = SecretText("the key of rotate_now")
SETTINGS = {"error": "SettingsError", "message": "SAS_VALIDITY is wrong", "remedy": "Correct these app settings."}
GONE = AppUnreachableError("nothing answers")


def rotate_due(endpoint: FakeEndpoint, lines: list[Progress] | None = None, key: SecretText = KEY) -> dict[str, Any]:
    announce = (lambda _line: None) if lines is None else lines.append
    return dict(run.rotate_due(endpoint, key, Time().wait(60), announce))


def waits_for(*before: Answer | AppUnreachableError) -> list[str]:
    lines: list[Progress] = []
    assert rotate_due(answering(rotate=[*before, Answer(200, REPORT)]), lines)["run"] == REPORT["run"]
    return [line.text for line in lines[1:]]


@pytest.mark.parametrize("report", [REPORT, FAILED_REPORT])
def test_report_of_a_run_is_the_answer_whether_it_failed_or_not(report: dict[str, Any]) -> None:
    found = rotate_due(answering(rotate=Answer(502 if report["failed"] else 200, report)))
    assert {name: found[name] for name in report} == report


def test_run_in_progress_is_waited_for() -> None:
    assert waits_for(Answer(409, BUSY), Answer(409, BUSY)) == [
        "waiting for a run: run 1 is in progress, 0 s",
        "waiting for a run: run 1 is in progress, 0 s",
    ]


def test_run_in_progress_all_the_time_ends_with_busy() -> None:
    with pytest.raises(errors.BusyError) as caught:
        rotate_due(answering(rotate=Answer(409, BUSY)))
    assert (caught.value.exit_code, caught.value.holder) == (3, "run 1")


@pytest.mark.parametrize(
    "answer", [Answer(404, {}), Answer(503, {}), Answer(502, {}), Answer(401, {}), Answer(200, {})]
)
def test_answer_of_a_host_that_is_starting_is_waited_for(answer: Answer) -> None:
    assert waits_for(answer) == [f"waiting for a run: the app answers {answer.status}, 0 s"]


def test_app_that_does_not_answer_yet_is_waited_for() -> None:
    assert waits_for(GONE) == ["waiting for a run: nothing answers, 0 s"]


def test_app_that_never_answers_ends_with_its_error() -> None:
    with pytest.raises(AppUnreachableError, match="nothing answers"):
        rotate_due(answering(rotate=[GONE]))


def test_certificate_that_is_refused_is_not_waited_for() -> None:
    lines: list[Progress] = []
    with pytest.raises(AppUnreachableError):
        rotate_due(answering(rotate=[AppUnreachableError("not trusted", transient=False)]), lines)
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "key"), (403, "access restrictions"), (404, "does not know"), (503, "restart"), (999, "log")],
)
def test_app_that_never_reports_ends_with_a_remedy_for_its_status(status: int, words: str) -> None:
    with pytest.raises(RunNotAnsweredError, match=f"answers {status} ") as caught:
        rotate_due(answering(rotate=Answer(status, {})))
    assert words in caught.value.remedy
    assert caught.value.exit_code == 1


def test_wrong_key_is_refused_in_the_end() -> None:
    with pytest.raises(RunNotAnsweredError, match="401"):
        rotate_due(answering(), key=SecretText("another key"))


@pytest.mark.parametrize("status", [412, 500])
def test_refusal_of_the_app_ends_at_once_with_its_own_words(status: int) -> None:
    with pytest.raises(RunRefusedError, match="SAS_VALIDITY is wrong") as caught:
        rotate_due(answering(rotate=[Answer(status, SETTINGS), Answer(200, REPORT)]))
    assert (caught.value.exit_code, caught.value.remedy) == (1, "Correct these app settings.")


def test_older_package_is_to_be_deployed_again() -> None:
    unknown = {"error": "BadRequest", "message": "the body has unknown fields: only_due"}
    with pytest.raises(RunRefusedError, match="only_due") as caught:
        rotate_due(answering(rotate=Answer(400, unknown)))
    assert "deploy it again" in caught.value.remedy


def test_secret_in_the_apps_words_is_masked() -> None:
    secret = SecretText("a-secret-of-this-process")
    words = {"error": "VaultError", "message": f"refused: {secret.reveal()}", "remedy": ""}
    with pytest.raises(RunRefusedError) as caught:
        rotate_due(answering(rotate=Answer(500, words)))
    assert str(caught.value) == "refused: [secret]"


@pytest.mark.parametrize("part", [{"targets": "none"}, {"targets": [1, None]}, {"key": 3}, {"error": []}])
def test_report_with_parts_of_another_form_is_read_without_them(part: dict[str, Any]) -> None:
    found = rotate_due(answering(rotate=Answer(200, REPORT | part)))
    assert all(isinstance(target, dict) for target in found["targets"])
    assert found["key"] is None
    assert found["error"] is None
