"""SAS that account keys sign here: which key signs, what is recorded, and what a SAS of each kind is."""

import dataclasses
import datetime
from collections.abc import Mapping

import pytest

from rotator import errors
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.issuers import storagekey
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import SasRequest
from rotator.issuers.storagekey import StorageKeyIssuer
from rotator.plan.account import Grant, IssuerKind
from rotator.redaction import SecretText
from rotator.sas import Sas, Scope
from tests.fakes.account import Account, Clock
from tests.fakes.examples import LONG_AGO, NOW, RESOURCE_ID, plan
from tests.fakes.services import Calls, KeyList, Records

DAY = datetime.timedelta(days=1)
Made = Mapping[str, datetime.datetime | None]


class Known:
    """An issuer and what is behind it."""

    def __init__(self, grant: Grant | None = None, made: Made | None = None) -> None:
        self.clock = Clock()
        self.account = Account(self.clock)
        self.account.made = dict(made or self.account.made)
        self.records = Records(Calls())
        self.records.load()
        chosen = plan(issuer=IssuerKind.STORAGEKEY, storage_account=RESOURCE_ID)
        chosen = dataclasses.replace(chosen, grant=grant or Grant())
        self.issuer = StorageKeyIssuer(chosen, KeyList(Calls(), self.account), self.records, clock=self.clock)

    def issued(self, number: int = 0) -> tuple[Sas, str | None]:
        found = self.issuer.issue(SasRequest(number), self.issuer.state(keys=True), self.unused)
        return found.sas, found.signer

    def unused(self) -> AccountState:
        raise AssertionError


@pytest.mark.parametrize(
    ("made", "active"),
    [
        ({"key1": NOW - DAY, "key2": NOW}, "key2"),
        ({"key1": NOW, "key2": NOW - DAY}, "key1"),
        ({"key2": NOW, "key1": NOW - DAY}, "key2"),
        ({"key1": None, "key2": NOW - DAY}, "key2"),
        ({"key1": NOW - DAY, "key2": None}, "key1"),
        ({"key1": None, "key2": None}, "key1"),
        ({"key2": None, "key1": None}, "key1"),
        ({"key1": NOW, "key2": NOW}, "key1"),
        ({"key2": NOW, "key1": NOW}, "key1"),
        ({"key2": NOW}, "key2"),
    ],
)
def test_key_that_was_made_last_signs_whatever_the_order_of_the_list(made: Made, active: str) -> None:
    known = Known(made=made)
    token, signer = known.issued()
    assert (signer, known.issuer.state(keys=True).active, known.account.signer(token.token.reveal())) == (active,) * 3


def test_account_without_keys_is_an_error() -> None:
    known = Known()
    known.account.made.clear()
    with pytest.raises(errors.ActiveKeyError):
        known.issued()


def test_time_in_another_zone_is_compared_as_the_same_time() -> None:
    east = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert Known(made={"key1": NOW + datetime.timedelta(hours=1), "key2": east}).issued()[1] == "key1"


def test_sas_begins_a_quarter_of_an_hour_ago_and_lives_as_long_as_is_wanted() -> None:
    token, _ = Known().issued()
    assert (token.start, token.expiry) == (NOW - datetime.timedelta(minutes=15), NOW + datetime.timedelta(hours=4))


def test_sas_of_one_second_are_a_second_apart() -> None:
    known = Known()
    assert [known.issued(number)[0].expiry.second for number in range(3)] == [0, 1, 2]


def test_regenerated_key_signs_next_in_the_same_run() -> None:
    known = Known()
    known.issued()
    known.clock.forward(minutes=1)
    known.issuer.regenerate("key2")
    token, signer = known.issued()
    assert (signer, known.account.accepts(token.token.reveal())) == ("key2", True)


def test_first_run_records_since_when_and_for_how_long_sas_are_issued() -> None:
    known = Known()
    assert not known.issuer.state(keys=False).prepared
    known.issuer.prepare()
    assert known.records.saved == {storagekey.VALIDITY: "PT4H", storagekey.SINCE: "2026-07-01T12:00:00Z"}
    state = known.issuer.state(keys=False)
    assert (state.prepared, state.active_since, state.validity) == (True, NOW, datetime.timedelta(hours=4))


