"""The managed-identity endpoint of App Service, and the tokens that it issues.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

import base64
import datetime
import enum
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Collection
from typing import Any

from aiohttp import web

from sandbox.server import journal, service

AZURE_AUDIENCES = ("https://vault.azure.net", "https://storage.azure.com", "https://management.azure.com")


class Flaw(enum.Enum):
    """Why a request is not let in by its token."""

    MISSING = enum.auto()
    INVALID = enum.auto()
    AUDIENCE = enum.auto()
    EXPIRED = enum.auto()


class TokenError(Exception):
    """Each service has words of its own for a flaw; `audience` is the wrong one."""

    def __init__(self, flaw: Flaw, audience: str = "") -> None:
        super().__init__(flaw.name)
        self.flaw = flaw
        self.audience = audience


class Identity(service.WebService):
    """Issues tokens to whoever knows the identity header; the sandbox's other services check them here.

    The system-assigned identity has `client_id` and `object_id`; `user_assigned` maps further client ids to
    object ids; the client ids in `unassigned` are not the app's yet. While `fail_with` is set, every request is
    answered with that status, or the next `fail_times` ones. `clock_skew` is how far its clock is ahead.
    """

    def __init__(self, record: journal.Journal) -> None:
        super().__init__()
        self._journal = record
        self._signing_key = secrets.token_bytes(32)
        self.header = secrets.token_hex(16)
        self.tenant_id = str(uuid.uuid4())
        self.client_id = str(uuid.uuid4())
        self.object_id = str(uuid.uuid4())
        self.user_assigned: dict[str, str] = {}
        self.unassigned: set[str] = set()
        self.audiences: set[str] = set(AZURE_AUDIENCES)
        self.lifetime = 24 * 3600
        self.fail_with: int | None = None
        self.fail_times: int | None = None
        self.clock_skew = datetime.timedelta()
        self.issued: list[str] = []

    @property
    def url(self) -> str:
        """The value of IDENTITY_ENDPOINT."""
        return f"{self.origin}/msi/token"

    @property
    def issuer(self) -> str:
        """What tokens name as their issuer."""
        return f"https://sts.windows.net/{self.tenant_id}/"

    def now(self) -> datetime.datetime:
        """Return the time by its clock."""
        return datetime.datetime.now(datetime.UTC) + self.clock_skew

    def issue(self, audience: str, client_id: str | None = None, lifetime: int | None = None, **more: str) -> str:
        """Return a token for the audience; `lifetime` is in seconds and may be negative, `more` are further claims."""
        now = int(time.time())
        client = client_id or self.client_id
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "tid": self.tenant_id,
            "appid": client,
            "oid": self.user_assigned.get(client, self.object_id),
            "iat": now,
            "nbf": now - 300,
            "exp": now + (self.lifetime if lifetime is None else lifetime),
            **more,
        }
        token = self._sign(claims)
        self.issued.append(token)
        return token

    def claims(self, token: str) -> dict[str, Any] | None:
        """Return what a token of ours says, else None; audience and expiry are the caller's to judge."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed), signature):
            return None
        payload = signed.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims

    def bearer(self, request: web.Request, audiences: Collection[str]) -> dict[str, Any]:
        """Return what the request's token says; TokenError unless it is ours, for one of these, and not expired."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise TokenError(Flaw.MISSING)
        claims = self.claims(token)
        if claims is None:
            raise TokenError(Flaw.INVALID)
        if claims["aud"] not in audiences:
            raise TokenError(Flaw.AUDIENCE, claims["aud"])
        if claims["exp"] <= time.time():
            raise TokenError(Flaw.EXPIRED)
        return claims

    def _fails(self) -> bool:
        if self.fail_with is None:
            return False
        if self.fail_times is not None:
            self.fail_times -= 1
            if self.fail_times < 0:
                self.fail_with = self.fail_times = None
        return self.fail_with is not None

    def _sign(self, claims: dict[str, Any]) -> str:
        parts = ({"typ": "JWT", "alg": "HS256"}, claims)
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._signing_key, signed.encode(), hashlib.sha256))

    async def _answer(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return _refused(*refusal)
        resource = request.query["resource"]
        client = request.query.get("client_id") or self.client_id
        self._journal.record("identity", "issue-token", resource)
        token = self.issue(resource, client)
        self._journal.record("identity", "issue-token", resource, "after")
        claims = self.claims(token) or {}
        answer = {
            "access_token": token,
            "client_id": client,
            "expires_on": str(claims["exp"]),
            "not_before": str(claims["nbf"]),
            "resource": resource,
            "token_type": "Bearer",
        }
        return web.json_response(answer)

    def _refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Status and message; the statuses for the header are our choice, Microsoft documents none."""
        query = request.query
        resource, client = query.get("resource"), query.get("client_id")
        presented = request.headers.get("X-IDENTITY-HEADER")
        problems = (
            (self._fails(), self.fail_with or 0, "The identity service was told to fail."),
            (request.path != "/msi/token", 404, "No such path."),
            (request.method != "GET", 405, "Only GET is answered."),
            (presented is None, 401, "The X-IDENTITY-HEADER header is missing."),
            (not hmac.compare_digest(presented or "", self.header), 403, "The X-IDENTITY-HEADER is wrong."),
            (query.get("api-version") != "2019-08-01", 400, "The api-version must be 2019-08-01."),
            (not resource, 400, "The resource parameter is missing."),
            (resource not in self.audiences, 400, f"The resource principal {resource} was not found."),
            (
                client not in {None, self.client_id, *self.user_assigned},
                400,
                "No identity has this client_id.",
            ),
            ((client or self.client_id) in self.unassigned, 400, "Unable to load the proper Managed Identity."),
        )
        return next(((status, text) for wrong, status, text in problems if wrong), None)


def _refused(status: int, message: str) -> web.Response:
    body = {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())}
    return web.json_response(body, status=status)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
