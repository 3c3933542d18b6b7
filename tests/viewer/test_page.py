"""What the page says: with a SAS that works, and in each case in which there is no picture to show."""

import base64
import datetime
import html
import re

import pytest

from sandbox.server import processes
from sandbox.server.faults import Fault
from sandbox.world import ACCOUNT, CONTAINER, PICTURE, World
from tests import secrets_in
from tests.viewer.conftest import KEY, Start, deliver, mount, sas
from tests.viewer.process import Answer, Viewer
from tests.viewer.volume import SecretVolume


def words(answer: Answer) -> str:
    """The page's text in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def time_of(answer: Answer, name: str) -> datetime.datetime:
    """One of the page's two dates."""
    found = re.search(rf'<time id="{name}" datetime="([^"]+)"', answer.text)
    assert found
    return datetime.datetime.fromisoformat(found[1])


def failure_page(viewer: Viewer, status: int, title: str) -> str:
    """The page, which must have this status and title, as must the picture, for an image tells no reason."""
    page, picture = viewer.get(), viewer.get(f"/pictures/{PICTURE}")
    assert page.status == picture.status == status
    assert title in words(page)
    assert title in picture.text
    assert "<img" not in page.text
    assert 'http-equiv="refresh"' in page.text
    return words(page)


def test_the_page_shows_picture_expiry_and_delivery_of_what_the_rotator_delivered(
    world: World, volume: SecretVolume, start: Start
) -> None:
    deliver(world, volume)
    answer = start().get()

    now = datetime.datetime.now(datetime.UTC)
    assert answer.status == 200
    assert f'<img src="/pictures/{PICTURE}" alt="The picture {PICTURE}">' in answer.text
    assert (
        now + datetime.timedelta(hours=3.9) < time_of(answer, "expires") <= now + datetime.timedelta(hours=4, minutes=1)
    )
    assert now - datetime.timedelta(minutes=1) < time_of(answer, "delivered") <= now
    assert "read, write, update" in words(answer)


def test_the_fingerprint_is_the_one_in_the_rotators_report(world: World, volume: SecretVolume, start: Start) -> None:
    report = deliver(world, volume)

    assert report.as_json()["targets"][0]["fingerprint"] in start().get().text


def test_without_the_right_to_list_it_says_so_and_shows_the_named_picture(
    volume: SecretVolume, world: World, start: Start
) -> None:
    viewer = start()
    for token in (sas(world, sp="rwu"), sas(world, sp="rl", srt="so")):
        mount(volume, token)
        answer = viewer.get()
        assert "does not grant listing" in words(answer)
        assert answer.text.count("<img") == 1


def test_with_the_right_to_list_it_shows_all_pictures_and_nothing_else(
    volume: SecretVolume, world: World, start: Start
) -> None:
    data = world.blob.containers[ACCOUNT][CONTAINER].blobs[PICTURE].data
    for name in ("a folder/größe & co.png", '"><script>.png'):
        world.blob.put_blob(ACCOUNT, CONTAINER, name, data, "image/png")
    mount(volume, sas(world, sp="rl"))
    viewer = start()

    answer = viewer.get()

    sources = re.findall(r'<li><a href="([^"]+)"><img src="\1"', answer.text)
    assert len(sources) == 3
    assert "hello.txt" not in answer.text
    assert "<script" not in answer.text
    assert [viewer.get(html.unescape(source)).body for source in sources] == [data] * 3


def test_a_container_of_thousands_is_listed_page_by_page(volume: SecretVolume, world: World, start: Start) -> None:
    data = world.blob.containers[ACCOUNT][CONTAINER].blobs[PICTURE].data
    for number in range(3000):
        picture = number in {2, 150}
        kind = "image/png" if picture else "text/plain"
        world.blob.put_blob(ACCOUNT, CONTAINER, f"{number:05}.png", data if picture else b"text", kind)
    mount(volume, sas(world, sp="rl"))
    viewer = start()
    before = len(world.journal.events("blob"))
    pages = [viewer.get()]
    assert [event.action for event in world.journal.events("blob")[before:]].count("list-blobs") <= 2  # begins and ends
    for _ in range(2):
        found = re.search(r'<a id="further" href="([^"]+)">', pages[-1].text)
        assert found
        pages.append(viewer.get(html.unescape(found[1])))
    assert [re.findall(r'<li><a href="/pictures/(\d+\.png)">', page.text) for page in pages] == [
        ["00002.png"],
        [],
        ["00150.png"],
    ]
    assert "first 60 blobs" in words(pages[0])


