"""What Key Vault's answers have in common: headers as recorded, and what an older api-version leaves out.

https://learn.microsoft.com/rest/api/keyvault/
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.server import http

# The versions that have managed storage; secrets are in others too. 7.0 was recorded, the rest have a specification.
STORAGE_VERSIONS = frozenset({"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-06-01", "2025-07-01"})
_WITHOUT_RECOVERABLE_DAYS = "7.0"


def json_answer(answer: Mapping[str, Any] | None, api_version: str) -> web.Response:
    """Return the answer of an operation as this version has it; without one it is a 204."""
    if answer is None:
        return web.Response(status=204)
    return web.json_response(_older(answer) if api_version == _WITHOUT_RECOVERABLE_DAYS else answer)


def _older(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        return {key: _older(value) for key, value in answer.items() if key != "recoverableDays"}
    return [_older(one) for one in answer] if isinstance(answer, list) else answer


def headers(request: web.Request, region: str) -> dict[str, str]:
    """Return the headers of every answer, refusals included."""
    return {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "x-ms-keyvault-region": region,
        "x-ms-keyvault-service-version": "sandbox",
        "x-ms-keyvault-network-info": f"conn_type=Ipv4;addr={request.remote};act_addr_fam=InterNetwork;",
        **http.request_ids(request),
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
    }
