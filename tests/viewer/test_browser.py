"""Chromium looks at the viewer while the product rotates: the picture stays, and no secret comes along."""

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.world import SECRET_NAME, World
from tests import secrets_in
from tests.viewer import browser
from tests.viewer.conftest import KEY, deliver, started
from tests.viewer.process import Viewer, running, settings_for
from tests.viewer.volume import SecretVolume

pytestmark = pytest.mark.real

WIDTHS = "[...document.images].every(image => image.complete) && [...document.images].map(image => image.naturalWidth)"
FINGERPRINT = "document.getElementById('fingerprint')?.textContent"
EXPIRES = "document.getElementById('expires')?.dateTime"
DELIVERED = "document.getElementById('delivered')?.dateTime"
NATURAL_WIDTH = 96


@dataclasses.dataclass
class Stage:
    """A world, its Secret in a volume, a viewer that reads it, and a browser's program."""

    world: World
    volume: SecretVolume
    viewer: Viewer
    chromium: str
    directory: Path


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path, volume: SecretVolume) -> Iterator[Stage]:
    chromium = browser.require_chromium()
    with started(azurite=getattr(request, "param", "azurite") == "azurite") as world:
        deliver(world, volume)
        settings = {**settings_for(world, volume.path / KEY), "REFRESH_SECONDS": "1"}
        with running(settings, tmp_path / "viewer.log") as viewer:
            yield Stage(world, volume, viewer, chromium, tmp_path)


@contextlib.asynccontextmanager
async def polled(viewer: Viewer) -> AsyncIterator[list[int]]:
    """Ask for the picture all the time, and note each status."""
    statuses: list[int] = []

    async def poll() -> None:
        while True:
            statuses.append((await asyncio.to_thread(viewer.get, "/pictures/hello.png")).status)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(poll())
    try:
        yield statuses
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_the_picture_stays_through_rotations_and_no_secret_reaches_the_browser(stage: Stage) -> None:
    received = asyncio.run(watch_rotations(stage))

    assert any("image/png" in one for one in received)
    assert len(stage.world.vault.minted) >= 3
    assert secrets_in.found(stage.world, "\n".join(received)) == []
    assert secrets_in.found(stage.world, stage.viewer.log) == []


async def watch_rotations(stage: Stage) -> list[str]:
    async with browser.tab(stage.chromium, stage.directory / "profile") as tab, polled(stage.viewer) as statuses:
        await tab.open(stage.viewer.url)
        assert await tab.until(WIDTHS) == [NATURAL_WIDTH]
        first = [await tab.until(each) for each in (FINGERPRINT, EXPIRES, DELIVERED)]

        await asyncio.sleep(1.1)  # dates are shown to the second
        await asyncio.to_thread(deliver, stage.world, stage.volume)
        await tab.until(f"{FINGERPRINT} && {FINGERPRINT} !== '{first[0]}'")
        assert await tab.until(WIDTHS) == [NATURAL_WIDTH]
        second = [await tab.until(each) for each in (FINGERPRINT, EXPIRES, DELIVERED)]
        assert all(new > old for old, new in zip(first[1:], second[1:], strict=True))

        await asyncio.to_thread(deliver, stage.world, stage.volume, SAS_PERMISSIONS="rl")
        await tab.until("document.getElementById('gallery') !== null")
        assert await tab.until(WIDTHS) == [NATURAL_WIDTH] * 2
        await tab.screenshot(stage.directory / "gallery.png")
        assert set(statuses) == {200}
        return tab.received


@pytest.mark.parametrize("stage", ["sandbox"], indirect=True)
def test_a_former_sas_may_be_invalidated_once_the_new_one_is_mounted(stage: Stage) -> None:
    world = stage.world
    secret = world.read_secret("default", SECRET_NAME)
    assert secret
    former = base64.b64decode(secret["data"][KEY]).decode()
    world.vault.storage.account(world.account.name).active_key = "key2"
    deliver(world, stage.volume)

    world.account.regenerate("key1")

    assert world.blob_status(former) == 403
    assert asyncio.run(shown(stage)) == [NATURAL_WIDTH]


async def shown(stage: Stage) -> list[int]:
    async with browser.tab(stage.chromium, stage.directory / "profile") as tab:
        await tab.open(stage.viewer.url)
        widths: list[int] = await tab.until(WIDTHS)
        return widths
