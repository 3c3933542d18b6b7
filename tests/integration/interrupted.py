"""A key rotation that was interrupted, and how one further run finishes it."""

import base64
import copy
import dataclasses
from collections.abc import Callable

from rotator.reporting.report import Report, Trigger
from sandbox.kubernetes.state import KubernetesApi
from sandbox.world import SECRET_NAME, World
from tests.integration import recorded
from tests.integration.conftest import REFUSED, WORKING, Keys, rotate

BOTH = ["key1", "key2"]


class Beginning:
    """A Secret with a SAS of key1 and two old keys, which can be had again and again."""

    def __init__(self, world: World) -> None:
        rotate(world)
        self._world = world
        self._keys = Keys(world)
        self._keys.age(days=365)
        self._definitions = copy.deepcopy(self._keys.record.definitions) if self._keys.managed else {}
        self._recorded = recorded.entries(world)
        self._secret = copy.deepcopy(_own(world).secrets["default", SECRET_NAME])
        self.sas = held(world)
        self.values = self._keys.values()

    def again(self) -> None:
        self._world.account.keys.update(self.values.values)
        self.values = self._keys.values()
        if self._keys.managed:
            self._keys.record.definitions.update(copy.deepcopy(self._definitions))
        self._keys.settle()
        if not self._keys.managed:
            recorded.replace(self._world, self._recorded)
        _own(self._world).secrets["default", SECRET_NAME] = copy.deepcopy(self._secret)


@dataclasses.dataclass(frozen=True)
class Ending:
    """What one further run has to come to: the timer's, if anything is pending, or one by hand."""

    by_hand: Callable[[World], Report]
    by_timer: bool
    regenerated: list[str]

    def reach(self, world: World, beginning: Beginning, interrupted_by: object) -> None:
        keys = Keys(world)
        assert world.blob_status(held(world)) == WORKING, interrupted_by

        if keys.pending() or keys.regenerated(beginning.values) != self.regenerated:
            further = rotate(world, Trigger.TIMER) if self.by_timer and keys.pending() else self.by_hand(world)
            assert not further.failed, further.as_json()

        assert keys.pending() is None, interrupted_by
        assert keys.regenerated(beginning.values) == self.regenerated, interrupted_by
        assert keys.active == self.regenerated[0], interrupted_by
        assert world.blob_status(held(world)) == WORKING, interrupted_by
        former = REFUSED if self.regenerated == BOTH else WORKING
        assert world.blob_status(beginning.sas) == former, interrupted_by


def held(world: World) -> str:
    """What the Secret holds, without the time that kubectl takes."""
    return base64.b64decode(_own(world).secrets["default", SECRET_NAME]["data"]["secretKey"]).decode()


def _own(world: World) -> KubernetesApi:
    assert isinstance(world.cluster, KubernetesApi)
    return world.cluster
