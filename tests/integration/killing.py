"""Ending a process of the rotator at a chosen moment, as the services see it."""

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from sandbox.server.journal import Event
from sandbox.world import World
from tests.integration.warm import Warm

_SECONDS_FOR_COMMANDS = 30.0


@dataclasses.dataclass(frozen=True)
class Step:
    """An event of a run, the how-manieth of its kind."""

    service: str
    action: str
    phase: str
    number: int

    @property
    def changes(self) -> bool:
        """Whether it is the end of a request to a service that changes something."""
        reads = self.action.startswith(("get-", "list-", "issue-token", "dry-run-")) or self.action in {"get", "refuse"}
        return self.phase == "after" and self.service != "master" and not reads


def numbered() -> Callable[[Event], Step]:
    """Give what turns each event of a run, in order, into its step."""
    counted: Counter[tuple[str, str, str]] = Counter()

    def step(event: Event) -> Step:
        kind = (event.service, event.action, event.phase)
        counted[kind] += 1
        return Step(*kind, counted[kind])

    return step


def steps_of(world: World, warm: Warm, *words: str, **settings: str) -> list[Step]:
    """The steps of a run that nothing disturbs."""
    seen = len(world.journal.events())
    warm.start(*words, **settings)
    assert warm.wait() == 0
    step = numbered()
    return [step(event) for event in world.journal.events()[seen:]]


@contextlib.contextmanager
def signalled(world: World, start: Callable[[], int], number: int, at: Step) -> Iterator[threading.Event]:
    """Start a process that gets the signal the moment it comes to that step; gives what tells that it has."""
    step, started, sent = numbered(), threading.Event(), threading.Event()
    pids: list[int] = []

    def watch(event: Event) -> None:
        if step(event) == at:
            started.wait()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], number)
            sent.set()

    cancel = world.journal.subscribe(watch)
    try:
        pids.append(start())
        started.set()
        yield sent
    finally:
        cancel()


def worth_killing(steps: list[Step]) -> list[Step]:
    """The steps at which a process that is killed leaves something else than at the step before, and the first one.

    A service carries out a request that it has begun, whoever waits for its answer: so the end of each request that
    changes something. What a command on the master does depends on what it has received: so both of its ends.
    """
    return [step for step in steps if step == steps[0] or step.action == "exec" or step.changes]


def kill_at(world: World, warm: Warm, at: Step, *words: str, **settings: str) -> int:
    """Kill a process at that step, and let the time of its lease pass; gives its exit code."""
    with signalled(world, lambda: warm.start(*words, **settings), signal.SIGKILL, at):
        code = warm.wait()
    wait_for_commands(world)
    world.blob.expire_leases()
    return code


def wait_for_commands(world: World) -> None:
    """Return when the master has finished what the process had it do, well within the time of a lease."""
    until = time.monotonic() + _SECONDS_FOR_COMMANDS
    while time.monotonic() < until:
        phases = Counter(event.phase for event in world.journal.events("master") if event.action == "exec")
        if phases["before"] == phases["after"]:
            return
        time.sleep(0.02)
    raise TimeoutError("the master does not come to an end")
