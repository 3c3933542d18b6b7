"""The plan: which managed account's SAS goes to which target on which cluster, and how and when."""

import dataclasses
import datetime
import enum
import functools
import urllib.parse

from rotator.plan.host_keys import Pin
from rotator.redaction import SecretText
from rotator.sas import SasDefinition


class Encoding(enum.StrEnum):
    """How a value is encoded in its data key, before Kubernetes' own base64."""

    RAW = "raw"
    BASE64 = "base64"  # as the original sample stored it


class Strategy(enum.StrEnum):
    """How a value gets into an existing Secret."""

    RECREATE = "recreate"  # kubectl delete, then create
    APPLY = "apply"  # in place


@dataclasses.dataclass(frozen=True)
class ManagedAccount:
    """A storage account whose keys a Key Vault manages, and from which it mints SAS."""

    vault_url: str
    name: str

    @property
    def host(self) -> str:
        """The vault's host name."""
        return urllib.parse.urlsplit(self.vault_url).hostname or ""

    def sas_secret(self, definition: SasDefinition) -> str:
        """The name of the vault secret that returns a new SAS at each read."""
        return f"{self.name}-{definition.name}"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How to connect to one Kubernetes master, and run kubectl there.

    `pins` are the allowed host keys, `kubectl` is a command line, and names ending in `_secret` are vault secrets.
    """

    host: str
    port: int
    user: str
    pins: tuple[Pin, ...]
    key_secret: str
    passphrase_secret: str | None
    kubectl: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Target:
    """One Secret in one namespace of one cluster, and how a SAS is written to it.

    With `adopt`, a Secret that was not made by the rotator may be taken over. With `keep_foreign`, data, labels and
    annotations of others stay in it.
    """

    cluster: Cluster
    namespace: str
    secret: str
    data_key: str
    encoding: Encoding = Encoding.RAW
    strategy: Strategy = Strategy.RECREATE
    adopt: bool = False
    keep_foreign: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.secret}@{self.cluster.host}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that a run needs to know.

    A SAS younger than `fresh_for` is not replaced unless forced. `schedule` is NCRONTAB in UTC, and two of its times
    are at most `longest_interval` apart. When the active account key is `key_rotation_period` old, the timer starts a
    key rotation. A revocation waits for `revoke_grace` between delivering the new SAS and regenerating the old key.
    Reports are written to the blob container `report_container`; problems are sent to the chat service at `webhook`.
    `client_id` is a user-assigned identity's. `warnings` are about the settings.
    """

    account: ManagedAccount
    definition: SasDefinition
    targets: tuple[Target, ...]
    prove: bool
    blob_endpoint: str | None
    fresh_for: datetime.timedelta
    schedule: str
    longest_interval: datetime.timedelta = datetime.timedelta(minutes=30)
    key_rotation_period: datetime.timedelta | None = None
    revoke_grace: datetime.timedelta = datetime.timedelta(minutes=2)
    report_container: str | None = None
    webhook: SecretText | None = None
    client_id: str | None = None
    resource_manager: str = "https://management.azure.com"
    warnings: tuple[str, ...] = ()

    @functools.cached_property
    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters of the targets, each once, in their order."""
        return tuple(dict.fromkeys(target.cluster for target in self.targets))
