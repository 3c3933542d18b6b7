"""Processes of the rotator that start at once: each is forked from one that has imported everything and done nothing.

A fresh interpreter takes a second to import Azure's SDKs, which is more than a run takes, and they are killed by
the hundred here.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from rotator.reporting.report import Trigger

TIMER = "timer"
ROOT = Path(__file__).resolve().parents[2]


class Warm:
    """A context manager; inside of it `start` gives a process, `wait` how the last one ended, and `run` both.

    `words` are those of the command line, or TIMER alone for what the timer does.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        """Import everything, in a process of its own."""
        command = [sys.executable, "-m", __name__]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(command, env=self._environment, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self._line() == "warm"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; no process that it started is left by then, or the test has failed."""
        with self._server:
            pass  # it ends with its input

    def start(self, *words: str, **settings: str) -> int:
        """Start a process that prints nothing; its id."""
        return self._ask(words=words, settings=settings)

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run the command line with this environment and no other, to its end."""
        with tempfile.TemporaryDirectory() as directory:
            stdout, stderr = Path(directory, "stdout"), Path(directory, "stderr")
            self._ask(words=words, environment=dict(environment), stdout=str(stdout), stderr=str(stderr))
            code = self.wait()
            return subprocess.CompletedProcess(words, code, stdout.read_text(), stderr.read_text())

    def start_worker(self, directory: Path, environment: Mapping[str, str]) -> "Worker":
        """Start the Functions worker of the app in that directory, with this environment and no other."""
        with tempfile.TemporaryDirectory() as pipes:
            streams = [str(Path(pipes, name)) for name in ("stdin", "stdout", "stderr")]
            for path in streams:
                os.mkfifo(path)
            pid = self._ask(app=str(directory), environment=dict(environment), streams=streams)
            # The host closes them.
            stdin, stdout, stderr = (Path(path).open(mode) for path, mode in zip(streams, "wrr", strict=True))  # noqa: SIM115
        return Worker(pid, stdin, stdout, stderr, self)

    def wait_for_worker(self, pid: int) -> int:
        """Wait for a worker's end; the exit code, negative for a signal."""
        return self._ask(ended=pid)

    def _ask(self, **request: object) -> int:
        assert self._server.stdin
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return int(self._line())

    def _line(self) -> str:
        assert self._server.stdout
        return self._server.stdout.readline().strip()


@dataclasses.dataclass
class Worker:
    """A Functions worker, for a FunctionsHost."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None
    _warm: Warm = dataclasses.field(repr=False)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, which comes with that of its input."""
        return self._warm.wait_for_worker(self.pid)


def _serve() -> None:
    import azure.functions  # noqa: F401

    from rotator import app  # noqa: F401
    from rotator.azure import identity, resource_manager  # noqa: F401
    from rotator.azure.host_storage import blob_lease  # noqa: F401
    from rotator.commands import cli  # noqa: F401
    from rotator.delivery.ssh import connection  # noqa: F401
    from rotator.issuers import keyvault, proof  # noqa: F401

    print("warm", flush=True)  # noqa: T201
    for line in sys.stdin:
        asked = json.loads(line)
        pid = asked.get("ended")
        if pid is None:
            pid = _fork(asked)
            print(pid, flush=True)  # noqa: T201
        if "app" not in asked:  # a worker runs beside others
            _, status = os.waitpid(pid, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _fork(asked: dict[str, Any]) -> int:
    pid = os.fork()  # nothing has started a thread by then
    if not pid:
        be = _run_as_worker if "app" in asked else _run_as_a_command if "environment" in asked else _run
        be(**asked)
    return pid


def _run(words: list[str], settings: dict[str, str]) -> None:
    """Be a process that prints nothing, to its end."""
    from rotator import app
    from rotator.commands import cli

    os.environ.update(settings)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    if words == [TIMER]:
        _end_with(lambda: int(app.rotate(trigger=Trigger.TIMER).failed))
    _end_with(lambda: cli.main(words, prog_name="rotator"))


def _run_as_a_command(words: list[str], environment: dict[str, str], stdout: str, stderr: str) -> None:
    """Be `python -m rotator`, to its end."""
    from rotator.__main__ import _main

    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["python -m rotator", *words]
    _end_with(_main)


def _run_as_worker(app: str, environment: dict[str, str], streams: list[str]) -> None:
    """Be `python -m sandbox.functions.worker`, to its end."""
    from sandbox.functions import worker

    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(streams):  # opened at the same time at their other ends, in this order
        os.dup2(os.open(path, os.O_WRONLY if number else os.O_RDONLY), number)
    _end_with(lambda: worker.main(Path(app)))


def _end_with(act: Callable[[], object]) -> NoReturn:
    """Do it, and end the process with what it returns or exits with, as Python does."""
    code: object = 1
    try:
        code = act()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  # a fork must not go on with its parent's work
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve()
