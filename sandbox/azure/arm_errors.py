"""Azure Resource Manager's refusals, with the codes and much of the wording of the real service.

https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

from collections.abc import Iterable
from typing import Any


class ResourceError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        """Return the JSON that goes with the status."""
        return {"error": {"code": self.code, "message": self.message}}


def denied(client_id: str, object_id: str, action: str, scope: str) -> ResourceError:
    """403: no role of the caller's has this action here."""
    text = (
        f"The client '{client_id}' with object id '{object_id}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh "
        "your credentials."
    )
    return ResourceError(403, "AuthorizationFailed", text)


def locked(scope: str, locked_scopes: Iterable[str]) -> ResourceError:
    """409: a lock forbids the operation here."""
    text = (
        f"The scope '{scope}' cannot perform write operation because following scope(s) are locked: "
        f"'{','.join(locked_scopes)}'. Please remove the lock and try again."
    )
    return ResourceError(409, "ScopeLocked", text)


def not_found(scope: str, subscriptions: set[str], groups: set[str]) -> ResourceError:
    """404, for the outermost part of the path that doesn't exist."""
    parts = scope.strip("/").split("/")
    if parts[1].lower() not in subscriptions:
        return ResourceError(404, "SubscriptionNotFound", f"The subscription '{parts[1]}' could not be found.")
    if len(parts) < 4 or parts[3].lower() not in groups:
        group = parts[3] if len(parts) > 3 else ""
        return ResourceError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    kind = "/".join(parts[5:])
    text = f"The Resource '{kind}' under resource group '{parts[3]}' was not found."
    return ResourceError(
        404, "ResourceNotFound", f"{text} For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )


def not_served(provider: str, version: str, newest: str) -> ResourceError:
    """400: the cloud has no such api-version yet."""
    text = (
        f"No registered resource provider found for API version '{version}' for '{provider}'. The supported "
        f"api-versions are those up to '{newest}'."
    )
    return ResourceError(400, "NoRegisteredProviderFound", text)


def bad_request(message: str) -> ResourceError:
    """400 for what the client sent."""
    return ResourceError(400, "BadRequest", message)
