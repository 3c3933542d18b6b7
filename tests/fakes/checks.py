"""A Context for checks of a world of fakes."""

import concurrent.futures
import contextlib
from typing import TypeVar

from rotator.azure.permissions import Principal
from rotator.checks.context import Context
from rotator.delivery.ssh.connection import SshConnector
from rotator.plan.account import Grant
from rotator.rotation.account import AccountReader
from tests.fakes.services import Vault
from tests.fakes.world import World

T = TypeVar("T")


class ProbedVault(Vault):
    """A VaultProbe that would do whatever it is asked to."""

    def may_store(self, definition: Grant) -> bool:
        with self._calls.call("may store"):
            assert definition
            return False

    def may_regenerate(self) -> None:
        with self._calls.call("may regenerate"):
            pass


def context(world: World | None = None) -> Context:
    """What checks of this world share; nothing in it is asked yet."""
    world = world or World()
    vault = ProbedVault(world.calls, world.account)
    vars(vault).update(vars(world.vault))
    return Context(
        plan=world.plan,
        environment={},
        sign_in=Principal,
        vault=vault,
        key_lister=world.key_list,
        prover=world.storage,
        account=AccountReader(world.plan, world.services),
        connector=SshConnector(),
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
