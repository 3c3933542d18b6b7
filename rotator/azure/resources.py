"""The Azure resources and the master as onboarding sees them, and what it needs of whatever reads and changes them."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Protocol

from rotator import errors
from rotator.azure import permissions
from rotator.azure.managed_account import StorageBundle
from rotator.azure.resource_id import ResourceId
from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText


@dataclasses.dataclass(frozen=True)
class VaultFacts:
    """A vault as Resource Manager describes it."""

    name: str
    url: str
    tenant: str
    rbac: bool
    policies: Mapping[str, permissions.Policy]


@dataclasses.dataclass(frozen=True)
class AccountFacts:
    """A storage account as Resource Manager describes it; `sas_limit` is the longest life of a SAS that it wants."""

    name: str
    blob_endpoint: str | None
    shared_key: bool
    sas_limit: datetime.timedelta | None


@dataclasses.dataclass(frozen=True)
class AppFacts:
    """A function app: its user-assigned identities (object id by client id), its own one, and all its settings."""

    name: str
    principals: Mapping[str, str]
    principal: str | None
    settings: Mapping[str, str] = dataclasses.field(repr=False)


class Directory(Protocol):
    """Resource Manager as the operator; raises ResourceManagerError."""

    def operator(self) -> str:
        """Give the object id of whoever is signed in."""

    def vault(self, resource: ResourceId) -> VaultFacts:
        """Read the vault."""

    def account(self, resource: ResourceId) -> AccountFacts:
        """Read the storage account."""

    def may(self, resource: ResourceId, action: str) -> bool:
        """Tell whether whoever is signed in may do this."""

    def key_operators(self, resource: ResourceId) -> frozenset[str]:
        """Give the applications that may handle the account's keys."""

    def function_app(self, resource: ResourceId) -> AppFacts:
        """Read the function app."""

    def grant(self, resource: ResourceId, tenant: str, object_id: str, policy: permissions.Policy) -> None:
        """Add to an access policy; takes nothing away."""

    def change_settings(self, resource: ResourceId, changes: Mapping[str, str]) -> None:
        """Set these app settings; the others stay as they are at that moment."""


class Store(Protocol):
    """The vault as the operator; raises VaultError."""

    def managed(self, *, settling: bool = True) -> StorageBundle | None:
        """Read what is managed under the name; `settling` waits for a new access policy."""

    def name_of(self, resource_id: str) -> str | None:
        """Give the name under which that account is managed."""

    def soft_deleted(self) -> StorageBundle | None:
        """Give what was deleted under the name and can be recovered."""

    def recover(self, wanted: StorageBundle) -> None:
        """Bring it back, and change when keys are regenerated; never the active key."""

    def manage(self, wanted: StorageBundle) -> None:
        """Put the account under management."""

    def change(self, wanted: StorageBundle) -> None:
        """Change when keys are regenerated, never the active key."""

    def secret(self, name: str) -> SecretText | None:
        """Read a secret; None when there is none."""

    def put_secret(self, name: str, value: SecretText, content_type: str) -> None:
        """Write a new version of a secret."""


class Host(Protocol):
    """The way to the master, before anybody trusts it."""

    def shown(self, cluster: Cluster) -> tuple[host_keys.HostKey, ...]:
        """Give the keys that the host shows."""


class Keys(Protocol):
    """SSH keys; raises PrivateKeyError."""

    def generate(self, passphrase: SecretText | None) -> SecretText:
        """Make a new key."""

    def public_line(self, key: SecretText, passphrase: SecretText | None) -> str:
        """Give the public half as authorized_keys has it."""


def taken(vault: str, name: str, found: StorageBundle) -> errors.AlreadyManagedError:
    """Say that the name belongs to another storage account than the wanted one."""
    return errors.AlreadyManagedError(
        f"{vault} manages another storage account as {name!r}, or did so: {found.resource_id}",
        remedy="Choose another KEYVAULT_STORAGE_NAME for this one.",
    )
