"""What Key Vault means by a refusal: the network, an access policy, Azure roles, or the storage account's keys.

Neither codes nor texts are listed in full anywhere. These were seen in answers of the service; some of them are told in
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

import dataclasses
import enum
import re
from http import HTTPStatus

from rotator import untrusted

# What the vault does with the account's keys through Resource Manager, as itself and on behalf of the caller.
_WITH_KEYS = ("storage set", "storage regeneratekey")
_POLICY_CODES = frozenset({"ForbiddenByPolicy", "AccessDenied"})
# No code tells these two apart from other refusals, so the service's text has to.
_APPLICATION_TOO = re.compile(r"\bon-behalf-of \(OBO\)", re.IGNORECASE)
_SERVICE_ITSELF = re.compile(r"\bkey vault service does\s?n[o']t have proper permissions", re.IGNORECASE)
_ADDRESS = re.compile(r"Client address: ([0-9a-fA-F.:]+)")


class Cause(enum.Enum):
    """Why the vault refuses a request of somebody whom it knows."""

    DISABLED = enum.auto()
    """The secret, or the managed account, is disabled."""
    PRIVATE = enum.auto()
    """It takes no requests from public networks."""
    PERIMETER = enum.auto()
    """Its network security perimeter does not let the request in."""
    FIREWALL = enum.auto()
    """No rule of its firewall has the caller's address."""
    ROLES = enum.auto()
    """It decides by Azure roles (RBAC mode)."""
    KEYS = enum.auto()
    """Key Vault itself, or the caller on whose behalf it acts, may not handle the storage account's keys."""
    APPLICATION = enum.auto()
    """The access policy names an application besides the object, and allows the object alone nothing."""
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
    """An answer that is an error: its status, its error codes from the outer to the inner ones, and its text."""

    status: int
    codes: tuple[str, ...] = ()
    message: str = dataclasses.field(default="", repr=False)

    @property
    def refuses(self) -> bool:
        """Whether it is a refusal. That the vault itself may not handle keys was also seen as a 400 `Forbidden`."""
        return self.status == HTTPStatus.FORBIDDEN or (
            self.status == HTTPStatus.BAD_REQUEST and self.codes[:1] == ("Forbidden",)
        )

    @property
    def address(self) -> str:
        """The caller's address as the vault saw it; empty where it does not tell, as only its firewall does."""
        found = _ADDRESS.search(self.message)
        return found[1].rstrip(".") if found else ""

    def cause(self, permission: str) -> Cause:
        """Say why it refuses what takes this permission; a refusal for no known reason is a matter of policies."""
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
    """Read an error's body, of which what is no error of Key Vault's has neither codes nor text."""
    found = untrusted.mapping(untrusted.json_value(body)).get("error")
    message = untrusted.mapping(found).get("message")
    codes = []
    while isinstance(found, dict):
        codes.append(found.get("code"))
        found = found.get("innererror")
    known = tuple(untrusted.one_line(code) for code in codes if code and isinstance(code, str))
    return Answer(status, known, message if isinstance(message, str) else "")
