"""A watch: changes as lines of JSON, as they happen, until the client or the server goes.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import contextlib
import json
import time

from aiohttp import web

from sandbox.kubernetes import lists
from sandbox.kubernetes.refusals import Document, bad_request
from sandbox.kubernetes.state import KubernetesApi

_POLL_SECONDS = 0.2  # how often it is checked whether the server is `down`, or the client's time is over
_LONGEST_SECONDS = 1800.0


async def stream(api: KubernetesApi, namespace: str, query: dict[str, str], request: web.Request) -> web.StreamResponse:
    """Send what the client missed since its resourceVersion, or all there is, and then each change."""
    lists.check_selectors(query)
    ends = time.monotonic() + float(query.get("timeoutSeconds") or _LONGEST_SECONDS)
    accept = request.headers.get("Accept", "")

    def shown(secret: Document) -> bool:
        return namespace in ("", secret["metadata"]["namespace"]) and lists.selected(secret, query)

    # A client that has left is noticed by the next write to it.
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    with api.watching() as queue, contextlib.suppress(ConnectionResetError):
        missed = _missed(api, query)  # before anything is awaited: no change is lost or sent twice
        await response.prepare(request)
        for kind, secret in missed:
            if shown(secret):
                await response.write(_line(kind, secret, accept))
        while time.monotonic() < ends:
            try:
                event = await asyncio.wait_for(queue.get(), _POLL_SECONDS)
            except TimeoutError:
                if api.down and request.transport is not None:
                    request.transport.abort()
                    break
                continue
            if event is None:
                break
            if shown(event.secret):
                await response.write(_line(event.type, event.secret, accept))
    return response


def _missed(api: KubernetesApi, query: dict[str, str]) -> list[tuple[str, Document]]:
    version = query.get("resourceVersion", "")
    if version in ("", "0"):
        return [("ADDED", secret) for _, secret in sorted(api.secrets.items())]
    if not version.isdigit():
        raise bad_request(f'invalid resource version "{version}"')
    return [(event.type, event.secret) for event in api.events_after(int(version))]


def _line(kind: str, secret: Document, accept: str) -> bytes:
    event = {"type": kind, "object": lists.one(secret, accept)}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
