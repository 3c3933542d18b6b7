"""Posts to a chat service's incoming webhook, whose URL is as good as a password."""

import contextlib
import dataclasses
import json
import queue
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http import HTTPStatus

import tenacity
from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import errors
from rotator.azure import network_errors, retries
from rotator.redaction import SecretText
from rotator.reporting import chat_message
from rotator.reporting.report import Report

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 10
# Channels' incoming webhooks, and Power Automate's flows, which replace them; each with all names below it.
_TEAMS = ("webhook.office.com", "outlook.office.com", "logic.azure.com", "logic.azure.us", "powerplatform.com")

_Client = PipelineClient[HttpRequest, HttpResponse]
_backoff = tenacity.wait_exponential(multiplier=0.5, max=8)


@dataclasses.dataclass(frozen=True)
class _Answer:
    """The result of one attempt: a `problem` or "", whether to retry, and after how many seconds by Retry-After."""

    problem: str
    transient: bool = False
    retry_after: float | None = None
    remedy: str = errors.WebhookError.remedy


def send(
    url: SecretText, report: Report, *, seconds: float = 20.0, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Post the message about a run; raises WebhookError, after this many `seconds` at the latest.

    Transient problems are retried, so a message whose answer was lost may arrive twice.
    """
    host = urllib.parse.urlsplit(url.reveal()).hostname or ""
    payload = chat_message.compose(report, teams=_is_teams(host))
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()

    def post() -> None:
        answers.put(_post(url, payload, seconds, sleep))

    # In a thread, as neither name resolution nor an answer that arrives byte by byte has a time limit.
    threading.Thread(target=post, name="webhook", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = _Answer(f"{host} did not take the message within {seconds:g} s")
    if answer.problem:
        raise errors.WebhookError(answer.problem, remedy=answer.remedy)


def _is_teams(host: str) -> bool:
    return any(f".{host}".endswith(f".{name}") for name in _TEAMS)


def _post(url: SecretText, payload: dict[str, object], seconds: float, sleep: Callable[[float], None]) -> _Answer:
    """Try until it succeeds or is not transient; return the last answer, without an SDK's message that has the URL."""
    attempts: tenacity.Retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda answer: answer.transient),
        wait=_pause,
        stop=tenacity.stop_before_delay(seconds),
        sleep=sleep,
        retry_error_callback=_last,
    )
    body = json.dumps(payload, ensure_ascii=False).encode()  # escaped, letters beyond ASCII take six times as much
    client: _Client
    transport = retries.transport(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS, whole=seconds + 1)
    try:
        # Without a policy that follows redirects, as the message must not go to another host.
        with _out_of_logs(url.reveal()), PipelineClient(url.reveal(), policies=[], transport=transport) as client:
            answer: _Answer = attempts(_attempt, client, url, body)
    except Exception as error:  # noqa: BLE001  # a webhook must not fail a run
        host = urllib.parse.urlsplit(url.reveal()).hostname or ""
        return _Answer(f"{host} cannot be posted to ({type(error).__name__})")
    return answer


def _attempt(client: _Client, url: SecretText, body: bytes) -> _Answer:
    request = HttpRequest("POST", url.reveal(), headers={"Content-Type": "application/json"}, content=body)
    try:
        response = client.send_request(request, stream=True)
    except (AzureError, OSError) as error:
        host = urllib.parse.urlsplit(url.reveal()).hostname or ""
        diagnosis = network_errors.diagnose(error, host, "NOTIFY_WEBHOOK_URL", errors.WebhookError.remedy)
        return _Answer(diagnosis.text, transient=diagnosis.transient, remedy=diagnosis.remedy)
    with response:
        return _judge(response)


def _judge(response: HttpResponse) -> _Answer:
    """A success, or a problem; 429 and server errors are transient."""
    status = response.status_code
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _Answer("")
    transient = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after = response.headers.get("Retry-After", "")
    host = urllib.parse.urlsplit(response.request.url).hostname or ""
    return _Answer(f"{host} answered {status}", transient, float(retry_after) if retry_after.isdecimal() else None)


def _pause(state: tenacity.RetryCallState) -> float:
    retry_after = _last(state).retry_after
    return _backoff(state) if retry_after is None else retry_after


def _last(state: tenacity.RetryCallState) -> _Answer:
    answer: _Answer = state.outcome.result()  # type: ignore[union-attr]  # an attempt was made
    return answer


@contextlib.contextmanager
def _out_of_logs(url: str) -> Iterator[None]:
    """Mask the parts of the URL too: libraries log a request's path and query without its host."""
    parts = urllib.parse.urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    masked_while_alive = [SecretText(part) for part in (parts.path, target, *re.findall(r"[^/?&=]{16,}", target))]
    yield
    del masked_while_alive
