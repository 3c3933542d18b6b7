"""A consumer that reads a blob all the time with its Secret's SAS notices neither a key rotation nor a revocation."""

import contextlib
import dataclasses
import datetime
import time

import pytest

from rotator import app
from rotator.plan import loader
from rotator.plan.plan import Plan, Strategy
from rotator.reporting.report import Report, Trigger
from rotator.rotation.request import Request
from rotator.rotation.state import Operation
from sandbox.world import World
from tests.fakes.examples import changed
from tests.integration.conftest import WORKING, Cluster, Keys, refused_soon, regenerate, revoke, rotate
from tests.integration.consumer import Consumer

NAMES = ("storage-sas", "storage-sas-2", "storage-sas-3")
# What a node takes to show a change, and what it is left, both shortened. A Secret tells its SAS' age to the second.
LATE, GRACE = 0.5, "PT3S"


def three(world: World, strategy: str) -> Plan:
    """Three Secrets in one cluster, whose consumers get no time at all before a key dies."""
    found = loader.load(world.settings)
    only = dataclasses.replace(found.targets[0], strategy=Strategy(strategy))
    targets = tuple(dataclasses.replace(only, secret=name) for name in NAMES)
    return changed(found, targets=targets, revoke_grace=datetime.timedelta(0))


def perform(world: World, plan: Plan, operation: Operation | None = None) -> Report:
    report = app.rotate_plan(plan, Request(Trigger.CLI, "test", operation=operation), world.settings)
    assert not report.failed, report.as_json()
    return report


@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_no_read_is_refused_through_a_key_rotation_and_a_revocation(stack: World, strategy: str) -> None:
    plan = three(stack, strategy)
    perform(stack, plan)
    first, before = Cluster(stack).value(), Keys(stack).values()
    consumers = [Consumer(stack, name) for name in NAMES]

    with contextlib.ExitStack() as reading:
        for consumer in consumers:
            reading.enter_context(consumer.reading())
        perform(stack, plan, Operation.REGENERATE)
        after_the_key_rotation = stack.blob_status(first)
        second = Cluster(stack).value()
        perform(stack, plan, Operation.REVOKE)

    assert [consumer.refusals for consumer in consumers] == [[], [], []]
    assert min(consumer.reads for consumer in consumers) >= 20
    assert Keys(stack).regenerated(before) == ["a key that was new already", "key1", "key2"]
    assert after_the_key_rotation == WORKING
    assert refused_soon(stack, first)
    assert refused_soon(stack, second)


def test_consumers_that_see_a_change_late_are_not_refused_within_the_grace(stack: World) -> None:
    rotate(stack)
    consumer = Consumer(stack, late=LATE)

    with consumer.reading():
        assert not regenerate(stack).failed
        assert not revoke(stack, REVOKE_GRACE=GRACE).failed

    assert consumer.refusals == []
    assert consumer.reads >= 100


def test_without_the_grace_they_are(stack: World) -> None:
    rotate(stack)
    first, consumer = Cluster(stack).value(), Consumer(stack, late=5.0)

    with consumer.reading():
        assert not revoke(stack, REVOKE_GRACE="PT0S").failed
        assert refused_soon(stack, first)
        time.sleep(0.2)
    assert consumer.refusals
