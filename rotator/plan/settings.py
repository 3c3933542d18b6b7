"""The app settings: name, type, default, description and example of each."""

import datetime

import pydantic
from pydantic import Field

from rotator import sas
from rotator.plan import host_keys, schedule
from rotator.plan.plan import Encoding, Strategy
from rotator.plan.setting_types import (
    BlobUrl,
    ClientId,
    CommandLine,
    ContainerName,
    DataKey,
    Duration,
    Grace,
    Host,
    Namespace,
    Pins,
    Port,
    SasPermissions,
    SasProtocol,
    SasResourceTypes,
    SasServices,
    Schedule,
    SecretName,
    ServiceUrl,
    StorageAccountName,
    UserName,
    VaultName,
    VaultSecretName,
    WebhookUrl,
)


class Settings(pydantic.BaseModel):
    """All settings. Error messages quote a field's `description` and first example."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    keyvault_baseurl: ServiceUrl = Field(
        alias="KEYVAULT_BASEURL", description="the vault's URL", examples=["https://myvault.vault.azure.net"]
    )
    keyvault_storage_name: VaultName = Field(
        alias="KEYVAULT_STORAGE_NAME",
        description="the managed account's name in the vault",
        examples=["mystorageaccount"],
    )
    kubernetes_dns: Host = Field(
        alias="KUBERNETES_DNS",
        description="the master's host name or address",
        examples=["master.example.com"],
    )
    kubernetes_ssh_username: UserName = Field(
        alias="KUBERNETES_SSH_USERNAME", description="the SSH user on the master", examples=["rotator"]
    )
    kubernetes_ssh_fingerprint: Pins = Field(
        alias="KUBERNETES_SSH_FINGERPRINT",
        description="the master's pinned host key fingerprints, comma-separated",
        examples=[host_keys.EXAMPLE],
    )
    kubernetes_secret_name: SecretName = Field(
        alias="KUBERNETES_SECRET_NAME", description="the Secret's name", examples=["storage-sas"]
    )
    rotation_schedule: Schedule = Field(
        default=schedule.DEFAULT,
        alias="ROTATION_SCHEDULE",
        description="when the timer fires, NCRONTAB in UTC",
        examples=[schedule.DEFAULT],
    )
    sas_definition_name: VaultName = Field(
        default="blobrwu4hours",
        alias="SAS_DEFINITION_NAME",
        description="the SAS definition's name in the vault",
        examples=["blobrwu4hours"],
    )
    sas_services: SasServices = Field(
        default="b", alias="SAS_SERVICES", description="blob, file, queue, table", examples=["b"]
    )
    sas_resource_types: SasResourceTypes = Field(
        default="sco", alias="SAS_RESOURCE_TYPES", description="service, container, object", examples=["sco"]
    )
    sas_permissions: SasPermissions = Field(
        default="rwu",
        alias="SAS_PERMISSIONS",
        description=f"permission letters of signed version {sas.SIGNED_VERSION}",
        examples=["rwu"],
    )
    sas_protocol: SasProtocol = Field(
        default="https",
        alias="SAS_PROTOCOL",
        description="the protocols over which storage accepts the SAS",
        examples=["https"],
    )
    sas_validity: Duration = Field(
        default=datetime.timedelta(hours=4),
        alias="SAS_VALIDITY",
        description="how long each SAS is valid, as an ISO 8601 duration",
        examples=["PT4H"],
    )
    kubernetes_ssh_port: Port = Field(
        default=22, alias="KUBERNETES_SSH_PORT", description="the SSH port", examples=["22"]
    )
    kubernetes_ssh_key_secret: VaultSecretName = Field(
        default="privatekey",
        alias="KUBERNETES_SSH_KEY_SECRET",
        description="the vault secret with the private key",
        examples=["privatekey"],
    )
    kubernetes_ssh_passphrase_secret: VaultSecretName | None = Field(
        default=None,
        alias="KUBERNETES_SSH_PASSPHRASE_SECRET",
        description="the vault secret with the private key's passphrase",
        examples=["privatekey-passphrase"],
    )
    kubernetes_namespace: Namespace = Field(
        default="default",
        alias="KUBERNETES_NAMESPACE",
        description="the Secret's namespace",
        examples=["default"],
    )
    kubernetes_secret_key: DataKey = Field(
        default="secretKey",
        alias="KUBERNETES_SECRET_KEY",
        description="the data key that holds the SAS",
        examples=["secretKey"],
    )
    kubernetes_secret_encoding: Encoding = Field(
        default=Encoding.RAW,
        alias="KUBERNETES_SECRET_ENCODING",
        description="raw, or base64 as the original sample stored it",
        examples=["raw"],
    )
    kubernetes_secret_strategy: Strategy = Field(
        default=Strategy.RECREATE,
        alias="KUBERNETES_SECRET_STRATEGY",
        description="recreate (delete, create) or apply (in place)",
        examples=["recreate"],
    )
    kubernetes_secret_adopt: bool = Field(
        default=False,
        alias="KUBERNETES_SECRET_ADOPT",
        description="whether a Secret that the rotator did not make may be taken over",
        examples=["true"],
    )
    kubernetes_secret_keep_foreign: bool = Field(
        default=True,
        alias="KUBERNETES_SECRET_KEEP_FOREIGN",
        description="whether data keys, labels and annotations of others stay",
        examples=["true"],
    )
    kubernetes_kubectl: CommandLine = Field(
        default=("kubectl",),
        alias="KUBERNETES_KUBECTL",
        description="kubectl's command line on the master",
        examples=["sudo k3s kubectl"],
    )
    storage_blob_endpoint: BlobUrl | None = Field(
        default=None,
        alias="STORAGE_BLOB_ENDPOINT",
        description="where a SAS is tried",
        examples=["https://mystorageaccount.blob.core.windows.net"],
    )
    rotation_prove: bool = Field(
        default=True,
        alias="ROTATION_PROVE",
        description="whether each SAS is tried on storage",
        examples=["true"],
    )
    key_rotation_period: Duration | None = Field(
        default=None,
        alias="KEY_ROTATION_PERIOD",
        description="the age of the active account key at which the timer starts a key rotation",
        examples=["P90D"],
    )
    revoke_grace: Grace = Field(
        default=datetime.timedelta(minutes=2),
        alias="REVOKE_GRACE",
        description="how long consumers have, in a revocation, to read the new SAS before the old key is regenerated",
        examples=["PT2M"],
    )
    report_container: ContainerName | None = Field(
        default=None,
        alias="REPORT_CONTAINER",
        description="the container in the app's own storage that keeps each run's report",
        examples=["rotation-reports"],
    )
    notify_webhook_url: WebhookUrl = Field(
        default=None,
        alias="NOTIFY_WEBHOOK_URL",
        description="the webhook URL of a chat service, for messages about problems",
        examples=["https://hooks.slack.com/services/…"],
    )
    azure_resource_manager: ServiceUrl = Field(
        default="https://management.azure.com",
        alias="AZURE_RESOURCE_MANAGER",
        description="Resource Manager's URL",
        examples=["https://management.azure.com"],
    )
    app_storage: str | None = Field(
        default=None,
        alias="AzureWebJobsStorage",
        description="the app's own storage, by connection string",
        examples=["UseDevelopmentStorage=true"],
        repr=False,
    )
    app_storage_account: StorageAccountName | None = Field(
        default=None,
        alias="AzureWebJobsStorage__accountName",
        description="the app's own storage, by identity",
        examples=["myappstorage"],
    )
    app_storage_client: ClientId | None = Field(
        default=None,
        alias="AzureWebJobsStorage__clientId",
        description="the identity for the app's own storage, if it is not the app's only one",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    app_storage_blobs: BlobUrl | None = Field(
        default=None,
        alias="AzureWebJobsStorage__blobServiceUri",
        description="the app's own blob storage, by identity",
        examples=["https://myappstorage.blob.core.windows.net"],
    )
    azure_client_id: ClientId | None = Field(
        default=None,
        alias="AZURE_CLIENT_ID",
        description="a user-assigned identity's client id",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
