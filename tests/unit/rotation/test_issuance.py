"""Issuing one SAS for all targets of a run, and knowing which key signed it."""

import dataclasses

import pytest

from rotator import errors
from rotator.azure.account_keys import AccountKeys
from rotator.azure.errors import LeaseLostError, StorageRefusedError
from rotator.plan.account import Account
from rotator.redaction import SecretText
from rotator.rotation import state
from rotator.rotation.issuance import Issuance
from rotator.stopwatch import Stopwatch
from tests.fakes.examples import TARGET, plan
from tests.fakes.services import KeyList
from tests.fakes.world import World

REFUSED = StorageRefusedError("storage answered 403")


def issuance(world: World, *, keyed: bool = False) -> Issuance:
    made = world.run().issuance
    if keyed:
        made.account.with_keys()
    return made


def test_active_key_of_before_and_after_is_the_signer_where_keys_are_not_listed() -> None:
    world = World().settled()
    assert issuance(world).issue(TARGET, Stopwatch()).signer == "key1"
    assert "keys" not in world.calls.names


def test_signature_tells_the_signer_where_keys_are_listed() -> None:
    world = World().settled()
    world.vault.activate("key2")
    assert issuance(world, keyed=True).issue(TARGET, Stopwatch()).signer == "key2"


def test_signer_is_not_known_where_the_active_key_may_not_be_read() -> None:
    world = World().settled()
    world.vault.may_read = False
    issued = issuance(world).issue(TARGET, Stopwatch())
    assert (issued.signer, issued.proof) == (None, "accepted")


@pytest.mark.parametrize(("when", "keyed"), [("before", False), ("before", True), ("after", False)], ids=str)
def test_sas_is_issued_anew_when_the_active_key_changes_meanwhile(when: str, *, keyed: bool) -> None:
    world = World().settled()
    under_way = issuance(world, keyed=keyed)
    under_way.account.state()
    world.calls.hook(when, "mint", world.vault.regenerate_by_itself)
    issued = under_way.issue(TARGET, Stopwatch())
    assert issued.signer == world.account.signer(issued.sas.token.reveal()) == "key2"


def test_sas_whose_signature_was_seen_is_good_although_the_active_key_changes_right_after() -> None:
    world = World().settled()
    world.calls.hook("after", "mint", world.vault.regenerate_by_itself)
    issued = issuance(world, keyed=True).issue(TARGET, Stopwatch())
    assert issued.signer == world.account.signer(issued.sas.token.reveal()) == "key1"


def test_active_key_that_changes_all_the_time_is_given_up_on() -> None:
    world = World().settled()

    def switch() -> None:
        world.vault.activate({"key1": "key2", "key2": "key1"}[world.vault.active])
        world.calls.hook("after", "mint", switch)

    world.calls.hook("after", "mint", switch)
    with pytest.raises(errors.ActiveKeyError, match="not signed by the key that the vault says is active"):
        issuance(world).issue(TARGET, Stopwatch())
    assert (world.calls.names.count("mint"), world.slept, world.storage.tried[1:]) == (3, [1.0, 1.0], [])


def test_sas_that_no_present_key_signed_is_never_tried_nor_delivered() -> None:
    world = World().settled()

    class Replaced(KeyList):
        def keys(self, account_id: str) -> AccountKeys:
            found = super().keys(account_id)
            return AccountKeys(
                found.account, tuple(dataclasses.replace(key, value=SecretText("bmV3")) for key in found.keys)
            )

    world.key_list = Replaced(world.calls, world.account)
    under_way = issuance(world, keyed=True)
    with pytest.raises(errors.ActiveKeyError) as caught:
        under_way.issue(TARGET, Stopwatch())
    assert caught.value.remedy.startswith("Look for what else regenerates or switches")
    assert "prove" not in world.calls.names


def test_sas_is_issued_once_until_it_is_forgotten() -> None:
    world = World().settled()
    made = issuance(world)
    first = made.issue(TARGET, Stopwatch())
    assert made.issue(TARGET, Stopwatch()) is first
    made.reset()
    world.clock.forward(seconds=1)
    assert made.issue(TARGET, Stopwatch()).sas.fingerprint != first.sas.fingerprint
    assert world.calls.names.count("mint") == 2


def test_failure_is_everyones_until_it_is_forgotten() -> None:
    world = World().settled()
    made = issuance(world)
    world.calls.failing["prove"] = REFUSED
    for _ in range(2):
        with pytest.raises(StorageRefusedError):
            made.issue(TARGET, Stopwatch())
    assert world.calls.names.count("mint") == 1
    made.reset()
    world.calls.failing.clear()
    assert made.issue(TARGET, Stopwatch()).proof == "accepted"


def test_definition_is_set_with_the_tags_that_it_has() -> None:
    world = World()
    world.vault.tags = {"team": "blue", state.PENDING_TAG: "later"}
    made = issuance(world)
    made.issue(TARGET, Stopwatch())
    assert (made.definition_changed, world.vault.tags_without_deliveries) == (
        True,
        {"team": "blue", state.PENDING_TAG: "later"},
    )


def test_lost_lease_keeps_the_definition_as_it_was() -> None:
    world = World()
    world.calls.failing["fence"] = LeaseLostError("another run has it")
    with pytest.raises(LeaseLostError):
        issuance(world).issue(TARGET, Stopwatch())
    assert world.vault.definitions == {}


@pytest.mark.parametrize(
    ("endpoint", "may_read", "vault", "expected"),
    [
        ("https://127.0.0.1:1/x", True, "https://v.vault.azure.net", "https://127.0.0.1:1/x"),
        (None, True, "https://v.vault.azure.net", "https://mystorage.blob.core.windows.net"),
        (None, True, "https://v.vault.azure.cn", "https://mystorage.blob.core.chinacloudapi.cn"),
        (None, True, "https://v.vault.usgovcloudapi.net", "https://mystorage.blob.core.usgovcloudapi.net"),
        (None, True, "https://127.0.0.1:2", None),
        (None, False, "https://v.vault.azure.net", None),
    ],
)
def test_endpoint_is_the_set_one_or_concluded_from_account_and_cloud(
    endpoint: str | None, vault: str, expected: str | None, *, may_read: bool
) -> None:
    world = World()
    world.vault.may_read = may_read
    world.plan = plan(account=Account(vault=vault, managed_account="myalias"), blob_endpoint=endpoint)
    assert issuance(world).account.endpoint() == expected
