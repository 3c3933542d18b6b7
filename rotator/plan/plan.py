"""What is rotated, and where to: managed account, cluster, target, and the plan that holds them together."""

import dataclasses
import datetime
import enum
import urllib.parse

from rotator.plan.host_keys import Pin
from rotator.redaction import SecretText
from rotator.sas import SasDefinition


class Encoding(enum.StrEnum):
    """How a value stands in its data key, before Kubernetes' own base64."""

    RAW = "raw"
    BASE64 = "base64"  # as the original sample stored it


class Strategy(enum.StrEnum):
    """How a value gets into an existing Secret."""

    RECREATE = "recreate"  # kubectl delete, then create
    APPLY = "apply"  # in place


@dataclasses.dataclass(frozen=True)
class ManagedAccount:
    """A storage account that a Key Vault manages."""

    vault_url: str
    name: str

    @property
    def host(self) -> str:
        """The vault's host name."""
        return urllib.parse.urlsplit(self.vault_url).hostname or ""

    def sas_secret(self, definition: SasDefinition) -> str:
        """The name of the vault secret that mints a SAS at each read."""
        return f"{self.name}-{definition.name}"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How one Kubernetes master is reached. The names ending in `_secret` are vault secrets' names."""

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
    """One Secret in one namespace of one cluster, and what goes into it."""

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
    """Everything that a run needs to know. A SAS younger than `fresh_for` is left alone unless forced.

    Runs are `longest` apart at most. `key_rotation_period` is the age at which the timer has a key regenerated, and
    `revoke_grace` what consumers get to see a new SAS before a revocation ends the old ones. Reports are kept in
    `report_container`, and what needs attention is told to `webhook`.
    """

    account: ManagedAccount
    definition: SasDefinition
    targets: tuple[Target, ...]
    prove: bool
    blob_endpoint: str | None
    fresh_for: datetime.timedelta
    schedule: str
    longest: datetime.timedelta = datetime.timedelta(minutes=30)
    key_rotation_period: datetime.timedelta | None = None
    revoke_grace: datetime.timedelta = datetime.timedelta(minutes=2)
    report_container: str | None = None
    webhook: SecretText | None = None
    client_id: str | None = None
    resource_manager: str = "https://management.azure.com"
    warnings: tuple[str, ...] = ()
