"""Revocation: both keys, in the order that keeps every target working; nothing issued before works at the end."""

import base64
import contextlib
import datetime
import urllib.parse

import pytest

from rotator import errors
from rotator.azure.errors import StillAcceptedError, VaultForbiddenError
from rotator.delivery import live_secret
from rotator.delivery.errors import UnreachableError
from rotator.redaction import SecretText
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Rotated
from rotator.rotation import state
from rotator.rotation.state import Operation
from rotator.sas import Sas
from tests.fakes.examples import LONG_AGO, NOW, TARGET, plan
from tests.fakes.services import Storage
from tests.fakes.world import FAR, World
from tests.unit.rotation.keys.test_rotate import STEPS, failure_of, key_of
from tests.unit.rotation.test_run import outcome

REGENERATE, REVOKE = Operation.REGENERATE, Operation.REVOKE
UNREACHABLE = UnreachableError("far does not answer")


def fingerprint(world: World) -> str:
    annotations = world.master.secrets["storage-sas"]["metadata"]["annotations"]
    return str(annotations["rotator/fingerprint"])


def test_other_key_then_targets_then_time_for_consumers_then_the_old_key() -> None:
    world = World(TARGET, FAR).settled()
    world.run_operation(REVOKE)
    assert world.calls.made(*STEPS) == [
        "admit",
        "mint",
        "store",
        "admit",
        "regenerate",
        "mint",
        "prove",
        "wait for",
        "wait for",
        "sleep",
        "admit",
        "regenerate",
        "store",
        "refused",
    ]
    assert world.account.regenerated == ["key2", "key1"]


def test_nothing_that_was_issued_before_works_and_every_target_does() -> None:
    world = World(TARGET, FAR).settled()
    former, printed = world.value(TARGET), fingerprint(world)
    found = world.run_operation(REVOKE)
    assert not world.account.accepts(former)
    assert world.signers() == ["key2", "key2"]
    assert key_of(found) == KeyReport(
        operation="revoke",
        outcome=KeyOutcome.DONE,
        reason="asked for",
        active_key="key1",
        regenerated=("key2", "key1"),
        proofs=(f"{printed}: storage answered 403",),
    )
    assert (found.failed, world.vault.tags_without_deliveries) == (False, {})


def test_no_target_ever_holds_a_sas_that_storage_refuses() -> None:
    world = World(TARGET, FAR).settled()
    seen: list[list[str | None]] = []

    def look() -> None:
        seen.append(world.signers())
        world.calls.hook("before", "stored", look)

    world.calls.hook("before", "stored", look)
    world.run_operation(REVOKE)
    assert seen[0] == ["key1", "key1"]
    assert seen[-1] == ["key2", "key2"]
    assert [signers for signers in seen if None in signers] == []


def test_next_run_of_the_schedule_turns_to_the_active_key() -> None:
    world = World().settled()
    world.run_operation(REVOKE)
    world.clock.forward(minutes=1)
    assert world.timer().counts() == "1 rotated"
    assert (world.signers(), world.account.regenerated) == (["key1"], ["key2", "key1"])


def test_second_key_is_left_while_a_target_fails() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    found = world.run_operation(REVOKE)
    assert (key_of(found).outcome, key_of(found).regenerated, key_of(found).remaining) == (
        "unfinished",
        ("key2",),
        ("key1",),
    )
    assert failure_of(found).message == "not every target holds a SAS of key2 yet; key1 was left as it is"
    assert (world.signers(), found.failed, state.PENDING_TAG in world.vault.tags) == (["key2", "key1"], True, True)


def test_next_run_goes_on_with_the_second_key_once_the_target_is_back() -> None:
    world = World(TARGET, FAR).settled()
    former, printed = world.value(FAR), fingerprint(world)
    world.network.failing["far"] = UNREACHABLE
    world.run_operation(REVOKE)
    world.network.failing.clear()
    found = world.timer()
    assert (key_of(found).outcome, key_of(found).regenerated) == ("done", ("key1",))
    assert key_of(found).proofs == (f"{printed}: storage answered 403",)
    assert not world.account.accepts(former)
    assert (world.account.regenerated, world.signers()) == (["key2", "key1"], ["key2", "key2"])


