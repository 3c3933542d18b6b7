"""Requests to a function app's own HTTP triggers, with a function's key.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
"""

import dataclasses
import urllib.parse
from collections.abc import Mapping
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator import activity, untrusted
from rotator.azure import network_errors, retries
from rotator.azure.errors import AppUnreachableError
from rotator.redaction import SecretText

# Azure's front end ends a request after 230 s
# (https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout).
WHOLE_SECONDS = 240.0
_MOST_BYTES = 16 * 1024 * 1024
# In a header, as URLs are logged on the way.
_KEY_HEADER = "x-functions-key"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP status, and the JSON object that came with it; empty if something else did."""

    status: int
    value: dict[str, Any]


class FunctionEndpoint:
    """One function app at its URL, which has no path. `whole` bounds one request, in seconds."""

    def __init__(self, url: str, *, whole: float = WHOLE_SECONDS) -> None:
        self._url = url
        self._host = urllib.parse.urlsplit(url).netloc
        transport = retries.transport(read=whole, whole=whole)
        # Without a policy that follows redirects, as the key must not go to another host, and without retries: who
        # asks for a run decides whether to ask again.
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(url, policies=[], transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, method: str, path: str, key: SecretText, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request; raises AppUnreachableError if there is no answer."""
        headers = {"Accept": "application/json", _KEY_HEADER: key.reveal()}
        request = HttpRequest(method, f"{self._url}{path}", headers=headers, json=body)
        try:
            with activity.of(f"the function app, for {path}"):
                return self._exchange(request)
        except (AzureError, OSError) as error:
            found = network_errors.diagnose(error, self._host, "FUNCTION_APP_ID", AppUnreachableError.remedy)
            # Not chained: the request that the error holds has the key.
            raise AppUnreachableError(found.text, remedy=found.remedy, transient=found.transient) from None

    def _exchange(self, request: HttpRequest) -> Answer:
        text = bytearray()
        with self._client.send_request(request, stream=True) as response:
            for part in response.iter_bytes():
                text += part
                if len(text) > _MOST_BYTES:
                    return Answer(response.status_code, {})
        return Answer(response.status_code, untrusted.mapping(untrusted.json_value(bytes(text))))
