"""Key Vault as onboarding needs it: which storage accounts it manages, and the secrets put into it.

Operations: https://learn.microsoft.com/rest/api/keyvault/ (Storage: Set/Get/Update/Recover Storage Account).
"""

import contextlib
import functools
import logging
import time
import urllib.parse
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
from rotator.onboarding import steps
from rotator.plan.plan import ManagedAccount
from rotator.redaction import SecretText

logger = logging.getLogger(__name__)

# A role or an access policy takes minutes to be known everywhere, a deletion or a recovery seconds.
_SETTLE_SECONDS = 180
_CHANGING_SECONDS = 60
_MOST_PAGES = 100  # of the vault's list, which has 25 accounts on each


class VaultSetup:
    """One vault, as the operator. Every method raises IdentityError or a VaultError.

    What a policy or a role refuses is asked for again for some minutes, as the one that allows it may be new. `tell`
    gets a line when that begins, so that nobody takes it for a hang.
    """

    def __init__(
        self,
        account: ManagedAccount,
        credential: TokenCredential,
        *,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = logger.warning,
    ) -> None:
        self._name = account.name
        self._what = f"managed account {self._name!r}"
        self._client = key_vault.VaultClient(account, credential)
        self._allowed = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_refusal),
            wait=tenacity.wait_exponential(multiplier=1, max=15),
            stop=tenacity.stop_after_delay(_SETTLE_SECONDS),
            sleep=sleep,
            before_sleep=functools.partial(_say, tell, _SETTLE_SECONDS),
            reraise=True,
        )
        self._changed = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_changing),
            wait=tenacity.wait_fixed(2),
            stop=tenacity.stop_after_attempt(_CHANGING_SECONDS // 2),
            sleep=sleep,
            before_sleep=functools.partial(_say, tell, _CHANGING_SECONDS),
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def managed(self, *, settling: bool = True) -> StorageBundle | None:
        """Read what the vault manages under the account's name; without `settling` a refusal is not waited out."""
        read = functools.partial(self._client.get, self._path, "storage get", self._what)
        return _managed(self._allowed(read) if settling else read())

    def name_of(self, resource_id: str) -> str | None:
        """Give the name under which the vault manages that account, if it does."""
        path: str | None = "/storage"
        for _ in range(_MOST_PAGES):
            if path is None:
                break
            page = self._send("GET", path, "storage list", "its managed accounts")
            for item in untrusted.records(page.get("value")):
                if str(item.get("resourceId", "")).lower() == resource_id.lower():
                    return str(item.get("id", "")).rstrip("/").rpartition("/")[2]
            path = _next_path(page.get("nextLink"))
        return None

    def soft_deleted(self) -> StorageBundle | None:
        """Give the managed account of that name that was deleted and can be recovered."""
        path = f"/deletedstorage/{self._name}"
        return _managed(self._allowed(self._client.get, path, "storage get", f"deleted {self._what}"))

    def recover(self, wanted: StorageBundle) -> None:
        """Bring the soft-deleted managed account back, and change when the vault regenerates its keys."""
        self._changed(self._recover, wanted)

    def _recover(self, wanted: StorageBundle) -> None:
        with contextlib.suppress(ManagedAccountNotFoundError, VaultConflictError):  # not yet, or already
            self._send("POST", f"/deletedstorage/{self._name}/recover", "storage recover", f"deleted {self._what}")
        self.change(wanted)

    def manage(self, wanted: StorageBundle) -> None:
        """Let the vault manage the account; repeated while the roles on it are still on their way."""
        try:
            self._put(wanted)
        except VaultConflictError:
            self._changed(self._manage_or_recover, wanted)

    def _manage_or_recover(self, wanted: StorageBundle) -> None:
        """One whose deletion or recovery was under way a moment ago keeps its active key, on which SAS depend."""
        found = self.managed() or self.soft_deleted()
        if found is None:
            self._put(wanted)
        elif found.resource_id.lower() == wanted.resource_id.lower():
            self._recover(wanted)
        else:
            raise steps.taken(self._client.host, self._name, found)

    def _put(self, wanted: StorageBundle) -> None:
        self._send("PUT", self._path, "storage set", self._what, {**wanted.bundle, "attributes": {"enabled": True}})

    def change(self, wanted: StorageBundle) -> None:
        """Change when the vault regenerates keys; never which key is active."""
        self._send("PATCH", self._path, "storage update", self._what, wanted.regeneration)

    def secret(self, name: str) -> SecretText | None:
        """Read a secret; None when there is none."""
        try:
            return self._allowed(self._client.secret, name)
        except VaultSecretNotFoundError:
            return None

    def put_secret(self, name: str, value: SecretText, content_type: str) -> None:
        """Write a new version of a secret; one that was soft-deleted is recovered first."""

        def put() -> None:
            try:
                self._client.put_secret(name, value, content_type)
            except key_vault.SoftDeletedError as error:
                with contextlib.suppress(VaultSecretNotFoundError, VaultConflictError):
                    self._client.recover_secret(name)  # not yet, or already
                raise VaultConflictError(f"secret {name!r} is being recovered") from error

        self._changed(self._allowed, put)

    def _send(self, *request: Any) -> dict[str, Any]:
        return self._allowed(self._client.send, *request)

    @property
    def _path(self) -> str:
        return f"/storage/{self._name}"


def _managed(bundle: dict[str, Any] | None) -> StorageBundle | None:
    return None if bundle is None else parse(bundle)


def _is_refusal(error: BaseException) -> bool:
    """Whether it may be one for a while only, as when a policy or a role is new. The vault's mode does not change."""
    return isinstance(error, VaultForbiddenError) and not isinstance(error, RbacVaultError)


def _is_changing(error: BaseException) -> bool:
    """Whether it may be for a deletion or a recovery under way, during which the vault answers 404 or 409."""
    return isinstance(error, ManagedAccountNotFoundError | VaultConflictError)


def _say(tell: Callable[[str], None], seconds: int, state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome:
        reason = untrusted.one_line(state.outcome.exception())
        tell(f"not yet ({reason}): asking again for up to {seconds} s")


def _next_path(link: object) -> str | None:
    """Give the next page's path, which is asked for at the vault itself, whatever host the link names."""
    try:
        parts = urllib.parse.urlsplit(str(link or ""))
    except ValueError:
        return None
    query = [pair for pair in urllib.parse.parse_qsl(parts.query) if pair[0] != "api-version"]
    return f"{parts.path}?{urllib.parse.urlencode(query)}" if parts.path else None
