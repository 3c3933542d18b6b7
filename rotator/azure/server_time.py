"""A server's time by the Date header of its answer (RFC 9110, section 6.6.1), to find clocks that differ."""

import datetime

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import untrusted
from rotator.azure import network_errors, retries
from rotator.azure.errors import NoAnswerError

_Client = PipelineClient[HttpRequest, HttpResponse]


def at(url: str) -> datetime.datetime | None:
    """Get the server's time without signing in; None if its answer has none. Raises NoAnswerError."""
    client: _Client
    try:
        with PipelineClient(
            url, policies=[retries.BoundedRetryPolicy(retry_total=1)], transport=retries.transport()
        ) as client:
            text = _date(client, url)
    except (AzureError, ValueError, OSError) as error:
        diagnosis = network_errors.diagnose(error, url, "the settings", NoAnswerError.remedy)
        raise NoAnswerError(diagnosis.text, remedy=diagnosis.remedy) from None
    return untrusted.http_date(text)


def _date(client: _Client, url: str) -> str:
    request = HttpRequest("GET", url)
    answer = client.send_request(request)
    return answer.headers.get("Date", "")
