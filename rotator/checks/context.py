"""What all checks share: the plan, the services that a run would use, the clock, and this process' environment."""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from rotator.azure.account_policy import AccountPolicy
from rotator.azure.host_storage.probe import HostStorageProbe
from rotator.azure.permissions import Principal, Roles
from rotator.checks.remedies import Remedies
from rotator.delivery.interface import SecretStore
from rotator.delivery.ssh.shell import Shell
from rotator.issuers.interface import Issuer, KeyLister, Prover
from rotator.issuers.keyvault import VaultOperations
from rotator.plan.account import Grant
from rotator.plan.host_keys import HostKey
from rotator.plan.plan import Cluster, Plan
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText
from rotator.rotation.account import AccountReader


class VaultProbe(VaultOperations, SecretStore, Protocol):
    """A vault whose permissions can be checked without changing anything."""

    def may_store(self, definition: Grant) -> bool:
        """Return whether the definition is soft-deleted, so that setting it recovers it first; changes nothing.

        Raises VaultForbiddenError unless it may be set and, if it is soft-deleted, recovered.
        """

    def may_regenerate(self) -> None:
        """Raise VaultForbiddenError unless keys may be regenerated; changes nothing."""

    def is_deleted(self) -> bool:
        """Whether the managed account is soft-deleted. Changes nothing."""

    def uses_roles(self) -> bool | None:
        """Whether the vault is in RBAC mode; None where that is not known. Changes nothing."""


class AccountLookup(Protocol):
    """Looks at a storage account through Resource Manager. Raises IdentityError or a ResourceManagerError."""

    def policy(self, account: ResourceId) -> AccountPolicy:
        """Read what the account accepts."""

    def read_only_locks(self, account: ResourceId) -> tuple[str, ...]:
        """Return the ids of the ReadOnly locks that hold for the account."""

    def roles(self, scope: str) -> Roles:
        """Read what the identity may do at a scope."""


class VerifiedHost(Protocol):
    """A connection to a master whose host key is pinned, on which nobody has logged in yet."""

    def login(self, key: SecretText, passphrase: SecretText | None) -> AbstractContextManager[Shell]:
        """Log in; raises SshError."""

    def close(self) -> None:
        """Close the connection."""


class HostVerifier(Protocol):
    """Connects to masters without logging in."""

    def verify_host(self, cluster: Cluster) -> tuple[tuple[HostKey, ...], VerifiedHost | None]:
        """Return the host keys that were shown, and the connection on which one is pinned, if any; raises SshError."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What all checks share.

    `environment` has the settings of this process, where App Service also says which app this is. `sign_in` gets a
    token for the vault and returns whose it is; raises IdentityError. `time_at` reads the time at a URL, which is
    None where the answer has none; raises NoAnswerError. `host_storage` is None where no storage of the app's own is
    set. Connections stay open until `stack` is closed. `assignee` is to whom remedies assign roles, None for whoever is
    signed in.
    """

    plan: Plan
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    sign_in: Callable[[], Principal]
    vault: VaultProbe
    issuer: Issuer
    lookup: AccountLookup
    key_lister: KeyLister
    prover: Prover
    account: AccountReader
    connector: HostVerifier
    host_storage: HostStorageProbe | None
    clock: Callable[[], datetime.datetime]
    time_at: Callable[[str], datetime.datetime | None]
    stack: contextlib.ExitStack
    assignee: Principal | None = None

    @property
    def remedies(self) -> Remedies:
        """The commands that repair what a check finds."""
        return Remedies(self.plan, self.environment, self.assignee)
