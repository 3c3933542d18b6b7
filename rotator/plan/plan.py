"""The plan: which account's SAS goes to which target on which cluster, and how and when.

A field with a `Setting` is all that a new app setting takes in the code: `settings` finds it.
"""

import datetime
import enum
import functools
import hashlib
from collections.abc import Mapping
from typing import Annotated

from pydantic.dataclasses import dataclass

from rotator.plan import host_keys, schedule, secret_form
from rotator.plan.account import Account, Grant, IssuerKind
from rotator.plan.frozen_mapping import FrozenMapping
from rotator.plan.model import CONFIG, Model
from rotator.plan.presets import Preset
from rotator.plan.secret_form import SecretForm
from rotator.plan.secret_types import Annotations, DataTemplates, Labels, SecretType
from rotator.plan.setting import Setting
from rotator.plan.setting_types import (
    ClientId,
    CommandLine,
    ContainerName,
    DataKey,
    Host,
    Namespace,
    Pins,
    Port,
    Schedule,
    SecretName,
    ServiceUrl,
    UserName,
    VaultSecretName,
    WebhookUrl,
)

_DEFAULT_SCHEDULE = schedule.DEFAULT  # in the plan, `schedule` is its own


class Encoding(enum.StrEnum):
    """How a value is encoded in its data key, before Kubernetes' own base64."""

    RAW = "raw"
    BASE64 = "base64"  # as the original sample stored it


