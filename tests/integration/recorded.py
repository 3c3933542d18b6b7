"""What the rotator records for later runs, in the app's own storage, where the vault keeps none of it."""

import json

from sandbox.blob.store import Blob
from sandbox.world import ACCOUNT, APP_ACCOUNT, World

CONTAINER = "rotator-state"


def entries(world: World) -> dict[str, str]:
    """The entries of the account's runs; none where there is no blob."""
    blob = _blobs(world).get(f"{ACCOUNT}.json")
    return dict(json.loads(blob.data)) if blob else {}


def replace(world: World, changed: dict[str, str]) -> None:
    """Replace them, as anybody may who can write there."""
    world.blob.put_container(APP_ACCOUNT, CONTAINER)
    _blobs(world)[f"{ACCOUNT}.json"] = Blob(data=json.dumps(changed).encode(), content_type="application/json")


def forget(world: World) -> None:
    """Remove all of it."""
    world.blob.containers.get(APP_ACCOUNT, {}).pop(CONTAINER, None)


def _blobs(world: World) -> dict[str, Blob]:
    container = world.blob.containers.get(APP_ACCOUNT, {}).get(CONTAINER)
    return container.blobs if container else {}
