"""An incoming webhook of a chat service: takes JSON at an address that nobody can guess.

https://api.slack.com/messaging/webhooks
"""

import secrets
from typing import Any

from aiohttp import web

from sandbox.server import certificates, faults, http, service


class Webhook(service.WebService):
    """Keeps each message in `received`; tests add `faults`, of which one with `carried_out` is kept as well."""

    def __init__(self, authority: certificates.Authority) -> None:
        super().__init__(authority.server_context())
        self.token = secrets.token_urlsafe(24)
        self.received: list[dict[str, Any]] = []
        self.faults: list[faults.Fault] = []

    @property
    def url(self) -> str:
        """Its address; who knows it may write."""
        return f"{self.origin}/services/{self.token}"

    @property
    def settings(self) -> dict[str, str]:
        """The rotator's settings for it."""
        return {"NOTIFY_WEBHOOK_URL": self.url}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await faults.apply(self.faults, request, lambda: self._take(request), _faulty)

    async def _take(self, request: web.Request) -> web.Response:
        if request.path != f"/services/{self.token}":
            return web.Response(status=404, text="no_service")
        if request.method != "POST":
            return web.Response(status=405, text="method_not_allowed")
        try:
            message = await http.json_object(request)
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        self.received.append(message)
        return web.Response(text="ok")


def _faulty(fault: faults.Fault) -> web.Response:
    return web.Response(status=fault.status, text=fault.code, headers=fault.headers)
