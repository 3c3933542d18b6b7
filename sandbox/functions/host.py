"""The part of the Functions host that the sandbox needs: starts a worker process and sends it invocations."""

import json
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from sandbox.functions.worker import LOGGED

_LOG_SECONDS = 30


class WorkerProcess(Protocol):
    """A process that runs `worker.main`, and its streams: those of a Popen, or of another way to start it."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit code."""
        ...


def start_interpreter(directory: Path, environment: Mapping[str, str]) -> WorkerProcess:
    """Start the worker as Azure does, in an interpreter of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.functions.worker", str(directory)],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class FunctionsHost:
    """A worker process for one app. What it logs is in `log`, line by line, when an invocation is answered."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        start: Callable[[Path, Mapping[str, str]], WorkerProcess] = start_interpreter,
    ) -> None:
        self.log: list[str] = []
        self._logged = threading.Semaphore(0)
        self._process = start(directory, environment)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        first = self._answer()
        self.engine: str = first["engine"]
        self.functions: list[str] = first["functions"]
        self.bindings: dict[str, list[dict[str, Any]]] = first["bindings"]

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def fire_timer(
        self, function: str, *, past_due: bool = False, status: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Invoke a timer function; the result has `ok`, and `exception` when it failed.

        `status` is the timer's record before this run, with `Last`, `Next` and `LastUpdated`; None where none is kept.
        """
        timer = {"past_due": past_due, "status": dict(status) if status is not None else None}
        return self._invoke({"function": function, "timer": timer})

    def request(
        self,
        function: str,
        method: str,
        path: str,
        body: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Invoke an HTTP function; the result has `status`, `headers` by their names in lower case, and `body`."""
        url = f"http://localhost:7071{path}{'?' if query else ''}{urllib.parse.urlencode(query or {})}"
        asked = {"method": method, "url": url, "headers": dict(headers or {}), "body": body}
        return self._invoke({"function": function, "http": asked})

    def stop(self) -> None:
        """End the worker."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait(timeout=30)
        self._reader.join(timeout=5)
        if self._process.stderr:
            self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _invoke(self, invocation: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(invocation) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        # The log comes another way than the answer, and maybe later.
        if not self._logged.acquire(timeout=_LOG_SECONDS):
            raise RuntimeError("the worker's log stands still:\n" + "\n".join(self.log))
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._reader.join(timeout=5)
            raise RuntimeError("the worker ended:\n" + "\n".join(self.log))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read_log(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            if line.rstrip("\n") == LOGGED:
                self._logged.release()
            else:
                self.log.append(line.rstrip("\n"))
