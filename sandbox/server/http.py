"""What the web services read from requests alike, and the ids that Azure's answers carry."""

import json
import uuid
from typing import Any

from aiohttp import web


def request_ids(request: web.BaseRequest) -> dict[str, str]:
    """Return the headers by which Azure's support finds a request; the client's own id is returned to it."""
    asked = request.headers.get("x-ms-client-request-id")
    return {"x-ms-request-id": str(uuid.uuid4()), **({"x-ms-client-request-id": asked} if asked else {})}


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the body, {} when there is none; ValueError, for the client to read, when it is something else."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise ValueError("The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")  # noqa: TRY004  # a client's fault, as the other one
    return body
