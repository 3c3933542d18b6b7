"""Stateful stand-ins for what a run works with: the vault, the list of keys, storage, the way to the masters."""

import base64
import contextlib
import dataclasses
import datetime
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.azure.errors import StillAcceptedError, StorageRefusedError, VaultForbiddenError
from rotator.azure.managed_account import StorageBundle, StoredDefinition
from rotator.azure.user_delegation import DelegationKey
from rotator.delivery.interface import Channel, SecretStore
from rotator.delivery.ssh.channel import SshChannel
from rotator.delivery.ssh.shell import Result, Running
from rotator.plan.account import Grant
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText
from rotator.rotation import state
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch
from tests.fakes.account import Account
from tests.fakes.examples import LONG_AGO, RESOURCE_ID
from tests.fakes.master import Master


class Killed(BaseException):
    """The end of the process: nothing of ours catches it."""


@dataclasses.dataclass(frozen=True)
class Break:
    """How one call fails: an exception instead of it or, when it was carried out, instead of its answer."""

    number: int
    error: BaseException
    carried_out: bool


def without_traceback(error: BaseException) -> BaseException:
    """The same exception without where it was raised before: frames that it keeps alive keep their secrets alive."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


class Calls:
    """Every call that a run makes, in order. `failing` has an exception for each call of a name."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.breaking: Break | None = None
        self._hooks: dict[tuple[str, str], Callable[[], object]] = {}

    def hook(self, when: str, name: str, act: Callable[[], object]) -> None:
        """Call `act` once, "before" or "after" the next call of this name."""
        self._hooks[when, name] = act

    def forget(self) -> None:
        """Go on with nothing recorded and nothing failing."""
        self.names.clear()
        self.failing.clear()
        self._hooks.clear()
        self.breaking = None

    def made(self, *names: str) -> list[str]:
        """Those calls of these names, in their order."""
        return [name for name in self.names if name in names]

    @contextlib.contextmanager
    def call(self, name: str) -> Iterator[None]:
        number = len(self.names)
        self.names.append(name)
        if name in self.failing:
            raise without_traceback(self.failing[name])
        broken = self.breaking if self.breaking and self.breaking.number == number else None
        if broken and not broken.carried_out:
            raise without_traceback(broken.error)
        self._hooks.pop(("before", name), lambda: None)()
        yield
        self._hooks.pop(("after", name), lambda: None)()
        if broken:
            raise without_traceback(broken.error)


