"""What an operation needs, and who a bearer token was issued to.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

import dataclasses
from typing import Any

from aiohttp import web

from sandbox.azure import identity
from sandbox.blob.errors import BlobError

AUDIENCES = frozenset({"https://storage.azure.com", "https://storage.azure.com/"})
_FLAWS = {
    identity.Flaw.MISSING: "The Authorization header's scheme is not Bearer.",
    identity.Flaw.INVALID: "Signature validation failed.",
    identity.Flaw.AUDIENCE: "Audience validation failed. Audience did not match.",
    identity.Flaw.EXPIRED: "Lifetime validation failed. The token is expired.",
}
_VERBS = {"r": "read", "l": "read", "c": "write", "w": "write", "d": "delete"}


@dataclasses.dataclass(frozen=True)
class Needed:
    """What an operation asks of a SAS: a resource type letter, and one of the permission letters.

    `action` is set where a bearer token is asked for instead, and a role with this action on the account.
    """

    resource_type: str
    permissions: str
    action: str = ""

    @property
    def data_action(self) -> str:
        """What it asks of a role. Containers are judged as their blobs are."""
        verb = _VERBS[self.permissions[0]]
        return f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{verb}"

    @property
    def in_one_container(self) -> bool:
        """Whether a SAS for a container or a part of it can allow this: its blobs and their list, not its settings."""
        return self.resource_type == "o" or (self.resource_type, self.permissions) == ("c", "l")


def claims(tokens: identity.Identity, request: web.Request) -> dict[str, Any]:
    """Return what a request's bearer token says; BlobError unless it is valid here."""
    try:
        return tokens.bearer(request, AUDIENCES)
    except identity.TokenError as bad:
        raise BlobError(401, "InvalidAuthenticationInfo", _FLAWS[bad.flaw]) from bad
