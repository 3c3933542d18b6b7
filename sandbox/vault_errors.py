"""Key Vault's refusals, with the codes and much of the wording of the real service.

https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

from typing import Any


class VaultError(Exception):
    """An answer other than 200; `inner` is the innermost error code, which says more than `code`."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    def body(self) -> dict[str, Any]:
        """Return the JSON that goes with the status."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner is not None:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


def bad_parameter(message: str) -> VaultError:
    """400 for what the client sent."""
    return VaultError(400, "BadParameter", message)


def not_found(code: str, message: str) -> VaultError:
    """404; the codes for managed storage are our own, no source has them."""
    return VaultError(404, code, message)


def deleted(kind: str, name: str) -> VaultError:
    """409: the name is taken by something soft-deleted."""
    text = (
        f"{kind} {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
        "in this state, the object can only be recovered or purged."
    )
    return VaultError(409, "Conflict", text, "ObjectIsDeletedButRecoverable")


def being_recovered(kind: str, name: str) -> VaultError:
    """409: a recovery was asked for and isn't through yet."""
    return VaultError(409, "Conflict", f"{kind} {name} is currently being recovered.", "ObjectIsBeingRecovered")


def disabled() -> VaultError:
    """403 for a secret, or a SAS definition, that isn't enabled."""
    return VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")


def denied(permission: str, client_id: str, object_id: str, vault: str) -> VaultError:
    """403: the access policy lacks a permission, written as in "storage/setsas"."""
    text = (
        f"The user, group or application 'appid={client_id};oid={object_id}' does not have "
        f"{permission.replace('/', ' ')} permission on key vault '{vault}'. For help resolving this issue, "
        "please see https://go.microsoft.com/fwlink/?linkid=2125287"
    )
    return VaultError(403, "Forbidden", text, "AccessDenied")


def denied_by_role(permission: str, client_id: str, object_id: str, vault: str) -> VaultError:
    """403 of a vault in RBAC mode: the caller has no data role."""
    kind, _, operation = permission.partition("/")
    text = (
        "Caller is not authorized to perform action on resource. If role assignments, deny assignments or role "
        f"definitions were changed recently, please observe propagation time. Caller: appid={client_id};"
        f"oid={object_id}. Action: '{kind} {operation}'. Vault: {vault}."
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByRbac")


def denied_by_firewall(address: str, client_id: str, object_id: str, vault: str) -> VaultError:
    """403: no rule of the vault's firewall has the caller's address."""
    text = (
        f"Client address is not authorized and caller is not a trusted service.\r\nClient address: {address}\r\n"
        f"Caller: appid={client_id};oid={object_id}\r\nVault: {vault};location=westeurope"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByFirewall")


def denied_by_connection(client_id: str, object_id: str, vault: str) -> VaultError:
    """403: the vault takes no requests from public networks."""
    text = (
        "Public network access is disabled and request is not from a trusted service nor via an approved private "
        f"link.\r\nCaller: appid={client_id};oid={object_id}\r\nVault: {vault};location=westeurope"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByConnection")


def service_denied() -> VaultError:
    """403: Key Vault's own application lacks the role for an account's keys.

    https://github.com/MicrosoftDocs/azure-docs/issues/37188
    """
    return VaultError(
        403, "Forbidden", "Key vault service doesn't have proper permissions to access the storage account"
    )


def not_on_behalf(client_id: str, object_id: str, action: str, scope: str) -> VaultError:
    """403 from Resource Manager, which Key Vault calls on behalf of the caller for an account's keys."""
    text = (
        f"The client '{client_id}' with object id '{object_id}' does not have authorization to perform "
        f"action 'Microsoft.Storage/storageAccounts/{action}/action' over scope '{scope}'."
    )
    return VaultError(403, "Forbidden", text)
