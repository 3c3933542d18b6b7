"""Where SAS come from, and what they allow: an account, and the grants that it issues SAS for."""

import datetime
import enum
import hashlib
import re
import urllib.parse
from typing import Annotated, Any

import isodate
import pydantic
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from rotator import sas
from rotator.plan.model import CONFIG, Model
from rotator.plan.setting import Setting
from rotator.plan.setting_types import (
    BlobName,
    BlobUrl,
    Duration,
    EncryptionScope,
    Grace,
    ManagedAccountName,
    SasContainer,
    SasIp,
    SasPermissions,
    SasProtocol,
    SasResourceTypes,
    SasServices,
    ServiceUrl,
    StorageAccountId,
    VaultName,
)
from rotator.sas import Scope

# Where blobs are, by the vault's cloud (https://learn.microsoft.com/azure/storage/common/storage-account-overview).
_BLOB_SUFFIXES = {
    "vault.azure.net": "blob.core.windows.net",
    "vault.usgovcloudapi.net": "blob.core.usgovcloudapi.net",
    "vault.azure.cn": "blob.core.chinacloudapi.cn",
}


class IssuerKind(enum.StrEnum):
    """Where SAS come from."""

    KEYVAULT = "keyvault"  # Key Vault's managed storage, as the original sample did
    STORAGEKEY = "storagekey"  # signed here with an account key from Resource Manager
    USERDELEGATION = "userdelegation"  # signed here with a user delegation key, without an account key

    @property
    def signs_here(self) -> bool:
        """Whether the rotator signs the SAS itself."""
        return self is not IssuerKind.KEYVAULT

    @property
    def has_account_keys(self) -> bool:
        """Whether account keys sign the SAS, and can be regenerated."""
        return self is not IssuerKind.USERDELEGATION


