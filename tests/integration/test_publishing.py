"""What becomes of each run's report: kept, logged and told, and no trouble with that fails a rotation."""

import dataclasses
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from rotator import app, errors
from rotator.azure.errors import LeaseUnavailableError, VaultForbiddenError
from rotator.commands.rotate import user_and_host
from rotator.plan import loader
from rotator.reporting.report import Report, Trigger
from rotator.rotation import lock
from rotator.rotation.request import Request
from sandbox.server.faults import Fault
from sandbox.world import APP_ACCOUNT, World
from tests import secrets_in
from tests.fakes.examples import HOLDER
from tests.integration.conftest import (
    ROOT,
    Cluster,
    command_line,
    environment,
    functions_host,
    options_for,
    outcome,
    plain,
    regenerate,
    revoke,
    rotate,
    settings_for,
    unspoilt,
)

CONTAINER = "rotation-reports"
OWN = f"/{APP_ACCOUNT}/{CONTAINER}"
PRINCIPAL = {"X-MS-CLIENT-PRINCIPAL-NAME": "anna@example.com"}
WRONG_PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.fixture(scope="module")
def world_with_chat() -> Iterator[World]:
    """With a chat service that takes messages, and every run's report kept."""
    with World(dataclasses.replace(options_for("sandbox"), webhook=True)) as running:
        running.settings["REPORT_CONTAINER"] = CONTAINER
        yield running


@pytest.fixture
def world(world_with_chat: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with unspoilt(world_with_chat, monkeypatch) as clean:
        clean.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)
        messages(clean).clear()
        yield clean
        assert clean.webhook
        clean.webhook.faults.clear()


def messages(world: World) -> list[dict[str, str]]:
    assert world.webhook
    return world.webhook.received


def kept(world: World) -> list[dict[str, Any]]:
    """Every report that was kept."""
    container = world.blob.containers.get(APP_ACCOUNT, {}).get(CONTAINER)
    return [json.loads(blob.data) for blob in container.blobs.values()] if container else []


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, dict[str, Any]]]:
    """The report of each run as the log has it, with its level."""
    records = [(record.levelno, record.getMessage()) for record in caplog.records]
    return [
        (level, json.loads(message.partition(" ")[2])) for level, message in records if message.startswith("report {")
    ]


def decisions(caplog: pytest.LogCaptureFixture, event: str) -> list[tuple[int, dict[str, Any]]]:
    records = [(record.levelno, record.getMessage()) for record in caplog.records]
    found = [(level, json.loads(message)) for level, message in records if message.startswith("{")]
    return [(level, line) for level, line in found if line["event"] == event]


# Kept, with who asked


def test_the_timers_report_is_kept_with_who_asked(world: World) -> None:
    with functions_host(world) as host:
        assert host.fire_timer("rotate_on_schedule")["ok"]
    [report] = kept(world)
    assert (report["trigger"], report["asked_by"], report["interval_seconds"]) == ("timer", "timer", 1800)
    assert report["targets"][0]["outcome"] == "rotated"


@pytest.mark.parametrize(
    ("settings", "headers", "asked_by"),
    [
        ({}, PRINCIPAL, "a function key"),
        ({"WEBSITE_AUTH_ENABLED": "False"}, PRINCIPAL, "a function key"),
        ({"WEBSITE_AUTH_ENABLED": "True"}, {}, "a function key"),
        ({"WEBSITE_AUTH_ENABLED": "True"}, PRINCIPAL, "anna@example.com"),
    ],
    ids=["header of the caller's", "switched off", "key where sign-in is on", "signed in"],
)
def test_who_asks_by_http_is_believed_only_where_app_service_signs_in(
    world: World, settings: dict[str, str], headers: dict[str, str], asked_by: str
) -> None:
    with functions_host(world, **settings) as host:
        answer = host.request("rotate_now", "POST", "/api/rotate", headers=headers)
    body = json.loads(answer["body"])
    assert (body["trigger"], body["asked_by"]) == ("http", asked_by)
    assert kept(world) == [body]


def test_who_sits_at_the_terminal_is_kept(world: World) -> None:
    done = command_line(world, "rotate", "--json")
    assert kept(world) == [json.loads(done.stdout)]
    assert kept(world)[0]["asked_by"] == user_and_host()


def test_what_is_kept_says_what_changed(world: World) -> None:
    rotate(world)
    before = Cluster(world).annotation("digest")
    target = outcome(rotate(world, forced=True))
    report = next(each for each in kept(world) if each["forced"])
    assert report["targets"] == [target]
    assert (target["previous_digest"], target["digest"]) == (before, Cluster(world).annotation("digest"))
    assert before != target["digest"]


