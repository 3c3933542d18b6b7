"""A Context for checks of a world of fakes."""

import concurrent.futures
import contextlib
import dataclasses
import json
import shlex
from collections.abc import Iterator
from typing import Any, TypeVar

from rotator.azure.account_policy import AccountPolicy
from rotator.azure.permissions import Principal, Roles
from rotator.checks import kubectl_probe
from rotator.checks.context import Context, VerifiedHost
from rotator.delivery.errors import AuthenticationRejectedError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.ssh import kubectl, private_key, script
from rotator.delivery.ssh.script import ScriptStep
from rotator.delivery.ssh.shell import Result, Running, Shell
from rotator.plan.account import Grant
from rotator.plan.host_keys import HostKey
from rotator.plan.plan import Cluster
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText
from rotator.rotation.account import AccountReader
from tests.fakes.services import Vault
from tests.fakes.world import World

T = TypeVar("T")
PINNED = HostKey("ssh-ed25519", b"")  # whose SHA256 is the fingerprint that the examples pin
VERSION = json.dumps({"clientVersion": {"gitVersion": "v1.32.4"}, "gitVersion": "v1.32.4"})


class ProbedVault(Vault):
    """A VaultProbe that would do whatever it is asked to."""

    def may_store(self, definition: Grant) -> bool:
        with self._calls.call("may store"):
            assert definition
            return False

    def uses_roles(self) -> bool | None:
        return False

    def may_regenerate(self) -> None:
        with self._calls.call("may regenerate"):
            pass


class Account:
    """An AccountLookup: what an account accepts, its locks, and the caller's roles at any scope; all may be changed.

    `failing` is raised instead, if it is set.
    """

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}
        self.locks: list[str] = []
        self.granted: dict[str, Any] = {"actions": ["*"], "dataActions": ["*"]}
        self.failing: Exception | None = None

    def policy(self, account: ResourceId) -> AccountPolicy:
        self._answer()
        return AccountPolicy.from_answer(self.properties)

    def read_only_locks(self, account: ResourceId) -> tuple[str, ...]:
        self._answer()
        return tuple(self.locks)

    def roles(self, scope: str) -> Roles:
        return Roles((self.granted,))

    def _answer(self) -> None:
        if self.failing is not None:
            raise self.failing


class Hosts:
    """A HostVerifier for the masters of a world, which lets in whoever has a key that it `accepts`.

    `failing` has an exception for a host, `shows` another host key than the pinned one.
    `refuses` has the verbs that kubectl's user lacks, each with the Secret's name.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.failing: dict[str, Exception] = {}
        self.shows: dict[str, HostKey] = {}
        self.accepts: dict[str, str] = {}
        self.refuses: set[tuple[str, str]] = set()
        self.open = 0

    def verify_host(self, cluster: Cluster) -> tuple[tuple[HostKey, ...], VerifiedHost | None]:
        if cluster.host in self.failing:
            raise self.failing[cluster.host]
        if cluster.host in self.shows:
            return (self.shows[cluster.host],), None
        self.open += 1
        return (PINNED,), _VerifiedHost(self, cluster)


@dataclasses.dataclass
class _VerifiedHost:
    hosts: Hosts
    cluster: Cluster
    closed: bool = False

    @contextlib.contextmanager
    def login(self, key: SecretText, _passphrase: SecretText | None) -> Iterator[Shell]:
        assert not self.closed
        if key.reveal() != self.hosts.accepts.get(self.cluster.host, key.reveal()):
            raise AuthenticationRejectedError(f"{self.cluster} does not accept the key")
        yield _ProbedMaster(self.hosts, self.cluster)

    def close(self) -> None:
        self.hosts.open -= not self.closed
        self.closed = True


@dataclasses.dataclass
class _ProbedMaster:
    """A Shell that answers what only checks ask; the rest is for the world's Master."""

    hosts: Hosts
    cluster: Cluster

    def start(self, command: str, *, seconds: float) -> Running:
        found = self._answer(command)
        if found is not None:
            return _Answered(found)
        return self.hosts.world.network.masters[self.cluster.host].start(command, seconds=seconds)

    def _answer(self, command: str) -> Result | None:
        probe = self._probe(command)
        if probe is not None:
            return probe
        for target in (each for each in self.hosts.world.targets if each.cluster == self.cluster):
            for verb in ("get", "create", "update", "delete"):
                refused = (verb, target.secret) in self.hosts.refuses
                if command == kubectl_probe.can_i(target, verb):
                    return Result(0, "no\n" if refused else "yes\n", "")
                # Reading a Secret is no dry run: the world's Master does it.
                if command == kubectl_probe.dry_run(target, verb)[0] != kubectl.get_command(target):
                    return Result(1, "", 'User "rotator" cannot') if refused else Result(0, "", "")
            if command == kubectl_probe.namespace(target):
                return Result(0, "{}", "")
        return None

    def _probe(self, command: str) -> Result | None:
        """What is asked once for each cluster."""
        mark = next(iter(shlex.split(command)[5:6]), "")
        for target in (each for each in self.hosts.world.targets if each.cluster == self.cluster):
            harmless = dataclasses.replace(target, cluster=dataclasses.replace(self.cluster, kubectl=("false",)))
            if command in [script.command(harmless, method, mark) for method in WriteMethod]:
                return Result(65, f"{mark} {ScriptStep.READY}\n", "")
        if command in (kubectl_probe.client_version(self.cluster), kubectl_probe.server_version(self.cluster)):
            return Result(0, VERSION, "")
        if command == "date +%s":
            return Result(0, f"{self.hosts.world.clock().timestamp():.0f}\n", "")
        return None


@dataclasses.dataclass
class _Answered:
    result: Result

    def wait_for(self, line: str) -> str:
        raise AssertionError(f"a probe has no step {line}")

    def finish(self, stdin: SecretText | None = None) -> Result:
        del stdin
        return self.result


def with_ssh_keys(world: World) -> World:
    """The world with SSH keys in its vault that are keys, one for each name that its clusters use."""
    for cluster in world.plan.clusters:
        world.vault.secrets[cluster.key_secret] = private_key.generate(None).reveal()
    return world


def context(world: World | None = None, hosts: Hosts | None = None, account: Account | None = None) -> Context:
    """What checks of this world share; nothing in it is asked yet."""
    world = world or World()
    vault = ProbedVault(world.calls, world.account)
    vars(vault).update(vars(world.vault))
    return Context(
        plan=world.plan,
        environment={},
        sign_in=Principal,
        vault=vault,
        issuer=world.services.issuer,
        lookup=account or Account(),
        key_lister=world.key_list,
        prover=world.storage,
        account=AccountReader(world.plan, world.services),
        connector=hosts or Hosts(world),
        host_storage=None,
        clock=world.clock,
        time_at=lambda _: world.clock(),
        stack=contextlib.ExitStack(),
    )


def result(value: T) -> "concurrent.futures.Future[T]":
    """What an earlier check found."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_result(value)
    return future
