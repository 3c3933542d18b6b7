"""What the vault refuses, for good or for a while, as the product understands it: over HTTP, without a cluster."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web
from azure.keyvault.secrets._shared import http_challenge_cache

from rotator.azure import identity
from rotator.azure.errors import (
    KeyAccessForbiddenError,
    ManagedAccountNotFoundError,
    RbacVaultError,
    VaultConflictError,
    VaultFirewallError,
    VaultForbiddenError,
    VaultPrivateError,
)
from rotator.azure.managed_account import StorageBundle
from rotator.azure.managed_storage import ManagedStorage
from rotator.onboarding.errors import AlreadyManagedError
from rotator.onboarding.vault_setup import VaultSetup
from rotator.plan.account import Account
from rotator.redaction import SecretText
from sandbox.azure import accounts
from sandbox.azure.identity import Identity
from sandbox.key_vault.errors import POLICY_CODES
from sandbox.key_vault.server import VaultServer
from sandbox.key_vault.state import Vault as SandboxVault
from sandbox.server import background, certificates, journal
from sandbox.server.faults import Fault
from tests.fakes.examples import DEFINITION

ACCOUNT = "sandboxaccount"
CODES = pytest.mark.parametrize("code", POLICY_CODES)
SERVICE = pytest.mark.parametrize("status", [400, 403])
WANTED = StorageBundle("", "key1", auto_regenerate=False, period=None)
Running = tuple[background.Background, certificates.Authority]


@dataclasses.dataclass
class Azure:
    """The sandbox's vault, and the product's two clients of it, which wait by calling `waiting`."""

    vault: SandboxVault
    account: accounts.StorageAccount
    object_id: str
    waits: list[Callable[[], None]] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def client(self) -> Iterator[ManagedStorage]:
        with contextlib.closing(identity.credential(None)) as credential:
            where = Account(vault=self.vault.url, managed_account=ACCOUNT)
            with contextlib.closing(ManagedStorage(where, credential, sleep=self._wait)) as client:
                yield client

    @contextlib.contextmanager
    def setup(self) -> Iterator[VaultSetup]:
        with contextlib.closing(identity.credential(None)) as credential:
            where = Account(vault=self.vault.url, managed_account=ACCOUNT)
            with contextlib.closing(VaultSetup(where, credential, sleep=self._wait)) as setup:
                yield setup

    @property
    def wanted(self) -> StorageBundle:
        return dataclasses.replace(WANTED, resource_id=self.account.resource_id)

    def _wait(self, _seconds: float) -> None:
        """The first wait is over when what it is for has come about."""
        self.waits.pop(0)()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    authority = certificates.Authority(tmp_path_factory.mktemp("tls"))
    with background.Background() as loop:
        yield loop, authority


@pytest.fixture
def azure(
    running: tuple[background.Background, certificates.Authority], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Azure]:
    loop, authority = running
    record = journal.Journal()
    tokens = Identity(record)
    vault = SandboxVault(tokens)
    account = accounts.StorageAccount(ACCOUNT)
    vault.storage.manage(account)
    vault.secrets.put("greeting", "hello")
    names = "get list set update regeneratekey recover setsas getsas"
    vault.permissions = {"secrets/get", "secrets/set", *(f"storage/{name}" for name in names.split())}
    with loop.serving(tokens), loop.serving(VaultServer(vault, record, authority, tokens)):
        http_challenge_cache.clear()
        monkeypatch.setenv("IDENTITY_ENDPOINT", tokens.url)
        monkeypatch.setenv("IDENTITY_HEADER", tokens.header)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle_path))
        yield Azure(vault, account, tokens.object_id)


ASKED = pytest.mark.parametrize(
    ("permission", "ask"),
    [
        ("secrets get", lambda client: client.secret("greeting")),
        ("storage get", lambda client: client.managed()),
        ("storage getsas", lambda client: client.stored(DEFINITION)),
        ("storage setsas", lambda client: client.store(DEFINITION, {})),
        ("storage setsas", lambda client: client.may_store(DEFINITION)),
        ("storage regeneratekey", lambda client: client.regenerate("key2")),
        ("storage regeneratekey", lambda client: client.may_regenerate()),
    ],
    ids=["secret", "managed", "stored", "store", "may store", "regenerate", "may regenerate"],
)
Ask = Callable[[ManagedStorage], object]


@CODES
@ASKED
def test_a_missing_permission_is_a_matter_of_the_access_policy(
    azure: Azure, code: str, permission: str, ask: Ask
) -> None:
    azure.vault.policy_code = code
    azure.vault.permissions -= {permission.replace(" ", "/")}
    with azure.client() as client, pytest.raises(VaultForbiddenError) as raised:
        ask(client)
    assert type(raised.value) is VaultForbiddenError
    assert f"lacks the permission {permission!r}" in str(raised.value)
    assert ": az keyvault set-policy " in raised.value.remedy
    assert azure.object_id in raised.value.remedy
    assert permission.partition(" ")[2] in raised.value.remedy


@ASKED
def test_a_policy_that_names_an_application_too_is_told_as_such(azure: Azure, permission: str, ask: Ask) -> None:
    azure.vault.compound_policies[azure.object_id, "an application"] = set(azure.vault.permissions)
    azure.vault.permissions = set()
    with azure.client() as client, pytest.raises(VaultForbiddenError) as raised:
        ask(client)
    assert type(raised.value) is VaultForbiddenError
    assert f"lacks the permission {permission!r} by itself" in str(raised.value)
    assert "names an application too (compound identity)" in str(raised.value)
    assert f"--object-id {azure.object_id}" in raised.value.remedy


@ASKED
def test_the_network_is_never_a_matter_of_the_access_policy(azure: Azure, permission: str, ask: Ask) -> None:
    azure.vault.firewall = {"192.0.2.0/24"}
    with azure.client() as client, pytest.raises(VaultFirewallError) as raised:
        ask(client)
    assert raised.value.address == "127.0.0.1"
    azure.vault.private = True
    with azure.client() as client, pytest.raises(VaultPrivateError, match="no requests from public networks"):
        ask(client)


@SERVICE
@pytest.mark.parametrize("asks_first", [True, False])
def test_a_vault_that_may_not_handle_the_keys_itself_is_told_as_such(
    azure: Azure, status: int, asks_first: bool
) -> None:
    azure.vault.service_status, azure.vault.asks_first = status, asks_first
    azure.vault.authorizes = lambda object_id, _action, _scope: object_id == azure.object_id
    before = dict(azure.account.keys)
    with azure.client() as client:
        with pytest.raises(KeyAccessForbiddenError, match=f"answered {status} "):
            client.regenerate("key2")
        expected = pytest.raises(KeyAccessForbiddenError) if asks_first else contextlib.nullcontext()
        with expected:
            client.may_regenerate()
    assert azure.account.keys == before


@SERVICE
def test_a_role_of_the_vault_that_takes_its_time_is_waited_for(azure: Azure, status: int) -> None:
    azure.vault.service_status = status
    azure.vault.storage.accounts.clear()
    azure.vault.authorizes = lambda object_id, _action, _scope: object_id == azure.object_id

    def granted() -> None:
        azure.vault.authorizes = lambda _object_id, _action, _scope: True

    azure.waits = [granted]
    with azure.setup() as setup:
        setup.manage(azure.wanted)
    assert azure.vault.storage.accounts[ACCOUNT].account is azure.account


@CODES
@pytest.mark.parametrize(
    "ask",
    [
        lambda setup, _wanted: setup.managed_account(),
        lambda setup, wanted: setup.name_of(wanted.resource_id),
        lambda setup, _wanted: setup.secret("greeting"),
        lambda setup, wanted: setup.manage(wanted),
        lambda setup, wanted: setup.change_regeneration(wanted),
    ],
    ids=["managed account", "name of", "secret", "manage", "change"],
)
@pytest.mark.parametrize("compound", [False, True])
def test_an_access_policy_that_takes_its_time_is_waited_for(
    azure: Azure, code: str, ask: Callable[[VaultSetup, StorageBundle], object], compound: bool
) -> None:
    permissions = azure.vault.permissions
    azure.vault.permissions, azure.vault.policy_code = set(), code
    if compound:
        azure.vault.compound_policies[azure.object_id, "an application"] = set(permissions)

    def effective() -> None:
        azure.vault.permissions = permissions

    azure.waits = [lambda: None, effective]
    with azure.setup() as setup:
        ask(setup, azure.wanted)
    assert azure.waits == []


@CODES
def test_whoever_only_looks_is_told_at_once(azure: Azure, code: str) -> None:
    azure.vault.permissions, azure.vault.policy_code = set(), code
    with azure.setup() as setup, pytest.raises(VaultForbiddenError):
        setup.managed_account(wait=False)


def test_the_vault_s_mode_and_its_network_are_not_waited_for(azure: Azure) -> None:
    with azure.setup() as setup:
        azure.vault.rbac = True
        with pytest.raises(RbacVaultError):
            setup.managed_account()
        azure.vault.firewall = set()
        with pytest.raises(VaultFirewallError):
            setup.managed_account()


def deleting(azure: Azure) -> Callable[[], None]:
    """From now on deletions and recoveries last until what this gives is called."""
    azure.vault.deletion_seconds = azure.vault.recovery_seconds = 3600

    def settle() -> None:
        azure.vault.storage.settle()
        azure.vault.secrets.settle()

    return settle


def test_an_account_is_recovered_once_its_deletion_is_over_and_changed_once_the_recovery_is(azure: Azure) -> None:
    settle = deleting(azure)
    azure.vault.storage.accounts[ACCOUNT].active_key = "key2"
    azure.vault.storage.delete(ACCOUNT, 3600)
    azure.waits = [settle, settle]
    with azure.setup() as setup:
        setup.recover(azure.wanted)
    found = azure.vault.storage.accounts[ACCOUNT]
    assert (found.active_key, found.auto_regenerate, azure.waits) == ("key2", False, [])


def test_an_account_whose_deletion_was_under_way_is_recovered_and_keeps_its_active_key(azure: Azure) -> None:
    settle = deleting(azure)
    azure.vault.storage.accounts[ACCOUNT].active_key = "key2"
    azure.vault.storage.delete(ACCOUNT, 3600)
    azure.waits = [settle, settle]
    with azure.setup() as setup:
        assert (setup.managed_account(), setup.deleted_managed_account()) == (None, None)
        setup.manage(azure.wanted)
    found = azure.vault.storage.accounts[ACCOUNT]
    assert (found.active_key, found.auto_regenerate, azure.waits) == ("key2", False, [])


def test_an_account_that_somebody_else_recovers_keeps_its_active_key_too(azure: Azure) -> None:
    settle = deleting(azure)
    azure.vault.storage.accounts[ACCOUNT].active_key = "key2"
    azure.vault.storage.delete(ACCOUNT)
    azure.vault.storage.recover(ACCOUNT, 3600)
    azure.waits = [settle]
    with azure.setup() as setup:
        setup.manage(azure.wanted)
    found = azure.vault.storage.accounts[ACCOUNT]
    assert (found.active_key, found.auto_regenerate, azure.waits) == ("key2", False, [])


def test_another_account_of_that_name_is_not_recovered(azure: Azure) -> None:
    settle = deleting(azure)
    other = accounts.StorageAccount("another")
    azure.vault.storage.manage(other, ACCOUNT)
    azure.vault.storage.delete(ACCOUNT, 3600)
    azure.waits = [settle]
    with azure.setup() as setup, pytest.raises(AlreadyManagedError, match=r"/another$"):
        setup.manage(azure.wanted)
    assert azure.vault.storage.deleted_accounts[ACCOUNT].account is other


def test_a_secret_is_written_once_its_deletion_and_its_recovery_are_over(azure: Azure) -> None:
    settle = deleting(azure)
    azure.vault.permissions |= {"secrets/recover"}
    azure.vault.secrets.delete("greeting", 3600)
    azure.waits = [settle, settle]
    with azure.setup() as setup:
        setup.write_secret("greeting", SecretText("new"), "text/plain")
        assert setup.secret("greeting") == SecretText("new")
    assert [one.value for one in azure.vault.secrets.secrets["greeting"]] == ["hello", "new"]


@pytest.mark.parametrize("begun", ["by us", "by somebody else"])
def test_a_definition_is_set_once_its_deletion_and_its_recovery_are_over(azure: Azure, begun: str) -> None:
    """What was noted in it stays: a key rotation may be pending."""
    settle = deleting(azure)
    managed = azure.vault.storage.accounts[ACCOUNT]
    with azure.client() as client:
        client.store(DEFINITION, {"noted": "before", "again": "before"})
        managed.delete(DEFINITION.name, 3600)
        azure.waits = [settle, settle]
        if begun == "by somebody else":
            managed.deleted_definitions[DEFINITION.name].settled = 0.0
            managed.recover(DEFINITION.name, 3600)
            azure.waits.pop()
        client.store(DEFINITION, {"again": "now"})
    assert managed.definitions[DEFINITION.name].tags == {"noted": "before", "again": "now"}
    assert azure.waits == []


def test_a_definition_of_an_account_that_nobody_manages_is_not_waited_for(azure: Azure) -> None:
    azure.vault.storage.accounts.clear()
    with azure.client() as client, pytest.raises(ManagedAccountNotFoundError):
        client.store(DEFINITION, {})


def test_a_deletion_that_never_ends_is_told_as_such(azure: Azure) -> None:
    deleting(azure)
    azure.waits = [lambda: None] * 5
    with azure.client() as client:
        client.store(DEFINITION, {})
        azure.vault.storage.accounts[ACCOUNT].delete(DEFINITION.name, 3600)
        with pytest.raises(VaultConflictError) as raised:
            client.store(DEFINITION, {})
    assert "deletion or the recovery" in raised.value.remedy


class Seen(Fault):
    """None, but it has seen what each request accepts."""

    accepted: set[str]

    def matches(self, request: web.BaseRequest) -> bool:
        self.accepted.add(request.headers.get("Accept", ""))
        return False


def test_every_request_says_that_it_wants_json(azure: Azure) -> None:
    seen = Seen()
    seen.accepted = set()
    azure.vault.faults.append(seen)
    with azure.client() as client, azure.setup() as setup:
        client.secret("greeting")
        client.store(DEFINITION, {})
        client.may_regenerate()
        setup.name_of(azure.account.resource_id)
    assert seen.accepted == {"application/json"}
