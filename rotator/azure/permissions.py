"""Permissions in Azure: a vault's access policies, and the roles that let an identity use an account's keys."""

import dataclasses
import enum
import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from rotator import untrusted

AUTHORIZATION_VERSION = "2022-04-01"  # of Microsoft.Authorization's REST API
KEY_OPERATOR = "81a9662b-bebf-436f-a333-f67b29880f12"
KEY_OPERATOR_NAME = "Storage Account Key Operator Service Role"
BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
BLOB_DELEGATOR_NAME = "Storage Blob Delegator"
REVOKER_NAME = "Storage User Delegation Key Revoker"  # a custom one: no built-in role has just that action
BLOB_READER_NAME = "Storage Blob Data Reader"
BLOB_CONTRIBUTOR_NAME = "Storage Blob Data Contributor"
BLOB_OWNER_NAME = "Storage Blob Data Owner"
READER_NAME = "Reader"
SECRETS_USER_NAME = "Key Vault Secrets User"
SECRETS_OFFICER_NAME = "Key Vault Secrets Officer"
WEBSITE_CONTRIBUTOR_NAME = "Website Contributor"  # all that is done with a function app
# Built-in roles that may read and regenerate an account's keys: that one, Storage Account Contributor, Contributor
# and Owner (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles).
KEY_ROLES = frozenset(
    {
        KEY_OPERATOR,
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    }
)
LIST_KEYS = "Microsoft.Storage/storageAccounts/listkeys/action"
REGENERATE_KEY = "Microsoft.Storage/storageAccounts/regeneratekey/action"
REVOKE_DELEGATION_KEYS = "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action"
DELEGATE = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
ASSIGN_ROLES = "Microsoft.Authorization/roleAssignments/write"
SET_SECRET = "Microsoft.KeyVault/vaults/secrets/setSecret/action"  # noqa: S105  # an action
# From Microsoft's documentation of managed storage (overview-storage-keys), which was withdrawn in April 2026.
_KEY_VAULT = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
_KEY_VAULT_OF_GOVERNMENT = "7e7c393b-45d0-48b1-a35e-2905ddf8183c"


def key_vault_application(host: str) -> str:
    """Return the application id of the Key Vault service in the cloud of this vault's host."""
    return _KEY_VAULT_OF_GOVERNMENT if host.endswith(".usgovcloudapi.net") else _KEY_VAULT


