"""A sandbox for one measurement, with its settings in this process' environment for as long as it runs."""

import contextlib
import os
from collections.abc import Iterator

from azure.keyvault.secrets._shared import http_challenge_cache

from bench import options
from sandbox.options import Options
from sandbox.world import World


@contextlib.contextmanager
def sandbox(chosen: Options | None = None) -> Iterator[World]:
    """Start a sandbox of its own, so that a part finds nothing that another one left behind.

    Azure's SDKs read the identity's endpoint and the CA bundle from the environment. Both are taken out again: a
    program that a later part starts, such as pip, would trust the sandbox's certificate authority and no other.
    """
    http_challenge_cache.clear()  # it outlives a sandbox, whose ports may come again
    before = dict(os.environ)
    with World(chosen or options.options()) as world:
        os.environ.update(world.settings)
        try:
            yield world
        finally:
            os.environ.clear()
            os.environ.update(before)
