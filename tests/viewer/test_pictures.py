"""Pictures come through the server, unchanged, from this container only, and with nothing of the SAS."""

import http.client
import os
from collections.abc import Iterator

import pytest

from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import ACCOUNT, CONTAINER, PICTURE, World
from tests import secrets_in
from tests.viewer.conftest import KEY, Start, mount, sas
from tests.viewer.process import Viewer, running, settings_for
from tests.viewer.volume import SecretVolume

OUTSIDE = [
    "../private/secret.png",
    "%2e%2e/private/secret.png",
    "%2e%2e%2fprivate%2fsecret.png",
    "..%2fprivate%2fsecret.png",
    "a/%2e%2e/%2e%2e/private/secret.png",
    "a/..%5c..%5cprivate%5csecret.png",
    "%2fprivate/secret.png",
    "a//secret.png",
    "./secret.png",
    "%00",
    "a%0d%0aX-Other:%20header",
    "x" * 1025,
]


@pytest.fixture(scope="module")
def viewer(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    directory = tmp_path_factory.mktemp("pictures")
    volume = SecretVolume(directory / "storage")
    mount(volume, sas(world, sp="rl"))
    with running(settings_for(world, volume.path / KEY), directory / "viewer.log") as viewer:
        yield viewer


def put(world: World, name: str, data: bytes, content_type: str) -> bytes:
    world.blob.put_blob(ACCOUNT, CONTAINER, name, data, content_type)
    return data


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 5 * 1024 * 1024 + 1])
def test_a_picture_of_any_size_comes_unchanged(world: World, viewer: Viewer, size: int) -> None:
    data = put(world, "sized.jpg", os.urandom(size), "image/jpeg")

    answer = viewer.get("/pictures/sized.jpg")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == str(size)
    assert answer.body == data


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "image", "text/html;image/png"])
def test_what_is_no_picture_is_not_served(world: World, viewer: Viewer, kind: str) -> None:
    put(world, "page.html", b"<script>alert(1)</script>", kind)

    answer = viewer.get("/pictures/page.html")

    assert answer.status == 404
    assert "script" not in answer.text


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_is_not_asked_for(world: World, viewer: Viewer, name: str) -> None:
    world.blob.put_container(ACCOUNT, "private")
    world.blob.put_blob(ACCOUNT, "private", "secret.png", b"private", "image/png")
    before = len(world.journal.events("blob"))

    answer = viewer.get(f"/pictures/{name}")

    assert answer.status == 404
    assert len(world.journal.events("blob")) == before


def test_a_name_that_looks_quoted_is_taken_as_it_is(world: World, viewer: Viewer) -> None:
    data = put(world, "100%2e.png", b"picture", "image/png")

    assert viewer.get("/pictures/100%252e.png").body == data
    assert viewer.get("/pictures/%252e%252e%252fprivate%252fsecret.png").status == 404


def test_a_query_of_the_browsers_does_not_get_through_to_storage(viewer: Viewer) -> None:
    assert viewer.get(f"/pictures/{PICTURE}?comp=metadata&snapshot=2026").status == 200
    assert viewer.get(f"/pictures/{PICTURE}%3Fcomp=metadata").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_only_get_is_served(viewer: Viewer, method: str) -> None:
    assert viewer.get(f"/pictures/{PICTURE}", method).status == 405


@pytest.mark.parametrize(
    "path",
    ["/", f"/pictures/{PICTURE}", "/pictures/none.png", "/pictures/..", "/none", "/healthz", "/static/style.css"],
)
def test_every_answer_keeps_browsers_strict(viewer: Viewer, path: str) -> None:
    headers = viewer.get(path).headers

    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "viewer"


def test_a_redirect_by_storage_is_not_followed_with_the_sas(world: World, volume: SecretVolume, start: Start) -> None:
    token = mount(volume, sas(world))
    viewer = start()
    elsewhere = f"{world.settings['STORAGE_BLOB_ENDPOINT']}/elsewhere/{PICTURE}?{token}"
    world.blob.faults.append(Fault(status=302, code="Found", headers={"Location": elsewhere}, path=f"/{ACCOUNT}/"))

    answer = viewer.get(f"/pictures/{PICTURE}")

    assert answer.status == 502
    assert not any("elsewhere" in event.detail for event in world.journal.events())
    assert secrets_in.found(world, answer.everything + viewer.log, token) == []


def test_a_picture_that_breaks_off_is_not_passed_off_as_whole(world: World, viewer: Viewer) -> None:
    put(world, "large.png", os.urandom(5 * 1024 * 1024), "image/png")

    def break_off(event: Event) -> None:
        if event.action == "get-blob" and event.phase == "after":
            world.blob.faults.append(Fault(path=f"/{ACCOUNT}/", status=0, times=9))

    cancel = world.journal.subscribe(break_off)
    try:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            viewer.get("/pictures/large.png")
    finally:
        cancel()
        world.blob.faults.clear()
    assert "Traceback" not in viewer.log


def test_the_search_for_secrets_finds_them(world: World) -> None:
    token = sas(world)

    for form in secrets_in.forms(token):
        assert secrets_in.found(world, f"before {form} after", token)
    assert secrets_in.found(world, "nothing", token) == []
