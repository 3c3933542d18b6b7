"""Storage accounts as Azure Resource Manager knows them: a name, two keys and what policies say about them."""

import base64
import dataclasses
import datetime
import secrets
from collections.abc import Callable

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
    `firewall` has the addresses and networks that are let through, None for every one.
    `sas_policy` is written as Resource Manager does: sasExpirationPeriod and expirationAction.
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
    firewall: set[str] | None = None
    sas_policy: dict[str, str] | None = None
    key_expiration_days: int | None = None
    observers: list[Callable[[], None]] = dataclasses.field(default_factory=list, repr=False, compare=False)

    @property
    def resource_id(self) -> str:
        """The account's Azure Resource Manager id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.name}"
        )

    def regenerate(self, key_name: str) -> None:
        """Replace one key, at once: whatever the old one signed is refused from now on."""
        self.retired_keys.append(self.keys[key_name])
        self.keys[key_name] = new_key()
        self.key_created[key_name] = _now()
        for observer in self.observers:
            observer()
