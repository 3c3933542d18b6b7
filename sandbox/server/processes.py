"""A server that runs as a child process: started, awaited until it answers, stopped."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.05
SECONDS_TO_STOP = 5.0


class NotReadyError(RuntimeError):
    """A child process ended, or didn't answer in time; the message names its log."""


class Child:
    """One process in a group of its own, its output in a log file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        self._environment = dict(os.environ if environment is None else environment)
        self._process: asyncio.subprocess.Process | None = None
        self.log = log

    async def start(self, ready: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
        """Run the command and return once `ready` says so; NotReadyError when it doesn't."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        try:
            await asyncio.wait_for(self._until(ready), seconds)
        except TimeoutError:
            await self.stop()
            raise NotReadyError(f"{self._name} isn't ready after {seconds:.0f} s, see {self.log}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ask the process to end, and end it when it doesn't."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), SECONDS_TO_STOP)
        except TimeoutError:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()

    def children(self) -> list[int]:
        """Return the processes that this one started itself; none where there is no /proc."""
        if self._process is None:
            return []
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    @property
    def _name(self) -> str:
        return Path(self._command[0]).name

    async def _until(self, ready: Callable[[], Awaitable[bool]]) -> None:
        while not await ready():
            if self._process is None or self._process.returncode is not None:
                raise NotReadyError(f"{self._name} ended before it was ready, see {self.log}")
            await asyncio.sleep(POLL_SECONDS)


async def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free now, for programs that can't be asked which one they took."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