def test_force_regenerates_the_second_key_too_and_says_what_it_cut_off() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    found = world.run_operation(REVOKE, forced=True)
    assert (key_of(found).regenerated, key_of(found).remaining) == (("key2", "key1"), ())
    assert key_of(found).cut_off == ("default/storage-sas@far did not get another SAS before",)
    assert (world.signers(), found.failed) == (["key2", None], True)


def test_what_was_cut_off_is_remembered_until_it_has_a_sas_again() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    found = world.run_operation(REVOKE, forced=True)
    assert (key_of(found).outcome, state.PENDING_TAG in world.vault.tags) == ("unfinished", True)
    assert failure_of(found).message == "not every target holds a SAS of key1 yet"
    world.network.failing.clear()
    assert key_of(world.timer()).outcome == "done"
    assert (world.signers(), world.account.regenerated) == (["key1", "key1"], ["key2", "key1"])


def test_target_that_holds_a_sas_of_the_first_key_gets_another_before_that_key_dies() -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.activate("key1")
    found = world.run_operation(REVOKE)
    steps = world.calls.made(*STEPS)
    assert steps.index("wait for") < steps.index("regenerate")
    assert (key_of(found).outcome, world.account.regenerated) == ("done", ["key2", "key1"])
    assert None not in world.signers()


def test_first_key_is_left_when_a_target_that_holds_its_sas_cannot_be_mended() -> None:
    world = World(TARGET, FAR)
    world.vault.activate("key2")
    world.settled()
    world.vault.activate("key1")
    world.network.masters["far"].refuse = {"validate": "Error from server (Forbidden): no\n"}
    with pytest.raises(errors.KeyInUseError) as caught:
        world.run_operation(REVOKE)
    assert str(caught.value) == (
        "revoke was refused, no key was regenerated: key2 may be in use:\n"
        "  - default/storage-sas@far holds a SAS that key2 signed, until 2026-07-01T16:00:00Z"
    )
    assert world.account.regenerated == []


def test_target_that_cannot_be_looked_at_stands_in_the_way_if_the_first_key_was_just_active() -> None:
    world = World(TARGET, FAR).settled()
    world.vault.activate("key2")
    world.network.failing["far"] = UNREACHABLE
    with pytest.raises(errors.KeyInUseError, match="far cannot be read"):
        world.run_operation(REVOKE)
    assert world.account.regenerated == []


def test_target_that_cannot_be_looked_at_does_not_stand_in_the_way_if_that_key_never_signed() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    assert key_of(world.run_operation(REVOKE)).regenerated == ("key2",)


def test_sas_of_others_are_no_reason_to_wait_as_they_are_to_die() -> None:
    world = World().settled()
    world.run_operation(REGENERATE)
    world.clock.forward(minutes=30)
    world.rotate()
    assert key_of(world.run_operation(REVOKE)).outcome == "done"
    assert world.account.regenerated == ["key2", "key1", "key2"]


def test_former_sas_that_storage_still_accepts_is_a_failure() -> None:
    world = World().settled()
    world.calls.failing["refused"] = StillAcceptedError("storage still accepts it")
    found = world.run_operation(REVOKE)
    assert (key_of(found).outcome, key_of(found).regenerated, found.failed) == ("failed", ("key2", "key1"), True)
    assert failure_of(found).error == "StillAcceptedError"
    assert world.vault.tags_without_deliveries == {}


def test_refusal_is_not_tried_where_proofs_are_off() -> None:
    world = World().settled()
    world.plan = plan(prove=False)
    found = world.run_operation(REVOKE)
    assert (key_of(found).proofs, key_of(found).outcome) == ((), "done")
    assert "refused" not in world.calls.names


