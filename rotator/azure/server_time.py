"""What time it is elsewhere, as each HTTP answer's Date header says; that something answers is shown by the way."""

import datetime

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import untrusted
from rotator.azure import network_errors, retries
from rotator.azure.errors import NoAnswerError

_Client = PipelineClient[HttpRequest, HttpResponse]


def at(url: str) -> datetime.datetime | None:
    """Ask for the time there without signing in; None where the answer has no date. Raises NoAnswerError."""
    client: _Client
    try:
        with PipelineClient(
            url, policies=[retries.BoundedRetryPolicy(retry_total=1)], transport=retries.transport()
        ) as client:
            text = _date(client, url)
    except (AzureError, ValueError, OSError) as error:
        trouble = network_errors.explain(error, url, "the settings", NoAnswerError.remedy)
        raise NoAnswerError(trouble.text, remedy=trouble.remedy) from None
    return untrusted.http_date(text)


def _date(client: _Client, url: str) -> str:
    request = HttpRequest("GET", url)
    answer = client.send_request(request)
    return answer.headers.get("Date", "")