class Strategy(enum.StrEnum):
    """How a value gets into an existing Secret."""

    RECREATE = "recreate"  # kubectl delete, then create
    APPLY = "apply"  # in place


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Cluster(Model):
    """How to connect to one Kubernetes master, and run kubectl there.

    `fingerprints` are those of the allowed host keys, `kubectl` is a command line, and names ending in `_secret` are
    vault secrets.
    """

    host: Annotated[Host, Setting("KUBERNETES_DNS", "the master's host name or address", example="master.example.com")]
    user: Annotated[UserName, Setting("KUBERNETES_SSH_USERNAME", "the SSH user on the master", example="rotator")]
    fingerprints: Annotated[
        Pins,
        Setting(
            "KUBERNETES_SSH_FINGERPRINT",
            "the master's pinned host key fingerprints, comma-separated",
            example=host_keys.EXAMPLE,
        ),
    ]
    port: Annotated[Port, Setting("KUBERNETES_SSH_PORT", "the SSH port", example="22")] = 22
    key_secret: Annotated[
        VaultSecretName,
        Setting(
            "KUBERNETES_SSH_KEY_SECRET", "the vault secret with the private key", example="privatekey", shown=False
        ),
    ] = "privatekey"  # noqa: S105 - a secret's name
    passphrase_secret: Annotated[
        VaultSecretName | None,
        Setting(
            "KUBERNETES_SSH_PASSPHRASE_SECRET",
            "the vault secret with the private key's passphrase",
            example="privatekey-passphrase",
            shown=False,
        ),
    ] = None
    kubectl: Annotated[
        CommandLine,
        Setting("KUBERNETES_KUBECTL", "kubectl's command line on the master", example="sudo k3s kubectl"),
    ] = ("kubectl",)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Target(Model):
    """One Secret in one namespace of one cluster, and how a SAS is written to it.

    `data_key` and `encoding` are for a Secret that has the SAS alone; with `data` or a `preset` they mean nothing.
    With `adopt`, a Secret that was not made by the rotator may be taken over. With `keep_foreign`, data, labels and
    annotations of others stay in it.
    """

    cluster: Cluster
    secret: Annotated[SecretName, Setting("KUBERNETES_SECRET_NAME", "the Secret's name", example="storage-sas")]
    namespace: Annotated[Namespace, Setting("KUBERNETES_NAMESPACE", "the Secret's namespace", example="default")] = (
        "default"
    )
    data_key: Annotated[
        DataKey, Setting("KUBERNETES_SECRET_KEY", "the data key that holds the SAS", example="secretKey")
    ] = "secretKey"
    encoding: Annotated[
        Encoding,
        Setting("KUBERNETES_SECRET_ENCODING", "raw, or base64 as the original sample stored it", example="raw"),
    ] = Encoding.RAW
    strategy: Annotated[
        Strategy,
        Setting("KUBERNETES_SECRET_STRATEGY", "recreate (delete, create) or apply (in place)", example="recreate"),
    ] = Strategy.RECREATE
    adopt: Annotated[
        bool,
        Setting(
            "KUBERNETES_SECRET_ADOPT",
            "whether a Secret that the rotator did not make may be taken over",
            example="true",
        ),
    ] = False
    keep_foreign: Annotated[
        bool,
        Setting(
            "KUBERNETES_SECRET_KEEP_FOREIGN",
            "whether data keys, labels and annotations of others stay",
            example="true",
        ),
    ] = True

    data: Annotated[
        DataTemplates,
        Setting(
            "KUBERNETES_SECRET_DATA",
            "the Secret's data: a mapping from data key to template, in YAML or JSON",
            example='{"connectionString": "{connection_string}"}',
            shown=False,
        ),
    ] = None
    preset: Annotated[
        Preset | None,
        Setting(
            "KUBERNETES_SECRET_PRESET",
            "a ready form of the Secret, by the consumer that reads it",
            example=Preset.CONNECTION_STRING,
        ),
    ] = None
    type: Annotated[
        SecretType,
        Setting("KUBERNETES_SECRET_TYPE", "the Secret's type", example="Opaque"),
    ] = None
    labels: Annotated[
        Labels,
        Setting(
            "KUBERNETES_SECRET_LABELS",
            "labels of the Secret: a mapping in YAML or JSON",
            example='{"cnpg.io/reload": "true"}',
        ),
    ] = FrozenMapping()  # it cannot be changed
    annotations: Annotated[
        Annotations,
        Setting(
            "KUBERNETES_SECRET_ANNOTATIONS",
            "annotations of the Secret: a mapping in YAML or JSON",
            example='{"reloader.stakater.com/match": "true"}',
        ),
    ] = FrozenMapping()  # as above

    @functools.cached_property
    def form(self) -> SecretForm:
        """What the Secret has, by these settings or by the preset."""
        return secret_form.of(self.data, self.preset, self.type, self.labels, self.annotations)

    @property
    def data_keys(self) -> tuple[str, ...]:
        """The data keys that the rotator writes."""
        return tuple(self.form.templates) or (self.data_key,)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.secret}@{self.cluster.host}"


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Plan(Model):
    """Everything that a run needs to know.

    `schedule` is NCRONTAB in UTC. Reports are written to the blob container `report_container`; problems are sent to
    the chat service at `webhook`. `client_id` is a user-assigned identity's. `warnings` are about the settings.
    """

    account: Account
    grant: Grant
    targets: tuple[Target, ...]
    schedule: Annotated[
        Schedule,
        Setting("ROTATION_SCHEDULE", "when the timer fires, NCRONTAB in UTC", example=_DEFAULT_SCHEDULE),
    ] = _DEFAULT_SCHEDULE
    prove: Annotated[bool, Setting("ROTATION_PROVE", "whether each SAS is tried on storage", example="true")] = True
    report_container: Annotated[
        ContainerName | None,
        Setting(
            "REPORT_CONTAINER",
            "the container in the app's own storage that keeps each run's report",
            example="rotation-reports",
        ),
    ] = None
    webhook: Annotated[
        WebhookUrl,
        Setting(
            "NOTIFY_WEBHOOK_URL",
            "the webhook URL of a chat service, for messages about problems",
            example="https://hooks.slack.com/services/…",
            shown=False,
        ),
    ] = None
    resource_manager: Annotated[
        ServiceUrl,
        Setting("AZURE_RESOURCE_MANAGER", "Resource Manager's URL", example="https://management.azure.com"),
    ] = "https://management.azure.com"
    client_id: Annotated[
        ClientId | None,
        Setting(
            "AZURE_CLIENT_ID",
            "a user-assigned identity's client id",
            example="00000000-0000-0000-0000-000000000000",
            shown=False,
        ),
    ] = None
    warnings: tuple[str, ...] = ()

    @functools.cached_property
    def by_cluster(self) -> Mapping[Cluster, tuple[Target, ...]]:
        """The targets of each cluster; both in the plan's order."""
        found: dict[Cluster, list[Target]] = {}
        for target in self.targets:
            found.setdefault(target.cluster, []).append(target)
        return {cluster: tuple(targets) for cluster, targets in found.items()}

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters of the targets, each once, in their order."""
        return tuple(self.by_cluster)

    @property
    def label(self) -> str:
        """Names what the SAS are, and changes whenever that does.

        With Key Vault it is the SAS definition's; with another issuer it is of the issuer and the account, too.
        """
        account, grant = self.account, self.grant
        if account.issuer is IssuerKind.KEYVAULT:
            return grant.label
        content = f"{grant.label}&{account.issuer}&{account.name}"
        return f"{grant.name}@{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @property
    def fresh_for(self) -> datetime.timedelta:
        """A SAS younger than this is not replaced unless forced.

        If the timer fires twice for one time of the schedule, the second run finds a fresh SAS; the next time's does
        not.
        """
        return schedule.intervals(self.schedule)[0] / 2

    @property
    def longest_interval(self) -> datetime.timedelta:
        """Two times of the schedule are at most this apart."""
        return schedule.intervals(self.schedule)[1]