def is_allowed(action: str, roles: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of these roles includes the action in its `actions` and not in its `notActions`."""
    return any(_matches(one.get("actions"), action) and not _matches(one.get("notActions"), action) for one in roles)


@dataclasses.dataclass(frozen=True)
class Roles:
    """What one identity's roles allow at a scope, each as Resource Manager lists it."""

    each: tuple[Mapping[str, Any], ...] = ()

    def allow(self, action: str) -> bool:
        """Whether any of them includes an action of the control plane."""
        return is_allowed(action, self.each)

    def open(self, data_action: str) -> bool:
        """Whether any of them includes an action on data."""
        return any(
            _matches(one.get("dataActions"), data_action) and not _matches(one.get("notDataActions"), data_action)
            for one in self.each
        )


def key_operators(assignments: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the object ids of the service principals to which one of KEY_ROLES is assigned."""
    found = [untrusted.mapping(one.get("properties")) for one in assignments]
    return frozenset(
        str(one.get("principalId"))
        for one in found
        if one.get("principalType") == "ServicePrincipal"
        and str(one.get("roleDefinitionId", "")).rpartition("/")[2].lower() in KEY_ROLES
    )


def _matches(patterns: object, action: str) -> bool:
    found = patterns if isinstance(patterns, list) else []
    return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower()) for pattern in found)


@dataclasses.dataclass(frozen=True)
class Principal:
    """Who gets permissions; `kind` is User or ServicePrincipal, or empty if it is unknown."""

    object_id: str = "<object id of the identity>"
    kind: str = ""
    name: str = "the app's identity"


class Kind(enum.StrEnum):
    """What a vault's permissions are for."""

    SECRETS = "secrets"
    STORAGE = "storage"  # managed storage


class Permission(enum.Enum):
    """A permission of a vault's access policies: its kind, and the verb there."""

    SECRETS_GET = (Kind.SECRETS, "get")
    SECRETS_SET = (Kind.SECRETS, "set")
    SECRETS_RECOVER = (Kind.SECRETS, "recover")
    STORAGE_GET = (Kind.STORAGE, "get")
    STORAGE_LIST = (Kind.STORAGE, "list")
    STORAGE_SET = (Kind.STORAGE, "set")
    STORAGE_UPDATE = (Kind.STORAGE, "update")
    STORAGE_RECOVER = (Kind.STORAGE, "recover")
    STORAGE_GETSAS = (Kind.STORAGE, "getsas")
    STORAGE_SETSAS = (Kind.STORAGE, "setsas")
    STORAGE_REGENERATEKEY = (Kind.STORAGE, "regeneratekey")

    @property
    def kind(self) -> Kind:
        """What it is for."""
        return self.value[0]

    @property
    def verb(self) -> str:
        """What it allows."""
        return self.value[1]

    def __str__(self) -> str:
        return f"{self.kind} {self.verb}"


@dataclasses.dataclass(frozen=True)
class Policy:
    """The permissions for secrets and for managed storage that an access policy grants to one identity."""

    secrets: frozenset[str] = frozenset()
    storage: frozenset[str] = frozenset()

    def verbs(self, kind: Kind) -> frozenset[str]:
        """The verbs of one kind."""
        return self.secrets if kind is Kind.SECRETS else self.storage

    def covers(self, other: "Policy") -> bool:
        """Whether this grants all that the other does."""
        return all(
            "all" in mine or theirs <= mine
            for mine, theirs in ((self.secrets, other.secrets), (self.storage, other.storage))
        )

    def union(self, other: "Policy") -> "Policy":
        """Both together."""
        return Policy(self.secrets | other.secrets, self.storage | other.storage)

    def __str__(self) -> str:
        parts = (("secrets", self.secrets), ("storage", self.storage))
        return "; ".join(f"{kind} {' '.join(sorted(verbs))}" for kind, verbs in parts if verbs)


# What a rotation needs: `recover` is for a soft-deleted SAS definition, `get` to find the blob endpoint.
APP = Policy(frozenset({"get"}), frozenset({"get", "getsas", "setsas", "recover"}))
# What a key rotation needs besides.
KEY_ROTATION = Policy(storage=frozenset({"regeneratekey"}))
# What onboarding and `plan` need.
OPERATOR = Policy(
    frozenset({"get", "set", "recover"}), frozenset({"get", "getsas", "list", "set", "update", "recover"})
)


@dataclasses.dataclass(frozen=True)
class Role:
    """A built-in role, and the ids of those that include all of it and that are often assigned instead."""

    name: str
    role_id: str
    wider: frozenset[str] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all roles that are enough."""
        return self.wider | {self.role_id}


# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
_BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
_BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
_SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
_VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
KEY_OPERATORS = Role(KEY_OPERATOR_NAME, KEY_OPERATOR, KEY_ROLES)
SECRETS_OFFICER = Role(SECRETS_OFFICER_NAME, _SECRETS_OFFICER, frozenset({_VAULT_ADMINISTRATOR}))
SECRETS_USER = Role(
    SECRETS_USER_NAME, "4633458b-17de-408a-b874-0445c86b69e6", frozenset({_SECRETS_OFFICER, _VAULT_ADMINISTRATOR})
)
DELEGATOR = Role(BLOB_DELEGATOR_NAME, BLOB_DELEGATOR, frozenset({_BLOB_READER, _BLOB_CONTRIBUTOR, _BLOB_OWNER}))
DATA_ROLES = {
    BLOB_READER_NAME: Role(BLOB_READER_NAME, _BLOB_READER, frozenset({_BLOB_CONTRIBUTOR, _BLOB_OWNER})),
    BLOB_CONTRIBUTOR_NAME: Role(BLOB_CONTRIBUTOR_NAME, _BLOB_CONTRIBUTOR, frozenset({_BLOB_OWNER})),
    BLOB_OWNER_NAME: Role(BLOB_OWNER_NAME, _BLOB_OWNER),
}


def has_role(role: Role, scope: str, object_id: str, assignments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of these assignments gives an object id a role, or a wider one, at a scope or above it."""
    found = [untrusted.mapping(one.get("properties")) for one in assignments]
    return any(
        one.get("principalId") == object_id
        and str(one.get("roleDefinitionId", "")).rpartition("/")[2].lower() in role.ids
        and f"{scope}/".lower().startswith(f"{str(one.get('scope')).rstrip('/')}/".lower())
        for one in found
    )


def for_app(*, manages: bool) -> Policy:
    """Return what the app needs of a vault: one that `manages` the storage account, or has the SSH key alone."""
    return APP if manages else Policy(APP.secrets)


def for_operator(*, manages: bool) -> Policy:
    """Return what onboarding needs of such a vault."""
    return OPERATOR if manages else Policy(OPERATOR.secrets)
