"""A sandbox's settings as the process's environment."""

import pytest
from azure.keyvault.secrets._shared import http_challenge_cache

from sandbox.world import World


def enter(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """From now on this process's SDKs and the rotator in it find the world's services."""
    http_challenge_cache.clear()  # it outlives a world, whose ports come again
    for name, text in world.settings.items():
        monkeypatch.setenv(name, text)
    return world
