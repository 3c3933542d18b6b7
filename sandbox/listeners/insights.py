"""Application Insights' ingestion: telemetry as JSON, an envelope for each item.

https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete
"""

import json
import uuid
from typing import Any

from aiohttp import web

from sandbox.azure import identity
from sandbox.server import certificates, faults, service

AUDIENCES = frozenset({"https://monitor.azure.com", "https://monitor.azure.com/"})
_TRACKS = ("/v2/track", "/v2.1/track")
_LIVE_METRICS = "/QuickPulseService.svc/"

Envelope = dict[str, Any]


class Insights(service.WebService):
    """Keeps what is accepted in `envelopes`; tests add `faults`, and set `require_token` for Entra ID only."""

    def __init__(self, authority: certificates.Authority, tokens: identity.Identity) -> None:
        super().__init__(authority.server_context())
        self._identity = tokens
        self.instrumentation_key = str(uuid.uuid4())
        self.require_token = False
        self.envelopes: list[Envelope] = []
        self.faults: list[faults.Fault] = []

    @property
    def connection_string(self) -> str:
        """Where telemetry goes, as the portal shows it."""
        endpoint = f"{self.origin}/"
        return f"InstrumentationKey={self.instrumentation_key};IngestionEndpoint={endpoint};LiveEndpoint={endpoint}"

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings for it; the SDK's own statistics, which go to Azure, are switched off."""
        return {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": self.connection_string,
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        }

    async def start(self) -> None:
        """Listen on a free port, and have tokens issued for it."""
        await super().start()
        self._identity.audiences |= AUDIENCES

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await faults.apply(self.faults, request, lambda: self._take(request), _faulty)

    async def _take(self, request: web.Request) -> web.Response:
        if request.path.startswith(_LIVE_METRICS):
            return web.json_response({}, headers={"x-ms-qps-subscribed": "false"})
        if request.path.replace("//", "/") not in _TRACKS or request.method != "POST":
            return web.Response(status=404)
        if self.require_token and not self._is_authentic(request):
            return _result(1, [_error(0, 401, "Authentication required.")], 401)
        try:
            sent = _envelopes(await request.read())
        except ValueError as error:
            return _result(1, [_error(0, 400, str(error))], 400)
        return self._keep(sent)

    def _keep(self, sent: list[Envelope]) -> web.Response:
        """Some may be refused and others taken: that is 206."""
        errors = [
            _error(index, 400, "Invalid instrumentation key")
            for index, envelope in enumerate(sent)
            if envelope.get("iKey") != self.instrumentation_key
        ]
        refused = {error["index"] for error in errors}
        accepted = [envelope for index, envelope in enumerate(sent) if index not in refused]
        self.envelopes += accepted
        status = 200 if not errors else 206 if accepted else 400
        return _result(len(sent), errors, status)

    def _is_authentic(self, request: web.Request) -> bool:
        try:
            self._identity.bearer(request, AUDIENCES)
        except identity.TokenError:
            return False
        return True


def _envelopes(body: bytes) -> list[Envelope]:
    """Read an array, a single envelope, or one on each line; the server has unzipped the body."""
    text = body.decode().strip()
    if not text:
        raise ValueError("The request has no telemetry.")
    read = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    if not all(isinstance(envelope, dict) for envelope in read):
        raise ValueError("An envelope is not a JSON object.")
    return list(read)


def _error(index: int, status: int, message: str) -> dict[str, Any]:
    return {"index": index, "statusCode": status, "message": message}


def _result(received: int, errors: list[dict[str, Any]], status: int) -> web.Response:
    counts = {"itemsReceived": received, "itemsAccepted": received - len(errors), "errors": errors}
    return web.json_response(counts, status=status)


def _faulty(fault: faults.Fault) -> web.Response:
    answer = _result(1, [_error(0, fault.status, fault.code)], fault.status)
    answer.headers.update(fault.headers)
    return answer
