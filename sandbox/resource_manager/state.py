"""What Resource Manager knows: vaults, function apps, storage accounts, identities, and who holds which role.

https://learn.microsoft.com/azure/azure-resource-manager/management/overview
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from sandbox.azure import accounts, arm_errors, identity
from sandbox.key_vault.state import Vault
from sandbox.resource_manager import locks, roles, versions
from sandbox.resource_manager.deployed import Deployed
from sandbox.server import faults

Resource = TypeVar("Resource")


@dataclasses.dataclass(frozen=True)
class Call:
    """One authorised request: scope and other names in its path, its query, its JSON, and the caller's object id.

    `version` is its api-version.
    """

    scope: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]
    object_id: str
    version: str


@dataclasses.dataclass
class VaultResource:
    """A vault; its access policies and its mode are those of the data plane, `vault`."""

    id: str
    vault: Vault
    location: str = "westeurope"
    soft_delete: bool = True

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]


@dataclasses.dataclass
class Site:
    """A function app.

    `user_assigned` maps an identity's resource id to its client id and object id; `principal_id` is the
    system-assigned identity's object id, None without one. `address` is its host name, with a port where that is not
    443; empty for Azure's own. `python` is the version of its runtime.
    """

    id: str
    location: str = "westeurope"
    kind: str = "functionapp,linux"
    principal_id: str | None = None
    user_assigned: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    app_settings: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    address: str = ""
    python: str = "3.13"
    deployed: Deployed = dataclasses.field(default_factory=Deployed)

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]

    @property
    def host_name(self) -> str:
        """Where it is reached."""
        return self.address or f"{self.name}.azurewebsites.net"


class ResourceManager:
    """Vaults and function apps by their ids, storage accounts by name, roles by id, their assignments, and locks.

    `identities` maps the id of a user-assigned identity to its client id and object id; `people` are object ids that
    are no service's. `newest_versions` has the newest api-version of each provider that this cloud serves. Tests change
    all of these, and `faults`. `blob_endpoint` returns an account's, without a trailing slash. `url` is the value of
    AZURE_RESOURCE_MANAGER, empty until it is served.
    """

    def __init__(
        self,
        tokens: identity.Identity,
        storage: Mapping[str, accounts.StorageAccount],
        blob_endpoint: Callable[[str], str],
    ) -> None:
        self._identity = tokens
        self.url = ""
        self.storage = storage
        self.blob_endpoint = blob_endpoint
        self.vaults: dict[str, VaultResource] = {}
        self.sites: dict[str, Site] = {}
        self.identities: dict[str, tuple[str, str]] = {}
        self.people: set[str] = set()
        self.role_definitions: dict[str, roles.Definition] = dict(roles.DEFINITIONS)
        self.role_assignments: list[roles.Assignment] = []
        self.locks: list[locks.Lock] = []
        self.newest_versions: dict[str, str] = dict(versions.NEWEST)
        self.faults: list[faults.Fault] = []

    @property
    def tenant_id(self) -> str:
        """The tenant of every resource."""
        return self._identity.tenant_id

    def assign_system_identity(self) -> str:
        """Have the app sign in as its own identity, of which there is one for all; return its object id."""
        self._identity.unassigned.discard(self._identity.client_id)
        return self._identity.object_id

    def assign_user_identity(self, identity_id: str) -> tuple[str, str]:
        """Have the app sign in as a user-assigned identity; return its client id and object id."""
        client_id, object_id = self.find(self.identities, identity_id)
        self._identity.unassigned.discard(client_id)
        return client_id, object_id

    def authorizes(self, object_id: str, action: str, scope: str) -> bool:
        """Whether a role of this object id allows the action at this scope."""
        return any(role.allows(action) for role in self.held(object_id, scope))

    def opens_data(self, object_id: str, data_action: str, scope: str) -> bool:
        """Whether a role of this object id allows the data action at this scope."""
        return any(role.opens(data_action) for role in self.held(object_id, scope))

    def held(self, object_id: str, scope: str) -> Iterator[roles.Definition]:
        """Return the roles of an object id at this scope."""
        return roles.held(self.role_definitions, self.role_assignments, object_id, scope)

    def readable(self, resource_ids: Iterable[str], object_id: str, kind: str) -> Iterator[str]:
        """Yield those of one kind of resource that this object id may read: a list leaves the others out."""
        for resource_id in resource_ids:
            if self.authorizes(object_id, f"{kind}/read", resource_id):
                yield resource_id

    def find(self, resources: Mapping[str, Resource], scope: str) -> Resource:
        """Return the resource with this id in any letter case, or a 404."""
        for resource_id, resource in resources.items():
            if resource_id.lower() == scope.lower():
                return resource
        raise self._not_found(scope)

    def _not_found(self, scope: str) -> arm_errors.ResourceError:
        storage = (account.resource_id for account in self.storage.values())
        known = [resource_id.lower().split("/") for resource_id in (*self.vaults, *self.sites, *storage)]
        return arm_errors.not_found(scope, {parts[2] for parts in known}, {parts[4] for parts in known})
