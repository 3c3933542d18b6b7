"""The front end of a function app: HTTPS, routes and function keys before the functions of a Functions host.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
https://learn.microsoft.com/azure/azure-functions/function-keys-how-to
"""

import asyncio
import collections
import json
from typing import Any

from aiohttp import web

from sandbox.functions.host import FunctionsHost
from sandbox.resource_manager.deployed import Deployed
from sandbox.server import certificates, faults, journal, service

_PREFIX = "/api/"
_NOT_RUNNING = "Function host is not running."
_KEY_HEADER = "x-functions-key"


class SiteFront(service.WebService):
    """Answers for one app; without a `host` with 503, as the platform does while none runs.

    `prepared` has answers that a test wants instead, by method and path: status and JSON, each for one request, and the
    last one for all later ones. `faults` come before these. Invocations run one at a time.
    """

    def __init__(self, deployed: Deployed, record: journal.Journal, authority: certificates.Authority) -> None:
        super().__init__(authority.server_context())
        self.host: FunctionsHost | None = None
        self.faults: list[faults.Fault] = []
        self.prepared: dict[tuple[str, str], list[tuple[int, Any]]] = collections.defaultdict(list)
        self._deployed = deployed
        self._journal = record
        self._invocation = asyncio.Lock()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await faults.apply(self.faults, request, lambda: self._carry_out(request), _faulty)

    async def _carry_out(self, request: web.Request) -> web.Response:
        body = await request.text()
        prepared = self.prepared[request.method, request.path]
        if prepared:
            self._journal.record("site", "prepared", request.path, "after")
            status, value = prepared.pop(0) if len(prepared) > 1 else prepared[0]
            return web.json_response(value, status=status)
        if self.host is None:
            return web.Response(status=503, text=_NOT_RUNNING)
        function, trigger = _find(self.host, request)
        if function is None:
            return web.Response(status=404)
        if trigger["authLevel"].lower() != "anonymous" and not self._accepts(function, request):
            return web.Response(status=401)
        return await self._invoke(self.host, function, request, body)

    def _accepts(self, function: str, request: web.Request) -> bool:
        return self._deployed.accepts(function, request.headers.get(_KEY_HEADER) or request.query.get("code", ""))

    async def _invoke(self, host: FunctionsHost, function: str, request: web.Request, body: str) -> web.Response:
        headers = {name: text for name, text in request.headers.items() if name.lower() != _KEY_HEADER}
        query = {name: text for name, text in request.query.items() if name != "code"}
        self._journal.record("site", "invoke", function)
        async with self._invocation:  # the host writes to its one worker
            answer = await asyncio.to_thread(
                host.request, function, request.method, request.path, body, headers=headers, query=query
            )
        self._journal.record("site", "invoke", function, "after")
        if not answer["ok"]:
            return web.Response(status=500)
        return web.Response(status=answer["status"], headers=answer["headers"], body=answer["body"].encode())


def _find(host: FunctionsHost, request: web.Request) -> tuple[str | None, dict[str, Any]]:
    """Return the function that the request is for, and its trigger."""
    for function, bindings in host.bindings.items():
        for each in bindings:
            if each["type"] != "httpTrigger" or request.method not in each.get("methods", [request.method]):
                continue
            if request.path.lower() == f"{_PREFIX}{each.get('route', function)}".lower():
                return function, each
    return None, {}


def _faulty(fault: faults.Fault) -> web.Response:
    return web.Response(status=fault.status, headers=fault.headers, text=json.dumps(fault.code))