# What a SAS for a container or a part of it allows where nothing else is set: what the default of an account SAS means
# for blobs.
_IN_CONTAINER = {"services": "b", "resource_types": "", "permissions": "rw"}


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Grant(Model):
    """What a SAS allows; in Key Vault, a SAS definition of that name, which issues a new SAS at each read.

    `services`, `resource_types` and `permissions` are letters, as in the token. With a `container`, the SAS is for that
    alone, or for its blobs whose names begin with the `prefix`, or for one `blob`.
    """

    name: Annotated[
        VaultName,
        Setting("SAS_DEFINITION_NAME", "the SAS definition's name in the vault", example="blobrwu4hours"),
    ] = "blobrwu4hours"
    services: Annotated[SasServices, Setting("SAS_SERVICES", "blob, file, queue, table", example="b")] = "b"
    resource_types: Annotated[
        SasResourceTypes, Setting("SAS_RESOURCE_TYPES", "service, container, object", example="sco")
    ] = "sco"
    permissions: Annotated[
        SasPermissions,
        Setting("SAS_PERMISSIONS", f"permission letters of signed version {sas.SIGNED_VERSION}", example="r"),
    ] = "rwu"
    protocol: Annotated[
        SasProtocol,
        Setting("SAS_PROTOCOL", "the protocols over which storage accepts the SAS", example="https"),
    ] = "https"
    validity: Annotated[
        Duration, Setting("SAS_VALIDITY", "how long each SAS is valid, as an ISO 8601 duration", example="PT4H")
    ] = datetime.timedelta(hours=4)
    container: Annotated[
        SasContainer | None,
        Setting("SAS_CONTAINER", "the one container that the SAS is for", example="pictures"),
    ] = None
    prefix: Annotated[
        BlobName | None,
        Setting("SAS_PREFIX", "the directory in the container that the SAS is for", example="reports/2026"),
    ] = None
    blob: Annotated[
        BlobName | None, Setting("SAS_BLOB", "the one blob in the container that the SAS is for", example="logo.png")
    ] = None
    ip: Annotated[
        SasIp | None,
        Setting(
            "SAS_IP",
            "the IPv4 address, or the range of them, from which storage accepts the SAS",
            example="203.0.113.0-203.0.113.255",
        ),
    ] = None
    encryption_scope: Annotated[
        EncryptionScope | None,
        Setting("SAS_ENCRYPTION_SCOPE", "the encryption scope of what is written with the SAS", example="team1"),
    ] = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_defaults_of_containers(cls, given: Any) -> Any:
        # Arguments where a Grant is made by itself, a mapping where it is made as a part of a plan.
        values = dict((given.kwargs if isinstance(given, ArgsKwargs) else given) or {})
        if not values.get("container"):
            return given
        name = re.sub(r"[^0-9a-zA-Z]", "", str(values["container"]))
        values = {"name": name, **_IN_CONTAINER, **values}
        return ArgsKwargs((), values) if isinstance(given, ArgsKwargs) else values

    @property
    def scope(self) -> Scope:
        """What the SAS is for: the account, or a part of blob storage."""
        if self.container is None:
            return Scope.ACCOUNT
        if self.prefix is not None:
            return Scope.DIRECTORY
        return Scope.CONTAINER if self.blob is None else Scope.BLOB

    @property
    def path(self) -> str:
        """What the SAS is for, as `container` or `container/name`; "" for the account."""
        return "/".join(filter(None, (self.container, self.prefix or self.blob)))

    @property
    def template(self) -> str:
        """What it allows, as a SAS token without signature and times: a SAS definition's `templateUri`."""
        return urllib.parse.urlencode(
            {
                "sv": sas.SIGNED_VERSION,
                "ss": self.services,
                "srt": self.resource_types,
                "sp": self.permissions,
                "spr": self.protocol,
            },
            safe=",",
        )

    @property
    def validity_period(self) -> str:
        """The validity as an ISO 8601 duration, as Key Vault takes it."""
        return str(isodate.duration_isoformat(self.validity))

    @property
    def label(self) -> str:
        """The name and a hash of the content: it changes whenever what the grant allows changes."""
        content = f"{self.template}&{self.validity_period}"
        if self.container or self.ip or self.encryption_scope:
            content += f"&{self.scope}&{self.path}&{self.ip or ''}&{self.encryption_scope or ''}"
        return f"{self.name}@{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def same_template(self, template_uri: str) -> bool:
        """Whether another template allows the same; signature, times and the order of letters are ignored.

        A template with any other field does not: `sip` and `ses` narrow a SAS, and an unknown field may.
        """
        try:
            found = sas.fields(template_uri.partition("?")[2] or template_uri)
        except ValueError:
            return False
        wanted = sas.fields(self.template)
        return not sas.other_fields(found) and all(
            sas.normal(name, found.get(name, "")) == sas.normal(name, wanted[name]) for name in wanted
        )


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Account(Model):
    """A storage account, and the issuer of its SAS.

    `vault` is the URL of the vault, which has the SSH key in any case; with Key Vault as the issuer, `managed_account`
    is the account's name there. With another one `storage_account` is the account's resource id. `blob_endpoint` is
    where a SAS is tried, if that is known. When the active key is `key_rotation_period` old, the timer starts a key
    rotation. A revocation waits for `revoke_grace` between delivering the new SAS and regenerating the old key.
    """

    vault: Annotated[
        ServiceUrl, Setting("KEYVAULT_BASEURL", "the vault's URL", example="https://myvault.vault.azure.net")
    ]
    issuer: Annotated[
        IssuerKind,
        Setting("SAS_ISSUER", "where SAS come from: keyvault, storagekey, userdelegation", example="userdelegation"),
    ] = IssuerKind.KEYVAULT
    managed_account: Annotated[
        ManagedAccountName,
        Setting("KEYVAULT_STORAGE_NAME", "the managed account's name in the vault", example="mystorageaccount"),
    ] = ""  # which only Key Vault as the issuer needs
    storage_account: Annotated[
        StorageAccountId | None,
        Setting(
            "STORAGE_ACCOUNT_ID",
            "the storage account's resource id",
            example="/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mygroup/providers"
            "/Microsoft.Storage/storageAccounts/mystorageaccount",
        ),
    ] = None
    blob_endpoint: Annotated[
        BlobUrl | None,
        Setting(
            "STORAGE_BLOB_ENDPOINT", "where a SAS is tried", example="https://mystorageaccount.blob.core.windows.net"
        ),
    ] = None
    key_rotation_period: Annotated[
        Duration | None,
        Setting(
            "KEY_ROTATION_PERIOD",
            "the age of the active account key at which the timer starts a key rotation",
            example="P90D",
        ),
    ] = None
    revoke_grace: Annotated[
        Grace,
        ManagedAccountName,
        Setting(
            "REVOKE_GRACE",
            "how long consumers have, in a revocation, to read the new SAS before the old key is regenerated",
            example="PT2M",
        ),
    ] = datetime.timedelta(minutes=2)

    @property
    def name(self) -> str:
        """The storage account's own name, as far as the plan has it: not that of one which Key Vault manages."""
        if self.storage_account is not None:
            return self.storage_account.rpartition("/")[2].lower()
        return account_at(self.blob_endpoint) if self.blob_endpoint and self.issuer.signs_here else ""

    @property
    def blob_suffix(self) -> str | None:
        """The domain of blob endpoints in the vault's cloud; None for an unknown cloud."""
        return blob_suffix(self.vault)

    def endpoint_of(self, account: str | None) -> str | None:
        """The blob endpoint: as set, or concluded from the storage account's name; None where that is not known."""
        if self.blob_endpoint or not account or self.blob_suffix is None:
            return self.blob_endpoint
        return f"https://{account}.{self.blob_suffix}"

    @property
    def host(self) -> str:
        """The vault's host name."""
        return urllib.parse.urlsplit(self.vault).hostname or ""

    def sas_secret(self, grant: Grant) -> str:
        """The name of the vault secret that returns a new SAS at each read."""
        return f"{self.managed_account}-{grant.name}"


def account_at(endpoint: str) -> str:
    """The account's name by its blob endpoint; "" where a domain of one's own does not say it.

    It is the path where there is one, as with Azurite, or the first label of a host of storage's own. The endpoint of
    the secondary location has the account's name with a suffix.
    """
    parts = urllib.parse.urlsplit(endpoint)
    name, _, domain = (parts.hostname or "").partition(".")
    if parts.path.strip("/"):
        return parts.path.strip("/").removesuffix("-secondary")
    return name.removesuffix("-secondary") if "blob" in domain.split(".") else ""


def blob_suffix(vault: str) -> str | None:
    """The domain of blob endpoints in the cloud of a vault, by its URL; None for an unknown cloud."""
    return _BLOB_SUFFIXES.get((urllib.parse.urlsplit(vault).hostname or "").partition(".")[2])
