"""Reading when the timer fired takes seconds at most, and never fails whoever asks."""

import base64
import time
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from rotator.reporting.timer import TimerReader, TimerReading
from tests.fakes.dripping import serving
from tests.fakes.examples import NOW, plan

KEY = base64.b64encode(bytes(64)).decode()
NOWHERE = "http://127.0.0.1:9"
HALF_HOURLY = "0 */30 * * * *"


class Nobody:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError


def reader(url: str, *, seconds: float = 5.0, schedule: str = HALF_HOURLY) -> TimerReader:
    environment = {"AzureWebJobsStorage": f"AccountName=app;AccountKey={KEY};BlobEndpoint={url}/app"} if url else {}
    return TimerReader(plan(schedule=schedule), environment, Nobody(), seconds=seconds)


def test_a_storage_that_does_not_answer_in_time_is_a_warning() -> None:
    began = time.monotonic()
    with serving(lambda _: b"HTTP/1.1 200 OK\r\nX-Endless: ") as url:
        found = reader(url, seconds=0.2).result(NOW)
    assert found.warnings == ("when the timer fired cannot be read: the app's own storage takes more than 0.2 s",)
    assert time.monotonic() - began < 2


def test_a_storage_that_is_not_there_is_a_warning_without_its_key() -> None:
    [warning] = reader(NOWHERE).result(NOW).warnings
    assert warning.startswith("when the timer fired cannot be read: the app's own storage 127.0.0.1:9")
    assert KEY not in warning


def test_settings_that_name_no_storage_after_all_are_a_warning() -> None:
    [warning] = reader("no url").result(NOW).warnings
    assert "AzureWebJobsStorage is not a storage's connection string or URL" in warning


@pytest.mark.parametrize(
    ("url", "schedule"),
    [("", HALF_HOURLY), (NOWHERE, "*/20 * * * * *")],
    ids=["no storage is set", "the host keeps no record"],
)
def test_where_there_can_be_no_record_nothing_is_read(url: str, schedule: str) -> None:
    assert reader(url, schedule=schedule).result(NOW) == TimerReading()


def test_an_answer_that_came_meanwhile_is_there_although_the_time_is_over() -> None:
    with serving(lambda _: (404, {"x-ms-error-code": "ContainerNotFound"}, b"")) as url:
        begun, until = reader(url, seconds=0.0), time.monotonic() + 10
        while begun.result(NOW) != TimerReading():
            assert time.monotonic() < until
            time.sleep(0.01)
