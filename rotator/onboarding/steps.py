"""What onboarding works with: the request, its steps, and the services that it asks."""

import dataclasses
import datetime
import enum
from collections.abc import Callable, Mapping
from typing import Protocol

from rotator.azure import permissions
from rotator.azure.managed_account import StorageBundle
from rotator.azure.resource_id import ResourceId
from rotator.azure.resources import AccountFacts, AppFacts, VaultFacts
from rotator.onboarding.errors import (
    AlreadyManagedError,
)
from rotator.plan import host_keys
from rotator.plan import host_keys as pins
from rotator.plan.plan import Cluster, Plan
from rotator.redaction import SecretText


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

    def scan_host_keys(self, cluster: Cluster) -> tuple[host_keys.HostKey, ...]:
        """Give the keys that the host shows."""


class Keys(Protocol):
    """SSH keys; raises PrivateKeyError."""

    def generate(self, passphrase: SecretText | None) -> SecretText:
        """Make a new key."""

    def public_line(self, key: SecretText, passphrase: SecretText | None) -> str:
        """Give the public half as authorized_keys has it."""


def taken(vault: str, name: str, found: StorageBundle) -> AlreadyManagedError:
    """Say that the name belongs to another storage account than the wanted one."""
    return AlreadyManagedError(
        f"{vault} manages another storage account as {name!r}, or did so: {found.resource_id}",
        remedy="Choose another KEYVAULT_STORAGE_NAME for this one.",
    )


@dataclasses.dataclass(frozen=True)
class OnboardingRequest:
    """What is to be reached.

    Key and passphrase are the operator's own, or None for those in the vault or new ones. `auto_regenerate` and
    `period` are None for what the vault has, or to begin with regeneration every 30 days, unless the timer does that.
    With `unseen_host` the master is not asked for its key, which must be pinned then. With `key_rotation` the app may
    have keys regenerated.
    """

    plan: Plan
    vault: ResourceId
    account: ResourceId
    function_app: ResourceId | None
    app_principal: str | None
    key_vault_principal: str | None
    active_key: str
    auto_regenerate: bool | None
    period: datetime.timedelta | None
    pins: tuple[pins.Pin, ...]
    settings: Mapping[str, str] = dataclasses.field(repr=False)
    ssh_key: SecretText | None = None
    passphrase: SecretText | None = None
    unseen_host: bool = False
    key_rotation: bool = False

    @property
    def cluster(self) -> Cluster:
        """The master."""
        return self.plan.targets[0].cluster


class StepOutcome(enum.Enum):
    """What became of a step."""

    CHECKED = "checked"
    UNCHANGED = "unchanged"
    WOULD = "would do"
    DONE = "done"


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of the account that onboarding gives; `equivalent` is the command that does the same."""

    title: str
    did: StepOutcome
    text: str
    equivalent: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """A step that is found to be needed (or not), and what carries it out."""

    title: str
    text: str
    equivalent: str
    act: Callable[[], None] | None


class Confirm(Protocol):
    """Asks the operator; False stops. `unknown` are host keys that nobody has vouched for."""

    def __call__(self, unknown: tuple[pins.HostKey, ...], changes: list[str]) -> bool:
        """Ask once."""
