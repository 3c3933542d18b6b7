"""Account keys that Resource Manager regenerates, with the record in the app's own storage: what stops it."""

import dataclasses
import datetime

import pytest

from rotator import errors, timestamps
from rotator.azure import sas_signing
from rotator.azure.errors import ResourceLockedError, ResourceManagerError, ResourceManagerForbiddenError, RunStateError
from rotator.azure.sas_signing import Window
from rotator.delivery.errors import UnreachableError
from rotator.issuers.storagekey import SINCE
from rotator.plan.account import Grant, IssuerKind
from rotator.reporting.report import KeyOutcome
from rotator.rotation.state import Operation
from tests.fakes.examples import LONG_AGO, NOW, TARGET, changed, document
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import failure_of, key_of

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE
DAYS = datetime.timedelta(days=1)


def settled() -> World:
    return World(TARGET, FAR, issuer=IssuerKind.STORAGEKEY).settled()


def assert_untouched(world: World) -> None:
    assert (world.account.regenerated, world.pending, None in world.signers()) == ([], None, False)


def test_key_that_signed_what_a_target_holds_is_not_regenerated_without_force() -> None:
    world = settled()
    world.account.made["key2"] = world.clock()  # by somebody else: it is the active one, and the targets' is due next
    with pytest.raises(errors.KeyInUseError, match="default/storage-sas@far holds a SAS that key1 signed, until"):
        world.run_operation(REGENERATE)
    assert_untouched(world)
    report = world.run_operation(REGENERATE, forced=True)
    assert (key_of(report).regenerated, world.signers()) == (("key1",), ["key1", "key1"])


def test_timer_moves_the_targets_off_that_key_and_waits() -> None:
    world = settled()
    world.plan = changed(world.plan, key_rotation_period=30 * DAYS)
    world.account.made = {"key1": world.clock() - 90 * DAYS, "key2": world.clock() - 60 * DAYS}
    report = world.timer()
    assert (key_of(report).outcome, report.failed, world.signers()) == (KeyOutcome.WAITING, False, ["key2", "key2"])
    assert world.account.regenerated == []


def test_key_that_may_have_signed_elsewhere_before_the_first_run_blocks_for_a_sas_lifetime() -> None:
    world = World(TARGET, issuer=IssuerKind.STORAGEKEY)
    world.rotate()
    with pytest.raises(
        errors.KeyInUseError, match=r"whoever got one may use a SAS that key2 signed before 2026-07-01T12"
    ):
        world.run_operation(REGENERATE)
    world.clock.forward(hours=4, minutes=6)
    world.rotate()
    assert key_of(world.run_operation(REGENERATE)).outcome == "done"


@pytest.mark.parametrize("operation", Operation)
def test_unreadable_target_blocks_a_key_rotation(operation: Operation) -> None:
    world = settled()
    world.network.failing["far"] = UnreachableError("far does not answer")
    if operation is REGENERATE:
        with pytest.raises(errors.KeyInUseError, match="cannot be read"):
            world.run_operation(operation)
        assert world.account.regenerated == []
    else:
        report = world.run_operation(operation)
        assert (key_of(report).outcome, key_of(report).remaining) == ("unfinished", ("key1",))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("keys", ResourceManagerForbiddenError),
        ("keys", ResourceLockedError),
        ("keys", ResourceManagerError),
        ("stored", RunStateError),
        ("store", RunStateError),
        ("regenerate", ResourceManagerForbiddenError),
        ("regenerate", ResourceLockedError),
    ],
)
@pytest.mark.parametrize("operation", Operation)
def test_what_stands_in_the_way_refuses_the_operation_and_leaves_no_record(
    call: str, error: type[errors.RotatorError], operation: Operation
) -> None:
    world = settled()
    world.calls.failing[call] = error("not now")
    with pytest.raises(error):
        world.run_operation(operation)
    world.again()
    assert_untouched(world)
    assert world.timer().key is None


@pytest.mark.parametrize("issuer", [IssuerKind.STORAGEKEY, IssuerKind.KEYVAULT])
@pytest.mark.parametrize("key", ["key1", "key2"])
def test_adopted_sas_for_a_container_keeps_either_key_as_it_does_not_tell_who_signed_it(
    issuer: IssuerKind, key: str
) -> None:
    world = World(issuer=issuer)
    world.records.saved[SINCE] = timestamps.text(LONG_AGO)
    grant, window = Grant(container="pictures", permissions="rl"), Window(NOW, NOW + DAYS)
    former = sas_signing.with_account_key("mystorage", world.keys().named(key), grant, window)
    world.master.secrets["storage-sas"] = document({"secretKey": former.token.reveal()})
    with pytest.raises(errors.KeyInUseError, match="holds a SAS of which nobody can tell who signed it, until 2026-07"):
        world.run_operation(REGENERATE)
    assert world.account.regenerated == []
    assert key_of(world.run_operation(REGENERATE, forced=True)).outcome == "done"


def test_key_that_is_due_by_age_waits_for_a_record_and_stops_no_target() -> None:
    world = settled()
    world.plan = changed(world.plan, key_rotation_period=30 * DAYS)
    world.calls.failing["stored"] = RunStateError("the app's own storage does not answer")
    report = world.timer()
    assert (report.targets_failed, failure_of(report).error) == (False, "RunStateError")
    assert_untouched(world)


def test_regeneration_that_does_nothing_is_found_out() -> None:
    world = settled()
    world.key_list.regenerates = False
    report = world.run_operation(REGENERATE)
    assert (key_of(report).outcome, key_of(report).regenerated) == ("unfinished", ())
    assert "Resource Manager says that it regenerated key2" in failure_of(report).message
    world.again()
    world.key_list.regenerates = True
    assert key_of(world.timer()).outcome == "done"


def test_longer_lived_sas_of_before_block_until_they_end() -> None:
    world = World(TARGET, issuer=IssuerKind.STORAGEKEY)
    world.plan = dataclasses.replace(world.plan, grant=dataclasses.replace(world.plan.grant, validity=3 * DAYS))
    world.settled()
    world.run_operation(REGENERATE)
    world.plan = dataclasses.replace(
        world.plan, grant=dataclasses.replace(world.plan.grant, validity=datetime.timedelta(hours=4))
    )
    world.clock.forward(days=1)
    world.rotate()
    with pytest.raises(errors.KeyInUseError, match="may use a SAS that key1 signed"):
        world.run_operation(REGENERATE)
    world.clock.forward(days=3, minutes=6)
    world.rotate()
    assert key_of(world.run_operation(REGENERATE)).outcome == "done"


@pytest.mark.parametrize("text", [None, "yesterday", "", "9999-99-99T00:00:00Z"])
def test_while_it_is_not_known_what_signed_before_the_other_key_blocks_for_a_sas_lifetime(text: str | None) -> None:
    world = settled()
    world.records.saved = {name: kept for name, kept in world.records.saved.items() if name != SINCE}
    world.records.saved |= {SINCE: text} if text is not None else {}
    with pytest.raises(errors.KeyInUseError, match="may use a SAS that key2 signed before 2026-07-01T13:00:00Z"):
        world.run_operation(REGENERATE)
    world.rotate(forced=True)
    assert world.records.saved[SINCE] == "2026-07-01T13:00:00Z"
    world.clock.forward(hours=4, minutes=6)
    world.rotate()
    assert key_of(world.run_operation(REGENERATE)).outcome == "done"
