"""A timer that stops for good: the alert calls the app, and no consumer is ever refused. Hours pass in a second.

The Functions runtime, the sandbox and the rotator share one process here, whose clock is moved; each part is as ever.
"""

import contextlib
import datetime
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine

from rotator.plan import schedule
from sandbox.functions import worker
from sandbox.functions.timer import HostTimer, Status, StatusBlob
from sandbox.kubernetes.client import Client
from sandbox.world import APP_ACCOUNT, World
from tests import surroundings
from tests.infra import alerts, deployments
from tests.infra.deployments import Resource
from tests.infra.logs import Logs
from tests.integration.conftest import WORKING, Cluster, options_for

ROOT = Path(__file__).resolve().parents[2]
# The rule is evaluated every five minutes; a sixth of that is enough here, and takes a sixth of the time.
STEP = datetime.timedelta(minutes=30)
STOPS_AFTER = datetime.timedelta(hours=1.6)
INGESTED_AFTER = datetime.timedelta(minutes=3)  # a line of the log, until a query finds it
FIRED = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"monitorCondition": "Fired"}}}
TEMPLATE = deployments.kept()["private"]


class Log(logging.Handler):
    """The reports in the log, and when they were written."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[datetime.datetime, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("report {"):
            self.reports.append((datetime.datetime.fromtimestamp(record.created, datetime.UTC), message))


class App:
    """The function app in this process, by the engine that runs it in Azure."""

    def __init__(self, log: Log, engine: worker.Engine) -> None:
        self.log = log
        self._engine = engine
        engine.index(ROOT)

    def fire(self, *, past_due: bool, status: Status | None) -> object:
        return self._engine.invoke(
            {"function": "rotate_on_schedule", "timer": {"past_due": past_due, "status": status}}
        )

    def post(self, function: str, path: str, body: object) -> int:
        asked = {"method": "POST", "url": f"https://app{path}", "headers": {}, "body": json.dumps(body)}
        return int(self._engine.invoke({"function": function, "http": asked})["status"])

    def triggers(self) -> list[str]:
        return [json.loads(message.removeprefix("report "))["trigger"] for _, message in self.log.reports]


class Monitor:
    """Azure Monitor with the rule that the template deploys, and the function that its action group names."""

    def __init__(self) -> None:
        (self.rule,) = [each for each in alerts.rules(TEMPLATE) if each.title == "Timer silent: call"]
        self.calls = 0

    def receiver(self) -> Resource:
        groups = {group["id"]: group for group in TEMPLATE.of("Microsoft.Insights/actionGroups")}
        actions: dict[str, list[str]] = self.rule.others["actions"]  # type: ignore[assignment]
        (group,) = actions["actionGroups"]
        (found,) = groups[group]["properties"]["azureFunctionReceivers"]
        return dict(found)

    def evaluate(self, app: App, now: datetime.datetime) -> None:
        logs = Logs(time_machine.escape_hatch.datetime.datetime.now(datetime.UTC))  # the database's clock is not moved
        for at, message in app.log.reports:
            if at <= now - INGESTED_AFTER:
                logs.line(now - at, message)
        if logs.query(self.rule.query):
            self.calls += 1
            path = self.receiver()["httpTriggerUrl"].partition("?")[0].partition("/api/")[2]
            assert app.post(self.receiver()["functionName"], f"/api/{path}", FIRED) in {200, 409}
        logs.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(options_for("sandbox")) as running, pytest.MonkeyPatch.context() as monkeypatch:
        yield surroundings.enter(running, monkeypatch)


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[App]:
    log, logger = Log(), logging.getLogger("rotator.reporting.publish")
    level = logger.level
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    with contextlib.closing(worker.make_engine()) as engine:
        yield App(log, engine)
    logger.removeHandler(log)
    logger.setLevel(level)


def live(
    world: World, app: App, evaluate: Callable[[App, datetime.datetime], None], *, hours: int, step: datetime.timedelta
) -> list[datetime.datetime]:
    """Let hours pass, in which the timer stops; return when a consumer that reads a blob at each step was refused."""
    app.log.reports.clear()
    world.blob.containers.get(APP_ACCOUNT, {}).clear()
    Client(world.cluster.administrator_kubeconfig).delete_secrets("default")
    start = schedule.following("0 0 * * * *", datetime.datetime.now(datetime.UTC)) - STEP
    timer = HostTimer(
        lambda time: schedule.following("0 */30 * * * *", time),
        app.fire,
        StatusBlob(world.blob, APP_ACCOUNT, "rotate_on_schedule"),
    )
    refused = []
    with time_machine.travel(start, tick=True) as clock:
        timer.start(start)
        for now in (start + count * step for count in range(1, int(datetime.timedelta(hours=hours) / step))):
            clock.move_to(now)
            timer.stopped = now - start > STOPS_AFTER
            timer.advance(now)
            evaluate(app, now)
            if app.log.reports and world.blob_status(Cluster(world).value()) != WORKING:
                refused.append(now)
    return refused


def test_when_the_timer_stops_the_alert_brings_the_credential_before_it_expires(world: World, app: App) -> None:
    monitor = Monitor()
    assert live(world, app, monitor.evaluate, hours=7, step=STEP) == []
    runs = app.triggers()
    assert runs[:3] == ["timer"] * 3  # while it fires, nobody is called
    assert set(runs[3:]) == {"alert"}
    assert len(runs[3:]) in {8, 9}  # one for each time of the schedule
    assert monitor.calls >= len(runs[3:])


def test_without_the_call_the_consumer_is_refused(world: World, app: App) -> None:
    assert live(world, app, lambda *_: None, hours=7, step=STEP)
    assert set(app.triggers()) == {"timer"}
