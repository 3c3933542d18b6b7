"""Key Vault's operations that onboarding needs: managed storage accounts and secrets, with waits for new permissions.

REST reference: https://learn.microsoft.com/rest/api/keyvault/ (Storage: Set/Get/Update/Recover Storage Account).
"""

import contextlib
import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import tenacity

from rotator import untrusted
from rotator.azure import key_vault
from rotator.azure.errors import (
    ManagedAccountNotFoundError,
    RbacVaultError,
    VaultConflictError,
    VaultForbiddenError,
    VaultSecretNotFoundError,
)
from rotator.azure.identity import TokenCredential
from rotator.azure.managed_account import StorageBundle, parse
from rotator.azure.permissions import Permission
from rotator.onboarding import errors
from rotator.plan.account import Account
from rotator.redaction import SecretText

logger = logging.getLogger(__name__)

# A new role or access policy takes effect within minutes, a deletion or a recovery within seconds.
_PERMISSION_SECONDS = 180
_TRANSITION_SECONDS = 60
_TRANSITION_INTERVAL = 2  # seconds


class VaultSetup:
    """One vault, as the operator. Every method raises IdentityError or a VaultError.

    A request that a policy or a role refuses is retried for some minutes, as the one that allows it may be new.
    `on_wait` gets a line when retrying begins, as waiting would look like a hang.
    """

    def __init__(
        self,
        account: Account,
        credential: TokenCredential,
        *,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[str], None] = logger.warning,
    ) -> None:
        self._account = account
        self._name = account.managed_account
        self._described = f"managed account {self._name!r}"
        self._client = key_vault.VaultClient(account, credential)
        self._retry_forbidden = tenacity.Retrying(
            retry=tenacity.retry_if_exception(functools.partial(_is_forbidden, by_role=account.issuer.signs_here)),
            wait=tenacity.wait_exponential(multiplier=1, max=15),
            stop=tenacity.stop_after_delay(_PERMISSION_SECONDS),
            sleep=sleep,
            before_sleep=functools.partial(_report_wait, on_wait, _PERMISSION_SECONDS),
            reraise=True,
        )
        self._retry_transition = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transition),
            wait=tenacity.wait_fixed(_TRANSITION_INTERVAL),
            stop=tenacity.stop_after_attempt(_TRANSITION_SECONDS // _TRANSITION_INTERVAL),
            sleep=sleep,
            before_sleep=functools.partial(_report_wait, on_wait, _TRANSITION_SECONDS),
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check_network(self) -> None:
        """Raise VaultFirewallError or VaultPrivateError for a vault that refuses this network.

        Whether the operator may read what is requested, which need not exist, makes no difference.
        """
        with contextlib.suppress(VaultForbiddenError):
            self._client.get(f"/storage/{self._name or 'nothing'}", Permission.STORAGE_GET, "a managed account")

    def managed_account(self, *, wait: bool = True) -> StorageBundle | None:
        """Read what the vault manages under the account's name; without `wait` a refusal is raised at once."""
        read = functools.partial(self._client.get, self._path, Permission.STORAGE_GET, self._described)
        return _parsed(self._retry_forbidden(read) if wait else read())

    def name_of(self, resource_id: str) -> str | None:
        """Return the name under which the vault manages the storage account, None where it does not."""
        what = "its managed accounts"
        for item in self._retry_forbidden(self._client.list_all, "/storage", Permission.STORAGE_LIST, what):
            if str(item.get("resourceId", "")).lower() == resource_id.lower():
                return str(item.get("id", "")).rstrip("/").rpartition("/")[2]
        return None

    def deleted_managed_account(self) -> StorageBundle | None:
        """Read the managed account of this name that was deleted and can be recovered (soft delete)."""
        path = f"/deletedstorage/{self._name}"
        return _parsed(
            self._retry_forbidden(self._client.get, path, Permission.STORAGE_GET, f"deleted {self._described}")
        )

    def recover(self, wanted: StorageBundle) -> None:
        """Recover the soft-deleted managed account, then change when the vault regenerates its keys."""
        self._retry_transition(self._recover, wanted)

    def _recover(self, wanted: StorageBundle) -> None:
        path = f"/deletedstorage/{self._name}/recover"
        # Being deleted, or recovered already.
        with contextlib.suppress(ManagedAccountNotFoundError, VaultConflictError):
            self._send("POST", path, Permission.STORAGE_RECOVER, f"deleted {self._described}")
        self.change_regeneration(wanted)

    def manage(self, wanted: StorageBundle) -> None:
        """Let the vault manage the account; retried while roles take effect or a deletion is in progress."""
        try:
            self._put(wanted)
        except VaultConflictError:
            self._retry_transition(self._manage_or_recover, wanted)

    def _manage_or_recover(self, wanted: StorageBundle) -> None:
        """Manage the account; recover it instead where it exists, as SAS depend on its active key."""
        found = self.managed_account() or self.deleted_managed_account()
        if found is None:
            self._put(wanted)
        elif found.resource_id.lower() == wanted.resource_id.lower():
            self._recover(wanted)
        else:
            raise errors.name_taken(self._client.host, self._account, found)

    def _put(self, wanted: StorageBundle) -> None:
        body = {**wanted.bundle, "attributes": {"enabled": True}}
        self._send("PUT", self._path, Permission.STORAGE_SET, self._described, body)

    def change_regeneration(self, wanted: StorageBundle) -> None:
        """Change when the vault regenerates keys; which key is active stays."""
        self._send("PATCH", self._path, Permission.STORAGE_UPDATE, self._described, wanted.regeneration)

    def secret(self, name: str) -> SecretText | None:
        """Read a secret; None where there is none."""
        try:
            return self._retry_forbidden(self._client.secret, name)
        except VaultSecretNotFoundError:
            return None

    def write_secret(self, name: str, value: SecretText, content_type: str) -> None:
        """Write a new version of a secret; a soft-deleted one is recovered first."""

        def write() -> None:
            try:
                self._client.put_secret(name, value, content_type)
            except key_vault.SoftDeletedError as error:
                with contextlib.suppress(VaultSecretNotFoundError, VaultConflictError):
                    self._client.recover_secret(name)  # being deleted, or recovered already
                raise VaultConflictError(f"secret {name!r} is being recovered") from error

        self._retry_transition(self._retry_forbidden, write)

    def _send(self, *request: Any) -> dict[str, Any]:
        return self._retry_forbidden(self._client.send, *request)

    @property
    def _path(self) -> str:
        return f"/storage/{self._name}"


def _parsed(bundle: dict[str, Any] | None) -> StorageBundle | None:
    return None if bundle is None else parse(bundle)


def _is_forbidden(error: BaseException, *, by_role: bool) -> bool:
    """Whether a new policy or role may still take effect; the vault's mode does not change by itself."""
    return isinstance(error, VaultForbiddenError) and (by_role or not isinstance(error, RbacVaultError))


def _is_transition(error: BaseException) -> bool:
    """Whether a deletion or a recovery may be in progress: the vault then answers 404 or 409."""
    return isinstance(error, ManagedAccountNotFoundError | VaultConflictError)


def _report_wait(on_wait: Callable[[str], None], seconds: int, state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome:
        reason = untrusted.one_line(state.outcome.exception())
        on_wait(f"not yet ({reason}): retrying for up to {seconds} s")
