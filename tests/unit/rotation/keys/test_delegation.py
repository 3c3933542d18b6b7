"""The revocation of user delegation keys: force, the order of its steps, and what a run that ends early leaves."""

import contextlib
import functools
import json
from typing import Any

import pytest

from rotator import errors
from rotator.azure.errors import (
    IdentityError,
    LeaseLostError,
    LeaseUnavailableError,
    ResourceLockedError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    ResourceNotFoundError,
    RunStateError,
    StillAcceptedError,
    StorageUnreachableError,
    UserDelegationError,
    VaultUnreachableError,
)
from rotator.delivery.errors import ConnectionLostError, TimedOutError, UnreachableError
from rotator.plan.account import IssuerKind
from rotator.reporting.report import Failed, Rotated, Unchanged
from rotator.rotation import state
from rotator.rotation.keys import delegation
from rotator.rotation.state import Operation
from tests.fakes.examples import TARGET, changed
from tests.fakes.services import Break, Killed
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of
from tests.unit.rotation.test_run import outcome

REVOKE = Operation.REVOKE
# What a call of this name ends with when what it asks does not answer.
ERRORS = {
    "secret": VaultUnreachableError,
    "stored": RunStateError,
    "store": RunStateError,
    "delegation key": UserDelegationError,
    "revoke": ResourceManagerError,
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
CHANGES = {"store", "revoke", "write", "sleep"}


def settled() -> World:
    """Two targets whose SAS are fresh: none gets another one by its age."""
    world = World(TARGET, FAR, issuer=IssuerKind.USERDELEGATION).settled()
    assert not world.rotate().failed
    world.again()
    return world


def accepted(world: World) -> list[bool]:
    return [world.account.accepts(world.value(target)) for target in world.targets]


# What is refused


def test_without_force_nothing_is_revoked_and_the_refusal_says_who_would_be_cut_off() -> None:
    world = settled()
    with pytest.raises(errors.KeyInUseError) as caught:
        world.run_operation(REVOKE)
    assert "default/storage-sas@far holds a user delegation SAS until 2026-07-01T17:00:0" in str(caught.value)
    assert "every user delegation SAS of this account, whoever asked for it" in str(caught.value)
    assert "force" in caught.value.remedy
    assert (world.account.revocations, world.calls.made("store")) == (0, [])


@pytest.mark.parametrize("forced", [False, True])
def test_there_is_no_key_to_regenerate(forced: bool) -> None:
    world = settled()
    with pytest.raises(errors.KeyRotationError, match="no account key signs the SAS"):
        world.run_operation(Operation.REGENERATE, forced=forced)
    assert world.calls.names == []


@pytest.mark.parametrize(
    "refusal", [ResourceManagerForbiddenError, ResourceNotFoundError, ResourceLockedError, errors.KeyRotationError]
)
def test_what_nobody_may_revoke_is_refused_and_no_later_run_tries_it(refusal: type[errors.RotatorError]) -> None:
    world = settled()
    world.calls.failing["revoke"] = refusal("not here")
    with pytest.raises(refusal):
        world.run_operation(REVOKE, forced=True)
    world.calls.forget()
    assert state.REVOKING_TAG not in world.entries
    report = world.timer()
    assert (report.key, report.counts(), world.account.revocations) == (None, "2 unchanged", 0)


def test_account_whose_id_is_not_known_is_refused_and_its_targets_stay_in_use() -> None:
    world = settled()
    world.plan = changed(world.plan, storage_account=None)
    with pytest.raises(errors.KeyRotationError, match="resource id is not known") as caught:
        world.run_operation(REVOKE, forced=True)
    assert "STORAGE_ACCOUNT_ID" in caught.value.remedy
    report = world.timer()
    assert (report.key, report.counts()) == (None, "2 unchanged")


@pytest.mark.parametrize("call", ["stored", "admit"])
def test_without_a_record_or_a_lease_nothing_is_revoked(call: str) -> None:
    world = settled()
    world.calls.failing[call] = ERRORS[call]("the app's own storage does not answer")
    with pytest.raises(ERRORS[call]):
        world.run_operation(REVOKE, forced=True)
    assert (world.account.revocations, world.calls.made("store")) == (0, [])


# What is done


def test_by_force_each_target_gets_a_new_sas_and_storage_refuses_the_former_ones() -> None:
    world = settled()
    report = world.run_operation(REVOKE, forced=True)
    made = world.calls.made("admit", "store", "revoke", "sleep", "delegation key", "prove", "write", "refused")
    assert (
        made
        == ["admit", "store", "revoke", "sleep", "store", "delegation key"] + ["prove", "write"] * 2 + ["refused"] * 2
    )
    key = key_of(report)
    assert (key.operation, key.outcome, key.reason, len(key.proofs)) == ("revoke", "done", "asked for", 2)
    assert key.cut_off == ("every user delegation SAS of this account, whoever asked for it",)
    assert (report.failed, report.forced, accepted(world)) == (False, True, [True, True])
    assert state.REVOKING_TAG not in world.entries


def test_next_run_finds_the_new_sas_fresh_however_soon_it_begins() -> None:
    world = settled()
    world.run_operation(REVOKE, forced=True)
    assert world.timer().counts() == "2 unchanged"


def test_revoking_twice_within_a_second_delivers_twice() -> None:
    world = settled()
    world.run_operation(REVOKE, forced=True)
    report = world.run_operation(REVOKE, forced=True)
    assert (report.counts(), world.account.revocations) == ("2 rotated, revoke done", 2)
    assert accepted(world) == [True, True]


def test_target_that_cannot_be_reached_is_named_and_due_until_it_is() -> None:
    world = settled()
    world.network.failing["far"] = UnreachableError("far does not answer")
    report = world.run_operation(REVOKE, forced=True)
    assert f"{FAR} did not get another SAS" in key_of(report).cut_off
    assert accepted(world) == [True, False]
    assert world.timer().counts() == "1 failed, 1 unchanged"
    world.network.failing.clear()
    found = outcome(world.timer(), 1)
    assert isinstance(found, Rotated)
    assert found.reason == "its user delegation key was revoked at 2026-07-01T13:00:01Z"
    assert (accepted(world), world.account.revocations) == ([True, True], 1)


def test_sas_of_an_account_key_from_before_the_move_is_none_of_them() -> None:
    world = World(TARGET, FAR, issuer=IssuerKind.STORAGEKEY).settled()
    before = [world.value(target) for target in world.targets]
    world.move_to(IssuerKind.USERDELEGATION)
    report = world.run_operation(REVOKE, forced=True)
    assert (report.failed, key_of(report).proofs) == (False, ())
    assert [world.account.accepts(token) for token in before] == [True, True]


def test_storage_that_still_accepts_a_former_sas_is_reported() -> None:
    world = settled()
    world.calls.failing["refused"] = StillAcceptedError("storage still accepts it")
    report = world.run_operation(REVOKE, forced=True)
    assert (key_of(report).outcome, failure_of(report).error) == ("failed", "StillAcceptedError")
    assert (report.failed, state.REVOKING_TAG in world.entries) == (True, False)


# What may have been done


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("error", [ResourceManagerError, IdentityError, RuntimeError])
def test_revocation_whose_end_is_not_known_is_repeated_by_the_next_run(
    error: type[Exception], carried_out: bool
) -> None:
    world = settled()
    number = undisturbed().index("revoke")
    world.calls.breaking = Break(number, error("no answer"), carried_out=carried_out)
    report = world.run_operation(REVOKE, forced=True)
    assert (key_of(report).outcome, report.counts()) == ("unfinished", "2 rotated, revoke unfinished")
    assert accepted(world) == [True, True]
    world.again()
    assert key_of(world.timer()).outcome == "done"
    assert (accepted(world), world.account.revocations) == ([True, True], 1 + carried_out)
    assert world.timer().key is None


def test_what_forbids_it_later_does_not_make_it_forgotten() -> None:
    world = settled()
    world.calls.failing["revoke"] = ResourceManagerError("down")
    world.run_operation(REVOKE, forced=True)
    world.again()
    world.calls.failing["revoke"] = ResourceManagerForbiddenError("no role any more")
    report = world.timer()
    assert (key_of(report).outcome, report.targets_failed) == ("unfinished", False)
    with contextlib.suppress(ResourceManagerForbiddenError):
        world.run_operation(REVOKE, forced=True)
    world.again()
    assert key_of(world.timer()).outcome == "done"


def test_plan_says_that_one_is_unfinished_and_changes_nothing() -> None:
    world = settled()
    assert delegation.preview(world.run().account) is None
    world.records.saved[state.REVOKING_TAG] = "20260701T120000Z-abc123"
    found = delegation.preview(world.run().account)
    assert found
    assert (found.operation, found.outcome, found.reason) == ("revoke", "due", "run 20260701T120000Z-abc123 began it")
    assert world.calls.made("store", "revoke") == []


# What a run that ends early leaves


@functools.cache
def undisturbed() -> tuple[str, ...]:
    """The calls of a revocation that nothing disturbs."""
    world = settled()
    assert key_of(world.run_operation(REVOKE, forced=True)).outcome == "done"
    return tuple(world.calls.names)


def breaks() -> list[Any]:
    """Every call, by each way to end it; an answer that is lost matters only where something was changed."""
    found = []
    for number, name in enumerate(undisturbed()):
        for carried_out in (False, True) if name in CHANGES else (False,):
            for error in (Killed, ERRORS.get(name, RuntimeError)):
                case = f"{number}-{name}-{error.__name__}-{'after' if carried_out else 'before'}"
                found.append(pytest.param(Break(number, error("broken"), carried_out=carried_out), id=case))
    return found


def broken_run(broken: Break) -> World:
    world = settled()
    world.calls.breaking = broken
    with contextlib.suppress(errors.RotatorError, RuntimeError, Killed):
        world.run_operation(REVOKE, forced=True)
    assert len(world.calls.names) > broken.number
    world.again()
    return world


@pytest.mark.parametrize("broken", breaks())
def test_after_any_end_one_further_run_has_every_target_hold_a_sas_that_works(broken: Break) -> None:
    world = broken_run(broken)
    begun = state.REVOKING_TAG in world.entries
    report = world.timer()
    assert (report.failed, accepted(world)) == (False, [True, True])
    assert (report.key is not None, state.REVOKING_TAG in world.entries) == (begun, False)
    assert world.account.revocations >= begun
    last = world.timer()
    assert (last.key, last.counts()) == (None, "2 unchanged")


@pytest.mark.parametrize("broken", breaks())
def test_while_the_next_run_may_not_revoke_its_targets_get_new_sas_all_the_same(broken: Break) -> None:
    world = broken_run(broken)
    begun = state.REVOKING_TAG in world.entries
    world.calls.failing["admit"] = LeaseUnavailableError("no lease")
    report = world.timer()
    assert (report.targets_failed, accepted(world)) == (False, [True, True])
    if begun:
        assert (key_of(report).outcome, failure_of(report).error) == ("failed", "LeaseUnavailableError")
    assert (state.REVOKING_TAG in world.entries) == begun


def test_record_that_others_wrote_is_shown_in_one_line_and_is_finished() -> None:
    world = settled()
    world.records.saved[state.REVOKING_TAG] = "somebody\nwrote this " + "x" * 1000
    report = world.timer()
    assert key_of(report).reason.startswith(r"run somebody\nwrote this xxx")
    assert len(key_of(report).reason) < 300
    assert json.dumps(report.as_json())
    assert accepted(world) == [True, True]


def test_lost_lease_stops_the_run_before_its_next_change() -> None:
    for number, name in enumerate(undisturbed()):
        if name != "fence":
            continue
        world = settled()
        world.calls.breaking = Break(number, LeaseLostError("another run has it"), carried_out=False)
        with contextlib.suppress(LeaseLostError):
            assert world.run_operation(REVOKE, forced=True).failed
        assert {"store", "revoke", "write"}.isdisjoint(world.calls.names[number + 1 :])


def test_without_its_record_a_plain_rotation_goes_on_with_a_warning() -> None:
    world = settled()
    world.calls.failing["stored"] = RunStateError("the app's own storage does not answer")
    report = world.timer()
    assert (report.key, report.counts()) == (None, "2 unchanged")
    (warning,) = report.warnings
    assert warning.startswith("what earlier runs recorded is not known, so no key is rotated")


def test_failed_target_of_a_plain_rotation_gets_its_sas_by_the_next_one() -> None:
    world = World(TARGET, FAR, issuer=IssuerKind.USERDELEGATION)
    world.network.failing["far"] = UnreachableError("far does not answer")
    report = world.rotate()
    assert isinstance(outcome(report, 1), Failed)
    assert isinstance(outcome(report), Rotated)
    world.network.failing.clear()
    assert isinstance(outcome(world.rotate()), Unchanged)