def test_the_log_has_the_report_of_each_run_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rotator"):
        rotate(world)
        rotate(world, KUBERNETES_SSH_FINGERPRINT=WRONG_PIN)
    (first, done), (second, failed) = lines(caplog)
    assert (first, done["failed"]) == (logging.INFO, False)
    assert (second, failed["failed"]) == (logging.ERROR, True)
    assert sorted(each["run"] for each in kept(world)) == sorted([done["run"], failed["run"]])


# Refused runs


def in_use(world: World) -> None:
    regenerate(world)


def without_lease(world: World) -> None:
    world.blob.faults.append(
        Fault(path=f"/{APP_ACCOUNT}/rotator-leases", status=403, code="AuthorizationFailure", times=9)
    )
    revoke(world)


def without_leave(world: World) -> None:
    world.vault.permissions.discard("storage/get")
    revoke(world)


REFUSALS = [
    pytest.param(in_use, errors.KeyInUseError, id="key in use"),
    pytest.param(without_lease, LeaseUnavailableError, id="no lease"),
    pytest.param(without_leave, VaultForbiddenError, id="no permission"),
]


@pytest.mark.parametrize(("ask", "error"), REFUSALS)
def test_a_refused_run_is_logged_kept_and_told_with_its_error(
    world: World, ask: Any, error: type[errors.RotatorError], caplog: pytest.LogCaptureFixture
) -> None:
    rotate(world)
    assert not regenerate(world, forced=True).failed
    before = kept(world)
    messages(world).clear()
    caplog.clear()
    with pytest.raises(error) as raised:
        ask(world)
    [report] = [each for each in kept(world) if each not in before]
    assert report["error"] == {"error": error.__name__, "message": str(raised.value), "remedy": raised.value.remedy}
    assert (report["failed"], report["targets"], report["asked_by"]) == (True, [], "http")
    assert lines(caplog) == [(logging.ERROR, report)]
    [message] = messages(world)
    assert "the run was refused, or broke off" in message["text"]
    assert error.__name__ in message["text"]


def begun(world: World, event: str, *words: str, **settings: str) -> subprocess.Popen[str]:
    """A command that has come to a decision of this kind."""
    running = subprocess.Popen(
        [sys.executable, "-m", "rotator", *words, "-v"],
        env=environment(world, **settings),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr
    assert next((line for line in running.stderr if f'"event": "{event}"' in line), None), event
    return running


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_kept_with_what_it_did_and_the_next_one_goes_on(
    world: World, number: signal.Signals, code: int
) -> None:
    rotate(world)
    before = Cluster(world).annotation("digest")
    with begun(world, "key_rotation_waiting", "revoke", REVOKE_GRACE="PT40S") as running:
        running.send_signal(number)
        _, stderr = running.communicate(timeout=30)
    assert (running.returncode, stderr.splitlines()[-1].partition(".")[0]) == (code, "Interrupted")
    [report] = [each for each in kept(world) if each["error"]]
    assert report["error"]["error"] == "InterruptedRunError"
    [target] = report["targets"]
    assert (target["previous_digest"], target["digest"]) == (before, Cluster(world).annotation("digest"))
    assert Cluster(world).works()

    finished = rotate(world, REVOKE_GRACE="PT0S")  # no lease is in its way
    assert finished.key
    assert (finished.key.outcome, report["run"] in finished.key.reason) == ("done", True)


class Hostile(Mapping[str, str]):
    """Settings of which one cannot be read, for a reason that holds a secret."""

    def __init__(self, settings: Mapping[str, str], secret: str) -> None:
        self._settings, self._secret = settings, secret

    def __getitem__(self, name: str) -> str:
        if name.startswith("AzureWebJobsStorage"):
            raise ValueError(f"odd: {self._secret}")
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)


def test_a_defects_words_are_scrubbed_in_what_is_raised_and_its_traceback_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    rotate(world)
    settings, sas = settings_for(world), Cluster(world).value()
    with pytest.raises(errors.UnexpectedError) as raised:
        app.rotate_plan(loader.load(settings), Request(Trigger.TIMER, "timer"), Hostile(settings, sas))
    [(_, line)] = decisions(caplog, "run_failed")
    assert line["message"] == str(raised.value)
    assert line["message"].startswith("ValueError: odd: ")
    assert "Traceback" in caplog.text
    assert secrets_in.found(world, f"{raised.value}{caplog.text}", sas) == []


