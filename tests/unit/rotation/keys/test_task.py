"""What a plan says of the keys."""

import pytest

from rotator.azure.errors import ResourceManagerForbiddenError, VaultForbiddenError
from rotator.delivery.errors import UnreachableError
from rotator.reporting.report import KeyOutcome, KeyReport
from rotator.rotation.keys import task
from rotator.rotation.state import Operation
from tests.fakes.examples import LONG_AGO, TARGET, changed
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate_by_age import PERIOD, aged


def preview(world: World) -> KeyReport | None:
    return task.preview(world.plan, world.run().account, world.clock())


def test_plan_tells_that_a_key_is_due_by_its_age_and_changes_nothing() -> None:
    world = aged()
    assert preview(world) == KeyReport(
        "regenerate", KeyOutcome.DUE, "key1 was made at 2026-01-01T00:00:00Z, more than P90D ago", "key1"
    )
    assert world.calls.made("store", "regenerate", "mint", "fence") == []


def test_plan_tells_what_is_pending_and_which_key_is_left() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UnreachableError("far does not answer")
    run = world.run_operation(Operation.REVOKE).run
    assert preview(world) == KeyReport("revoke", KeyOutcome.DUE, f"run {run} began it", "key2", remaining=("key1",))


@pytest.mark.parametrize("call", ["keys", "managed"])
def test_plan_does_without_what_may_not_be_read(call: str) -> None:
    world = aged()
    world.calls.failing[call] = {
        "keys": ResourceManagerForbiddenError("no role"),
        "managed": VaultForbiddenError("no permission"),
    }[call]
    assert preview(world) is None


def test_plan_of_young_keys_tells_nothing_of_them() -> None:
    world = aged()
    world.plan = changed(world.plan, key_rotation_period=world.clock() - LONG_AGO + PERIOD)
    assert preview(world) is None
