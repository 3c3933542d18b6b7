"""The app settings under their exact names, each validated on its own."""

import datetime
import re
import shlex
import urllib.parse
import uuid
from typing import Annotated

import isodate
import pydantic
from pydantic import AfterValidator, Field

from rotator import sas
from rotator.plan import addresses, host_keys, schedule
from rotator.plan.plan import Encoding, Strategy
from rotator.redaction import SecretText


def _webhook(text: str) -> SecretText | None:
    """A URL that is as good as a password: whoever has it can post. None for what is none: no rotation fails for it."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        parts = urllib.parse.SplitResult("", "", "", "", "")
    return SecretText(text) if parts.scheme == "https" and parts.hostname and not parts.username else None


def _pattern(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


def _letters(known: str) -> AfterValidator:
    def check(text: str) -> str:
        if set(text) - set(known) or len(set(text)) != len(text):
            raise ValueError(f"it may hold each of the letters {known} once")
        return "".join(letter for letter in known if letter in text)

    return AfterValidator(check)


def _protocol(text: str) -> str:
    protocol = ",".join(sorted(text.split(","), reverse=True))
    if protocol not in sas.PROTOCOLS:
        raise ValueError(f"it must be one of {' and '.join(sas.PROTOCOLS)}")
    return protocol


def _duration(text: object) -> datetime.timedelta:
    try:
        duration = isodate.parse_duration(str(text))
    except (isodate.ISO8601Error, OverflowError):
        raise ValueError("it must be an ISO 8601 duration") from None
    if not isinstance(duration, datetime.timedelta):
        raise ValueError("it must not count in months or years, which differ in length")  # noqa: TRY004
    return duration


def validity(text: object) -> datetime.timedelta:
    """An ISO 8601 duration of fixed length; raises ValueError."""
    duration = _duration(text)
    if duration <= datetime.timedelta(0):
        raise ValueError("it must be longer than nothing")
    if duration > _LONGEST_VALIDITY:
        raise ValueError(f"it must not be longer than {isodate.duration_isoformat(_LONGEST_VALIDITY)}")
    return duration


def grace(text: object) -> datetime.timedelta:
    """An ISO 8601 duration that a run can wait for, perhaps none; raises ValueError."""
    duration = _duration(text)
    if not datetime.timedelta(0) <= duration <= LONGEST_GRACE:
        raise ValueError("it must be between PT0S and PT3M: an HTTP request is cut off after 230 seconds")
    return duration


def _schedule(text: str) -> str:
    schedule.intervals(text)
    return text


def _command(text: object) -> tuple[str, ...]:
    if len(str(text)) > _LONGEST_COMMAND:
        raise ValueError(f"it is longer than {_LONGEST_COMMAND} characters")
    words = tuple(shlex.split(str(text)))  # raises ValueError for an open quote
    if not words:
        raise ValueError("it is empty")
    if any(set(word) & set(";|&<>`$\n") for word in words):
        raise ValueError("it must be a plain command line, without shell operators")
    if "=" in words[0]:
        raise ValueError("a variable in front is not a command; write `env NAME=value kubectl`")
    return words


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("it must be a client id, which is a GUID") from None


VaultName = Annotated[str, _pattern(r"[0-9a-zA-Z]{1,127}", "Key Vault allows letters and digits only here")]
VaultSecretName = Annotated[str, _pattern(r"[0-9a-zA-Z-]{1,127}", "it must be the name of a vault secret")]
ServiceUrl = Annotated[str, AfterValidator(addresses.service_url)]
BlobUrl = Annotated[str, AfterValidator(addresses.blob_url)]
LONGEST_GRACE = datetime.timedelta(minutes=3)
_LONGEST_VALIDITY = datetime.timedelta(days=365_000)  # twice that before or after now is still in the calendar
_LONGEST_COMMAND = 4_000  # characters: shlex takes a time that grows with the square of the length
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


class Settings(pydantic.BaseModel):
    """All settings; a field's `description` and `examples` go into error texts."""

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
    kubernetes_dns: Annotated[str, AfterValidator(addresses.host)] = Field(
        alias="KUBERNETES_DNS",
        description="the master's host name or address",
        examples=["master.example.com"],
    )
    kubernetes_ssh_username: Annotated[str, _pattern(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?", "it must be a user name")] = (
        Field(alias="KUBERNETES_SSH_USERNAME", description="the SSH user on the master", examples=["rotator"])
    )
    kubernetes_ssh_fingerprint: Annotated[tuple[host_keys.Pin, ...], pydantic.BeforeValidator(host_keys.parse)] = Field(
        alias="KUBERNETES_SSH_FINGERPRINT",
        description="the master's pinned host key fingerprints, comma-separated",
        examples=[host_keys.EXAMPLE],
    )
    kubernetes_secret_name: Annotated[
        str,
        _pattern(rf"(?=.{{1,253}}$){_PART}(\.{_PART})*", "Kubernetes wants lower-case letters, digits, - and ."),
    ] = Field(alias="KUBERNETES_SECRET_NAME", description="the Secret's name", examples=["storage-sas"])
    rotation_schedule: Annotated[str, AfterValidator(_schedule)] = Field(
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
    sas_services: Annotated[str, _letters(sas.SERVICES)] = Field(
        default="b", alias="SAS_SERVICES", description="blob, file, queue, table", examples=["b"]
    )
    sas_resource_types: Annotated[str, _letters(sas.RESOURCE_TYPES)] = Field(
        default="sco", alias="SAS_RESOURCE_TYPES", description="service, container, object", examples=["sco"]
    )
    sas_permissions: Annotated[str, _letters(sas.PERMISSIONS)] = Field(
        default="rwu",
        alias="SAS_PERMISSIONS",
        description=f"permission letters of signed version {sas.SIGNED_VERSION}",
        examples=["rwu"],
    )
    sas_protocol: Annotated[str, AfterValidator(_protocol)] = Field(
        default="https",
        alias="SAS_PROTOCOL",
        description="protocols that the SAS may travel by",
        examples=["https"],
    )
    sas_validity: Annotated[datetime.timedelta, pydantic.BeforeValidator(validity)] = Field(
        default=datetime.timedelta(hours=4),
        alias="SAS_VALIDITY",
        description="how long each SAS lives, as an ISO 8601 duration",
        examples=["PT4H"],
    )
    kubernetes_ssh_port: Annotated[int, Field(ge=1, le=65535)] = Field(
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
    kubernetes_namespace: Annotated[str, _pattern(_LABEL, "Kubernetes wants lower-case letters, digits and -")] = Field(
        default="default",
        alias="KUBERNETES_NAMESPACE",
        description="the Secret's namespace",
        examples=["default"],
    )
    kubernetes_secret_key: Annotated[
        str, _pattern(r"(?!\.\.?$|\.\.)[-._a-zA-Z0-9]{1,253}", "Kubernetes wants letters, digits, -, _ and .")
    ] = Field(
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
        description="whether a Secret that this tool did not make may be taken over",
        examples=["true"],
    )
    kubernetes_secret_keep_foreign: bool = Field(
        default=True,
        alias="KUBERNETES_SECRET_KEEP_FOREIGN",
        description="whether data keys, labels and annotations of others stay",
        examples=["true"],
    )
    kubernetes_kubectl: Annotated[tuple[str, ...], pydantic.BeforeValidator(_command)] = Field(
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
    key_rotation_period: Annotated[datetime.timedelta, pydantic.BeforeValidator(validity)] | None = Field(
        default=None,
        alias="KEY_ROTATION_PERIOD",
        description="how old the active account key may get until the timer has the other one regenerated",
        examples=["P90D"],
    )
    revoke_grace: Annotated[datetime.timedelta, pydantic.BeforeValidator(grace)] = Field(
        default=datetime.timedelta(minutes=2),
        alias="REVOKE_GRACE",
        description="how long a revocation gives consumers to see the new SAS before the old key dies",
        examples=["PT2M"],
    )
    report_container: (
        Annotated[str, _pattern(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", "it must be a blob container's name")] | None
    ) = Field(
        default=None,
        alias="REPORT_CONTAINER",
        description="the container in the app's own storage that keeps each run's report",
        examples=["rotation-reports"],
    )
    notify_webhook_url: Annotated[SecretText | None, pydantic.PlainValidator(_webhook)] = Field(
        default=None,
        alias="NOTIFY_WEBHOOK_URL",
        description="where a chat service takes messages about what needs somebody's attention",
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
    app_storage_account: Annotated[str, _pattern(r"[a-z0-9]{3,24}", "it must be a storage account's name")] | None = (
        Field(
            default=None,
            alias="AzureWebJobsStorage__accountName",
            description="the app's own storage, by identity",
            examples=["myappstorage"],
        )
    )
    app_storage_client: Annotated[str, AfterValidator(_guid)] | None = Field(
        default=None,
        alias="AzureWebJobsStorage__clientId",
        description="the identity for the app's own storage, where it is another one",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    app_storage_blobs: BlobUrl | None = Field(
        default=None,
        alias="AzureWebJobsStorage__blobServiceUri",
        description="the app's own blob storage, by identity",
        examples=["https://myappstorage.blob.core.windows.net"],
    )
    azure_client_id: Annotated[str, AfterValidator(_guid)] | None = Field(
        default=None,
        alias="AZURE_CLIENT_ID",
        description="a user-assigned identity's client id",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
