"""Key Vault as onboarding needs it: which storage accounts it manages, and the secrets put into it.

Operations: https://learn.microsoft.com/rest/api/keyvault/ (Storage: Set/Get/Update/Recover Storage Account).
"""

import functools
import logging
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import tenacity
from azure.core.credentials import TokenCredential

from rotator import errors, vault_client
from rotator.managed import Managed, parse
from rotator.redaction import Secret
from rotator.targets import ManagedAccount

logger = logging.getLogger(__name__)

# A role or an access policy takes minutes to be known everywhere, a recovery seconds.
_SETTLE_SECONDS = 180


class Keeper:
    """One vault, as the operator. Every method raises IdentityError or a VaultError."""

    def __init__(
        self, account: ManagedAccount, credential: TokenCredential, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._name = account.name
        self._sleep = sleep
        self._client = vault_client.VaultClient(account, credential)
        self._settling = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_settle),
            wait=tenacity.wait_exponential(multiplier=1, max=15),
            stop=tenacity.stop_after_delay(_SETTLE_SECONDS),
            sleep=sleep,
            before_sleep=_say,
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def managed(self, *, settling: bool = False) -> Managed | None:
        """Give what the vault manages under the account's name; `settling` waits for a new policy to take effect."""
        read = functools.partial(self._client.get, self._path, "storage get", f"managed account {self._name!r}")
        return _managed(self._settling(read) if settling else read())

    def name_of(self, resource_id: str) -> str | None:
        """Give the name under which the vault manages that account, if it does."""
        path: str | None = "/storage"
        while path:
            page = self._client.send("GET", path, "storage list", "its managed accounts")
            for item in page.get("value") or []:
                if str(item.get("resourceId", "")).lower() == resource_id.lower():
                    return str(item["id"]).rstrip("/").rpartition("/")[2]
            path = _next_path(page.get("nextLink"))
        return None

    def soft_deleted(self) -> Managed | None:
        """Give the managed account of that name that was deleted and can be recovered."""
        what = f"deleted managed account {self._name!r}"
        return _managed(self._client.get(f"/deletedstorage/{self._name}", "storage get", what))

    def recover(self, wanted: Managed) -> None:
        """Bring the soft-deleted managed account back, and change when the vault regenerates its keys."""
        path = f"/deletedstorage/{self._name}/recover"
        self._client.send("POST", path, "storage recover", f"deleted managed account {self._name!r}")
        # It takes the vault some seconds until it knows the account again.
        recovered = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((errors.ManagedAccountNotFoundError, errors.VaultConflictError)),
            wait=tenacity.wait_fixed(2),
            stop=tenacity.stop_after_attempt(30),
            sleep=self._sleep,
            reraise=True,
        )
        recovered(self.change, wanted)

    def manage(self, wanted: Managed) -> None:
        """Let the vault manage the account; repeated while the roles on it are still on their way."""
        body = {**wanted.bundle, "attributes": {"enabled": True}}
        what = f"managed account {self._name!r}"
        self._settling(self._client.send, "PUT", self._path, "storage set", what, body)

    def change(self, wanted: Managed) -> None:
        """Change when the vault regenerates keys; never which key is active."""
        self._client.send("PATCH", self._path, "storage update", f"managed account {self._name!r}", wanted.regeneration)

    def secret(self, name: str) -> Secret | None:
        """Read a secret; None when there is none."""
        try:
            return self._client.secret(name)
        except errors.VaultSecretNotFoundError:
            return None

    def put_secret(self, name: str, value: Secret, content_type: str) -> None:
        """Write a new version of a secret; one that was soft-deleted is recovered first."""

        def put() -> None:
            try:
                self._client.put_secret(name, value, content_type)
            except vault_client.SoftDeletedError as error:
                self._client.recover_secret(name)
                raise errors.VaultConflictError(f"secret {name!r} is being recovered") from error

        self._settling(put)

    @property
    def _path(self) -> str:
        return f"/storage/{self._name}"


def _managed(bundle: dict[str, Any] | None) -> Managed | None:
    return None if bundle is None else parse(bundle)


def _may_settle(error: BaseException) -> bool:
    if isinstance(error, errors.RbacVaultError):
        return False
    return isinstance(error, errors.VaultForbiddenError | errors.VaultConflictError)


def _say(state: tenacity.RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome:
        logger.warning("not yet (%s): asking again for up to %d s", state.outcome.exception(), _SETTLE_SECONDS)


def _next_path(link: object) -> str | None:
    parts = urllib.parse.urlsplit(str(link or ""))
    query = [pair for pair in urllib.parse.parse_qsl(parts.query) if pair[0] != "api-version"]
    return f"{parts.path}?{urllib.parse.urlencode(query)}" if parts.path else None
