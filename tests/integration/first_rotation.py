"""A world after its first rotation, which is had again by putting back what that left."""

import copy
import dataclasses
from collections.abc import Callable

from rotator.reporting.report import Report
from sandbox.key_vault.managed_storage import SasDefinition
from sandbox.kubernetes.fields import Owners
from sandbox.kubernetes.refusals import Document
from sandbox.kubernetes.state import Key, KubernetesApi
from sandbox.world import World


@dataclasses.dataclass(frozen=True)
class _Left:
    """What a rotation leaves in the account, the vault and the cluster."""

    keys: dict[str, str] = dataclasses.field(repr=False)
    definitions: dict[str, SasDefinition]
    secrets: dict[Key, Document] = dataclasses.field(repr=False)
    owners: dict[str, Owners]


class FirstRotation:
    """It is a run only for the first test of a module; its SAS stays fresh for longer than the others take."""

    def __init__(self, rotate: Callable[[World], Report]) -> None:
        self._rotate = rotate
        self._left: _Left | None = None

    def reach(self, world: World) -> None:
        """Have a world without a Secret as its first rotation leaves it."""
        there = _state(world)
        if self._left is None:
            assert not self._rotate(world).failed
            self._left = copy.deepcopy(_state(world))
            return
        left = copy.deepcopy(self._left)
        there.keys.update(left.keys)
        there.definitions.clear()
        there.definitions.update(left.definitions)
        there.secrets.update(left.secrets)
        there.owners.update(left.owners)


def _state(world: World) -> _Left:
    definitions = world.vault.storage.accounts[world.account.name].definitions
    assert isinstance(world.cluster, KubernetesApi)
    return _Left(world.account.keys, definitions, world.cluster.secrets, world.cluster.owners)
