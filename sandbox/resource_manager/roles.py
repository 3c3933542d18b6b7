"""Role definitions and role assignments: who may take which action at which scope.

https://learn.microsoft.com/azure/role-based-access-control/overview
"""

import dataclasses
import fnmatch
import uuid
from collections.abc import Iterable, Iterator, Mapping

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
WEBSITE_CONTRIBUTOR = "de139f84-1756-47ae-9be6-808fbbe84772"
KEY_OPERATOR = "81a9662b-bebf-436f-a333-f67b29880f12"
KEY_VAULT_SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
KEY_VAULT_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
STORAGE_ACCOUNT_CONTRIBUTOR = "17d1049b-9a84-46fb-8f53-869881c3d3ab"
STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
STORAGE_BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
BLOB_SERVICES = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINERS = f"{BLOB_SERVICES}/containers"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"
_DELEGATE = f"{BLOB_SERVICES}/generateUserDelegationKey/action"


@dataclasses.dataclass(frozen=True)
class Definition:
    """A role's name, and what it allows; `*` in an action stands for any text.

    Actions on data are kept apart from the others. `kind` is that of a custom role for one that isn't Azure's own.
    """

    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    kind: str = "BuiltInRole"

    def allows(self, action: str) -> bool:
        """Whether the action is among those granted and not taken away again; letter case doesn't count."""
        return _any_fits(self.actions, action) and not _any_fits(self.not_actions, action)

    def opens(self, data_action: str) -> bool:
        """Whether the role allows this with the data in a resource."""
        return _any_fits(self.data_actions, data_action)


# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
DEFINITIONS = {
    OWNER: Definition("Owner", ("*",)),
    CONTRIBUTOR: Definition(
        "Contributor", ("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
    ),
    READER: Definition("Reader", ("*/read",)),
    WEBSITE_CONTRIBUTOR: Definition(  # those of its actions that are about a site, and about who may do what
        "Website Contributor",
        (
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Web/serverFarms/read",
            "Microsoft.Web/sites/*",
        ),
    ),
    KEY_OPERATOR: Definition(
        "Storage Account Key Operator Service Role",
        (
            "Microsoft.Storage/storageAccounts/listkeys/action",
            "Microsoft.Storage/storageAccounts/regeneratekey/action",
        ),
    ),
    STORAGE_ACCOUNT_CONTRIBUTOR: Definition(  # without what it has of networks, monitoring and support
        "Storage Account Contributor",
        (
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Storage/storageAccounts/*",
        ),
    ),
    STORAGE_BLOB_DATA_CONTRIBUTOR: Definition(
        "Storage Blob Data Contributor",
        (*(f"{CONTAINERS}/{verb}" for verb in ("delete", "read", "write")), _DELEGATE),
        data_actions=tuple(
            f"{CONTAINERS}/blobs/{verb}" for verb in ("delete", "read", "write", "move/action", "add/action")
        ),
    ),
    STORAGE_BLOB_DATA_OWNER: Definition(
        "Storage Blob Data Owner", (f"{CONTAINERS}/*", _DELEGATE), data_actions=(f"{CONTAINERS}/blobs/*",)
    ),
    STORAGE_BLOB_DATA_READER: Definition(
        "Storage Blob Data Reader", (f"{CONTAINERS}/read", _DELEGATE), data_actions=(f"{CONTAINERS}/blobs/read",)
    ),
    STORAGE_BLOB_DELEGATOR: Definition("Storage Blob Delegator", (_DELEGATE,)),
    KEY_VAULT_SECRETS_OFFICER: Definition(
        "Key Vault Secrets Officer", ("Microsoft.KeyVault/vaults/*/read",), data_actions=(f"{_SECRETS}/*",)
    ),
    KEY_VAULT_SECRETS_USER: Definition(
        "Key Vault Secrets User",
        (),
        data_actions=(f"{_SECRETS}/getSecret/action", f"{_SECRETS}/readMetadata/action"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A role for an object id at a scope, which is a resource id or the beginning of one."""

    scope: str
    role: str
    principal_id: str
    principal_type: str = "ServicePrincipal"
    name: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))


def held(
    definitions: Mapping[str, Definition], assignments: Iterable[Assignment], principal_id: str, scope: str
) -> Iterator[Definition]:
    """Return the roles of an object id at a scope, the inherited ones as well; `definitions` are by id."""
    for one in assignments:
        if one.principal_id == principal_id and reaches(one.scope, scope):
            yield definitions[one.role]


def reaches(scope: str, other: str) -> bool:
    """Whether `other` is this scope or lies within it."""
    outer, inner = scope.lower().rstrip("/"), other.lower().rstrip("/")
    return inner == outer or inner.startswith(f"{outer}/")


def _any_fits(patterns: Iterable[str], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
