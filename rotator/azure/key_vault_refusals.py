"""Why Key Vault refuses a request: the network, an access policy, Azure roles, or the storage account's keys.

No document lists all codes and texts. These were seen in the service's answers; some of them are described in
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

import dataclasses
import enum
import re
from http import HTTPStatus

from rotator import untrusted
from rotator.azure.permissions import Permission

# Permissions whose requests make the vault use the account's keys through Resource Manager, as itself and on behalf of
# the caller.
_WITH_KEYS = (Permission.STORAGE_SET, Permission.STORAGE_REGENERATEKEY)
_POLICY_CODES = frozenset({"ForbiddenByPolicy", "AccessDenied"})
# Nothing but the text distinguishes these two from other refusals.
_APPLICATION_TOO = re.compile(r"\bon-behalf-of \(OBO\)", re.IGNORECASE)
_SERVICE_ITSELF = re.compile(r"\bkey vault service does\s?n[o']t have proper permissions", re.IGNORECASE)
_ADDRESS = re.compile(r"Client address: ([0-9a-fA-F.:]+)")


class Cause(enum.Enum):
    """Why the vault refuses a request whose token it accepts."""

    DISABLED = enum.auto()
    """The secret, or the managed account, is disabled."""
    PRIVATE = enum.auto()
    """The vault accepts no requests from public networks."""
    PERIMETER = enum.auto()
    """The vault's network security perimeter refuses the request."""
    FIREWALL = enum.auto()
    """No rule of the vault's firewall includes the caller's address."""
    ROLES = enum.auto()
    """The vault is in RBAC mode, and no Azure role allows it."""
    KEYS = enum.auto()
    """Key Vault itself, or the caller on whose behalf it acts, may not handle the storage account's keys."""
    APPLICATION = enum.auto()
    """The access policy is for a compound identity (object and application), and grants the object alone nothing."""
    POLICY = enum.auto()
    """No access policy allows it."""


_BY_CODE = {
    "SecretDisabled": Cause.DISABLED,
    "ForbiddenByConnection": Cause.PRIVATE,
    "ForbiddenByNsp": Cause.PERIMETER,
    "ForbiddenByFirewall": Cause.FIREWALL,
    "ForbiddenByRbac": Cause.ROLES,
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """An error answer: its HTTP status, its error codes from the outer to the innermost, and its text."""

    status: int
    codes: tuple[str, ...] = ()
    message: str = dataclasses.field(default="", repr=False)

    @property
    def refuses(self) -> bool:
        """Whether it is a refusal; that the vault itself may not use the keys was also seen as a 400 `Forbidden`."""
        return self.status == HTTPStatus.FORBIDDEN or (
            self.status == HTTPStatus.BAD_REQUEST and self.codes[:1] == ("Forbidden",)
        )

    @property
    def address(self) -> str:
        """The caller's address as the vault saw it; empty unless its firewall refused the request."""
        found = _ADDRESS.search(self.message)
        return found[1].rstrip(".") if found else ""

    def cause(self, permission: Permission) -> Cause:
        """Why it refuses a request that needs this permission; without a known reason, a missing access policy."""
        for code in self.codes:
            if code in _BY_CODE:
                return _BY_CODE[code]
        if _APPLICATION_TOO.search(self.message):
            return Cause.APPLICATION
        if _SERVICE_ITSELF.search(self.message):
            return Cause.KEYS
        if permission in _WITH_KEYS and _POLICY_CODES.isdisjoint(self.codes):
            return Cause.KEYS
        return Cause.POLICY


def read(status: int, body: str) -> Answer:
    """Read an error's body; one that is not in Key Vault's form has neither codes nor text."""
    found = untrusted.mapping(untrusted.json_value(body)).get("error")
    message = untrusted.mapping(found).get("message")
    codes = []
    while isinstance(found, dict):
        codes.append(found.get("code"))
        found = found.get("innererror")
    known = tuple(untrusted.one_line(code) for code in codes if code and isinstance(code, str))
    return Answer(status, known, message if isinstance(message, str) else "")
