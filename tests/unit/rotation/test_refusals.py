"""What the targets hold, tried on storage: a look at the status knows of a SAS that died before its time."""

import dataclasses
import datetime
import threading
from collections.abc import Callable

import pytest

from rotator import sas
from rotator.azure.errors import StorageUnreachableError, VaultForbiddenError
from rotator.delivery.errors import UnreachableError
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from rotator.reporting.status import State, Status
from rotator.rotation import target_status
from rotator.rotation.state import Operation
from rotator.sas import Sas
from tests.fakes.examples import TARGET, changed, token
from tests.fakes.world import FAR, HOST, World
from tests.unit.azure.test_account_keys import SIGNATURE

ENDPOINT = "https://mystorage.blob.core.windows.net"
REFUSED = "storage refuses its SAS: rotate now, by HTTP or with --force"
DEAD = "the SAS was signed by a key that was regenerated"
DAYS = datetime.timedelta(days=1)


def looked(world: World) -> Status:
    return target_status.read(world.plan, world.services)


def states(world: World) -> list[tuple[State, str]]:
    return [(each.state, each.text) for each in looked(world).targets]


@pytest.fixture
def world() -> World:
    """A minute ago its target was given a SAS."""
    found = World()
    assert not found.rotate().failed
    found.clock.forward(minutes=1)
    return found


def untried(world: World) -> None:
    world.plan = dataclasses.replace(world.plan, prove=False)


# By storage


def test_a_sas_whose_key_somebody_regenerated_is_expired_with_what_storage_said(world: World) -> None:
    world.account.regenerate("key1")
    [target] = looked(world).targets
    assert (target.state, target.text) == (State.EXPIRED, REFUSED)
    assert target.failure
    assert (target.failure.error, target.failure.message) == ("StorageRefusedError", "storage answered 403")


def test_it_stays_so_while_it_grows_old_until_a_run_replaces_it(world: World) -> None:
    world.account.regenerate("key1")
    for _ in range(4):
        world.clock.forward(minutes=10)
        assert states(world) == [(State.EXPIRED, REFUSED)]
    assert not world.http().failed
    assert looked(world).well


def test_drift_is_told_beside_the_refusal(world: World) -> None:
    world.account.regenerate("key1")
    del world.master.secrets["storage-sas"]["metadata"]["annotations"]["rotator/run"]
    assert states(world) == [(State.EXPIRED, f"{REFUSED}; drift: somebody removed the annotation rotator/run")]


def test_an_expired_sas_is_told_as_that_and_not_tried(world: World) -> None:
    world.clock.forward(hours=5)
    world.storage.tried.clear()
    [target] = looked(world).targets
    assert (target.text, target.failure) == ("the SAS expired at 2026-07-01T16:00:00Z", None)
    assert world.storage.tried == []


@pytest.mark.parametrize("error", [StorageUnreachableError("storage does not answer"), ValueError("odd URL")])
def test_a_storage_that_judges_nothing_is_a_warning_and_no_more(world: World, error: Exception) -> None:
    world.calls.failing["prove"] = error
    found = looked(world)
    assert found.well
    [warning] = found.warnings
    assert warning.startswith("what the targets hold was not tried on storage: ")
    assert str(error) in warning


@pytest.mark.parametrize("changes", [{"prove": False}, {"blob_endpoint": None}], ids=["not wanted", "not known where"])
def test_where_runs_try_none_nothing_is_tried(world: World, changes: dict[str, object]) -> None:
    world.vault.may_read = False
    world.plan = changed(world.plan, **changes)
    world.account.regenerate("key1")
    assert states(world) == [(State.FRESH, "its SAS is fresh")]
    assert looked(world).warnings == ()


def test_where_storage_is_is_concluded_as_in_a_run(world: World) -> None:
    world.plan = changed(world.plan, blob_endpoint=None)
    world.account.regenerate("key1")
    assert states(world) == [(State.EXPIRED, REFUSED)]


