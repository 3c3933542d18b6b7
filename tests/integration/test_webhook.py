"""Messages over real HTTPS: the sandbox's webhook, and servers that behave worse."""

import asyncio
import contextlib
import dataclasses
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator import errors, redaction
from rotator.redaction import SecretText
from rotator.reporting import webhook
from rotator.reporting.report import KeyOutcome, KeyReport, Report
from sandbox.listeners.webhook import Webhook
from sandbox.server.background import Background
from sandbox.server.certificates import Authority
from sandbox.server.faults import Fault
from tests.unit.reporting.test_chat_message import DRIFTED, FAILED, REVOKED, UNCHANGED, report_of

TEAMS_HOST = "prod-07.westeurope.logic.azure.com"
CODE = "c29tZS1mdW5jdGlvbi1rZXk"
REPORT = report_of(FAILED)


class NamedAuthority(Authority):
    """One whose servers are called as Power Automate's."""

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(TEAMS_HOST).configure_cert(context)
        return context


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.bundle_path))
    return made


@pytest.fixture
def chat(background: Background, authority: Authority) -> Iterator[Webhook]:
    with running(background, Webhook(authority)) as service:
        yield service


@contextlib.contextmanager
def running(background: Background, service: Webhook) -> Iterator[Webhook]:
    background.run(service.start())
    try:
        yield service
    finally:
        background.run(service.stop())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that libraries log, scrubbed as in a run."""
    factory = logging.getLogRecordFactory()
    redaction.install()
    caplog.set_level(logging.DEBUG)
    yield caplog
    logging.setLogRecordFactory(factory)


@dataclasses.dataclass
class Pauses:
    """Pauses that take no time, and how long they should have been."""

    seconds: list[float] = dataclasses.field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def refused(url: str, seconds: float = 1.0) -> errors.WebhookError:
    """How posting REPORT fails."""
    with pytest.raises(errors.WebhookError) as raised:
        webhook.send(SecretText(url), REPORT, seconds=seconds)
    return raised.value


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (REPORT, "`default/s0@m` failed: KubernetesForbiddenError: `kubectl said: forbidden`"),
        (report_of(error=FAILED), "the run was refused, or broke off"),
        (report_of(DRIFTED), "`default/s0@m` had drifted: `the Secret was changed by hand`"),
        (report_of(UNCHANGED, key=REVOKED), "regenerated `key2, key1`"),
        (
            report_of(key=KeyReport("revoke", KeyOutcome.FAILED, "it leaked", failure=FAILED)),
            "revoke failed: Kubernetes",
        ),
    ],
    ids=["failed", "refused", "drift", "keys", "keys failed"],
)
def test_message_is_delivered(chat: Webhook, report: Report, words: str) -> None:
    webhook.send(SecretText(chat.url), report)
    (received,) = chat.received
    assert set(received) == {"text"}
    assert words in received["text"]


def test_words_arrive_as_they_are_written(chat: Webhook) -> None:
    webhook.send(SecretText(chat.url), report_of(FAILED, asked_by="Jürgen 😀 <!channel>"))
    assert "asked for by `Jürgen 😀 &lt;!channel&gt;`" in chat.received[0]["text"]


def test_teams_gets_a_card(
    background: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    authority = NamedAuthority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle_path))
    look_up = socket.getaddrinfo

    def nearby(host: Any, *arguments: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if host == TEAMS_HOST else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", nearby)
    with running(background, Webhook(authority)) as service:
        url = service.url.replace("127.0.0.1", TEAMS_HOST)
        webhook.send(SecretText(f"{url}?api-version=1&sp=%2Ftriggers%2fmanual%2frun&code={CODE}"), REPORT)
        (received,) = service.received
        assert service.token not in log.text
    assert CODE not in log.text
    assert f"{TEAMS_HOST}:{service.port}" in log.text
    assert received["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "text" not in received


@pytest.mark.parametrize(
    ("host", "teams"),
    [
        ("contoso.webhook.office.com", True),
        ("prod-07.westeurope.logic.azure.com", True),
        ("default12.34.environment.api.powerplatform.com", True),
        ("hooks.slack.com", False),
        ("logic.azure.com.example.com", False),
        ("mylogic.azure.com", False),
    ],
)
def test_teams_is_known_by_its_hosts(host: str, teams: bool) -> None:
    assert webhook._is_teams(host) is teams


@pytest.mark.parametrize("status", [500, 502, 503, 429, 0])
def test_trouble_that_passes_is_waited_for(chat: Webhook, pauses: Pauses, status: int) -> None:
    chat.faults.append(Fault(status=status, times=2))
    webhook.send(SecretText(chat.url), REPORT, sleep=pauses.sleep)
    assert len(chat.received) == 1
    assert pauses.seconds == [0.5, 1.0]


def test_a_throttling_service_says_when_to_ask_again(chat: Webhook, pauses: Pauses) -> None:
    chat.faults.append(Fault(status=429, headers={"Retry-After": "7"}))
    webhook.send(SecretText(chat.url), REPORT, sleep=pauses.sleep)
    assert len(chat.received) == 1
    assert pauses.seconds == [7.0]


@pytest.mark.parametrize("again", ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "nan", ""])
def test_no_number_of_seconds_to_wait_for_is_as_none(chat: Webhook, pauses: Pauses, again: str) -> None:
    chat.faults.append(Fault(status=429, headers={"Retry-After": again}))
    webhook.send(SecretText(chat.url), REPORT, sleep=pauses.sleep)
    assert pauses.seconds == [0.5]


@pytest.mark.parametrize("again", ["3600", "9" * 400])
def test_service_that_asks_for_too_much_patience_is_given_up(chat: Webhook, again: str) -> None:
    chat.faults.append(Fault(status=429, headers={"Retry-After": again}))
    started = time.monotonic()
    assert str(refused(chat.url, seconds=20)) == "127.0.0.1 answered 429"
    assert time.monotonic() - started < 5
    assert chat.received == []


@pytest.mark.parametrize("status", [500, 429, 0])
def test_trouble_that_does_not_pass_is_told_in_time(chat: Webhook, status: int) -> None:
    chat.faults.append(Fault(status=status, times=1000))
    started = time.monotonic()
    error = refused(chat.url)
    assert time.monotonic() - started < 3
    assert str(error).startswith("127.0.0.1 answered" if status else "127.0.0.1 does not answer: the connection was ")


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_withdrawn_webhook_is_not_asked_again(chat: Webhook, status: int) -> None:
    chat.faults.append(Fault(status=status, times=1))
    error = refused(chat.url)
    assert str(error) == f"127.0.0.1 answered {status}"
    assert "NOTIFY_WEBHOOK_URL" in error.remedy
    assert chat.received == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(chat: Webhook, status: int) -> None:
    chat.faults.append(Fault(status=status, headers={"Location": chat.url}))
    assert str(refused(chat.url)) == f"127.0.0.1 answered {status}"
    assert chat.received == []


def test_server_that_is_not_trusted_is_told_nothing(chat: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    error = refused(chat.url)
    assert str(error).startswith("no secure connection to 127.0.0.1: its certificate is not accepted (")
    assert "REQUESTS_CA_BUNDLE" in error.remedy
    assert chat.received == []


def test_slow_service_is_given_up_in_time(chat: Webhook) -> None:
    chat.faults.append(Fault(delay=5, status=200))
    fails_in_time(chat.url)


def test_host_that_never_says_a_word_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fails_in_time(f"https://127.0.0.1:{mute.getsockname()[1]}/services/x")


def test_answer_that_comes_drop_by_drop_is_given_up_in_time(background: Background, authority: Authority) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for letter in b"HTTP/1.1 200 OK\r\nServer: slow\r\n\r\n":
                writer.write(bytes([letter]))
                await writer.drain()
                await asyncio.sleep(0.06)
        writer.transport.abort()
        dripped.set()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(drip, "127.0.0.1", 0, ssl=authority.server_context())

    dripped = threading.Event()
    server = background.run(start())
    with contextlib.closing(server):
        fails_in_time(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/services/x")
    assert dripped.wait(timeout=10)


def fails_in_time(url: str) -> None:
    started = time.monotonic()
    assert str(refused(url)) == "127.0.0.1 did not take the message within 1 s"
    assert time.monotonic() - started < 3


def no_answer(chat: Webhook) -> str:
    return chat.url.replace(f":{chat.port}/", ":1/")


def wrong_token(chat: Webhook) -> str:
    return f"{chat.url}-withdrawn"


def impossible_port(chat: Webhook) -> str:
    return chat.url.replace(f":{chat.port}/", ":99999/")


def as_it_is(chat: Webhook) -> str:
    chat.faults.append(Fault(status=503, times=1000))
    return chat.url


@pytest.mark.parametrize("way", [no_answer, wrong_token, impossible_port, as_it_is])
def test_error_and_log_name_the_host_only(
    chat: Webhook, log: pytest.LogCaptureFixture, way: Callable[[Webhook], str]
) -> None:
    url = f"{way(chat)}?code={CODE}"
    error = refused(url)
    text = "".join(traceback.format_exception(error)) + repr(vars(error)) + log.text
    for part in (chat.token, CODE, "/services"):
        assert part not in text
    assert str(error).startswith("127.0.0.1 ")
    assert error.__cause__ is None
    assert error.__context__ is None


def test_debug_log_of_a_delivery_shows_no_part_of_the_url(chat: Webhook, log: pytest.LogCaptureFixture) -> None:
    webhook.send(SecretText(f"{chat.url}?code={CODE}"), REPORT)
    assert any(record.name.startswith("urllib3") and "POST" in record.getMessage() for record in log.records)
    assert chat.token not in log.text
    assert CODE not in log.text
