"""Answers that come drop by drop: every wait for Azure ends, at whichever byte the server dawdles."""

import base64
import contextlib
import gc
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ServiceResponseTimeoutError
from azure.core.rest import HttpRequest

from rotator import sas
from rotator.azure import bounded_http, identity, retries
from rotator.azure.errors import IdentityError, LeaseLostError, LeaseUnavailableError, StorageUnreachableError
from rotator.azure.host_storage import lease
from rotator.azure.host_storage.blob_lease import BlobLease
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.issuers import proof
from rotator.redaction import SecretText
from tests.fakes.dripping import Answer, Request, dripping, serving
from tests.fakes.examples import HOLDER, TOKEN

OK = b"HTTP/1.1 200 OK\r\n"
PLACES = {
    "status line": (b"", b"H"),
    "headers": (OK, b"A: b\r\n"),
    "body of a known length": (OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "body until the end": (OK + b"Connection: close\r\n\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
WHOLE = 0.5  # seconds
SOON = 15.0  # what a bounded wait stays below, and no other one


@contextlib.contextmanager
def ends_soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON


def get(url: str, *, stream: bool = False) -> int:
    transport = bounded_http.Transport(whole=WHOLE, connect=5, read=30)
    client: Any
    with PipelineClient(url, policies=[], transport=transport) as client:
        answer = client.send_request(HttpRequest("GET", url), stream=stream)
        answer.read()
        return int(answer.status_code)


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_with_its_client_closes_what_nobody_has_read(headers: dict[str, str]) -> None:
    """As the answers of a download's tries are, for as long as somebody holds one; not only once they are collected."""
    transport = bounded_http.Transport(whole=30, connect=5, read=30)
    client: Any
    with serving(lambda _: (503, headers, b"later" * 1000)) as url:
        with PipelineClient(url, policies=[retries.BoundedRetryPolicy(retry_total=1)], transport=transport) as client:
            answer = client.send_request(HttpRequest("GET", url), stream=True)
            assert connections_to(url) > 0
        assert connections_to(url) == 0
    assert answer.status_code == 503


def connections_to(url: str) -> int:
    """How many sockets of this process are connected there."""
    port, found = int(url.rpartition(":")[2]), 0
    for each in gc.get_objects():
        if isinstance(each, socket.socket) and each.fileno() != -1:
            with contextlib.suppress(OSError):  # one that is connected to nobody
                found += each.getpeername()[1:2] == (port,)  # nothing, of a socket by a path
    return found


@pytest.mark.parametrize(("beginning", "drop"), PLACES.values(), ids=list(PLACES))
def test_no_place_of_an_answer_can_be_dripped_for_ever(beginning: bytes, drop: bytes) -> None:
    with dripping(beginning, drop) as url:
        with ends_soon(), pytest.raises(ServiceResponseTimeoutError, match=r"no whole answer within 0\.5 s"):
            get(url)
        with ends_soon(), contextlib.suppress(AzureError):  # one that ends with the connection seems complete
            get(url, stream=True)


def test_answer_in_time_is_an_answer_and_its_connection_is_used_again() -> None:
    ports = []

    def route(request: Request) -> Answer:
        ports.append(request.client_address[1])
        return 200, {}, b"fine"

    client: Any
    with serving(route) as url:
        transport = bounded_http.Transport(whole=WHOLE, connect=5, read=30)
        with PipelineClient(url, policies=[], transport=transport) as client:
            for _ in range(3):
                assert client.send_request(HttpRequest("GET", url)).text() == "fine"
                time.sleep(WHOLE)  # between two requests no time counts
        assert len(set(ports)) == 1
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and thread.is_alive()]


@pytest.mark.parametrize(("beginning", "drop"), PLACES.values(), ids=list(PLACES))
def test_proof_on_a_dripping_storage_ends(beginning: bytes, drop: bytes) -> None:
    prover = proof.StorageProver(quick=True, whole=WHOLE)
    with dripping(beginning, drop) as url, ends_soon(), pytest.raises(StorageUnreachableError) as caught:
        prover.prove(sas.parse(SecretText(TOKEN)), url)
    assert "sig=" not in repr(caught.value)


def test_identity_endpoint_that_drips_gives_no_token_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping(*PLACES["body of a known length"]) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        found = identity.credential(None, {"IDENTITY_ENDPOINT": url}, whole=WHOLE)
        with contextlib.closing(found), ends_soon(), pytest.raises(IdentityError):
            found.get_token("https://vault.azure.net/.default")


class Nobody:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise AssertionError


def app_storage(url: str) -> HostStorage:
    key = base64.b64encode(bytes(64)).decode()
    return HostStorage(SecretText(f"AccountName=app;AccountKey={key};BlobEndpoint={url}/app"), None, None)


def test_lease_is_not_waited_for_for_ever() -> None:
    with dripping(*PLACES["headers"]) as url, ends_soon(), pytest.raises(LeaseUnavailableError):
        BlobLease(app_storage(url), "vault/account", HOLDER, Nobody(), whole=WHOLE).__enter__()


def test_answer_that_the_sdk_stumbles_over_is_no_lease() -> None:
    route = lambda _: (400, {"Content-Type": "application/json"}, b"5")  # noqa: E731
    with serving(route) as url, pytest.raises(LeaseUnavailableError):
        BlobLease(app_storage(url), "vault/account", HOLDER, Nobody()).__enter__()


def test_lease_whose_renewal_drips_is_lost_in_time_and_given_back_in_time() -> None:
    def route(request: Request) -> Answer | bytes:
        if request.headers.get("x-ms-lease-action") == "renew":
            return PLACES["headers"][0]
        return (201 if request.headers.get("x-ms-lease-action") == "acquire" else 200), {"x-ms-lease-id": "1"}, b""

    with serving(route, b"A: b\r\n") as url, ends_soon():
        taken = BlobLease(app_storage(url), "vault/account", HOLDER, Nobody(), whole=WHOLE)
        with taken, pytest.raises(LeaseLostError, match="not known whether"):
            taken.fence()


def test_defect_amid_a_renewal_does_not_end_the_renewals(caplog: pytest.LogCaptureFixture) -> None:
    renewals = itertools.count()
    done = threading.Event()

    def route(request: Request) -> Answer:
        if request.headers.get("x-ms-lease-action") == "renew":
            if next(renewals) == 0:
                return 400, {"Content-Type": "application/json"}, b"5"  # of which the SDK makes a TypeError
            done.set()
        return (201 if request.headers.get("x-ms-lease-action") == "acquire" else 200), {"x-ms-lease-id": "1"}, b""

    with (
        serving(route) as url,
        BlobLease(app_storage(url), "vault/account", HOLDER, Nobody(), renew_every=0.05) as taken,
    ):
        assert done.wait(SOON)
        taken.fence()
    assert "the renewal of the lease vault/account met a defect, and goes on" in caplog.text


@pytest.mark.parametrize("text", ["soon", "-5", "nan", "inf", "1e999", "Tue, 99 Foo 2026", "9" * 400, "\u0665", ""])
def test_retry_after_that_is_no_time_is_as_none(text: str) -> None:
    with serving(lambda _: (503, {"Retry-After": text.encode("utf-8").decode("latin-1")}, b"")) as url:
        client: Any
        policies = [retries.BoundedRetryPolicy(retry_total=1)]
        with PipelineClient(url, policies=policies) as client, ends_soon():
            assert client.send_request(HttpRequest("GET", url)).status_code == 503


def test_holder_of_a_lease_stays_in_its_line() -> None:
    holder = lease.Holder("r1\nERROR all is lost", "cli\x1b[31m", "a" * 5000, HOLDER.since)
    read = lease.Holder.from_metadata(holder.as_metadata())
    assert read == holder
    assert str(holder).isprintable()
    assert len(str(holder)) < 700
    assert lease.busy_error(holder).holder.isprintable()
