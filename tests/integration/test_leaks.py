"""Nothing that a run emits holds a secret: output, logs, reports, exceptions, processes and files on the master."""

import base64
import contextlib
import functools
import logging
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.functions_host import FunctionsHost
from sandbox.kubernetes import KubernetesApi, KubernetesFault
from sandbox.world import Options, World
from tests import secrets_in, surroundings
from tests.integration.conftest import ROOT, Cluster, command_line, environment, options_for, rotate


class ProcessList:
    """What `ps` and /proc show of every process, sampled as fast as possible."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    with contextlib.suppress(OSError):
                        self.seen.add((process / "cmdline").read_bytes().decode(errors="replace"))


def test_the_search_for_leaks_finds_what_leaks(world: World) -> None:
    rotate(world)
    sas = Cluster(world).value()

    assert secrets_in.found(world, f"a log line with {sas} in it")
    assert secrets_in.found(world, f"a manifest with {base64.b64encode(sas.encode()).decode()} in it")
    assert secrets_in.found(world, f"a URL with {urllib.parse.quote(sas, safe='')} in it")
    assert not secrets_in.found(world, "a log line without")


@pytest.mark.parametrize("options", ["sandbox", "sshd"])
def test_no_run_emits_a_secret(
    options: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    chosen = options_for(options)
    key = Options(sshd=chosen.sshd, passphrase=True, directory=tmp_path)
    processes = ProcessList()
    with World(key) as world, processes.watching():
        surroundings.enter(world, monkeypatch)
        emitted = "".join(scenario(world, caplog))
        on_disk = written(tmp_path / "master")
        secrets = world.secret_values()
        assert len(world.vault.minted) >= 5
        assert secrets_in.found(world, emitted) == []
        # The process list holds the sandbox too, which passes no secret by arguments either.
        assert secrets_in.found(world, "\n".join(processes.seen)) == []
        assert secrets_in.found(world, on_disk) == []
    assert any("kubectl" in line and "create" in line for line in processes.seen)
    assert len(secrets) > 10


def scenario(world: World, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Everything that rotations say in all their ways, when they work and when they don't."""
    for arguments in (["rotate"], ["plan", "--json"], ["rotate", "--force", "--json", "-v"], ["rotate", "--force"]):
        done = command_line(world, *arguments)
        assert done.returncode == 0, done.stderr
        yield done.stdout + done.stderr
    with FunctionsHost(ROOT, environment(world, PYTHON_ENABLE_DEBUG_LOGGING="1")) as host:
        yield str(host.fire_timer("rotate_on_schedule"))
        yield str(host.request("rotate_now", "POST", "/api/rotate"))
        for spoil in failures(world):
            spoil()
            yield str(host.request("rotate_now", "POST", "/api/rotate"))
            recover(world)
        yield "\n".join(host.log)
    # With every library at its most talkative: urllib3 logs request lines, and with them the SAS that is tried.
    with contextlib.ExitStack() as stack:
        for name in (None, "azure.core.pipeline.policies.http_logging_policy", "azure.identity", "paramiko"):
            stack.enter_context(caplog.at_level(logging.DEBUG, name))
        rotate(world, forced=True)
    assert "urllib3" in caplog.text
    yield caplog.text


def failures(world: World) -> Iterator[Callable[[], None]]:
    yield functools.partial(world.vault.faults.append, Fault(path="/secrets/", status=403, code="Forbidden"))
    yield functools.partial(world.blob.faults.append, Fault(status=0, times=9))
    yield lambda: setattr(world.vault, "tamper", lambda token: token.replace("sp=rwu", "sp=r"))
    if isinstance(world.cluster, KubernetesApi):
        cluster = world.cluster
        echo = "the server quotes what it was sent: " + base64.b64encode(Cluster(world).value().encode()).decode()
        for dry_run in (True, False):
            fault = KubernetesFault("create", status=400, reason="BadRequest", message=echo, dry_run=dry_run)
            yield functools.partial(cluster.faults.append, fault)


def recover(world: World) -> None:
    world.vault.faults.clear()
    world.blob.faults.clear()
    world.vault.tamper = None
    if isinstance(world.cluster, KubernetesApi):
        world.cluster.faults.clear()


def written(directory: Path) -> str:
    """What files there are on the master, but for those that make it one."""
    return "".join(
        path.read_text(errors="replace")
        for path in directory.rglob("*")
        if path.is_file() and "host" not in path.name and "key" not in path.name
    )
