"""What each issuer must do, over HTTP against the sandbox: one list of cases. A new one joins in its ISSUERS."""

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator

import pytest

from rotator import errors, sas, wiring
from rotator.issuers import sas_check
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Issuer, RunState, SasRequest
from rotator.plan import loader
from rotator.plan.plan import Plan
from rotator.sas import Sas
from sandbox.issuers import ISSUERS
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

    @property
    def latest(self) -> str | None:
        """The last version that it can sign; None for any."""
        return None if self.issuer.capabilities.signs_here else sas.SIGNED_VERSION

    def check(self, token: Sas) -> None:
        now = datetime.datetime.now(datetime.UTC)
        sas_check.check(token, self.plan.grant, now, latest=self.latest)

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
def opened(world: World, name: str, **settings: str) -> Iterator[UnderTest]:
    plan = loader.load({**world.settings, **settings})
    with wiring.signed_in(plan.client_id) as credential, wiring.services(plan, credential) as services:
        yield UnderTest(services.issuer, services.run_state, plan, world, name)


@pytest.fixture(scope="module", params=ISSUERS)
def running(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(Options(issuer=request.param)) as world:
        yield world


@pytest.fixture
def account(running: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnderTest]:
    """The issuer of an account of which nothing was issued before, and for which no run left anything."""
    surroundings.enter(running, monkeypatch)
    if managed := running.vault.storage.accounts.get(running.account.name):
        managed.definitions.clear()
    with opened(running, running.options.issuer) as made:
        if made.name != "keyvault":
            made.run_state.load()
            made.run_state.save({})
        yield made


@pytest.fixture
def keyed(account: UnderTest) -> UnderTest:
    """The same, where account keys sign."""
    if not account.issuer.capabilities.account_keys:
        pytest.skip("no account key signs the SAS of this issuer")
    return account


def test_sas_is_as_wanted_and_storage_accepts_it(account: UnderTest) -> None:
    token, _ = account.issued()
    account.check(token)
    assert account.status(token) == WORKING


def test_account_is_prepared_once_and_stays_so(account: UnderTest) -> None:
    account.issued()
    assert account.read().prepared
    account.issuer.prepare()
    assert account.status(account.issued()[0]) == WORKING


@pytest.mark.parametrize("keys", [False, True])
def test_active_key_signs(keyed: UnderTest, keys: bool) -> None:
    token, signer = keyed.issued(keys=keys)
    state = keyed.read(keys=True)
    assert (signer, state.signer(token)) == (state.active, state.active)


def test_keys_are_listed_only_when_asked_for(keyed: UnderTest) -> None:
    assert keyed.read().keys is None
    state = keyed.read(keys=True)
    assert state.keys
    assert state.account == state.keys.account
    assert {key.name for key in state.keys.keys} == {"key1", "key2"}


def test_regenerated_key_is_a_new_one_and_active_and_its_former_sas_are_refused(keyed: UnderTest) -> None:
    former, signer = keyed.issued(keys=True)
    assert signer
    before = keyed.read(keys=True)
    other = {"key1": "key2", "key2": "key1"}[signer]
    keyed.issuer.regenerate(other)
    after = keyed.read(keys=True)
    assert before.keys
    assert after.keys
    assert (after.active, after.keys.named(signer)) == (other, before.keys.named(signer))
    assert after.keys.named(other).stamp != before.keys.named(other).stamp
    assert keyed.status(former) == WORKING  # its key is the one that was left alone
    fresh, now = keyed.issued(keys=True)
    assert (now, keyed.status(fresh)) == (other, WORKING)

    keyed.issuer.regenerate(signer)
    assert keyed.status(former) == REFUSED


def test_sas_may_have_been_signed_by_the_other_key_until_the_regeneration(keyed: UnderTest) -> None:
    began = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    keyed.issued()
    keyed.issuer.regenerate("key2")
    since = keyed.read().active_since
    assert since
    assert since >= began


def test_entries_are_read_as_they_were_saved_and_survive_what_the_issuer_does(account: UnderTest) -> None:
    account.issued()
    written = {"rotator-pending": "a b=c", "team": "payments"}
    account.run_state.save(written)
    assert account.run_state.load() == written
    account.issuer.prepare()
    account.issued()
    if account.issuer.capabilities.account_keys:
        account.issuer.regenerate("key2")
    assert account.run_state.load().items() >= written.items()
    account.run_state.save({})
    assert account.run_state.load() == {}


def test_saving_entries_changes_nothing_in_what_is_issued(account: UnderTest) -> None:
    account.issued()
    account.run_state.save({"rotator-pending": "x"})
    token, _ = account.issued()
    account.check(token)
    assert account.status(token) == WORKING


def test_minted_sas_is_one_too(account: UnderTest) -> None:
    account.issued()
    assert account.status(account.issuer.mint()) == WORKING


def test_longer_lived_sas_are_remembered_when_the_validity_shrinks(keyed: UnderTest) -> None:
    with opened(keyed.world, keyed.name, SAS_VALIDITY="P2D") as before:
        token, _ = before.issued()
    keyed.issued()
    until = keyed.read().sas_until
    assert until
    assert until >= token.expiry.replace(second=0) - datetime.timedelta(minutes=5)


def test_key_that_signs_nothing_is_neither_regenerated_nor_revoked(account: UnderTest) -> None:
    token, _ = account.issued()
    keys = account.issuer.capabilities.account_keys
    act = account.issuer.revoke_delegation_keys if keys else lambda: account.issuer.regenerate("key1")
    with pytest.raises(errors.KeyRotationError):
        act()
    assert account.status(token) == WORKING


def test_two_targets_of_one_second_get_different_sas_where_each_gets_its_own(account: UnderTest) -> None:
    if not account.issuer.capabilities.sas_for_each_target:
        pytest.skip("one SAS is for all targets")
    tokens = [account.issued(number=number)[0] for number in range(3)]
    assert len({token.fingerprint for token in tokens}) == len(tokens)
    for token in tokens:
        account.check(token)
        assert account.status(token) == WORKING


def test_sas_that_is_signed_here_begins_before_and_names_its_delegation(account: UnderTest) -> None:
    token, signer = account.issued()
    if not account.issuer.capabilities.signs_here:
        pytest.skip("the vault signs")
    assert token.start
    assert token.start <= datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=15)
    assert token.correlation_id == ("" if signer else CORRELATION_ID)
    assert token.delegated is not account.issuer.capabilities.account_keys
