"""Sessions of one connection that a host refuses: each is waited for, all together no longer than one."""

import threading

import pytest

from rotator.delivery.errors import CommandError, CommandKilledError, ConnectionLostError, SshError, TimedOutError
from rotator.delivery.ssh.session_queue import QueuedShell
from rotator.delivery.ssh.shell import Result
from rotator.redaction import SecretText

SECONDS = 60.0
REFUSED = CommandError("the host runs no more commands")


class Done:
    """A command that has run."""

    def wait_for(self, line: str) -> str:
        return f"{line}\n"

    def finish(self, stdin: SecretText | None = None) -> Result:
        return Result(0, "", "")


class Host:
    """Allows so many sessions as are `free`. Time passes in sleep: `then` frees some, and `breaks` ends it all."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.now = 0.0
        self.started: list[str] = []
        self.broken: SshError | None = None
        self.breaks: SshError | None = None
        self.then: dict[float, int] = {}
        self._lock = threading.Lock()

    def start(self, command: str, *, seconds: float) -> Done:
        with self._lock:
            if self.broken:
                raise self.broken
            if not self.free:
                raise REFUSED
            self.free -= 1
            self.started.append(command)
            return Done()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.broken = self.breaks
            due = [time for time in self.then if time <= self.now]
            self.free += sum(self.then.pop(time) for time in due)

    def shell(self) -> QueuedShell:
        return QueuedShell(self, seconds=SECONDS, clock=lambda: self.now, sleep=self.sleep)


def starting(shell: QueuedShell, *commands: str) -> list[SshError]:
    """Start commands at once, each in a thread; gives what was refused in the end."""
    refused = []

    def start(command: str) -> None:
        try:
            shell.start(command, seconds=45)
        except SshError as error:
            refused.append(error)

    threads = [threading.Thread(target=start, args=(command,)) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return refused


def test_a_session_that_is_free_is_taken_at_once() -> None:
    host = Host(free=1)
    assert starting(host.shell(), "date") == []
    assert (host.started, host.now) == (["date"], 0.0)


def test_a_session_is_waited_for_until_another_ends() -> None:
    host = Host(free=1)
    host.then = {20.0: 1, 40.0: 1}
    assert starting(host.shell(), "one", "two", "three") == []
    assert sorted(host.started) == ["one", "three", "two"]
    assert 40.0 <= host.now < 41.0


def test_a_host_that_gives_no_session_is_waited_for_once_and_not_by_each_in_turn() -> None:
    host = Host(free=0)
    assert starting(host.shell(), "one", "two", "three") == [REFUSED] * 3
    assert SECONDS <= host.now < SECONDS + 1


def test_who_comes_later_is_refused_at_once() -> None:
    host = Host(free=0)
    shell = host.shell()
    starting(shell, "one")
    before = host.now
    assert starting(shell, "two") == [REFUSED]
    assert host.now == before


def test_each_session_that_was_had_is_a_reason_to_wait_anew() -> None:
    host = Host(free=0)
    host.then = {50.0: 1, 100.0: 1}
    assert starting(host.shell(), "one", "two") == []
    assert 100.0 <= host.now < 101.0


@pytest.mark.parametrize("broken", [ConnectionLostError("gone"), TimedOutError("slow"), CommandKilledError("killed")])
@pytest.mark.parametrize("at_first", [True, False])
def test_what_is_no_refusal_is_not_waited_for(broken: SshError, at_first: bool) -> None:
    host = Host(free=0)
    if at_first:
        host.broken = broken
    else:
        host.breaks = broken
    assert starting(host.shell(), "date") == [broken]
    assert host.now < 1
