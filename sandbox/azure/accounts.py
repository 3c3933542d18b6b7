"""Storage accounts as Azure Resource Manager knows them: a name, two keys and what policies say about them."""

import base64
import dataclasses
import datetime
import secrets
from collections.abc import Callable
from typing import Any

from sandbox.azure.delegation_keys import DelegationKeys

KEY_NAMES = ("key1", "key2")


def new_key() -> str:
    """64 random bytes in base64, the form of Azure's account keys."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass
class StorageAccount:
    """An account with both of its keys; `retired_keys` are those that a regeneration replaced.

    `kerberos_keys` are those of an account that Active Directory knows; no SAS is signed with them.
    `observers` are called after each regeneration, in the thread that asked for it.
    `firewall` has the addresses and networks that are let through, None for every one. `private`: the account takes
    requests through private endpoints only, of which there are none here.
    `key_created` lacks a key that is older than Azure's records of these times.
    `shared_key_services` has false for a service whose requests no account key may sign, as in {"blob": False}.
    `sas_policy` is written as Resource Manager does: sasExpirationPeriod, expirationAction, and
    requireUserBoundUserDelegationSas with its action.
    """

    name: str
    keys: dict[str, str] = dataclasses.field(
        default_factory=lambda: {name: new_key() for name in KEY_NAMES}, repr=False
    )
    key_created: dict[str, datetime.datetime] = dataclasses.field(
        default_factory=lambda: {name: _now() for name in KEY_NAMES}
    )
    kerberos_keys: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    retired_keys: list[str] = dataclasses.field(default_factory=list, repr=False)
    subscription_id: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "sandbox"
    location: str = "westeurope"
    kind: str = "StorageV2"
    minimum_tls_version: str = "TLS1_2"
    allow_shared_key_access: bool = True
    shared_key_services: dict[str, bool] = dataclasses.field(default_factory=dict)
    firewall: set[str] | None = None
    private: bool = False
    sas_policy: dict[str, Any] | None = None
    key_expiration_days: int | None = None
    delegation_keys: DelegationKeys = dataclasses.field(default_factory=DelegationKeys, repr=False, compare=False)
    observers: list[Callable[[], None]] = dataclasses.field(default_factory=list, repr=False, compare=False)

    @property
    def resource_id(self) -> str:
        """The account's Azure Resource Manager id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.name}"
        )

    def container_id(self, container: str) -> str:
        """Return a container's Azure Resource Manager id, the narrowest scope of a data role; the account's for ""."""
        return f"{self.resource_id}/blobServices/default/containers/{container}" if container else self.resource_id

    def takes_shared_key(self, service: str) -> bool:
        """Whether an account key may sign requests, or a SAS, for this service, as in "blob"."""
        return self.allow_shared_key_access and self.shared_key_services.get(service, True)

    def regenerate(self, key_name: str) -> None:
        """Replace one key, at once: whatever the old one signed is refused from now on."""
        self.retired_keys.append(self.keys[key_name])
        self.keys[key_name] = new_key()
        self.key_created[key_name] = _now()
        for observer in self.observers:
            observer()
