"""What time it is elsewhere, as each HTTP answer's Date header says; that something answers is shown by the way."""

import datetime

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import errors, foreign, network_trouble, patience

_Client = PipelineClient[HttpRequest, HttpResponse]


def at(url: str) -> datetime.datetime | None:
    """Ask for the time there without signing in; None where the answer has no date. Raises NoAnswerError."""
    client: _Client
    try:
        with PipelineClient(
            url, policies=[patience.BoundedRetryPolicy(retry_total=1)], transport=patience.transport()
        ) as client:
            text = _date(client, url)
    except (AzureError, ValueError, OSError) as error:
        trouble = network_trouble.explain(error, url, "the settings", errors.NoAnswerError.remedy)
        raise errors.NoAnswerError(trouble.text, remedy=trouble.remedy) from None
    return foreign.http_date(text)


def _date(client: _Client, url: str) -> str:
    request = HttpRequest("GET", url)
    answer = client.send_request(request)
    return answer.headers.get("Date", "")
