"""A service that becomes available late is asked until a minute is over."""

import types
from concurrent import futures
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline import Pipeline
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest

from rotator.azure import retries

REQUEST = HttpRequest("GET", "http://127.0.0.1/msi/token")


class Endpoint(HttpTransport[Any, Any]):
    """Not available until a time of its clock, which goes on while somebody sleeps: `failure` is raised or answered."""

    def __init__(self, available_after: float, failure: Exception | int) -> None:
        self.available_after, self.failure = available_after, failure
        self.now = 0.0
        self.requests = 0
        self.retry_after = ""
        self.flaky = False  # every other answer is a right one

    def send(self, request: Any, **_options: Any) -> Any:
        self.requests += 1
        available = self.now >= self.available_after or (self.flaky and self.requests % 2 == 0)
        if not available and isinstance(self.failure, Exception):
            raise self.failure
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return types.SimpleNamespace(status_code=200 if available else self.failure, headers=headers, request=request)

    def sleep(self, duration: float) -> None:
        self.now += duration

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __exit__(self, *_exception: object) -> None:
        """Do nothing."""


def client(endpoint: Endpoint) -> Pipeline[Any, Any]:
    policy = retries.PersistentRetryPolicy(seconds=60, clock=lambda: endpoint.now)
    return Pipeline(endpoint, [policy])


def status(pipeline: Pipeline[Any, Any]) -> int:
    return int(pipeline.run(REQUEST).http_response.status_code)


FAILURES = [500, 503, 401, 429, ServiceRequestError("refused"), ServiceResponseError("cut off")]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("after", [0.5, 20, 55])
def test_what_becomes_available_within_a_minute_is_waited_for(failure: Exception | int, after: float) -> None:
    endpoint = Endpoint(after, failure)
    assert status(client(endpoint)) == 200
    assert endpoint.now <= 60


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_minute_it_has_failed(failure: Exception | int) -> None:
    endpoint = Endpoint(1000, failure)
    pipeline = client(endpoint)
    for _ in range(2):
        if isinstance(failure, Exception):
            with pytest.raises(type(failure)):
                status(pipeline)
        else:
            assert status(pipeline) == failure
    assert 50 <= endpoint.now <= 60  # both requests together, the second without a retry


def test_who_failed_for_a_minute_and_then_answered_is_waited_for_again() -> None:
    endpoint = Endpoint(1000, 500)
    pipeline = client(endpoint)
    assert status(pipeline) == 500
    endpoint.available_after = 0
    assert status(pipeline) == 200
    endpoint.available_after = endpoint.now + 30
    assert status(pipeline) == 200


@pytest.mark.parametrize("refusal", [400, 403, 404])
def test_a_refusal_is_not_repeated(refusal: int) -> None:
    endpoint = Endpoint(1000, refusal)
    assert status(client(endpoint)) == refusal
    assert endpoint.requests == 1


def test_a_pause_that_is_asked_for_counts_too() -> None:
    endpoint = Endpoint(1000, 500)
    endpoint.retry_after = "55"
    assert status(client(endpoint)) == 500
    assert endpoint.now <= 60


def test_many_threads_share_the_minute() -> None:
    endpoint = Endpoint(1000, 500)
    pipeline = client(endpoint)
    endpoint.flaky = True
    with futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: status(pipeline), range(200)))
    assert set(answers) <= {200, 500}


def test_pauses_grow_to_ten_seconds() -> None:
    endpoint = Endpoint(55, 500)
    assert status(client(endpoint)) == 200
    assert endpoint.requests == 10
