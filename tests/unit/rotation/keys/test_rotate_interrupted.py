"""A run that ends at any of its calls, by an error or by a kill: what holds then, and what the next run does."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rotator import errors
from rotator.azure.errors import (
    LeaseLostError,
    LeaseUnavailableError,
    ResourceManagerForbiddenError,
    StorageUnreachableError,
    VaultForbiddenError,
    VaultThrottledError,
    VaultUnavailableError,
    VaultUnreachableError,
)
from rotator.delivery.errors import ConnectionLostError, TimedOutError, UnreachableError
from rotator.reporting.report import Report
from rotator.rotation import state
from rotator.rotation.state import Operation
from tests.fakes.examples import TARGET
from tests.fakes.services import Break, Killed
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import key_of

# What a call of this name ends with when what it asks does not answer.
ERRORS = {
    "secret": VaultUnreachableError,
    "stored": VaultUnreachableError,
    "store": VaultThrottledError,
    "mint": VaultUnavailableError,
    "managed": VaultForbiddenError,
    "regenerate": VaultUnreachableError,
    "keys": ResourceManagerForbiddenError,
    "prove": StorageUnreachableError,
    "refused": StorageUnreachableError,
    "connect": UnreachableError,
    "start": ConnectionLostError,
    "wait for": TimedOutError,
    "finish": ConnectionLostError,
    "write": ConnectionLostError,
    "fence": LeaseLostError,
    "admit": LeaseUnavailableError,
}
CHANGES = {"store", "regenerate", "write", "sleep"}
CHANGING = {"store", "regenerate", "write"}
FIRST, BOTH = ["key2"], ["key2", "key1"]
NEXT: dict[str, Callable[[World], Report]] = {"timer": World.timer, "http": World.http}


def settled() -> World:
    return World(TARGET, FAR).settled()


@functools.cache
def undisturbed(operation: Operation) -> tuple[str, ...]:
    """The calls of a run that nothing befalls."""
    world = settled()
    assert key_of(world.run_operation(operation)).outcome == "done"
    return tuple(world.calls.names)


def breaks(operation: Operation) -> Iterator[Break]:
    """Every call, by each way to end it; an answer that is lost matters only where something was changed."""
    for number, name in enumerate(undisturbed(operation)):
        for carried_out in (False, True) if name in CHANGES else (False,):
            for error in (Killed, ERRORS.get(name, RuntimeError)):
                yield Break(number, error("broken"), carried_out=carried_out)


def cases(*operations: Operation, during: Callable[[Break, int, int], bool]) -> list[Any]:
    """Those breaks that lie so to the calls that remember in the vault what is to be done, and that forget it."""
    found = []
    for operation in operations:
        names = undisturbed(operation)
        stores = [number for number, name in enumerate(names) if name == "store"]
        for each in breaks(operation):
            if during(each, stores[0], stores[-1]):
                when = "after" if each.carried_out else "before"
                name = f"{operation}-{each.number}-{names[each.number]}-{type(each.error).__name__}-{when}"
                found.append(pytest.param(operation, each, id=name))
    return found


def broken_run(operation: Operation, broken: Break) -> World:
    """What a run leaves that is broken at this call."""
    world = settled()
    world.calls.breaking = broken
    with contextlib.suppress(errors.RotatorError, RuntimeError, Killed):
        world.run_operation(operation)
    assert len(world.calls.names) > broken.number
    world.again()
    return world


# A revocation goes on when one look at a target fails that cannot hold a SAS of that key.
BEFORE = [
    *cases(Operation.REGENERATE, during=lambda each, first, _: each.number + each.carried_out <= first),
    *cases(Operation.REVOKE, during=lambda each, first, _: each.number < first and isinstance(each.error, Killed)),
]
SINCE = cases(*Operation, during=lambda each, first, _: each.number + each.carried_out > first)
# A run whose call was carried out may have finished by itself, unless it was killed: then asking asks for another.
UNTIL = cases(
    *Operation,
    during=lambda each, first, last: (
        first < each.number + each.carried_out <= last and (isinstance(each.error, Killed) or not each.carried_out)
    ),
)


@pytest.mark.parametrize(("operation", "broken"), BEFORE)
def test_run_that_ends_before_it_began_changes_no_key(operation: Operation, broken: Break) -> None:
    world = broken_run(operation, broken)
    assert world.timer().key is None
    assert (world.account.regenerated, world.vault.tags_without_deliveries, world.signers()) == (
        [],
        {},
        ["key1", "key1"],
    )


@pytest.mark.parametrize("further", NEXT)
@pytest.mark.parametrize(("operation", "broken"), SINCE)
def test_one_further_run_finishes_with_exactly_one_regeneration_per_key(
    operation: Operation, broken: Break, further: str
) -> None:
    world = broken_run(operation, broken)
    assert None not in world.signers()
    assert not NEXT[further](world).failed
    assert world.account.regenerated == (FIRST if operation is Operation.REGENERATE else BOTH)
    assert (None in world.signers(), state.PENDING_TAG in world.vault.tags) == (False, False)
    last = world.timer()
    assert (last.key, last.failed, world.signers()) == (None, False, [world.vault.active] * 2)
    assert world.account.regenerated == (FIRST if operation is Operation.REGENERATE else BOTH)


@pytest.mark.parametrize(("operation", "broken"), UNTIL)
def test_asking_again_finishes_it_and_begins_no_other(operation: Operation, broken: Break) -> None:
    world = broken_run(operation, broken)
    assert state.PENDING_TAG in world.vault.tags
    assert not world.run_operation(operation).failed
    assert world.account.regenerated == (FIRST if operation is Operation.REGENERATE else BOTH)
    assert (None in world.signers(), state.PENDING_TAG in world.vault.tags) == (False, False)


@pytest.mark.parametrize("operation", Operation)
def test_lost_lease_stops_the_run_before_its_next_change(operation: Operation) -> None:
    for number, name in enumerate(undisturbed(operation)):
        if name != "fence":
            continue
        world = settled()
        world.calls.breaking = Break(number, LeaseLostError("another run has it"), carried_out=False)
        try:
            assert world.run_operation(operation).failed
        except LeaseLostError:
            assert world.calls.made("store", "regenerate") == []
        assert CHANGING.isdisjoint(world.calls.names[number + 1 :])
        assert None not in world.signers()
