"""The rotator against the sandbox: its own stand-ins, or one of them replaced by the real thing."""

import atexit
import base64
import contextlib
import copy
import dataclasses
import datetime
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rotator import app, timestamps
from rotator.issuers.storagekey import SINCE
from rotator.plan import schedule
from rotator.reporting.report import Report, Trigger
from rotator.rotation import state
from rotator.rotation.state import Operation
from sandbox import programs
from sandbox.azure import accounts
from sandbox.functions.host import FunctionsHost, WorkerProcess
from sandbox.functions.timer import CONTAINER as HOSTS_OWN
from sandbox.functions.timer import Fire, HostTimer, StatusBlob
from sandbox.key_vault.managed_storage import ManagedAccount
from sandbox.kubernetes.client import Client
from sandbox.kubernetes.state import KubernetesApi
from sandbox.master.server import Master
from sandbox.options import Options
from sandbox.resource_manager.deployed import Deployed
from sandbox.server.journal import Event
from sandbox.world import APP_ACCOUNT, KEY_SECRET, SECRET_NAME, World
from tests import surroundings
from tests.integration import recorded
from tests.integration.first_rotation import FirstRotation
from tests.integration.warm import Warm

ROOT = Path(__file__).resolve().parents[2]
WORKING = 200
REFUSED = 403
PROOF_SECONDS = 2.0  # for which a SAS is tried that the sandbox refuses: nothing there takes as long as in Azure
# The sandbox's own stand-ins, and one world in which everything is real that can be.
STACKS = ["sandbox", pytest.param("real", marks=pytest.mark.real)]


def options_for(stack: str) -> Options:
    """The sandbox with "sshd", "envtest" or "azurite" real, or all of these; or a skip that says what is missing."""
    real = {"sshd", "envtest", "azurite"} if stack == "real" else {stack}
    try:
        programs.require_kubectl()
        if "sshd" in real:
            programs.require_sshd()
        if "azurite" in real:
            programs.require_azurite()
        envtest = programs.envtest_assets("") if "envtest" in real else None
        return Options(sshd="sshd" in real, azurite="azurite" in real, envtest=envtest)
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))


