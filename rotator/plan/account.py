"""Where SAS come from, and what they allow: an account, and the grants that it issues SAS for."""

import datetime
import hashlib
import urllib.parse
from typing import Annotated

import isodate
from pydantic.dataclasses import dataclass

from rotator import sas
from rotator.plan.model import CONFIG, Model
from rotator.plan.setting import Setting
from rotator.plan.setting_types import (
    BlobUrl,
    Duration,
    Grace,
    SasPermissions,
    SasProtocol,
    SasResourceTypes,
    SasServices,
    ServiceUrl,
    VaultName,
)


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Grant(Model):
    """What a SAS allows; in Key Vault, a SAS definition of that name, which issues a new SAS at each read.

    `services`, `resource_types` and `permissions` are letters, as in the token.
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
        Setting("SAS_PERMISSIONS", f"permission letters of signed version {sas.SIGNED_VERSION}", example="rwu"),
    ] = "rwu"
    protocol: Annotated[
        SasProtocol,
        Setting("SAS_PROTOCOL", "the protocols over which storage accepts the SAS", example="https"),
    ] = "https"
    validity: Annotated[
        Duration, Setting("SAS_VALIDITY", "how long each SAS is valid, as an ISO 8601 duration", example="PT4H")
    ] = datetime.timedelta(hours=4)

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
    """A storage account whose keys a Key Vault manages, and from which it issues SAS.

    `vault` is the vault's URL, `managed_account` the account's name there. `blob_endpoint` is where a SAS is tried, if
    that is known. When the active key is `key_rotation_period` old, the timer starts a key rotation. A revocation waits
    for `revoke_grace` between delivering the new SAS and regenerating the old key.
    """

    vault: Annotated[
        ServiceUrl, Setting("KEYVAULT_BASEURL", "the vault's URL", example="https://myvault.vault.azure.net")
    ]
    managed_account: Annotated[
        VaultName,
        Setting("KEYVAULT_STORAGE_NAME", "the managed account's name in the vault", example="mystorageaccount"),
    ]
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
        Setting(
            "REVOKE_GRACE",
            "how long consumers have, in a revocation, to read the new SAS before the old key is regenerated",
            example="PT2M",
        ),
    ] = datetime.timedelta(minutes=2)

    @property
    def host(self) -> str:
        """The vault's host name."""
        return urllib.parse.urlsplit(self.vault).hostname or ""

    def sas_secret(self, grant: Grant) -> str:
        """The name of the vault secret that returns a new SAS at each read."""
        return f"{self.managed_account}-{grant.name}"
