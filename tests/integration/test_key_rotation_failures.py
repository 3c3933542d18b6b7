"""Each call of a key rotation fails in turn; one further run finishes it, and no key is regenerated twice."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

from rotator import errors
from rotator.reporting.report import Report, Trigger
from sandbox.master.server import Master
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import World
from tests.integration import recorded
from tests.integration.conftest import regenerate, revoke, rotate
from tests.integration.interrupted import BOTH, Beginning, Ending
from tests.integration.killing import Step, numbered, wait_for_commands

SERVICES = ("vault", "resource_manager", "blob")


@dataclasses.dataclass
class Nth(Fault):
    """A fault of one request to a service, in the order in which they come; of that one sent again also, if lasting."""

    number: int = 0
    lasting: bool = True
    seen: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    hit: bool = False

    def matches(self, request: web.BaseRequest) -> bool:
        again = self.hit and self.lasting and self.seen[-1] == (request.method, request.path_qs)
        self.seen.append((request.method, request.path_qs))
        self.hit = again or len(self.seen) == self.number
        return self.hit


def aged(world: World) -> Report:
    """A firing of the timer that finds an old key."""
    return rotate(world, Trigger.TIMER, KEY_ROTATION_PERIOD="P90D")


FIRST: dict[str, Callable[[World], Report]] = {
    "by hand, then the timer": regenerate,
    "by the timer, then by hand": aged,
    "revoked, then the timer": revoke,
}
THEN = {
    "by hand, then the timer": Ending(regenerate, by_timer=True, regenerated=["key2"]),
    "by the timer, then by hand": Ending(regenerate, by_timer=False, regenerated=["key2"]),
    "revoked, then the timer": Ending(revoke, by_timer=True, regenerated=BOTH),
}


def be_hasty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits long before it tries again, and a delivery takes the fewest kubectls: both have their own tests."""
    monkeypatch.setitem(world.settings, "KUBERNETES_SECRET_STRATEGY", "apply")
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))


def fail_and_finish(world: World, order: str, beginning: Beginning, fault: object) -> None:
    """Have the first run fail as was prepared, and a further one finish."""
    with contextlib.suppress(errors.RotatorError):
        FIRST[order](world)
    wait_for_commands(world)
    mend(world)
    THEN[order].reach(world, beginning, fault)


def mend(world: World) -> None:
    for service in SERVICES:
        getattr(world, service).faults.clear()
    world.blob.expire_leases()


def requests(world: World, order: str) -> Iterator[tuple[str, int, bool]]:
    """The service, the number and whether it changes something, of each request of a run that nothing disturbs.

    Those of the lease do not count: that a lost answer does no harm to it is in test_lease.py.
    """
    seen = {service: Nth() for service in SERVICES}
    for service, fault in seen.items():
        getattr(world, service).faults.append(fault)
    assert not FIRST[order](world).failed
    mend(world)
    for service, fault in seen.items():
        for number, request in enumerate(fault.seen, start=1):
            yield service, number, is_change(service, *request)


def is_change(service: str, method: str, path: str) -> bool:
    """Whether a request regenerates a key or changes the record; who lists keys sends a POST too."""
    if service == "vault":
        return method != "GET"
    return "/regenerateKey" in path or (method == "PUT" and f"/{recorded.CONTAINER}/" in path)


def faults_of(number: int, *, changes: bool) -> Iterator[Nth]:
    """An outage; and for a change also that nobody can tell whether it was done.

    One of them is an answer, the other a connection that is cut: which is which is the other way round each time.
    """
    statuses = (503, 0) if number % 2 else (0, 503)
    for status, carried_out in list(zip(statuses, (False, True), strict=True))[: 1 + changes]:
        yield Nth(
            number=number,
            status=status,
            code="ServiceUnavailable",
            headers={"retry-after-ms": "1"},
            carried_out=carried_out,
            lasting=not carried_out,
        )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("order", FIRST)
def test_after_any_request_that_fails_one_further_run_finishes(
    world: World, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """A revocation makes every other request that a key rotation makes, so that of this only changes fail."""
    be_hasty(world, monkeypatch)
    fail_everywhere(world, order)


@pytest.mark.timeout(300)
def test_after_any_request_that_fails_where_keys_sign_here_one_further_run_finishes(
    storagekey: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_hasty(storagekey, monkeypatch)
    fail_everywhere(storagekey, "revoked, then the timer")


def fail_everywhere(world: World, order: str) -> None:
    beginning = Beginning(world)
    beginning.again()
    everything = list(requests(world, order))
    assert {service for service, *_ in everything} == set(SERVICES)
    assert sum(changes for *_, changes in everything) >= 3
    for service, number, changes in everything:
        if changes or THEN[order].regenerated == BOTH:
            for fault in faults_of(number, changes=changes):
                beginning.again()
                getattr(world, service).faults.append(fault)
                fail_and_finish(world, order, beginning, (service, fault))
                assert len(fault.seen) >= number


@pytest.mark.timeout(300)
def test_after_any_loss_of_the_connection_to_the_master_one_further_run_finishes(world: World) -> None:
    order = "revoked, then the timer"  # which does what a key rotation does, and more
    beginning = Beginning(world)
    beginning.again()
    seen = len(world.journal.events())
    FIRST[order](world)
    step = numbered()
    steps = [step(event) for event in world.journal.events()[seen:]]
    for at in steps:
        if at.service == "master" or (at.service == "cluster" and at.changes):
            beginning.again()
            with connection_lost_at(world, at):
                fail_and_finish(world, order, beginning, at)


@contextlib.contextmanager
def connection_lost_at(world: World, at: Step) -> Iterator[None]:
    master = world.master
    assert isinstance(master, Master)
    step = numbered()

    def watch(event: Event) -> None:
        if step(event) == at:
            master.drop_connections()

    cancel = world.journal.subscribe(watch)
    try:
        yield
    finally:
        cancel()
