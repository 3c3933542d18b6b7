"""Key Vault managed storage as the issuer: the SAS definition, and the SAS that is minted from it.

Operations: https://learn.microsoft.com/rest/api/keyvault/ (SAS definitions: Set/Get/Recover).
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import isodate
import tenacity
from azure.core.credentials import TokenCredential

from rotator import errors, vault_client
from rotator.redaction import Secret
from rotator.sas import SasDefinition
from rotator.targets import ManagedAccount

logger = logging.getLogger(__name__)

# Where blobs are, by the vault's cloud (https://learn.microsoft.com/azure/storage/common/storage-account-overview).
_BLOB_SUFFIXES = {
    "vault.azure.net": "blob.core.windows.net",
    "vault.usgovcloudapi.net": "blob.core.usgovcloudapi.net",
    "vault.azure.cn": "blob.core.chinacloudapi.cn",
}


class Vault:
    """One vault, as one identity. Every method raises IdentityError or a VaultError."""

    def __init__(
        self, account: ManagedAccount, credential: TokenCredential, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._account = account
        self._sleep = sleep
        self._client = vault_client.VaultClient(account, credential)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def secret(self, name: str) -> Secret:
        """Read a secret's current value."""
        return self._client.secret(name)

    def mint(self, definition: SasDefinition) -> Secret:
        """Read the definition's secret, at which Key Vault mints a fresh SAS."""
        name = self._account.sas_secret(definition)
        try:
            return self.secret(name)
        except errors.VaultSecretNotFoundError as error:
            raise errors.ManagedAccountNotFoundError(
                f"{self._client.host} mints no SAS under {name!r}", remedy=self._client.onboard()
            ) from error

    def definition_differs(self, definition: SasDefinition) -> bool:
        """Tell whether the vault's definition is missing or grants something else; changes nothing."""
        found = self._client.get(
            self._definition_path(definition), "storage getsas", f"SAS definition {definition.name!r}"
        )
        if found is None:
            return True
        same = found.get("sasType") == "account" and definition.same_template(str(found.get("templateUri", "")))
        return not (same and _enabled(found) and _duration(found.get("validityPeriod")) == definition.validity)

    def ensure_definition(self, definition: SasDefinition) -> bool:
        """Set the definition when it differs from the wanted one; tells whether anything was changed."""
        if not self.definition_differs(definition):
            return False
        self._set_definition(definition)
        logger.info("SAS definition %s of %s set to %s", definition.name, self._account.name, definition.label)
        return True

    def blob_endpoint(self) -> str | None:
        """Give the managed account's blob endpoint, or None where this identity may not read the account."""
        what = f"managed account {self._account.name!r}"
        try:
            found = self._client.get(f"/storage/{self._account.name}", "storage get", what)
        except errors.VaultForbiddenError:
            return None
        suffix = _BLOB_SUFFIXES.get(self._client.host.partition(".")[2])
        account = str((found or {}).get("resourceId", "")).rpartition("/")[2]
        return f"https://{account}.{suffix}" if account and suffix else None

    def _definition_path(self, definition: SasDefinition) -> str:
        return f"/storage/{self._account.name}/sas/{definition.name}"

    def _set_definition(self, definition: SasDefinition) -> None:
        body = {
            "templateUri": definition.template,
            "sasType": "account",
            "validityPeriod": definition.validity_period,
            "attributes": {"enabled": True},
        }
        what = f"SAS definition {definition.name!r}"
        # A recovery takes the vault some seconds, in which the name can be neither read nor written.
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(errors.VaultConflictError),
            wait=tenacity.wait_exponential(max=8),
            stop=tenacity.stop_after_attempt(6),
            sleep=self._sleep,
            reraise=True,
        )
        for attempt in attempts:
            with attempt:
                try:
                    self._client.send("PUT", self._definition_path(definition), "storage setsas", what, body)
                except vault_client.SoftDeletedError:
                    self._recover(definition, what)
                    raise errors.VaultConflictError(f"{what} is being recovered in {self._client.host}") from None

    def _recover(self, definition: SasDefinition, what: str) -> None:
        logger.info("%s is soft-deleted: recovering it", what)
        path = f"/deletedstorage/{self._account.name}/sas/{definition.name}/recover"
        self._client.send("POST", path, "storage recover", f"soft-deleted {what}")


def _enabled(bundle: Mapping[str, Any]) -> bool:
    return (bundle.get("attributes") or {}).get("enabled") is not False


def _duration(text: object) -> object:
    try:
        return isodate.parse_duration(str(text))
    except isodate.ISO8601Error:
        return None