def test_a_run_that_leaves_the_work_to_another_is_neither_kept_nor_reported(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rotator"), lock._process_lock.held_by(HOLDER), pytest.raises(errors.BusyError):
        rotate(world)
    assert kept(world) == []
    assert lines(caplog) == []
    assert messages(world) == []


def test_bad_settings_are_a_report_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    seen = len(world.journal.events())
    with pytest.raises(errors.SettingsError):
        app.rotate(
            trigger=Trigger.TIMER, asked_by="timer", environment=settings_for(world, KUBERNETES_DNS="not a host")
        )
    [(level, report)] = lines(caplog)
    assert (level, report["error"]["error"], report["asked_by"]) == (logging.ERROR, "SettingsError", "timer")
    assert "KUBERNETES_DNS" in report["error"]["message"]
    assert report["interval_seconds"] is None
    assert len(world.journal.events()) == seen


# Trouble that fails no rotation


def no_role(world: World) -> None:
    fault = Fault(path=OWN, status=403, code="AuthorizationPermissionMismatch", times=99)
    world.blob.faults.append(fault)


def lost_role(world: World) -> None:
    """The lease needs it too: the run goes on without one."""
    world.blob.authorizes = lambda *_asked: False


@pytest.mark.parametrize("spoil", [no_role, lost_role])
def test_a_container_that_refuses_fails_no_rotation(world: World, spoil: Any, caplog: pytest.LogCaptureFixture) -> None:
    spoil(world)
    report = rotate(world)
    assert not report.failed
    assert Cluster(world).works()
    warning = report.warnings[-1]
    assert warning.startswith("the report was not kept: ")
    assert "Storage Blob Data Owner" in warning
    [(level, line)] = decisions(caplog, "report_not_kept")
    assert (level, line["error"]) == (logging.ERROR, "ArchiveError")
    assert line["remedy"]
    assert kept(world) == []


def test_the_command_line_shows_that_a_report_was_not_kept(world: World) -> None:
    no_role(world)
    done = command_line(world, "rotate")
    assert done.returncode == 0
    assert "warning: the report was not kept: " in plain(done.stdout)


def test_an_ordinary_success_is_not_told(world: World) -> None:
    rotate(world)
    rotate(world)
    rotate(world, forced=True)
    assert messages(world) == []


def test_a_failed_run_is_told_with_its_remedy_and_without_secrets(world: World) -> None:
    rotate(world)
    report = rotate(world, KUBERNETES_SSH_FINGERPRINT=WRONG_PIN)
    [message] = messages(world)
    assert "1 of 1 target failed" in message["text"]
    assert "HostKeyRejectedError" in message["text"]
    assert report.run in message["text"]
    assert not secrets_in.found(world, message["text"], Cluster(world).value())


def test_a_key_rotation_is_told(world: World) -> None:
    rotate(world)
    regenerate(world, forced=True)
    [message] = messages(world)
    assert "regenerate of account keys done" in message["text"]


def troubled(world: World, fault: Fault) -> Report:
    """A run of which the chat service should hear, and does not take it."""
    rotate(world)
    Cluster(world).kubectl("delete", "secret", "--all")
    assert world.webhook
    world.webhook.faults.append(fault)
    report = rotate(world)
    assert not report.failed
    assert outcome(report)["drift"]
    assert Cluster(world).works()
    assert messages(world) == []
    return report


@pytest.mark.parametrize(
    "fault",
    [Fault(status=410, code="no_service"), Fault(headers={"Retry-After": "3600"}), Fault(status=302)],
    ids=["withdrawn", "throttled for an hour", "elsewhere"],
)
def test_a_chat_service_that_refuses_fails_no_rotation(
    world: World, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    [warning] = troubled(world, dataclasses.replace(fault)).warnings
    assert warning.startswith("NOTIFY_WEBHOOK_URL was not notified: 127.0.0.1 answered ")
    assert world.webhook
    assert world.webhook.token not in warning
    [(level, line)] = decisions(caplog, "webhook_not_notified")
    assert (level, line["error"]) == (logging.ERROR, "WebhookError")
    assert kept(world)


@pytest.mark.timeout(120)
def test_a_mute_chat_service_holds_no_rotation_up_for_long(world: World) -> None:
    started = time.monotonic()
    [warning] = troubled(world, Fault(status=200, delay=600, times=99)).warnings
    assert time.monotonic() - started < 40
    assert "127.0.0.1 " in warning


def test_a_report_is_kept_though_nobody_can_be_told_and_told_though_it_cannot_be_kept(world: World) -> None:
    rotate(world)
    no_role(world)
    messages(world).clear()
    rotate(world, KUBERNETES_SSH_PORT="9")
    assert len(messages(world)) == 1


def test_the_lease_is_free_again_by_the_time_that_the_report_is_kept(world: World) -> None:
    """So a slow archive or chat service keeps no other run from starting."""
    rotate(world)
    seen = len(world.journal.events())
    rotate(world)
    blobs = [event for event in world.journal.events()[seen:] if (event.service, event.phase) == ("blob", "after")]
    assert "acquire-lease" in [event.action for event in blobs]
    assert [event.action for event in blobs[-2:]] == ["release-lease", "put-blob"]
    assert blobs[-1].detail.startswith(CONTAINER)
