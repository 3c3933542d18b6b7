"""SAS that a user delegation key signs here: how long each lives, and what is refused."""

import dataclasses
import datetime

import pytest

from rotator import errors
from rotator.azure.errors import UserDelegationError
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import SasRequest
from rotator.issuers.userdelegation import UserDelegationIssuer
from rotator.plan.account import Grant, IssuerKind
from rotator.sas import Sas, Scope
from tests.fakes.account import Account, Clock
from tests.fakes.examples import NOW, RESOURCE_ID, changed, plan
from tests.fakes.services import Calls, Delegation, KeyList, Records

HOURS = datetime.timedelta(hours=1)
QUARTER = datetime.timedelta(minutes=15)
WEEK = datetime.timedelta(days=7)
GUID = "c0ffee00-1234-4abc-8def-0123456789ab"


class Known:
    """An issuer and what is behind it."""

    def __init__(self, **grant: object) -> None:
        self.clock = Clock()
        self.account = Account(self.clock)
        self.storage = Delegation(Calls(), self.account)
        self.records = Records(Calls())
        chosen = plan(issuer=IssuerKind.USERDELEGATION, storage_account=RESOURCE_ID)
        known = {"container": "pictures", "permissions": "rl", **grant}
        self.plan = dataclasses.replace(chosen, grant=Grant(**known))  # type: ignore[arg-type]
        self.issuer = self._made()

    def _made(self) -> UserDelegationIssuer:
        revoker = KeyList(Calls(), self.account)
        return UserDelegationIssuer(self.plan, self.storage, revoker, self.records, clock=self.clock)

    def issued(self, number: int = 0, correlation_id: str = GUID) -> Sas:
        state = self.issuer.state(keys=False)
        return self.issuer.issue(SasRequest(number, correlation_id), state, lambda: state).sas


@pytest.mark.parametrize(
    ("grant", "scope"),
    [
        ({}, Scope.CONTAINER),
        ({"prefix": "2026/july"}, Scope.DIRECTORY),
        ({"blob": "a.png", "permissions": "r"}, Scope.BLOB),
    ],
)
def test_sas_is_for_what_is_wanted_and_has_the_guid_of_its_target(grant: dict[str, object], scope: Scope) -> None:
    token = Known(**grant).issued()
    assert (token.scope, token.delegated, token.correlation_id) == (scope, True, GUID)
    assert (token.start, token.expiry) == (NOW - QUARTER, NOW + 4 * HOURS)
    depth = {"sdd=2"} if scope is Scope.DIRECTORY else set()
    assert {field for field in token.token.reveal().split("&") if field.startswith("sdd=")} == depth


def test_one_key_serves_a_whole_run_and_begins_a_quarter_of_an_hour_ago() -> None:
    known = Known()
    tokens = [known.issued(number) for number in range(50)]
    assert [token.expiry - NOW for token in tokens] == [4 * HOURS + number * HOURS / 3600 for number in range(50)]
    known.clock.forward(minutes=5)
    known.issued(50)
    ((start, expiry),) = known.storage.asked
    assert (start, expiry >= NOW + 4 * HOURS) == (NOW - QUARTER, True)


def test_key_that_gets_too_old_in_a_long_run_is_followed_by_another() -> None:
    known = Known()
    known.issued()
    known.clock.forward(minutes=30)
    assert known.issued().expiry == NOW + 4.5 * HOURS
    assert len(known.storage.asked) == 2


@pytest.mark.parametrize("validity", [WEEK - QUARTER, 4 * HOURS, HOURS])
def test_sas_of_any_number_of_targets_live_about_as_long_as_wanted(validity: datetime.timedelta) -> None:
    known = Known(validity=validity)
    found = {}
    for number in range(1000):
        known.clock.forward(seconds=0.01)
        token = known.issued(number, str(number))
        found[token.expiry, token.correlation_id] = token
    assert len(found) == 1000
    assert len(known.storage.asked) == 1


@pytest.mark.parametrize("validity", [WEEK - QUARTER, 6 * 24 * HOURS])
def test_no_key_is_asked_for_more_than_seven_days(validity: datetime.timedelta) -> None:
    known = Known(validity=validity)
    token = known.issued()
    ((start, expiry),) = known.storage.asked
    assert expiry - start <= WEEK
    assert NOW + validity <= token.expiry <= expiry


def test_sas_ends_with_its_key_and_two_of_one_second_differ_all_the_same() -> None:
    known = Known()
    known.storage.longest = 4 * HOURS - datetime.timedelta(minutes=2)
    tokens = [known.issued(number) for number in range(3)]
    assert [NOW + known.storage.longest - token.expiry for token in tokens] == [HOURS / 3600 * n for n in range(3)]


def test_sas_ends_with_its_key_where_storage_gives_none_for_longer() -> None:
    known = Known()
    known.storage.longest = 2 * HOURS
    found = known.issuer.issue(SasRequest(), AccountState(), AccountState)
    assert found.sas.expiry == NOW + 2 * HOURS
    assert found.warnings == (
        "the SAS ends at 2026-07-01T14:00:00Z, as storage gave no user delegation key for longer",
    )


def test_key_that_ends_before_the_next_run_could_replace_its_sas_is_an_error_that_names_the_key() -> None:
    known = Known()
    known.storage.longest = datetime.timedelta(minutes=35)
    with pytest.raises(UserDelegationError, match="user delegation key that ends at 2026-07-01T12:35:00Z, before"):
        known.issued()


@pytest.mark.parametrize("longest", [datetime.timedelta(0), -HOURS])
def test_key_that_has_expired_signs_nothing(longest: datetime.timedelta) -> None:
    known = Known()
    known.storage.longest = longest
    with pytest.raises(UserDelegationError, match="has expired already"):
        known.issued()


def test_revocation_ends_the_key_that_this_run_has() -> None:
    known = Known()
    former = known.issued()
    known.issuer.revoke_delegation_keys()
    fresh = known.issued()
    accepted = [known.account.accepts(token.token.reveal()) for token in (former, fresh)]
    assert (accepted, len(known.storage.asked)) == ([False, True], 2)


def test_revocation_needs_the_account_s_id() -> None:
    known = Known()
    known.plan = changed(known.plan, storage_account=None)
    with pytest.raises(errors.KeyRotationError, match="resource id is not known"):
        known._made().revoke_delegation_keys()
    assert known.account.revocations == 0


def test_it_has_nothing_to_prepare_and_no_keys() -> None:
    known = Known()
    known.issuer.prepare()
    state = known.issuer.state(keys=True)
    assert (state.account, state.keys, state.active, state.prepared) == ("mystorage", None, None, True)
    with pytest.raises(errors.KeyRotationError, match="no account key signs"):
        known.issuer.regenerate("key1")


def test_no_secret_is_in_what_it_returns() -> None:
    known = Known()
    state = known.issuer.state(keys=False)
    found = known.issuer.issue(SasRequest(), state, lambda: state)
    key = known.storage.key(NOW, NOW + HOURS)
    shown = f"{found!r} {key!r} {known.issuer!r}"
    assert found.account_key is None
    assert "sig=" not in shown
    assert key.value.reveal() not in shown
