"""What runs record in the app's own storage: what is there may be anything, and may not be lost."""

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from rotator.azure.errors import RunStateError
from rotator.azure.host_storage.run_state import BlobRunState, NoRunState
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.redaction import SecretText
from tests.fakes.dripping import Answer, Request, serving

KEY = base64.b64encode(bytes(64)).decode()


class Nobody:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError


class Storage:
    """One container, which may be missing, with at most one blob; `down` has each request fail."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.has_container = True
        self.version = 1
        self.down = False

    def write(self, content: bytes) -> None:
        """As anybody may."""
        self.content, self.version = content, self.version + 1

    def __call__(self, request: Request) -> Answer:
        if self.down:
            return 503, {"x-ms-error-code": "ServerBusy", "Retry-After": "0"}, b""
        if "restype=container" in request.path:
            self.has_container = True
            return 201, {}, b""
        if not self.has_container:
            return 404, {"x-ms-error-code": "ContainerNotFound"}, b""
        return self._read() if request.command == "GET" else self._put(request)

    def _read(self) -> Answer:
        if self.content is None:
            return 404, {"x-ms-error-code": "BlobNotFound"}, b""
        if not self.content:
            return 416, {"x-ms-error-code": "InvalidRange"}, b""
        length = len(self.content)
        headers = {"Content-Range": f"bytes 0-{length - 1}/{length}", "ETag": self._etag()}
        return 206, {**headers, "Content-Type": "application/json"}, self.content

    def _put(self, request: Request) -> Answer:
        if request.headers.get("If-None-Match") == "*" and self.content is not None:
            return 409, {"x-ms-error-code": "BlobAlreadyExists"}, b""
        if request.headers.get("If-Match") not in (None, self._etag()):
            return 412, {"x-ms-error-code": "ConditionNotMet"}, b""
        self.write(request.body)
        return 201, {"ETag": self._etag(), "Last-Modified": "Wed, 01 Jul 2026 12:00:00 GMT"}, b""

    def _etag(self) -> str:
        return f'"0x{self.version}"'


@contextlib.contextmanager
def opened(storage: Storage) -> Iterator[BlobRunState]:
    with serving(storage) as url:
        found = HostStorage(SecretText(f"AccountName=app;AccountKey={KEY};BlobEndpoint={url}/app"), None, None)
        with contextlib.closing(BlobRunState(found, "mystorage", Nobody())) as records:
            yield records


def test_nothing_is_recorded_before_the_first_run() -> None:
    storage = Storage()
    storage.has_container = False
    with opened(storage) as records:
        assert records.load() == {}
        records.save({"rotator-pending": "x"})
        assert records.load() == {"rotator-pending": "x"}


def test_what_is_recorded_is_replaced_as_a_whole() -> None:
    with opened(Storage()) as records:
        records.load()
        records.save({"rotator-pending": "x", "rotator-delivered": "y"})
        records.save({"rotator-delivered": "y"})
        assert (records.load(), records.entries) == ({"rotator-delivered": "y"}, {"rotator-delivered": "y"})


@pytest.mark.parametrize(
    "content", [b"", b"no JSON", b"[]", b'"text"', b"\xff\xfe", b"null", b"[" * 100_000, b'{"rotator-pending": "x"']
)
def test_blob_that_is_none_of_ours_is_an_error_with_a_remedy_and_stays(content: bytes) -> None:
    storage = Storage()
    storage.content = content
    with opened(storage) as records:
        with pytest.raises(RunStateError, match=r"in the blob rotator-state/mystorage\.json of the app's own storage"):
            records.load()
        assert (records.entries, storage.content) == (None, content)


def test_entries_of_others_that_are_no_texts_are_ignored() -> None:
    storage = Storage()
    storage.content = json.dumps({"size": 1, "owner": None, "team": "payments"}).encode()
    with opened(storage) as records:
        assert records.load() == {"team": "payments"}


@pytest.mark.parametrize("entry", [1, None, {"operation": "revoke"}, ["revoke"], True])
def test_an_entry_of_ours_that_is_no_text_is_not_taken_for_none(entry: object) -> None:
    storage = Storage()
    storage.content = json.dumps({"rotator-pending": entry}).encode()
    with opened(storage) as records:
        with pytest.raises(RunStateError, match="cannot be read"):
            records.load()
        with pytest.raises(RunStateError):
            records.save({})


def test_what_another_wrote_since_is_not_undone() -> None:
    storage = Storage()
    with opened(storage) as records:
        records.load()
        records.save({"rotator-delivered": "y"})
        storage.write(b'{"rotator-pending": "of another"}')
        with pytest.raises(RunStateError, match="412 ConditionNotMet"):
            records.save({"rotator-delivered": "z"})
        assert storage.content == b'{"rotator-pending": "of another"}'
        records.save({**records.load(), "rotator-delivered": "z"})
        assert records.load() == {"rotator-pending": "of another", "rotator-delivered": "z"}


def test_first_record_of_another_is_not_undone_either() -> None:
    storage = Storage()
    with opened(storage) as records:
        records.load()
        storage.write(b'{"rotator-pending": "of another"}')
        with pytest.raises(RunStateError, match="409 BlobAlreadyExists"):
            records.save({})
        assert storage.content == b'{"rotator-pending": "of another"}'


def test_record_that_could_not_be_read_is_not_replaced() -> None:
    storage = Storage()
    with opened(storage) as records:
        records.load()
        records.save({"rotator-pending": "x"})
        storage.write(b"no JSON")
        with pytest.raises(RunStateError):
            records.load()
        with pytest.raises(RunStateError):
            records.save({"rotator-delivered": "y"})
        assert storage.content == b"no JSON"


def test_storage_that_does_not_answer_is_an_error_without_a_secret() -> None:
    storage = Storage()
    storage.down = True
    with opened(storage) as records, pytest.raises(RunStateError, match="503 ServerBusy") as caught:
        records.load()
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "no key" in caught.value.remedy


def test_without_the_app_s_own_storage_nothing_is_recorded() -> None:
    records = NoRunState()
    for act in (records.load, lambda: records.save({})):
        with pytest.raises(RunStateError, match="no storage of the app's own is set"):
            act()
    assert records.entries is None
