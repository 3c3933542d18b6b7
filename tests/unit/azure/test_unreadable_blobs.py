"""What others put where reports and Secrets are: no exception but ours, and no list without an end."""

import base64
import contextlib
import datetime
import io
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator import errors, sas
from rotator.azure.errors import ArchiveError
from rotator.azure.host_storage import lease
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.commands import history
from rotator.delivery import held_values, live_secret, manifest
from rotator.delivery.errors import NotOursError
from rotator.redaction import SecretText
from rotator.reporting.archive import Archive
from rotator.rotation import due
from rotator.rotation.keys import in_use
from tests.fakes.dripping import Answer, Request, serving
from tests.fakes.examples import NOW, TARGET, delivered, plan
from tests.unit.reporting.test_report import report_of
from tests.unit.rotation.keys.test_in_use import account_state
from tests.unit.test_untrusted import json_values

RUN = "20260701T120000Z-abc123"
FIELDS = ["run", "started", "failed", "targets", "warnings", "error", "key", "outcome", "failure", "reason", "asked_by"]
TODAY = datetime.datetime.now(datetime.UTC)


class Nobody:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError


class Blobs:
    """A container that lists as many names under each prefix as it is asked for, and holds `content` under each."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content
        self.lists: list[str] = []

    def __call__(self, request: Request) -> Answer:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        if query.get("comp") == ["list"]:
            prefix, marker = query["prefix"][0], query.get("marker", ["0"])[0]
            self.lists.append(prefix)
            return 200, {"Content-Type": "application/xml"}, _page(prefix, int(marker)).encode()
        size = len(self.content)
        headers = {"Content-Range": f"bytes 0-{size - 1}/{size}", "ETag": '"1"', "Content-Type": "application/json"}
        return (206 if size else 416), headers if size else {"x-ms-error-code": "InvalidRange"}, self.content


def _page(prefix: str, beginning: int) -> str:
    names = "".join(f"<Blob><Name>{prefix}{beginning + i:09}</Name></Blob>" for i in range(1000))
    blobs = f"<Blobs>{names}</Blobs><NextMarker>{beginning + 1000}</NextMarker>"
    known = f"<Prefix>{prefix}</Prefix>{blobs}"
    return f'<?xml version="1.0"?><EnumerationResults ContainerName="c">{known}</EnumerationResults>'


@contextlib.contextmanager
def archive(blobs: Blobs) -> Iterator[Archive]:
    key = base64.b64encode(bytes(64)).decode()
    with serving(blobs) as url:
        storage = HostStorage(SecretText(f"AccountName=app;AccountKey={key};BlobEndpoint={url}/app"), None, None)
        with contextlib.closing(Archive(storage, "reports", Nobody())) as opened:
            yield opened


def test_list_without_an_end_is_listed_in_part() -> None:
    blobs = Blobs(b"{}")
    with archive(blobs) as opened:
        found = opened.recent(3, TODAY - datetime.timedelta(days=365))
    assert [each["problem"] for each in found] == ["this is no report of a run"] * 3
    assert len(blobs.lists) < 50  # of a thousand names each


facts = st.dictionaries(st.sampled_from(FIELDS), json_values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary() | (facts | json_values).map(lambda found: json.dumps(found).encode()) | st.text().map(str.encode))
def test_no_blob_is_an_exception(content: bytes) -> None:
    blobs.content = content
    with contextlib.suppress(ArchiveError):
        opened.find(RUN)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values),
    st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values)),
)
def test_no_report_is_an_exception_where_it_is_shown(changes: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    blobs.content = json.dumps({**report_of().as_json(), **changes, "run": RUN, "targets": targets}).encode()
    try:
        found = opened.find(RUN)
    except ArchiveError:
        return
    with contextlib.redirect_stdout(io.StringIO()):
        history._print_list([found])
        history.print_report(found)


blobs = Blobs()
_stack = contextlib.ExitStack()
opened: Archive


@pytest.fixture(scope="module", autouse=True)
def _opened() -> Iterator[None]:
    global opened  # Hypothesis takes no fixture for each example
    with archive(blobs) as opened:
        yield


@given(st.dictionaries(st.sampled_from(["run", "trigger", "host", "since"]), st.text()))
def test_no_metadata_is_an_exception_nor_another_line(metadata: dict[str, str]) -> None:
    holder = lease.Holder.from_metadata(metadata)
    assert str(lease.busy_error(holder)).isprintable()


ANNOTATIONS = sorted(delivered()["metadata"]["annotations"])


@given(
    st.dictionaries(st.sampled_from(ANNOTATIONS), st.text() | st.sampled_from(["2026-07-01", "0001-01-01T00:00:00Z"]))
)
def test_no_annotation_is_an_exception(changes: dict[str, str]) -> None:
    held = live_secret.parse(json.dumps(delivered(**changes)))
    found = due.find(held, TARGET, plan(), NOW, account_state())
    assert found is None or isinstance(found, due.Due)
    in_use.in_targets("key1", account_state(), {TARGET: held}, NOW)


@given(st.text() | st.dictionaries(st.sampled_from(["kind", "items", "metadata", "data"]), json_values).map(json.dumps))
def test_no_answer_of_kubectl_is_an_exception_but_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        held = live_secret.parse(text.replace('"kind": null', '"kind": "Secret"'))
        assert held.annotations is not None
        assert held.has_our_label in {True, False}
        held_values.held_sas(held, TARGET)
        with contextlib.suppress(NotOursError):
            manifest.check_owner(held, TARGET)


@given(st.text() | st.lists(st.tuples(st.sampled_from(["sv", "se", "st", "sig", "sp", "ss", "srt"]), st.text())))
def test_no_token_is_an_exception_but_a_sas_error(token: str | list[tuple[str, str]]) -> None:
    text = token if isinstance(token, str) else urllib.parse.urlencode(token)
    with contextlib.suppress(errors.SasError):
        sas.parse(SecretText(text))
