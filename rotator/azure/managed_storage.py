"""Key Vault's managed storage: a storage account's record, its SAS definitions, and the SAS minted from them.

Operations: https://learn.microsoft.com/rest/api/keyvault/ (SAS definitions: Set/Get/Recover).
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import tenacity
from azure.core.credentials import TokenCredential

from rotator import event_log, untrusted
from rotator.azure import key_vault
from rotator.azure import managed_account as managed
from rotator.azure.errors import (
    ManagedAccountNotFoundError,
    RbacVaultError,
    VaultConflictError,
    VaultForbiddenError,
    VaultSecretNotFoundError,
)
from rotator.azure.managed_account import StorageBundle, StoredDefinition
from rotator.azure.permissions import Permission
from rotator.event_log import Event
from rotator.plan.account import Account, Grant
from rotator.redaction import SecretText

logger = logging.getLogger(__name__)


class ManagedStorage:
    """One managed account of one vault, as one identity. Every method raises IdentityError or a VaultError."""

    def __init__(
        self, account: Account, credential: TokenCredential, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._account = account
        self._sleep = sleep
        self._client = key_vault.VaultClient(account, credential)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def secret(self, name: str) -> SecretText:
        """Read a secret's current value."""
        return self._client.secret(name)

    def mint(self, definition: Grant) -> SecretText:
        """Read the definition's secret, at which Key Vault mints a fresh SAS."""
        name = self._account.sas_secret(definition)
        try:
            return self.secret(name)
        except VaultSecretNotFoundError as error:
            raise ManagedAccountNotFoundError(
                f"{self._client.host} mints no SAS under {name!r}", remedy=self._client.onboard_remedy()
            ) from error

    def stored(self, definition: Grant) -> StoredDefinition:
        """Read the SAS definition of that name; one that is missing differs."""
        what = f"SAS definition {definition.name!r}"
        found = self._client.get(self._definition_path(definition), Permission.STORAGE_GETSAS, what)
        if found is None:
            return StoredDefinition(differs=True, tags={}, validity=None)
        lifetime = untrusted.span(found.get("validityPeriod"))
        same = found.get("sasType") == "account" and definition.same_template(str(found.get("templateUri", "")))
        wanted = untrusted.Span(definition.validity, definition.validity)
        return StoredDefinition(
            differs=not (same and _enabled(found) and lifetime == wanted),
            tags=untrusted.texts(found.get("tags")),
            validity=lifetime.longest if lifetime else None,
        )

    def store(self, definition: Grant, tags: Mapping[str, str]) -> None:
        """Set the SAS definition, with these tags and no others."""
        self._set_definition(definition, tags)
        event_log.log(
            logger,
            logging.INFO,
            Event.SAS_DEFINITION_SET,
            account=self._account.managed_account,
            definition=definition.label,
        )

    def managed(self) -> StorageBundle:
        """Read the vault's record of the managed account; raises VaultForbiddenError where that may not be read."""
        found = self._client.get(self._path, Permission.STORAGE_GET, self._what)
        if found is None:
            missing = f"{self._client.host} knows no {self._what}"
            raise ManagedAccountNotFoundError(missing, remedy=self._client.onboard_remedy())
        return managed.parse(found)

    def regenerate(self, key: str) -> None:
        """Regenerate a key and make it the active one. Not retried: a second call would invalidate the new key.

        The vault does so on behalf of the caller, who needs Storage Account Key Operator too
        (https://learn.microsoft.com/rest/api/keyvault/, RegenerateStorageAccountKey).
        """
        path, what = f"{self._path}/regeneratekey", f"{key} of {self._what}"
        self._client.send("POST", path, Permission.STORAGE_REGENERATEKEY, what, {"keyName": key}, once=True)

    def may_store(self, definition: Grant) -> bool:
        """Raise VaultForbiddenError unless the SAS definition may be set; changes nothing.

        True if it is soft-deleted, and may be recovered, as `store` does first.
        """
        what = f"SAS definition {definition.name!r}"
        try:
            self._client.check_permission("PUT", self._definition_path(definition), Permission.STORAGE_SETSAS, what)
        except key_vault.SoftDeletedError:
            self._may_recover(what)
            return True
        except VaultConflictError:  # it is being recovered, which `store` waits for
            pass
        return False

    def _may_recover(self, what: str) -> None:
        """Raise VaultForbiddenError unless soft-deleted definitions may be recovered; changes nothing.

        Requests a name that does not exist: the vault checks the permission first.
        """
        path = f"/deletedstorage/{self._account.managed_account}/sas/nothing{secrets.token_hex(8)}/recover"
        with contextlib.suppress(ManagedAccountNotFoundError):
            self._client.send("POST", path, Permission.STORAGE_RECOVER, f"soft-deleted {what}", once=True)

    def may_regenerate(self) -> None:
        """Raise VaultForbiddenError unless keys may be regenerated; changes nothing."""
        self._client.check_permission(
            "POST", f"{self._path}/regeneratekey", Permission.STORAGE_REGENERATEKEY, f"keys of {self._what}"
        )

    def uses_roles(self) -> bool | None:
        """Whether the vault is in RBAC mode; None where it does not say so. Changes nothing.

        Requests a managed account that does not exist: the vault says what refuses that.
        """
        path = f"/storage/nothing{secrets.token_hex(8)}"
        try:
            self._client.get(path, Permission.STORAGE_GET, "a managed account that does not exist")
        except RbacVaultError:
            return True
        except VaultForbiddenError:
            return False
        return None

    @property
    def _path(self) -> str:
        return f"/storage/{self._account.managed_account}"

    @property
    def _what(self) -> str:
        return f"managed account {self._account.managed_account!r}"

    def _definition_path(self, definition: Grant) -> str:
        return f"{self._path}/sas/{definition.name}"

    def _set_definition(self, definition: Grant, tags: Mapping[str, str]) -> None:
        body: dict[str, object] = {
            "templateUri": definition.template,
            "sasType": "account",
            "validityPeriod": definition.validity_period,
            "attributes": {"enabled": True},
            "tags": dict(tags),
        }
        what = f"SAS definition {definition.name!r}"
        # A deletion or a recovery takes the vault some seconds, in which the name can be neither read nor written.
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(VaultConflictError),
            wait=tenacity.wait_exponential(max=8),
            stop=tenacity.stop_after_attempt(6),
            sleep=self._sleep,
            reraise=True,
        )
        changing, known = False, dict[str, str]()
        for attempt in attempts:
            with attempt:
                if changing:
                    known |= self.stored(definition).tags
                    body["tags"] = {**known, **tags}  # what is pending is a tag
                try:
                    self._client.send("PUT", self._definition_path(definition), Permission.STORAGE_SETSAS, what, body)
                except key_vault.SoftDeletedError:
                    changing = True
                    known |= self._recover(definition, what)
                    raise self._changing(what) from None
                except VaultConflictError:
                    changing = True
                    raise
                except ManagedAccountNotFoundError:
                    if changing:
                        raise self._changing(what) from None
                    raise

    def _recover(self, definition: Grant, what: str) -> dict[str, str]:
        """Start the recovery, unless a deletion or a recovery is in progress; return the definition's tags."""
        event_log.log(logger, logging.INFO, Event.SAS_DEFINITION_RECOVERING, what=what, reason="it is soft-deleted")
        path = f"/deletedstorage/{self._account.managed_account}/sas/{definition.name}/recover"
        with contextlib.suppress(ManagedAccountNotFoundError, VaultConflictError):
            found = self._client.send("POST", path, Permission.STORAGE_RECOVER, f"soft-deleted {what}")
            return untrusted.texts(found.get("tags"))
        return {}

    def _changing(self, what: str) -> VaultConflictError:
        text = f"{what} is being deleted or recovered in {self._client.host}"
        return VaultConflictError(text, remedy=key_vault.WAIT_REMEDY)


def _enabled(bundle: Mapping[str, Any]) -> bool:
    return untrusted.mapping(bundle.get("attributes")).get("enabled") is not False
