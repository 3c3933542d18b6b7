"""Key Vault's refusals, with the codes and much of the wording of the real service.

https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
"""

import dataclasses
from typing import Any

POLICY_CODES = ("ForbiddenByPolicy", "AccessDenied")  # both were seen for one wording, the first more lately
_MORE = "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid="
# https://learn.microsoft.com/azure/role-based-access-control/permissions/security#microsoftkeyvault
_ACTIONS = {
    "secrets/get": "secrets/getSecret/action",
    "secrets/list": "secrets/readMetadata/action",
    "secrets/set": "secrets/setSecret/action",
    "secrets/delete": "secrets/delete",
    "secrets/recover": "secrets/recover/action",
    "storage/get": "storageaccounts/read",
    "storage/list": "storageaccounts/read",
    "storage/set": "storageaccounts/set/action",
    "storage/update": "storageaccounts/set/action",
    "storage/delete": "storageaccounts/delete",
    "storage/regeneratekey": "storageaccounts/regeneratekey/action",
    "storage/recover": "storageaccounts/recover/action",
    "storage/purge": "storageaccounts/purge/action",
    "storage/getsas": "storageaccounts/sas/read",
    "storage/listsas": "storageaccounts/sas/read",
    "storage/setsas": "storageaccounts/sas/set/action",
    "storage/deletesas": "storageaccounts/sas/delete",
}


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who asks, and whom: a refusal names both."""

    client_id: str
    object_id: str
    issuer: str
    vault: str

    def __str__(self) -> str:
        return f"appid={self.client_id};oid={self.object_id};iss={self.issuer}"


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


def not_found(code: str, noun: str, name: str) -> VaultError:
    """404, recorded for a managed account; SAS definitions go by analogy."""
    text = (
        f"A {noun} with (name/id) {name} was not found in this key vault. If you recently deleted this {noun} you may "
        f"be able to recover it using the correct recovery command. {_MORE}2125182"
    )
    return VaultError(404, code, text)


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


def being_deleted(kind: str, name: str) -> VaultError:
    """409: a deletion was asked for and isn't through yet."""
    return VaultError(409, "Conflict", f"{kind} {name} is currently being deleted.", "ObjectIsBeingDeleted")


def purge_protected() -> VaultError:
    """403: nobody purges what is deleted in this vault."""
    text = (
        'Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service will '
        "automatically purge it after the retention period has passed."
    )
    return VaultError(403, "Forbidden", text)


def disabled() -> VaultError:
    """403 for a secret, or a SAS definition, that isn't enabled."""
    return VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")


def denied(permission: str, caller: Caller, code: str) -> VaultError:
    """403: the access policy lacks a permission, written as in "storage/setsas"; `code` is one of POLICY_CODES."""
    who = f"appid={caller.client_id};oid={caller.object_id};numgroups=0;iss={caller.issuer}"
    text = (
        f"The user, group or application '{who}' does not have {permission.replace('/', ' ')} permission on key vault "
        f"'{caller.vault}'. {_MORE}2125287"
    )
    return VaultError(403, "Forbidden", text, code)


def denied_without_application(caller: Caller) -> VaultError:
    """403: the access policy names an application besides the object, and this caller came without it.

    https://github.com/SparebankenVest/azure-key-vault-to-kubernetes/issues/126
    """
    text = (
        f"The policy requires the caller '{caller}' to use on-behalf-of (OBO) flow. For more information on OBO, "
        "please see https://go.microsoft.com/fwlink/?linkid=2152310"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByPolicy")


def data_action(permission: str) -> str:
    """Return what a role must allow where an access policy would need this permission."""
    return f"Microsoft.KeyVault/vaults/{_ACTIONS[permission]}"


def denied_by_role(permission: str, caller: Caller, resource_id: str) -> VaultError:
    """403 of a vault in RBAC mode: the caller has no data role."""
    text = (
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
        f"definitions were changed recently, please observe propagation time.\r\nCaller: {caller}\r\n"
        f"Action: '{data_action(permission)}'\r\nResource: '{resource_id.lower()}'\r\n"
        "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n"
        f"Vault: {caller.vault}\r\n"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByRbac")


def denied_by_firewall(address: str, caller: Caller) -> VaultError:
    """403: no rule of the vault's firewall has the caller's address."""
    text = (
        f"Client address is not authorized and caller is not a trusted service.\r\nClient address: {address}\r\n"
        f"Caller: {caller}\r\nVault: {caller.vault}"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByFirewall")


def denied_by_connection(caller: Caller) -> VaultError:
    """403: the vault takes no requests from public networks."""
    text = (
        "Public network access is disabled and request is not from a trusted service nor via an approved private "
        f"link.\r\nCaller: {caller}\r\nVault: {caller.vault}"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByConnection")


def service_denied(status: int) -> VaultError:
    """400 or 403, both were seen: Key Vault's own application lacks the role for an account's keys.

    https://github.com/MicrosoftDocs/azure-docs/issues/37188
    """
    text = "Key vault service doesn't have proper permissions to access the storage account"
    return VaultError(status, "Forbidden", text)


def not_on_behalf(client_id: str, object_id: str, action: str, scope: str) -> VaultError:
    """403 from Resource Manager, which Key Vault calls on behalf of the caller for an account's keys."""
    text = (
        f"The client '{client_id}' with object id '{object_id}' does not have authorization to perform "
        f"action 'Microsoft.Storage/storageAccounts/{action}/action' over scope '{scope}'."
    )
    return VaultError(403, "Forbidden", text)
