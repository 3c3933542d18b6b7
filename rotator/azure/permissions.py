"""Who may do what: access policies of a vault, and the roles that managed storage needs."""

import dataclasses

KEY_OPERATOR = "81a9662b-bebf-436f-a333-f67b29880f12"
KEY_OPERATOR_NAME = "Storage Account Key Operator Service Role"
BLOB_OWNER_NAME = "Storage Blob Data Owner"
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
# From Microsoft's documentation of managed storage (overview-storage-keys), which was withdrawn in April 2026.
_KEY_VAULT = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
_KEY_VAULT_OF_GOVERNMENT = "7e7c393b-45d0-48b1-a35e-2905ddf8183c"


def key_vault_application(host: str) -> str:
    """Give the application id of Key Vault itself, in the cloud that a vault's host is in."""
    return _KEY_VAULT_OF_GOVERNMENT if host.endswith(".usgovcloudapi.net") else _KEY_VAULT


@dataclasses.dataclass(frozen=True)
class Principal:
    """Whom permissions are given to; `kind` is User or ServicePrincipal, or empty where that is not known."""

    object_id: str = "<object id of the identity>"
    kind: str = ""
    name: str = "the app's identity"


@dataclasses.dataclass(frozen=True)
class Policy:
    """What an access policy lets one identity do with secrets and with managed storage."""

    secrets: frozenset[str] = frozenset()
    storage: frozenset[str] = frozenset()

    def covers(self, other: "Policy") -> bool:
        """Whether this allows all that the other does."""
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


# What a rotation does; `recover` brings a soft-deleted definition back, `get` finds the blob endpoint.
APP = Policy(frozenset({"get"}), frozenset({"get", "getsas", "setsas", "recover"}))
# What a key rotation does as well.
KEY_ROTATION = Policy(storage=frozenset({"regeneratekey"}))
# What onboarding and `plan` do.
OPERATOR = Policy(
    frozenset({"get", "set", "recover"}), frozenset({"get", "getsas", "list", "set", "update", "recover"})
)
