"""A sandbox, a Secret volume as a pod sees it, and viewers that read from both."""

import contextlib
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator import app
from rotator.reporting.report import Report, Trigger
from sandbox.azure import account_sas
from sandbox.world import SECRET_NAME, World
from tests import surroundings
from tests.integration.conftest import options_for
from tests.viewer.process import Viewer, running, settings_for
from tests.viewer.volume import SecretVolume

KEY = "secretKey"
Start = Callable[..., Viewer]


@contextlib.contextmanager
def started(*, azurite: bool = False) -> Iterator[World]:
    """A world whose settings are this process's environment, or a skip that says what is missing."""
    options = options_for("azurite" if azurite else "sandbox")
    with World(options) as running, pytest.MonkeyPatch.context() as patch:
        yield surroundings.enter(running, patch)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with started() as running:
        yield running


@pytest.fixture
def volume(tmp_path: Path) -> SecretVolume:
    return SecretVolume(tmp_path / "storage")


@pytest.fixture
def start(world: World, volume: SecretVolume, tmp_path: Path) -> Iterator[Start]:
    """Start a viewer with settings of a test's own."""
    with contextlib.ExitStack() as stack:
        stack.callback(world.blob.faults.clear)

        def begin(**settings: str) -> Viewer:
            chosen = {**settings_for(world, volume.path / KEY), **settings}
            return stack.enter_context(running(chosen, tmp_path / "viewer.log"))

        yield begin


def deliver(world: World, volume: SecretVolume, **settings: str) -> Report:
    """Rotate with the product, and mount what it delivered."""
    report = app.rotate(trigger=Trigger.CLI, forced=True, environment={**world.settings, **settings})
    assert not report.failed, report.as_json()
    secret = world.read_secret("default", SECRET_NAME)
    assert secret is not None
    volume.project(secret)
    return report


def sas(world: World, *, sp: str = "rwu", srt: str = "sco", minutes: float = 60) -> str:
    """A SAS that the test signs itself."""
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    fields = {"sv": "2018-03-28", "ss": "b", "srt": srt, "sp": sp, "spr": "https"}
    fields["se"] = account_sas.format_time(expiry)
    return account_sas.token(world.account.name, world.account.keys["key1"], fields)


def mount(volume: SecretVolume, token: str) -> str:
    """Put a SAS into the volume."""
    volume.write({KEY: token.encode()})
    return token