def test_refusal_is_tried_at_the_endpoint_that_is_concluded_from_the_accounts_name() -> None:
    world = World().settled()
    world.plan = plan(blob_endpoint=None)
    assert len(key_of(world.run_operation(REVOKE)).proofs) == 1


def test_each_sas_that_a_target_held_is_seen_to_be_refused() -> None:
    world = World(TARGET, FAR).settled()
    world.network.failing["far"] = UNREACHABLE
    world.rotate()
    world.network.failing.clear()
    held = {dict(urllib.parse.parse_qsl(world.value(target)))["sig"] for target in (TARGET, FAR)}
    assert (len(held), len(key_of(world.run_operation(REVOKE)).proofs)) == (2, 2)


def test_key_that_nobody_knows_the_age_of_is_revoked_too() -> None:
    world = World().settled()
    world.account.made = {"key1": None, "key2": LONG_AGO}
    assert key_of(world.run_operation(REVOKE)).regenerated == ("key2", "key1")


def test_target_that_holds_something_else_gets_a_sas_before_any_key_dies() -> None:
    world = World().settled()
    world.master.secrets["storage-sas"]["data"]["secretKey"] = "aHVudGVyMg=="
    assert key_of(world.run_operation(REVOKE)).outcome == "done"
    steps = world.calls.made(*STEPS)
    assert steps.index("wait for") < steps.index("regenerate")
    assert world.signers() == ["key2"]


def holding_sas_of_inactive_key() -> World:
    """The target holds a SAS of key2, which is not the active one any more, and is to get another before key2 dies."""
    world = World()
    world.vault.activate("key2")
    world.settled()
    world.vault.activate("key1")
    return world


def test_all_that_the_run_gave_to_a_target_is_one_outcome() -> None:
    world = holding_sas_of_inactive_key()
    held = world.master.secrets["storage-sas"]
    held["data"]["secretKey"] = base64.b64encode(b"changed by hand").decode()
    found = outcome(world.run_operation(REVOKE))
    assert isinstance(found, Rotated)
    assert (
        found.reason
        == "drift: somebody changed the value; then the SAS was signed by key1, which is no longer the active key"
    )
    assert found.drift
    assert found.previous_digest == live_secret.digest(SecretText(held["data"]["secretKey"]))


@pytest.mark.parametrize("call", ["store", "regenerate"])
def test_what_a_refused_revocation_gave_to_a_target_is_told(call: str) -> None:
    world = holding_sas_of_inactive_key()
    before = world.value(TARGET)
    world.calls.failing[call] = VaultForbiddenError("no permission")
    with contextlib.suppress(VaultForbiddenError):
        world.run_operation(REVOKE)
    assert world.value(TARGET) != before
    (report,) = world.reports.values()
    assert isinstance(report.outcome, Rotated)
    assert report.outcome.reason.startswith("the SAS is 60 min old")


def test_a_target_that_fails_in_the_second_round_has_failed() -> None:
    world = holding_sas_of_inactive_key()
    world.calls.hook("after", "regenerate", lambda: world.calls.failing.update(mint=UNREACHABLE))
    found = world.run_operation(REVOKE)
    (target,) = found.targets
    assert isinstance(target.outcome, Failed)
    # What the first round delivered.
    assert target.expires == NOW + datetime.timedelta(hours=5)


def test_refusal_is_seen_for_the_former_sas_and_no_other() -> None:
    tried: list[str] = []

    class Watched(Storage):
        def prove_refused(self, sas: Sas, endpoint: str) -> str:
            tried.append(sas.token.reveal())
            return super().prove_refused(sas, endpoint)

    world = World().settled()
    world.storage = Watched(world.calls, world.account)
    former = world.value(TARGET)
    world.run_operation(REVOKE)
    assert tried == [former]
