"""The account as one run reads it: once, and again on request."""

import pytest

from rotator.azure.errors import VaultForbiddenError, VaultThrottledError
from rotator.plan.account import IssuerKind
from rotator.rotation import state
from tests.fakes.examples import NOW
from tests.fakes.world import World


def test_vault_is_read_once_until_it_is_refreshed() -> None:
    world = World().settled()
    made = world.run().account
    assert made.state() is made.state()
    world.vault.activate("key2")
    assert made.state().active == "key1"
    assert made.refresh().active == "key2"
    assert world.calls.made("stored", "managed") == ["stored", "managed"] * 2


def test_failed_reading_is_not_repeated_and_the_last_good_one_is_kept() -> None:
    world = World().settled()
    made = world.run().account
    good = made.state()
    world.calls.failing["stored"] = VaultThrottledError("429")
    for look in (made.refresh, made.state):
        with pytest.raises(VaultThrottledError):
            look()
    assert world.calls.names.count("stored") == 2
    assert made.latest() is good


def test_latest_reading_fails_as_the_first_did_when_there_is_none() -> None:
    world = World().settled()
    world.calls.failing["stored"] = VaultThrottledError("429")
    with pytest.raises(VaultThrottledError):
        world.run().account.latest()


def test_keys_are_listed_from_when_they_are_asked_for_until_they_are_not() -> None:
    world = World().settled()
    made = world.run().account
    assert made.state().keys is None
    assert made.with_keys().keys is not None
    assert made.refresh().keys is not None
    made.without_keys()
    assert made.state().keys is None


def test_vault_that_may_not_be_read_is_an_error_only_where_keys_are_asked_for() -> None:
    world = World().settled()
    world.vault.may_read = False
    made = world.run().account
    assert made.state().active is None
    with pytest.raises(VaultForbiddenError):
        made.with_keys()


def test_account_that_was_managed_anew_may_have_had_another_active_key_until_then() -> None:
    world = World().settled()
    world.vault.created = world.vault.updated = NOW  # as after a PUT, or a regeneration: both times are set
    assert world.run().account.state().active_since == NOW


@pytest.mark.parametrize(
    ("issuer", "name", "words"),
    [
        (IssuerKind.USERDELEGATION, state.PENDING_TAG, "a key rotation is unfinished, and this issuer has no account"),
        (IssuerKind.STORAGEKEY, state.REVOKING_TAG, "a revocation of user delegation keys is unfinished"),
    ],
)
def test_what_another_issuer_began_and_this_one_cannot_finish_is_a_warning(
    issuer: IssuerKind, name: str, words: str
) -> None:
    world = World(issuer=issuer)
    world.records.saved = {name: "revoke first=key2 forced=true run=r key1=unknown key2=unknown"}
    made = world.run().account
    made.state()
    (warning,) = made.warnings
    assert warning.startswith(words)
    assert "set SAS_ISSUER to what it was" in warning