@dataclasses.dataclass
class Cluster:
    """What the tests look at and do in the cluster, through kubectl as its administrator."""

    world: World

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command = ["kubectl", "--kubeconfig", str(self.world.cluster.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def secret(self) -> dict[str, Any] | None:
        return self.world.read_secret("default", SECRET_NAME)

    def value(self, key: str = "secretKey") -> str:
        held = self.secret()
        return base64.b64decode(held["data"][key]).decode() if held else ""

    def annotation(self, name: str) -> str:
        held = self.secret()
        return str(held["metadata"]["annotations"][f"rotator/{name}"]) if held else ""

    def works(self) -> bool:
        """Whether storage accepts what the Secret holds."""
        value = self.value()
        return bool(value) and self.world.blob_status(value) == WORKING

    def works_soon(self, seconds: float = 15.0) -> bool:
        """The same, once the master has finished what it was in the middle of."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.secret() is not None and self.works():
                return True
            time.sleep(0.1)
        return False


@dataclasses.dataclass
class Keys:
    """What the tests look at and do in the account's keys, and in what the vault or the app records of them."""

    world: World

    @property
    def managed(self) -> bool:
        """Whether the vault manages the account."""
        return self.world.options.issuer == "keyvault"

    @property
    def record(self) -> ManagedAccount:
        """The vault's record of the account."""
        return self.world.vault.storage.accounts[self.world.account.name]

    @property
    def active(self) -> str:
        made = self.world.account.key_created
        return self.record.active_key if self.managed else max(sorted(made), key=made.__getitem__)

    def pending(self) -> str | None:
        """What is recorded of a key rotation that is not done."""
        kept = (
            [one.tags for one in self.record.definitions.values()] if self.managed else [recorded.entries(self.world)]
        )
        return next(filter(None, (entries.get(state.PENDING_TAG) for entries in kept)), None)

    def age(self, days: float) -> None:
        """Make both keys so old, and the record as old as them."""
        made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
        self.world.account.key_created.update(dict.fromkeys(accounts.KEY_NAMES, made))
        if self.managed:
            self.record.created = self.record.updated = int(made.timestamp())
        elif known := recorded.entries(self.world):
            recorded.replace(self.world, {**known, SINCE: timestamps.text(made)})

    def settle(self) -> None:
        """Nothing has ever been regenerated, and nothing is pending."""
        if not self.managed:
            recorded.forget(self.world)
        self.age(days=365)
        if not self.managed:
            return
        self.record.active_key, self.record.enabled = "key1", True
        self.record.auto_regenerate, self.record.regeneration_period = True, "P30D"
        for definition in self.record.definitions.values():
            definition.tags.clear()

    def regenerated(self, before: "KeyValues") -> list[str]:
        """Name the keys that were regenerated since, each as often as it was."""
        gone = self.world.account.retired_keys[before.retired :]
        names = {value: name for name, value in before.values.items()}
        return sorted(names.get(value, "a key that was new already") for value in gone)

    def values(self) -> "KeyValues":
        """What to compare with later."""
        return KeyValues(dict(self.world.account.keys), len(self.world.account.retired_keys))


@dataclasses.dataclass(frozen=True)
class KeyValues:
    """The account's keys at one time, and how many there had been before."""

    values: dict[str, str] = dataclasses.field(repr=False)
    retired: int


Rotate = Callable[..., Report]


@pytest.fixture(scope="module")
def sandbox_world() -> Iterator[World]:
    with World(options_for("sandbox")) as running:
        yield running


@pytest.fixture(scope="module")
def storagekey_world() -> Iterator[World]:
    with World(dataclasses.replace(options_for("sandbox"), issuer="storagekey")) as running:
        yield running


@pytest.fixture(scope="module")
def userdelegation_world() -> Iterator[World]:
    with World(dataclasses.replace(options_for("sandbox"), issuer="userdelegation")) as running:
        yield running


@pytest.fixture(scope="session")
def real_world() -> Iterator[World]:
    """The real sshd, kube-apiserver and Azurite together: they take seconds to start, and so do it once."""
    with World(options_for("real")) as running:
        yield running


@pytest.fixture(params=STACKS)
def any_world(request: pytest.FixtureRequest) -> World:
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


@contextlib.contextmanager
def unspoilt(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without a Secret, in which nothing goes wrong, and which is so again afterwards."""
    surroundings.enter(world, monkeypatch)
    Client(world.cluster.administrator_kubeconfig).delete_secrets("default")
    before = [(part, copy.copy(vars(part))) for part in (world.vault, world.blob, world.identity)]
    roles = list(world.resource_manager.role_assignments)
    Keys(world).settle()
    permissions = set(world.vault.permissions)
    world.vault.secrets.put(KEY_SECRET, world.key_pair.private_text)
    managed = world.vault.storage.accounts.get(world.account.name)
    definitions = dict(managed.definitions) if managed else {}
    site = world.resource_manager.sites[world.function_app_id]
    app_settings, principal, assigned = dict(site.app_settings), site.principal_id, site.user_assigned
    vars(world.deployed).update(vars(Deployed()))
    yield world
    site.python = "3.13"
    world.site.faults.clear()
    world.site.prepared.clear()
    site.app_settings, site.principal_id, site.user_assigned = app_settings, principal, assigned
    for account in world.storage.values():
        account.allow_shared_key_access, account.firewall = True, None
        account.delegation_keys.revocation_delay = 0.0
        account.delegation_keys.settle()
    for part, attributes in before:
        vars(part).update(attributes)
    world.vault.permissions = permissions
    if managed:
        managed.definitions.clear()
        managed.definitions.update(definitions)
    world.vault.faults.clear()
    world.vault.compound_policies.clear()
    world.blob.faults.clear()
    world.blob.expire_leases()
    world.blob.containers.get(APP_ACCOUNT, {}).pop(HOSTS_OWN, None)
    world.resource_manager.faults.clear()
    world.resource_manager.role_assignments[:] = roles
    if isinstance(world.cluster, KubernetesApi):
        world.cluster.faults.clear()
        world.cluster.denied.clear()
        world.cluster.down = False
        world.cluster.delay = 0.0
        world.cluster.quota, world.cluster.quota_lags = None, False
        world.cluster.required_labels.clear()
        world.cluster.namespaces, world.cluster.user = {"default"}, "rotator"
        for kind in world.cluster.access.values():
            kind.clear()
    if isinstance(world.master, Master):
        world.master.accept_auth, world.master.mute, world.master.greeting = True, False, ""
        world.master.clock_skew = datetime.timedelta()
        world.master.drop_after_stdin_bytes, world.master.kubectl, world.master.exec_delay = None, None, 0.0


@pytest.fixture
def world(sandbox_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The sandbox's own stand-ins, which can be told to fail."""
    with unspoilt(sandbox_world, monkeypatch) as clean:
        yield clean


@pytest.fixture
def storagekey(storagekey_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The same, where account keys sign here."""
    with unspoilt(storagekey_world, monkeypatch) as clean:
        yield clean


@pytest.fixture
def userdelegation(userdelegation_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The same, where user delegation keys sign here."""
    with unspoilt(userdelegation_world, monkeypatch) as clean:
        yield clean


@pytest.fixture(scope="module")
def first_rotation(sandbox_world: World) -> FirstRotation:
    return FirstRotation(rotate)


@pytest.fixture
def rotated(world: World, first_rotation: FirstRotation) -> World:
    """The sandbox's own stand-ins after a first rotation."""
    first_rotation.reach(world)
    return world


@pytest.fixture
def stack(any_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The sandbox, then the real parts."""
    with unspoilt(any_world, monkeypatch) as clean:
        yield clean


def rotate(world: World, trigger: Trigger = Trigger.CLI, /, *, forced: bool = False, **settings: str) -> Report:
    """One run in this process."""
    environment = settings_for(world, **settings)
    return app.rotate(trigger=trigger, forced=forced, environment=environment, proof_seconds=PROOF_SECONDS)


def regenerate(world: World, *, forced: bool = False, **settings: str) -> Report:
    """A key rotation in this process."""
    return _on_keys(world, Operation.REGENERATE, forced, settings)


def revoke(world: World, *, forced: bool = False, **settings: str) -> Report:
    """A revocation in this process."""
    return _on_keys(world, Operation.REVOKE, forced, settings)


def _on_keys(world: World, operation: Operation, forced: bool, settings: dict[str, str]) -> Report:
    environment = settings_for(world, **settings)
    return app.rotate(
        trigger=Trigger.HTTP, forced=forced, operation=operation, environment=environment, proof_seconds=PROOF_SECONDS
    )


def settings_for(world: World, **settings: str) -> dict[str, str]:
    """The world's settings and these. A revocation gives consumers no time, unless told to."""
    return {**world.settings, "REVOKE_GRACE": "PT0S", **settings}


def outcome(report: Report) -> dict[str, Any]:
    """The only target's outcome, as in the JSON report."""
    targets: list[dict[str, Any]] = report.as_json()["targets"]
    assert len(targets) == 1
    return targets[0]


def environment(world: World, **settings: str) -> dict[str, str]:
    """What a process of the rotator's gets."""
    here = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    return {**here, **settings_for(world, **settings)}


@functools.cache
def _warm() -> Warm:
    """What forks the processes of this worker; it is ended with the worker."""
    until_the_end = contextlib.ExitStack()
    atexit.register(until_the_end.close)
    return until_the_end.enter_context(Warm({**os.environ}))


def command_line(world: World, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`python -m rotator` in a process of its own, which is forked from one that has imported everything."""
    return _warm().run(arguments, environment(world, **settings))


def functions_host(world: World, **settings: str) -> FunctionsHost:
    """The Functions host with a worker that is forked from a process that has imported everything."""
    return FunctionsHost(ROOT, environment(world, **settings), _warm().start_worker)


def start_worker() -> Callable[[Path, Mapping[str, str]], WorkerProcess]:
    """How a worker is forked from a process that has imported everything."""
    return _warm().start_worker


def _unheeded(**_: object) -> None:
    """Run nothing when the timer fires."""


def host_timer(world: World, fire: Fire = _unheeded, *, host_id: str = "sandboxrotator") -> HostTimer:
    """The host's timer for the default schedule, with its record in the app's own storage."""
    record = StatusBlob(world.blob, APP_ACCOUNT, "rotate_on_schedule", host_id)
    return HostTimer(functools.partial(schedule.following, schedule.DEFAULT), fire, record)


def fresh_command_line(world: World, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`python -m rotator` as a shell starts it."""
    return subprocess.run(
        [sys.executable, "-m", "rotator", *arguments],
        env=environment(world, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused_soon(world: World, sas: str, seconds: float = 5.0) -> bool:
    """Whether storage refuses a SAS. Azurite learns of a new key a moment later."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if world.blob_status(sas) == REFUSED:
            return True
        time.sleep(0.05)
    return False


def happened(world: World, action: str, since: int = 0) -> list[Event]:
    """Requests of this kind that were carried out, among the events from this one on."""
    return [event for event in world.journal.events()[since:] if (event.action, event.phase) == (action, "after")]


def plain(text: str) -> str:
    """Terminal output in one line, for looking for words that may be wrapped."""
    return re.sub(r"\s+", " ", text)