class Vault:
    """A vault with managed storage, and a SecretStore.

    `grants` changes what is minted; `may_read` is the permission 'storage get'. `regenerates` and `activates` are
    whether a request to regenerate a key does so, and makes it the active one. `auto_regenerate` is whether its record
    says that it regenerates keys by itself.
    """

    def __init__(self, calls: Calls, account: Account) -> None:
        self._calls, self._account = calls, account
        self.secrets = {"privatekey": "the private key", "passphrase": "the passphrase"}
        self.definitions: dict[str, Grant] = {}
        self.tags: dict[str, str] = {}
        self.grants: dict[str, str | None] = {}
        self.may_read = True
        self.auto_regenerate = False
        self.regenerates = True
        self.activates = True
        self.active = "key1"
        self.created = self.updated = LONG_AGO
        self.minted: list[str] = []
        self.writes = 0

    def secret(self, name: str) -> SecretText:
        with self._calls.call("secret"):
            return SecretText(self.secrets[name])

    def stored(self, definition: Grant) -> StoredDefinition:
        with self._calls.call("stored"):
            found = self.definitions.get(definition.name)
            return StoredDefinition(found != definition, dict(self.tags), found.validity if found else None)

    @property
    def tags_without_deliveries(self) -> dict[str, str]:
        """All tags but the one that records deliveries."""
        return {name: text for name, text in self.tags.items() if name != state.DELIVERED_TAG}

    def store(self, definition: Grant, tags: Mapping[str, str]) -> None:
        with self._calls.call("store"):
            self.writes += 1
            self.definitions[definition.name] = definition
            self.tags = dict(tags)

    def mint(self, definition: Grant) -> SecretText:
        with self._calls.call("mint"):
            stored = self.definitions[definition.name]
            until = self._account.clock() + stored.validity
            fields = dict(urllib.parse.parse_qsl(stored.template)) | {"se": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
            fields |= {name: text for name, text in self.grants.items() if text is not None}
            fields["sig"] = self._account.sign(fields, self.active)
            kept = {name: text for name, text in fields.items() if self.grants.get(name, text) is not None}
            self.minted.append(fields["sig"])
            return SecretText(f"?{urllib.parse.urlencode(kept, safe=':')}")  # as Key Vault writes it

    def managed(self) -> StorageBundle:
        with self._calls.call("managed"):
            if not self.may_read:
                raise VaultForbiddenError("no permission 'storage get'")
            return StorageBundle(RESOURCE_ID, self.active, self.auto_regenerate, None, self.created, self.updated)

    def regenerate(self, key: str) -> None:
        with self._calls.call("regenerate"):
            if self.regenerates:
                self._account.regenerate(key)
            if self.activates:
                self.activate(key)
                self.created = self.updated  # as the service does, unlike at a change of the active key

    def activate(self, key: str) -> None:
        """Make a key the active one."""
        self.active, self.updated = key, self._account.clock()

    def regenerate_by_itself(self) -> None:
        """What it does each regeneration period: regenerate the key that is not active, and make that the active."""
        other = {"key1": "key2", "key2": "key1"}[self.active]
        self._account.regenerate(other)
        self.activate(other)


class KeyList:
    """Resource Manager: the account's keys, and the end of its user delegation keys.

    `regenerates` is whether a request to regenerate a key does so.
    """

    url = "https://management.azure.com"

    def __init__(self, calls: Calls, account: Account) -> None:
        self._calls, self._account = calls, account
        self.regenerates = True

    def keys(self, account_id: str) -> AccountKeys:
        with self._calls.call("keys"):
            assert account_id == RESOURCE_ID
            made = self._account.made
            found = (AccountKey(name, SecretText(self._account.value(name)), made[name]) for name in made)
            return AccountKeys(self._account.name, tuple(found))

    def regenerate(self, account_id: str, key: str) -> None:
        with self._calls.call("regenerate"):
            assert account_id == RESOURCE_ID
            if self.regenerates:
                self._account.regenerate(key)

    def revoke_delegation_keys(self, account_id: str) -> None:
        with self._calls.call("revoke"):
            assert account_id == RESOURCE_ID
            self._account.revocations += 1


class Delegation:
    """Storage, which gives user delegation keys: for the times that are asked for, but for no `longest` beyond now."""

    def __init__(self, calls: Calls, account: Account) -> None:
        self._calls, self._account = calls, account
        self.longest = datetime.timedelta(days=7)
        self.asked: list[tuple[datetime.datetime, datetime.datetime]] = []

    def key(self, start: datetime.datetime, expiry: datetime.datetime) -> DelegationKey:
        with self._calls.call("delegation key"):
            self.asked.append((start, expiry))
            expiry = min(expiry, self._account.clock() + self.longest)
            fields = {
                "signed_oid": self._account.owner,
                "signed_tid": "11111111-1111-1111-1111-111111111111",
                "signed_start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "signed_expiry": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
                "signed_service": "b",
                "signed_version": "2026-10-06",
            }
            return DelegationKey(SecretText(base64.b64encode(b"delegation key".ljust(32)).decode()), expiry, fields)


class Records:
    """A RunState in the app's own storage."""

    longest: int | None = None
    place = "in the app's own storage"

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.saved: dict[str, str] = {}
        self.entries: Mapping[str, str] | None = None

    def load(self) -> Mapping[str, str]:
        self.entries = None
        with self._calls.call("stored"):
            self.entries = dict(self.saved)
        return self.entries

    def save(self, entries: Mapping[str, str]) -> None:
        with self._calls.call("store"):
            self.saved = dict(entries)
        self.entries = dict(entries)


class Storage:
    """A Prover that accepts what one of the account's keys signed and what has not expired."""

    def __init__(self, calls: Calls, account: Account) -> None:
        self._calls, self._account = calls, account
        self.tried: list[tuple[str, str]] = []

    def prove(self, sas: Sas, endpoint: str) -> str:
        self.tried.append((sas.fingerprint, endpoint))
        with self._calls.call("prove"):
            if not self._account.accepts(sas.token.reveal()):
                raise StorageRefusedError("storage answered 403")
            return "accepted"

    def prove_refused(self, sas: Sas, endpoint: str) -> str:
        with self._calls.call("refused"):
            if self._account.accepts(sas.token.reveal()):
                raise StillAcceptedError(f"{endpoint} still accepts {sas}")
            return "storage answered 403"


class Network:
    """A Connector to masters by host; `failing` has an exception for a host, or for user@host:port."""

    def __init__(self, calls: Calls, masters: Mapping[str, Master]) -> None:
        self._calls = calls
        self.masters = masters
        self.failing: dict[str, Exception] = {}
        self.connections: list[tuple[str, str, str | None]] = []
        self.open = 0

    @contextlib.contextmanager
    def connect(self, cluster: Cluster, secrets: SecretStore, stopwatch: Stopwatch) -> Iterator[Channel]:
        with stopwatch.step(Step.VAULT):
            key = secrets.secret(cluster.key_secret)
            passphrase = secrets.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        phrase = passphrase.reveal() if passphrase else None
        self.connections.append((cluster.host, key.reveal(), phrase))
        with stopwatch.step(Step.CONNECT), self._calls.call("connect"):
            for name in (cluster.host, str(cluster)):
                if name in self.failing:
                    raise without_traceback(self.failing[name])
        self.open += 1
        try:
            yield SshChannel(_Line(self._calls, self.masters[cluster.host]))
        finally:
            self.open -= 1


class _Line:
    """A Shell that has its calls recorded."""

    def __init__(self, calls: Calls, master: Master) -> None:
        self._calls, self._master = calls, master

    def start(self, command: str, *, seconds: float) -> Running:
        with self._calls.call("start"):
            return _Command(self._calls, self._master.start(command, seconds=seconds))


class _Command:
    def __init__(self, calls: Calls, running: Running) -> None:
        self._calls, self._running = calls, running

    def wait_for(self, line: str) -> str:
        with self._calls.call("wait for"):
            return self._running.wait_for(line)

    def finish(self, stdin: SecretText | None = None) -> Result:
        with self._calls.call("write" if stdin else "finish"):
            return self._running.finish(stdin)
