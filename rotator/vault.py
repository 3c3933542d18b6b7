"""Key Vault: secrets, and managed storage by REST, which no current SDK knows.

Operations: https://learn.microsoft.com/rest/api/keyvault/ (SAS definitions: Set/Get/Recover).
"""

import contextlib
import json
import logging
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import isodate
import tenacity
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest
from azure.keyvault.secrets import SecretClient

from rotator import errors, identity, patience
from rotator.redaction import Secret
from rotator.sas import SasDefinition
from rotator.targets import ManagedAccount

logger = logging.getLogger(__name__)

# Newer service versions carry the storage operations too, but the SDK's own default need not.
_API_VERSION = "7.4"
_SCOPE = "https://vault.azure.net/.default"
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
        self._credential = credential
        self._sleep = sleep
        self._client = SecretClient(
            account.vault_url,
            credential,
            api_version=_API_VERSION,
            retry_policy=patience.BoundedRetryPolicy(retry_total=4),
            connection_timeout=patience.CONNECT_SECONDS,
            read_timeout=patience.READ_SECONDS,
        )
        self._host = urllib.parse.urlsplit(account.vault_url).hostname or ""
        self._name = self._host.partition(".")[0]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def secret(self, name: str) -> Secret:
        """Read a secret's current value."""
        with self._translated("secrets get", f"secret {name!r}"):
            value = self._client.get_secret(name).value
        if not value:
            raise errors.VaultSecretNotFoundError(f"secret {name!r} in {self._host} is empty")
        return Secret(value)

    def mint(self, definition: SasDefinition) -> Secret:
        """Read the definition's secret, at which Key Vault mints a fresh SAS."""
        name = self._account.sas_secret(definition)
        try:
            return self.secret(name)
        except errors.VaultSecretNotFoundError as error:
            raise errors.ManagedAccountNotFoundError(
                f"{self._host} mints no SAS under {name!r}", remedy=self._onboard()
            ) from error

    def definition_differs(self, definition: SasDefinition) -> bool:
        """Tell whether the vault's definition is missing or grants something else; changes nothing."""
        found = self._get(self._definition_path(definition), "storage getsas", f"SAS definition {definition.name!r}")
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
            found = self._get(f"/storage/{self._account.name}", "storage get", what)
        except errors.VaultForbiddenError:
            return None
        suffix = _BLOB_SUFFIXES.get(self._host.partition(".")[2])
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
                    self._send("PUT", self._definition_path(definition), "storage setsas", what, body)
                except _SoftDeletedError:
                    self._recover(definition, what)
                    raise errors.VaultConflictError(f"{what} is being recovered in {self._host}") from None

    def _recover(self, definition: SasDefinition, what: str) -> None:
        logger.info("%s is soft-deleted: recovering it", what)
        path = f"/deletedstorage/{self._account.name}/sas/{definition.name}/recover"
        self._send("POST", path, "storage recover", f"soft-deleted {what}")

    def _get(self, path: str, permission: str, what: str) -> dict[str, Any] | None:
        try:
            return self._send("GET", path, permission, what)
        except errors.ManagedAccountNotFoundError:
            return None

    def _send(
        self, method: str, path: str, permission: str, what: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request = HttpRequest(method, f"{path}?api-version={_API_VERSION}", json=body)
        with self._translated(permission, what):
            response = self._client.send_request(request)
            response.raise_for_status()
            return dict(response.json())

    @contextlib.contextmanager
    def _translated(self, permission: str, what: str) -> Iterator[None]:
        try:
            yield
        except HttpResponseError as error:
            if isinstance(error, ClientAuthenticationError):
                raise self._no_identity(error) from error
            raise self._explained(error, permission, what) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            raise errors.VaultUnreachableError(f"{self._host} does not answer ({type(error).__name__})") from error
        except ClientAuthenticationError as error:
            raise self._no_identity(error) from error
        except ValueError as error:  # an answer that is no JSON, or a challenge for another host's token
            raise errors.VaultError(
                f"{self._host} does not answer {what} as a Key Vault does",
                remedy="Check KEYVAULT_BASEURL, and for a proxy in between.",
            ) from error

    def _no_identity(self, error: Exception) -> errors.IdentityError:
        return errors.IdentityError(f"no token for {self._host} could be had ({type(error).__name__})")

    def _explained(self, error: HttpResponseError, permission: str, what: str) -> errors.VaultError:
        status, codes = error.status_code or 0, _codes(error)
        said = f"{self._host} answered {status} ({', '.join(codes) or 'no code'}) for {what}"
        if status == HTTPStatus.FORBIDDEN:
            return self._forbidden(said, codes, permission)
        if status == HTTPStatus.NOT_FOUND:
            return self._not_found(permission, what)
        if status == HTTPStatus.CONFLICT:
            kind = _SoftDeletedError if "ObjectIsDeletedButRecoverable" in codes else errors.VaultConflictError
            return kind(said, remedy="Wait for the recovery to end; the next run tries again.")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return errors.VaultThrottledError(said)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return errors.VaultUnavailableError(said)
        return errors.VaultError(said, remedy="Check KEYVAULT_BASEURL, KEYVAULT_STORAGE_NAME and the SAS_* settings.")

    def _not_found(self, permission: str, what: str) -> errors.VaultError:
        if permission.startswith("secrets"):
            remedy = f"az keyvault secret set --vault-name {self._name} --name … --file …"
            return errors.VaultSecretNotFoundError(f"{what} is not in {self._host}", remedy=remedy)
        missing = f"{self._host} knows no {what} of a managed account {self._account.name!r}"
        return errors.ManagedAccountNotFoundError(missing, remedy=self._onboard())

    def _forbidden(self, said: str, codes: list[str], permission: str) -> errors.VaultForbiddenError:
        if any(
            code.startswith(("ForbiddenByFirewall", "ForbiddenByConnection", "ForbiddenByPolicy")) for code in codes
        ):
            return errors.VaultForbiddenError(
                said, remedy="Let the function app's network through the vault's firewall."
            )
        who, object_id = identity.describe(self._credential, _SCOPE)
        kind, _, verb = permission.partition(" ")
        return errors.VaultForbiddenError(
            f"{said}: {who} lacks the permission {permission!r}",
            remedy=f"az keyvault set-policy --name {self._name} --object-id {object_id} --{kind.removesuffix('s')}"
            f"-permissions {verb} (the list that is given replaces the former one).",
        )

    def _onboard(self) -> str:
        return (
            f"Let the vault manage the storage account as {self._account.name!r} (KEYVAULT_STORAGE_NAME): "
            "PUT /storage/{name} with its resource id and active key."
        )


class _SoftDeletedError(errors.VaultConflictError):
    """The name belongs to a soft-deleted object."""


def _codes(error: HttpResponseError) -> list[str]:
    """The service's error codes, outer and inner; the texts beside them stay in the response."""
    try:
        found = json.loads(error.response.text())["error"] if error.response else {}
    except (ValueError, KeyError, TypeError):
        return []
    codes = []
    while isinstance(found, dict):
        codes.append(str(found.get("code", "")))
        found = found.get("innererror")
    return [code for code in codes if code]


def _enabled(bundle: Mapping[str, Any]) -> bool:
    return (bundle.get("attributes") or {}).get("enabled") is not False


def _duration(text: object) -> object:
    try:
        return isodate.parse_duration(str(text))
    except isodate.ISO8601Error:
        return None
