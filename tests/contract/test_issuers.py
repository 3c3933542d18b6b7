"""What each issuer must do, over HTTP against the sandbox: one list of cases, which a new issuer joins in ISSUERS."""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from rotator import wiring
from rotator.azure import identity
from rotator.issuers import sas_check
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Issuer, RunState, SasRequest
from rotator.plan import loader
from rotator.plan.plan import Plan
from rotator.sas import Sas
from sandbox.options import Options
from sandbox.world import World
from tests import surroundings

WORKING, REFUSED = 200, 403
CORRELATION_ID = "c0ffee00-1234-4abc-8def-0123456789ab"


@dataclasses.dataclass
class UnderTest:
    """An issuer, where it keeps what runs leave, and the account and storage behind it."""

    issuer: Issuer
    run_state: RunState
    plan: Plan
    world: World
    name: str

    def read(self, *, keys: bool = False) -> AccountState:
        self.run_state.load()
        return self.issuer.state(keys=keys)

    def issued(self, *, keys: bool = False, number: int = 0) -> tuple[Sas, str | None]:
        state = self.read(keys=keys)
        if not state.prepared:
            self.issuer.prepare()
        request = SasRequest(number, CORRELATION_ID)
        found = self.issuer.issue(request, self.read(keys=keys), lambda: self.read(keys=keys))
        return found.sas, found.signer

    def status(self, token: Sas) -> int:
        """What storage answers to a request with this SAS."""
        return self.world.blob_status(token.token.reveal())


@contextlib.contextmanager
def keyvault(world: World, **settings: str) -> Iterator[UnderTest]:
    plan = loader.load({**world.settings, **settings})
    with contextlib.closing(identity.credential(None)) as credential, wiring.services(plan, credential) as services:
        yield UnderTest(services.issuer, services.run_state, plan, world, "keyvault")


ISSUERS: dict[str, Callable[..., AbstractContextManager[UnderTest]]] = {"keyvault": keyvault}


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    with World(Options()) as world:
        yield world


@pytest.fixture(params=ISSUERS)
def account(running: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnderTest]:
    """The issuer of an account of which nothing was issued before, and for which no run left anything."""
    surroundings.enter(running, monkeypatch)
    running.vault.storage.accounts[running.account.name].definitions.clear()
    with ISSUERS[request.param](running) as made:
        yield made


def test_sas_is_as_wanted_and_storage_accepts_it(account: UnderTest) -> None:
    token, _ = account.issued()
    sas_check.check(token, account.plan.grant, datetime.datetime.now(datetime.UTC))
    assert account.status(token) == WORKING


def test_account_is_prepared_once_and_stays_so(account: UnderTest) -> None:
    account.issued()
    assert account.read().prepared
    account.issuer.prepare()
    assert account.status(account.issued()[0]) == WORKING


@pytest.mark.parametrize("keys", [False, True])
def test_active_key_signs(account: UnderTest, keys: bool) -> None:
    token, signer = account.issued(keys=keys)
    state = account.read(keys=True)
    assert (signer, state.signer(token)) == (state.active, state.active)


def test_keys_are_listed_only_when_asked_for(account: UnderTest) -> None:
    assert account.read().keys is None
    state = account.read(keys=True)
    assert state.keys
    assert state.account == state.keys.account
    assert {key.name for key in state.keys.keys} == {"key1", "key2"}


def test_regenerated_key_is_a_new_one_and_active_and_its_former_sas_are_refused(account: UnderTest) -> None:
    former, signer = account.issued(keys=True)
    assert signer
    before = account.read(keys=True)
    other = {"key1": "key2", "key2": "key1"}[signer]
    account.issuer.regenerate(other)
    after = account.read(keys=True)
    assert before.keys
    assert after.keys
    assert (after.active, after.keys.named(signer)) == (other, before.keys.named(signer))
    assert after.keys.named(other).stamp != before.keys.named(other).stamp
    assert account.status(former) == WORKING  # its key is the one that was left alone
    fresh, now = account.issued(keys=True)
    assert (now, account.status(fresh)) == (other, WORKING)

    account.issuer.regenerate(signer)
    assert account.status(former) == REFUSED


def test_sas_may_have_been_signed_by_the_other_key_until_the_regeneration(account: UnderTest) -> None:
    account.issued()
    began = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    account.issuer.regenerate("key2")
    since = account.read().active_since
    assert since
    assert since >= began


def test_entries_are_read_as_they_were_saved_and_survive_what_the_issuer_does(account: UnderTest) -> None:
    account.issued()
    account.run_state.save({"rotator-pending": "a b=c", "team": "payments"})
    assert account.run_state.load() == {"rotator-pending": "a b=c", "team": "payments"}
    account.issuer.prepare()
    account.issued()
    account.issuer.regenerate("key2")
    assert account.run_state.load() == {"rotator-pending": "a b=c", "team": "payments"}
    account.run_state.save({})
    assert account.run_state.load() == {}


def test_saving_entries_changes_nothing_in_what_is_issued(account: UnderTest) -> None:
    account.issued()
    account.run_state.save({"rotator-pending": "x"})
    token, _ = account.issued()
    sas_check.check(token, account.plan.grant, datetime.datetime.now(datetime.UTC))
    assert account.status(token) == WORKING


def test_minted_sas_is_one_too(account: UnderTest) -> None:
    account.issued()
    assert account.status(account.issuer.mint()) == WORKING


def test_longer_lived_sas_are_remembered_when_the_validity_shrinks(account: UnderTest) -> None:
    with ISSUERS[account.name](account.world, SAS_VALIDITY="P2D") as before:
        token, _ = before.issued()
    account.issued()
    until = account.read().sas_until
    assert until
    assert until >= token.expiry.replace(second=0) - datetime.timedelta(minutes=5)
