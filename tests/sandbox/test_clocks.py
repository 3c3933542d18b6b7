"""Clocks: each of Azure's services says what time it is, and may be told to be wrong."""

import contextlib
import datetime
import email.utils
import http.client
import ssl
import urllib.parse

import pytest

from sandbox.server import certificates
from tests.sandbox.conftest import Azure

SERVICES = ("identity", "vault", "blob")
SOON = datetime.timedelta(seconds=5)
AHEAD = datetime.timedelta(minutes=7)


def clock_offset(url: str, authority: certificates.Authority) -> datetime.timedelta:
    """How far ahead of ours the clock of a service is, which refuses this request."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port
    secure = parts.scheme == "https"
    context: ssl.SSLContext = authority.client_context()
    connection = (
        http.client.HTTPSConnection(host, port, context=context) if secure else http.client.HTTPConnection(host, port)
    )
    with contextlib.closing(connection):
        connection.request("GET", parts.path or "/")
        with connection.getresponse() as response:
            assert response.status >= 400
            date = email.utils.parsedate_to_datetime(response.headers["Date"])
    return date - datetime.datetime.now(datetime.UTC)


def url_of(azure: Azure, name: str) -> str:
    return azure.blob.url("sandboxaccount") if name == "blob" else str(getattr(azure, name).url)


@pytest.mark.parametrize("name", SERVICES)
def test_answer_says_what_time_it_is(azure: Azure, name: str) -> None:
    assert abs(clock_offset(url_of(azure, name), azure.authority)) < SOON


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("skew", [AHEAD, -AHEAD])
def test_clock_of_a_service_may_be_wrong(azure: Azure, name: str, skew: datetime.timedelta) -> None:
    getattr(azure, name).clock_skew = skew
    assert abs(clock_offset(url_of(azure, name), azure.authority) - skew) < SOON