@pytest.mark.parametrize("place", ["nonsense", "%22%3E%3Cscript%3E", "%00", "x" * 5000])
def test_a_place_in_the_list_that_there_is_not_is_said(
    volume: SecretVolume, world: World, start: Start, place: str
) -> None:
    mount(volume, sas(world, sp="rl"))
    answer = start().get(f"/?after={place}")
    assert answer.status == 200
    assert "The other pictures are not shown" in words(answer)
    assert "<script" not in answer.text


def test_a_list_that_storage_refuses_leaves_the_named_picture(volume: SecretVolume, world: World, start: Start) -> None:
    mount(volume, sas(world, sp="rl"))
    fault = Fault(method="GET", path=f"/{ACCOUNT}/{CONTAINER}", status=403, code="AuthorizationFailure")
    world.blob.faults.append(fault)

    answer = start().get()

    assert answer.status == 200
    assert "Storage says 403 AuthorizationFailure" in words(answer)
    assert answer.text.count("<img") == 1


def test_no_credential_yet(start: Start) -> None:
    viewer = start()

    assert "No such file" in failure_page(viewer, 503, "No credential yet")
    assert viewer.get("/readyz").status == 503


def test_an_expired_sas_is_told_by_its_date_and_not_tried(volume: SecretVolume, world: World, start: Start) -> None:
    token = mount(volume, sas(world, minutes=-5))
    viewer = start()
    before = len(world.journal.events("blob"))

    page = failure_page(viewer, 503, "The SAS has expired")

    assert f"{time_of(viewer.get(), 'expires'):%Y-%m-%d %H:%M:%S} UTC" in page
    assert viewer.get("/readyz").status == 503
    assert len(world.journal.events("blob")) == before
    assert secrets_in.found(world, page + viewer.log, token) == []


def test_storage_refuses(volume: SecretVolume, world: World, start: Start) -> None:
    token = mount(volume, sas(world, sp="wu"))
    viewer = start()

    page = failure_page(viewer, 403, "Storage refuses the SAS")

    assert "AuthorizationPermissionMismatch" in page
    assert secrets_in.found(world, page + viewer.log, token) == []


def test_the_picture_is_missing(volume: SecretVolume, world: World, start: Start) -> None:
    mount(volume, sas(world))
    viewer = start(PICTURE="another.png")

    assert "BlobNotFound" in words(viewer.get())
    assert viewer.get().status == viewer.get("/pictures/another.png").status == 404


def test_storage_is_unreachable(volume: SecretVolume, world: World, start: Start) -> None:
    token = mount(volume, sas(world))
    viewer = start(STORAGE_BLOB_ENDPOINT=f"https://127.0.0.1:{processes.free_ports(1)[0]}/{ACCOUNT}")

    failure_page(viewer, 502, "Storage cannot be reached")

    assert viewer.get("/readyz").status == 200
    assert secrets_in.found(world, viewer.log, token) == []


def test_a_storage_whose_certificate_is_not_trusted_is_unreachable(
    volume: SecretVolume, world: World, start: Start
) -> None:
    token = mount(volume, sas(world))
    viewer = start(SSL_CERT_FILE="/dev/null")
    before = len(world.journal.events("blob"))

    failure_page(viewer, 502, "Storage cannot be reached")

    assert "Certificate" in viewer.log
    assert len(world.journal.events("blob")) == before
    assert secrets_in.found(world, viewer.log, token) == []


def test_an_outage_of_storage_is_told_as_such_and_passes(volume: SecretVolume, world: World, start: Start) -> None:
    mount(volume, sas(world))
    viewer = start()
    world.blob.faults.append(Fault(method="HEAD", path=f"/{ACCOUNT}/", status=503, code="ServerBusy", times=2))

    assert "503 ServerBusy" in words(viewer.get())
    assert viewer.get().status == 200


@pytest.mark.parametrize("encoding", ["raw", "base64"])
def test_both_encodings_of_the_rotator_are_read(
    encoding: str, world: World, volume: SecretVolume, start: Start
) -> None:
    deliver(world, volume, KUBERNETES_SECRET_ENCODING=encoding)

    assert start(SAS_ENCODING=encoding).get().status == 200


def test_the_wrong_encoding_is_named(world: World, volume: SecretVolume, start: Start) -> None:
    token = sas(world)
    volume.write({KEY: base64.b64encode(token.encode())})
    viewer = start(SAS_ENCODING="raw")

    page = failure_page(viewer, 503, "No credential yet")

    assert "SAS_ENCODING is raw" in page
    assert secrets_in.found(world, page + viewer.log, token) == []
