"""Role definitions and role assignments: who may take which action at which scope.

https://learn.microsoft.com/azure/role-based-access-control/overview
"""

import dataclasses
import fnmatch
import uuid
from collections.abc import Iterable, Iterator

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
WEBSITE_CONTRIBUTOR = "de139f84-1756-47ae-9be6-808fbbe84772"
KEY_OPERATOR = "81a9662b-bebf-436f-a333-f67b29880f12"
STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"


@dataclasses.dataclass(frozen=True)
class Definition:
    """A built-in role's name, and what it allows; `*` in an action stands for any text.

    Actions on data are kept apart from the others.
    """

    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

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
    STORAGE_BLOB_DATA_OWNER: Definition(
        "Storage Blob Data Owner", (f"{CONTAINERS}/*",), data_actions=(f"{CONTAINERS}/blobs/*",)
    ),
    STORAGE_BLOB_DATA_READER: Definition(
        "Storage Blob Data Reader", (f"{CONTAINERS}/read",), data_actions=(f"{CONTAINERS}/blobs/read",)
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


def held(assignments: Iterable[Assignment], principal_id: str, scope: str) -> Iterator[Definition]:
    """Return the roles of an object id at a scope, the inherited ones as well."""
    for one in assignments:
        if one.principal_id == principal_id and reaches(one.scope, scope):
            yield DEFINITIONS[one.role]


def opens_data(assignments: Iterable[Assignment], principal_id: str, data_action: str, scope: str) -> bool:
    """Whether a role of this object id allows the data action at this scope."""
    return any(role.opens(data_action) for role in held(assignments, principal_id, scope))


def reaches(scope: str, other: str) -> bool:
    """Whether `other` is this scope or lies within it."""
    outer, inner = scope.lower().rstrip("/"), other.lower().rstrip("/")
    return inner == outer or inner.startswith(f"{outer}/")


def _any_fits(patterns: Iterable[str], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
