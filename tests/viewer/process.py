"""The viewer as a process of its own, and what it answers."""

import contextlib
import dataclasses
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.server import processes
from sandbox.world import CONTAINER, PICTURE, World

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "viewer"


@dataclasses.dataclass(frozen=True)
class Answer:
    """One response; `everything` is what a search for leaks looks through."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def everything(self) -> str:
        return f"{self.headers}\n{self.body.decode(errors='replace')}"


class Viewer:
    """A context manager; `log` is its standard error and output so far."""

    def __init__(self, settings: dict[str, str], log: Path) -> None:
        self.port = processes.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = {**settings, "PORT": str(self.port)}
        self._log = log
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Viewer":
        with self._log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "viewer"],
                cwd=EXAMPLE,
                env=environment(self._settings),
                stdout=output,
                stderr=output,
            )
        self._stack.callback(_end, process)
        try:
            self._wait(process)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/", method: str = "GET") -> Answer:
        """The path goes out as it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if self.get("/healthz").status == 200:
                    return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the viewer does not answer:\n{self.log}")


def environment(settings: dict[str, str]) -> dict[str, str]:
    """What a viewer's process gets: these settings, and of ours what any program needs."""
    return {"PATH": os.environ["PATH"], **settings}


def settings_for(world: World, sas_file: Path) -> dict[str, str]:
    """The viewer's settings in the sandbox."""
    return {
        "STORAGE_BLOB_ENDPOINT": world.settings["STORAGE_BLOB_ENDPOINT"],
        "CONTAINER": CONTAINER,
        "PICTURE": PICTURE,
        "SAS_FILE": str(sas_file),
        "SSL_CERT_FILE": str(world.authority.ca_path),
    }


@contextlib.contextmanager
def running(settings: dict[str, str], log: Path) -> Iterator[Viewer]:
    """A viewer that must still be well when the test is over."""
    with Viewer(settings, log) as viewer:
        yield viewer
        assert viewer.get("/healthz").status == 200


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
