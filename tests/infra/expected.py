"""What each set of parameters is to deploy: roles, policies, what is reached from where."""

import dataclasses
from typing import NamedTuple


class Network(NamedTuple):
    """From where a resource is reached: publicNetworkAccess, the default, and addresses let in nevertheless."""

    access: str | None
    default: str | None
    addresses: tuple[str, ...] = ()


class Assignment(NamedTuple):
    """Who has which role on what."""

    role: str
    on: str
    to: str
    kind: str = "ServicePrincipal"


Permissions = dict[str, list[str]]
OPEN, SHUT, NOT_SET = Network("Enabled", "Allow"), Network("Disabled", "Deny"), Network(None, None)
ROLES = {
    "81a9662b-bebf-436f-a333-f67b29880f12": "Storage Account Key Operator Service Role",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}
KEY_OPERATOR, BLOB_DATA_OWNER, METRICS_PUBLISHER, SECRETS_USER, SECRETS_OFFICER, READER, DELEGATOR, *_ = ROLES.values()
DATA_READER, DATA_CONTRIBUTOR = [*ROLES.values()][-2:]
REVOKE = "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action"
OWN, NEW, VAULT = "Storage/storageAccounts/st", "Storage/storageAccounts/stsas", "KeyVault/vaults/kv-"
OTHER_VAULT = "rg-vaults: KeyVault/vaults/kv-pictures"
ELSEWHERE = "33333333-3333-3333-3333-333333333333, rg-pictures: Storage/storageAccounts/pictures"
APP: Permissions = {"secrets": ["get"], "storage": ["get", "getsas", "setsas", "recover"]}
ROTATING_APP: Permissions = {"secrets": ["get"], "storage": [*APP["storage"], "regeneratekey"]}
OPERATOR: Permissions = {
    "secrets": ["get", "set", "recover"],
    "storage": ["get", "getsas", "list", "set", "update", "recover"],
}


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a set of parameters is to deploy."""

    network: dict[str, Network]
    key_operators: list[tuple[str, str]]  # who and of which type; besides, the app has its roles on what is its own
    policies: dict[str, Permissions]
    rotated: str = NEW
    vault: str = VAULT
    retained: int | None = 90  # days
    issuer: str = "keyvault"
    shared_keys: bool = True  # of an account made here
    container: str = ""  # that the SAS is for
    others: tuple[Assignment, ...] = ()  # roles that no deployment with keyvault has

    @property
    def role_mode(self) -> bool:
        """Whether a vault made here takes roles; managed storage needs access policies."""
        return self.issuer != "keyvault"


_USER, _KEY_VAULT, _APP = ("operator", "User"), ("Key Vault", "ServicePrincipal"), ("app", "ServicePrincipal")
EXPECTED = {
    "default": Expected(
        network={OWN: OPEN, NEW: NOT_SET, VAULT: OPEN},
        key_operators=[_KEY_VAULT, _USER],
        policies={"app": APP, "operator": OPERATOR},
    ),
    "no-principal": Expected(
        network={OWN: OPEN, NEW: NOT_SET, VAULT: OPEN},
        key_operators=[_KEY_VAULT],
        policies={"app": APP},
    ),
    "private": Expected(
        network={OWN: SHUT, NEW: NOT_SET, VAULT: SHUT},
        key_operators=[_KEY_VAULT, _USER, _APP],
        policies={"app": ROTATING_APP, "operator": OPERATOR},
    ),
    "existing": Expected(
        network={OWN: OPEN},
        key_operators=[_APP],
        policies={"app": ROTATING_APP, "operator": OPERATOR},
        rotated="rg-pictures: Storage/storageAccounts/pictures",
        vault=OTHER_VAULT,
        retained=None,
    ),
    "existing-private": Expected(
        network={OWN: SHUT},
        key_operators=[_KEY_VAULT, _USER],
        policies={"app": APP, "operator": OPERATOR},
        rotated="Storage/storageAccounts/pictures",
        vault="KeyVault/vaults/kv-pictures",
    ),
    "everything": Expected(
        network={OWN: SHUT, NEW: NOT_SET, VAULT: Network("Enabled", "Deny", ("203.0.113.7",))},
        key_operators=[_KEY_VAULT, ("operator", "ServicePrincipal"), _APP],
        policies={"app": ROTATING_APP, "operator": OPERATOR},
        retained=30,
    ),
    "storagekey": Expected(
        network={OWN: OPEN, NEW: NOT_SET, VAULT: OPEN},
        key_operators=[_APP],
        policies={},
        issuer="storagekey",
        others=(Assignment(SECRETS_USER, VAULT, "app"), Assignment(READER, NEW, "app")),
    ),
    "storagekey-existing": Expected(
        network={OWN: OPEN},
        key_operators=[_APP],
        policies={},
        rotated=ELSEWHERE,
        vault=OTHER_VAULT,
        issuer="storagekey",
        container="media",
        others=(
            Assignment(SECRETS_USER, OTHER_VAULT, "app"),
            Assignment(SECRETS_OFFICER, OTHER_VAULT, "operator", "Group"),
            Assignment(READER, ELSEWHERE, "app"),
        ),
    ),
    "userdelegation": Expected(
        network={OWN: OPEN, NEW: NOT_SET, VAULT: OPEN},
        key_operators=[],
        policies={},
        issuer="userdelegation",
        shared_keys=False,
        container="pictures",
        others=(
            Assignment(SECRETS_USER, VAULT, "app"),
            Assignment(SECRETS_OFFICER, VAULT, *_USER),
            Assignment(READER, NEW, "app"),
            Assignment(DELEGATOR, NEW, "app"),
            Assignment(DATA_CONTRIBUTOR, f"{NEW}/blobServices/default/containers/pictures", "app"),
        ),
    ),
    "userdelegation-existing": Expected(
        network={OWN: OPEN},
        key_operators=[],
        policies={},
        rotated=ELSEWHERE,
        vault=OTHER_VAULT,
        issuer="userdelegation",
        container="media",
        others=(
            Assignment(SECRETS_USER, OTHER_VAULT, "app"),
            Assignment(DELEGATOR, ELSEWHERE, "app"),
            Assignment(DATA_CONTRIBUTOR, f"{ELSEWHERE}/blobServices/default/containers/media", "app"),
            Assignment(REVOKE, ELSEWHERE, "app"),
        ),
    ),
    "userdelegation-moved": Expected(
        network={OWN: OPEN, NEW: NOT_SET, VAULT: OPEN},
        key_operators=[],
        policies={},
        issuer="userdelegation",
        container="media",
        others=(
            Assignment(SECRETS_USER, VAULT, "app"),
            Assignment(SECRETS_OFFICER, VAULT, *_USER),
            Assignment(READER, NEW, "app"),
            Assignment(DELEGATOR, NEW, "app"),
            Assignment(DATA_READER, f"{NEW}/blobServices/default/containers/media", "app"),
        ),
    ),
}
