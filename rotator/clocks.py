"""What time it is elsewhere, as each HTTP answer's Date header says; that something answers is shown by the way."""

import datetime

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import errors, foreign, patience

_Client = PipelineClient[HttpRequest, HttpResponse]


def at(url: str) -> datetime.datetime | None:
    """Ask for the time there without signing in; None where the answer has no date. Raises NoAnswerError."""
    client: _Client
    try:
        with PipelineClient(url, policies=[patience.BoundedRetryPolicy(retry_total=1)]) as client:
            text = _date(client, url)
    except (AzureError, ValueError) as error:
        words = f"{type(error).__name__}: {getattr(error, 'inner_exception', None) or error}"
        raise errors.NoAnswerError(f"{url} does not answer ({words[:200]})") from None
    return foreign.http_date(text)


def _date(client: _Client, url: str) -> str:
    request = HttpRequest("GET", url)
    answer = client.send_request(
        request, connection_timeout=patience.CONNECT_SECONDS, read_timeout=patience.READ_SECONDS
    )
    return answer.headers.get("Date", "")
