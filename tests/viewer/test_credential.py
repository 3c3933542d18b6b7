"""How the viewer follows the file, whatever happens to it."""

import re
import threading
import time

from sandbox.server.faults import Fault
from sandbox.world import ACCOUNT, PICTURE, World
from tests import secrets_in
from tests.viewer.conftest import KEY, Start, mount, sas
from tests.viewer.process import Viewer
from tests.viewer.volume import SecretVolume

PICTURE_PATH = f"/pictures/{PICTURE}"


def shown(viewer: Viewer, name: str) -> str:
    """The text of the page's element with this id."""
    found = re.search(rf'id="{name}"[^>]*>([^<]+)<', viewer.get().text)
    assert found
    return found[1]


def test_a_new_sas_is_used_by_the_next_request(world: World, volume: SecretVolume, start: Start) -> None:
    mount(volume, sas(world, sp="wu"))
    viewer = start()
    assert viewer.get(PICTURE_PATH).status == 403
    former = shown(viewer, "fingerprint")

    mount(volume, sas(world))

    assert viewer.get(PICTURE_PATH).status == 200
    assert shown(viewer, "fingerprint") != former


def test_a_sas_that_comes_later_is_found(world: World, volume: SecretVolume, start: Start) -> None:
    viewer = start()
    assert viewer.get().status == 503

    mount(volume, sas(world))

    assert viewer.get().status == viewer.get("/readyz").status == 200


def test_a_missing_file_or_one_with_something_else_leaves_the_former_sas_in_use(
    world: World, volume: SecretVolume, start: Start
) -> None:
    token = mount(volume, sas(world))
    viewer = start()
    assert viewer.get().status == 200

    shortened = token.partition("&sig=")[0] + "&sig=" + "A" * 40  # valid base64, but of 30 bytes
    for content in (b"", b"\xff\xfe", b"sp=r&sig=none", token[:-20].encode(), shortened.encode(), None):
        volume.write({KEY: content} if content is not None else {})
        assert viewer.get(PICTURE_PATH).status == viewer.get().status == viewer.get("/readyz").status == 200

    assert "The former SAS stays in use" in viewer.log
    assert secrets_in.found(world, viewer.log, token) == []


def test_the_former_sas_is_not_used_beyond_its_expiry(world: World, volume: SecretVolume, start: Start) -> None:
    mount(volume, sas(world, minutes=2.5 / 60))
    viewer = start()
    assert viewer.get().status == 200

    volume.write({})
    time.sleep(2.5)

    assert "The SAS has expired" in viewer.get().text


def test_another_key_of_the_secret_changes_nothing(world: World, volume: SecretVolume, start: Start) -> None:
    token = mount(volume, sas(world)).encode()
    viewer = start()
    delivered = shown(viewer, "delivered")
    time.sleep(1.1)  # the page shows seconds

    volume.write({KEY: token, "other": b"new"})

    assert shown(viewer, "delivered") == delivered


def test_a_sas_that_was_replaced_while_storage_refused_it_is_not_the_readers_problem(
    world: World, volume: SecretVolume, start: Start
) -> None:
    mount(volume, sas(world, minutes=30))
    viewer = start()
    refusal = Fault(path=f"/{ACCOUNT}/", status=403, code="AuthenticationFailed", delay=1.0)
    world.blob.faults.append(refusal)
    threading.Timer(0.4, mount, (volume, sas(world, minutes=60))).start()

    assert viewer.get(PICTURE_PATH).status == 200
    assert refusal.times == 0


def test_a_refused_sas_that_is_still_the_one_in_the_file_is_not_tried_twice(
    world: World, volume: SecretVolume, start: Start
) -> None:
    mount(volume, sas(world))
    viewer = start()
    refusal = Fault(path=f"/{ACCOUNT}/", status=403, code="AuthenticationFailed", times=2)
    world.blob.faults.append(refusal)

    assert viewer.get(PICTURE_PATH).status == 403
    assert refusal.times == 1