def test_later_run_keeps_since_when_and_until_when_longer_lived_sas_live() -> None:
    known = Known()
    known.records.save({storagekey.VALIDITY: "P1D", storagekey.SINCE: "2026-01-01T00:00:00Z", "team": "payments"})
    assert not known.issuer.state(keys=False).prepared
    known.issuer.prepare()
    state = known.issuer.state(keys=False)
    assert (state.active_since, state.sas_until, state.prepared) == (LONG_AGO, NOW + DAY, True)
    assert known.records.saved["team"] == "payments"


@pytest.mark.parametrize("text", ["", "for ever", "PT0S", "-P1D", "P" + "9" * 100 + "D"])
def test_unreadable_validity_is_recorded_anew(text: str) -> None:
    known = Known()
    known.records.save({storagekey.VALIDITY: text, storagekey.SINCE: "yesterday"})
    state = known.issuer.state(keys=False)
    assert (state.prepared, state.validity, state.active_since) == (False, None, NOW)
    known.issuer.prepare()
    assert known.records.saved == {storagekey.VALIDITY: "PT4H", storagekey.SINCE: "2026-07-01T12:00:00Z"}


def test_what_could_not_be_read_is_not_recorded_anew() -> None:
    known = Known()
    known.records.entries = None
    state = known.issuer.state(keys=True)
    assert (state.prepared, state.entries, state.active) == (True, {}, "key1")
    assert known.issued()[1] == "key1"


@pytest.mark.parametrize(
    ("grant", "scope", "path"),
    [
        (Grant(), Scope.ACCOUNT, ""),
        (Grant(services="bf", resource_types="co", permissions="rl"), Scope.ACCOUNT, ""),
        (Grant(container="pictures", permissions="lr"), Scope.CONTAINER, "pictures"),
        (Grant(container="pictures", prefix="2026/july", permissions="rl"), Scope.DIRECTORY, "pictures/2026/july"),
        (Grant(container="pictures", blob="a b/ü.png", permissions="r"), Scope.BLOB, "pictures/a b/ü.png"),
        (Grant(ip="203.0.113.0-203.0.113.255", encryption_scope="team1"), Scope.ACCOUNT, ""),
        (
            Grant(container="pictures", permissions="r", ip="203.0.113.7", encryption_scope="team1"),
            Scope.CONTAINER,
            "pictures",
        ),
    ],
)
def test_key_that_signed_a_sas_of_any_kind_is_found_by_its_signature(grant: Grant, scope: Scope, path: str) -> None:
    known = Known(grant)
    token, signer = known.issued()
    assert (token.scope, token.path, token.delegated) == (scope, path, False)
    keys = known.issuer.state(keys=True).keys
    assert keys
    found = keys.signer(token)
    assert (found and found.name) == signer == "key1"
    strangers = (
        AccountKey("key1", SecretText("c3RyYW5nZXI="), None),
        AccountKey("key2", SecretText("no base64"), None),
    )
    assert AccountKeys("mystorage", strangers).signer(token) is None
    assert AccountKeys("other", keys.keys).signer(token) is None
    if path:
        assert keys.signer(dataclasses.replace(token, path="another")) is None


@pytest.mark.parametrize(("written", "signed"), [("lr", "rl"), ("dwcr", "rcwd"), ("lxyar", "raxyl"), ("ier", "rei")])
def test_permissions_are_in_the_order_of_the_service(written: str, signed: str) -> None:
    token, _ = Known(Grant(container="pictures", permissions=written)).issued()
    assert token.permissions == signed


def test_no_secret_is_in_what_it_returns() -> None:
    known = Known()
    found = known.issuer.issue(SasRequest(), known.issuer.state(keys=True), known.unused)
    assert found.account_key
    assert found.account_key.reveal() == known.account.value("key1")
    shown = f"{found} {found!r} {known.issuer.state(keys=True)!r}"
    assert known.account.value("key1") not in shown
    assert "sig=" not in shown


def test_what_is_listed_as_a_key_and_is_none_signs_nothing_and_is_not_shown() -> None:
    known = Known()
    keys = AccountKeys("mystorage", (AccountKey("key1", SecretText("not/base64!"), NOW),))
    with pytest.raises(errors.SasError) as caught:
        known.issuer.issue(SasRequest(), AccountState(keys=keys), known.unused)
    assert "is no key, as it is not base64" in str(caught.value)
    assert "not/base64!" not in str(caught.value)
