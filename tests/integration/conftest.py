"""The rotator against the sandbox: its own stand-ins, or one of them replaced by the real thing."""

import base64
import contextlib
import copy
import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator import app
from rotator.report import Report
from sandbox import parts
from sandbox.kubernetes import KubernetesApi
from sandbox.master import Master
from sandbox.world import KEY_SECRET, SECRET_NAME, Options, World
from tests import surroundings

ROOT = Path(__file__).resolve().parents[2]
WORKING = 200
STACKS = ["sandbox", "sshd", "envtest", "azurite"]


def options_for(stack: str) -> Options:
    """The sandbox with one part real, or a skip that says what is missing."""
    try:
        parts.require_kubectl()
        if stack == "sshd":
            parts.require_sshd()
            return Options(sshd=True)
        if stack == "envtest":
            return Options(envtest=parts.envtest_assets(""))
        if stack == "azurite":
            parts.require_azurite()
            return Options(azurite=True)
    except parts.MissingPartError as missing:
        pytest.skip(str(missing))
    return Options()


@dataclasses.dataclass
class Cluster:
    """What the tests look at and do in the cluster, through kubectl as its administrator."""

    world: World

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command = ["kubectl", "--kubeconfig", str(self.world.cluster.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def secret(self) -> dict[str, Any] | None:
        return self.world.read_secret("default", SECRET_NAME)

    def value(self, key: str = "secretKey") -> str:
        held = self.secret()
        return base64.b64decode(held["data"][key]).decode() if held else ""

    def annotation(self, name: str) -> str:
        held = self.secret()
        return str(held["metadata"]["annotations"][f"rotator/{name}"]) if held else ""

    def works(self) -> bool:
        """Whether storage accepts what the Secret holds."""
        value = self.value()
        return bool(value) and self.world.blob_status(value) == WORKING

    def works_soon(self, seconds: float = 15.0) -> bool:
        """The same, once the master has finished what it was in the middle of."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.secret() is not None and self.works():
                return True
            time.sleep(0.1)
        return False


Rotate = Callable[..., Report]


@pytest.fixture(scope="module")
def sandbox_world() -> Iterator[World]:
    with World(options_for("sandbox")) as running:
        yield running


@pytest.fixture(scope="module", params=STACKS)
def any_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(options_for(request.param)) as running:
        yield running


@contextlib.contextmanager
def unspoilt(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without a Secret, in which nothing goes wrong, and which is so again afterwards."""
    surroundings.enter(world, monkeypatch)
    Cluster(world).kubectl("delete", "secret", "--all")
    before = [(part, copy.copy(vars(part))) for part in (world.vault, world.blob, world.identity)]
    permissions = set(world.vault.permissions)
    world.vault.secrets.put(KEY_SECRET, world.key_pair.private_text)
    definitions = dict(world.vault.storage.accounts[world.account.name].definitions)
    yield world
    for part, attributes in before:
        vars(part).update(attributes)
    world.vault.permissions = permissions
    world.vault.storage.accounts[world.account.name].definitions.clear()
    world.vault.storage.accounts[world.account.name].definitions.update(definitions)
    world.vault.faults.clear()
    world.blob.faults.clear()
    if isinstance(world.cluster, KubernetesApi):
        world.cluster.faults.clear()
        world.cluster.denied.clear()
        world.cluster.down = False
        world.cluster.delay = 0.0
        world.cluster.quota, world.cluster.quota_lags = None, False
    if isinstance(world.master, Master):
        world.master.accept_auth, world.master.mute = True, False
        world.master.drop_after_stdin_bytes, world.master.kubectl, world.master.exec_delay = None, None, 0.0


@pytest.fixture
def world(sandbox_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The sandbox's own stand-ins, which can be told to fail."""
    with unspoilt(sandbox_world, monkeypatch) as clean:
        yield clean


@pytest.fixture
def stack(any_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Each stack in turn."""
    with unspoilt(any_world, monkeypatch) as clean:
        yield clean


def rotate(world: World, *, forced: bool = False, **settings: str) -> Report:
    """One run in this process."""
    environment = {**world.settings, **settings}
    return app.rotate(trigger="test", forced=forced, environment=environment)


def outcome(report: Report) -> dict[str, Any]:
    """The only target's outcome, as in the JSON report."""
    targets: list[dict[str, Any]] = report.as_json()["targets"]
    assert len(targets) == 1
    return targets[0]


def environment(world: World, **settings: str) -> dict[str, str]:
    """What a process of the rotator's gets."""
    return {**os.environ, **world.settings, **settings}


def command_line(world: World, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m rotator` as a process."""
    return subprocess.run(
        [sys.executable, "-m", "rotator", *arguments],
        env=environment(world, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def plain(text: str) -> str:
    """Terminal output in one line, for looking for words that may be wrapped."""
    return re.sub(r"\s+", " ", text)