def test_a_vault_that_does_not_answer_keeps_nothing_from_being_tried(world: World) -> None:
    world.account.regenerate("key1")
    world.calls.failing["stored"] = VaultForbiddenError("no permission 'storage getsas'")
    assert states(world) == [(State.EXPIRED, REFUSED)]
    world.plan = changed(world.plan, blob_endpoint=None)
    assert states(world) == [(State.FRESH, "its SAS is fresh")]


def test_a_secret_that_is_not_ours_is_not_tried(world: World) -> None:
    del world.master.secrets["storage-sas"]["metadata"]["annotations"]
    world.storage.tried.clear()
    assert [each.state for each in looked(world).targets] == [State.DRIFT]
    assert world.storage.tried == []


def test_each_target_is_told_what_its_own_sas_came_to() -> None:
    world = World(TARGET, FAR)
    world.network.failing["far"] = UnreachableError("far does not answer")
    world.rotate()
    world.network.failing.clear()
    world.vault.activate("key2")
    assert not world.rotate(forced=True).failed
    world.account.regenerate("key2")
    assert [each.state for each in looked(world).targets] == [State.EXPIRED, State.EXPIRED]
    world.vault.activate("key1")
    world.network.failing["far"] = UnreachableError("far does not answer")
    world.rotate(forced=True)
    world.network.failing.clear()
    assert [each.state for each in looked(world).targets] == [State.FRESH, State.EXPIRED]


class Slow:
    """A Prover that answers once so many wait for it."""

    def __init__(self, waiting: int) -> None:
        self._barrier = threading.Barrier(waiting)
        self.tried: list[str] = []

    def prove(self, sas: Sas, endpoint: str) -> str:
        self.tried.append(sas.fingerprint)
        self._barrier.wait(timeout=10)
        raise StorageUnreachableError(f"{endpoint} does not answer")

    def prove_refused(self, sas: Sas, endpoint: str) -> str:
        raise NotImplementedError


def held(count: int, end: Callable[[int], str]) -> dict[Target, Sas]:
    tokens = [SecretText(token(sig=SIGNATURE, se=end(number))) for number in range(count)]
    return {dataclasses.replace(TARGET, secret=f"s{number}"): sas.parse(each) for number, each in enumerate(tokens)}


def test_many_are_tried_at_the_same_time_and_storage_is_told_out_of_reach_once() -> None:
    different = held(20, lambda number: f"2026-07-01T16:00:{number:02}Z")
    refusals, warnings = target_status.refusals(different, Slow(20), ENDPOINT)
    assert refusals == {}
    assert warnings == (f"what the targets hold was not tried on storage: {ENDPOINT} does not answer",)


def test_what_many_targets_were_given_in_one_run_is_tried_once() -> None:
    prover = Slow(1)
    target_status.refusals(held(50, lambda _: "2026-07-01T16:00:00Z"), prover, ENDPOINT)
    assert len(prover.tried) == 1


# By the account's keys, without a trial


@pytest.mark.parametrize("minutes", [1, 20, 50])
def test_a_sas_that_died_in_an_unfinished_revocation_is_expired_however_old_it_is(world: World, minutes: int) -> None:
    untried(world)
    world.network.failing[HOST] = UnreachableError("it does not answer")
    report = world.run_operation(Operation.REVOKE, forced=True)
    assert report.key
    assert report.key.outcome == "unfinished"
    world.network.failing.clear()
    world.clock.forward(minutes=minutes)
    assert states(world) == [(State.EXPIRED, DEAD)]
    assert not world.timer().failed
    assert looked(world).well


@pytest.mark.parametrize("permissions", ["rwu", "r"])
@pytest.mark.parametrize("minutes", [1, 20])
def test_where_keys_are_rotated_by_age_a_foreign_regeneration_is_told_by_the_keys(
    world: World, permissions: str, minutes: int
) -> None:
    untried(world)
    definition = dataclasses.replace(world.plan.grant, permissions=permissions)
    world.plan = changed(world.plan, key_rotation_period=90 * DAYS, grant=definition)
    world.account.regenerate("key1")
    world.clock.forward(minutes=minutes)
    assert states(world) == [(State.EXPIRED, DEAD)]
