"""User delegation keys: storage gives one to an identity, and SAS that it signs need no account key.

https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

import contextlib
import dataclasses
import datetime
import shlex
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError

from rotator import activity, untrusted
from rotator.azure import az_commands, network_errors, permissions, retries
from rotator.azure.errors import BY_FIREWALL, UserDelegationError, UserDelegationForbiddenError
from rotator.redaction import SecretText

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey

_UNREACHABLE = "Check {endpoint}, name resolution and the storage firewall."


@dataclasses.dataclass(frozen=True)
class DelegationKey:
    """A user delegation key: what signs, until when storage lets it, and its fields as storage wrote them."""

    value: SecretText
    expiry: datetime.datetime
    fields: dict[str, str]

    def for_sdk(self) -> "UserDelegationKey":
        """The same for azure-storage-blob, which signs with it."""
        from azure.storage.blob import UserDelegationKey

        key = UserDelegationKey()  # type: ignore[no-untyped-call]
        for name, text in self.fields.items():
            setattr(key, name, text)
        key.value = self.value.reveal()
        return key


class UserDelegation:
    """Asks one account's blob storage for keys. `named` is where the endpoint is written, `resource` the account's id.

    The SDK is imported, and a connection made, for each key: a run needs one.
    """

    def __init__(self, endpoint: str, credential: TokenCredential, *, named: str, resource: str | None = None) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._named = named
        self._resource = resource

    def key(self, start: datetime.datetime, expiry: datetime.datetime) -> DelegationKey:
        """Get a key for these times; its own expiry may be earlier.

        Raises IdentityError, UserDelegationForbiddenError without the role, or another UserDelegationError.
        """
        from azure.storage.blob import BlobServiceClient, LinearRetry

        options: dict[str, Any] = {
            "retry_policy": LinearRetry(backoff=1, retry_total=3, random_jitter_range=0),
            "transport": retries.transport(),
        }
        with self._translated(), BlobServiceClient(self._endpoint, self._credential, **options) as client:
            found = client.get_user_delegation_key(start, expiry)
        return self._parsed(found)

    def _parsed(self, found: "UserDelegationKey") -> DelegationKey:
        names = ("signed_oid", "signed_tid", "signed_start", "signed_expiry", "signed_service", "signed_version")
        fields = {name: str(getattr(found, name) or "") for name in names}
        expiry = untrusted.iso_time(fields["signed_expiry"])
        if expiry is None or not found.value or not all(fields.values()):
            raise UserDelegationError(f"{self._endpoint} does not answer with a user delegation key, as storage does")
        return DelegationKey(SecretText(found.value), expiry, fields)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise this product's errors for the SDK's, whose messages quote whatever storage wrote."""
        try:
            with activity.of("storage, for a user delegation key"):
                yield
        except HttpResponseError as error:
            if error.response is None:
                raise UserDelegationError(f"the answer of {self._endpoint} broke off") from None
            raise self._error_for(error) from None
        except (AzureError, OSError) as error:
            remedy = _UNREACHABLE.format(endpoint=self._named)
            diagnosis = network_errors.diagnose(error, self._endpoint, self._named, remedy)
            raise UserDelegationError(diagnosis.text, remedy=diagnosis.remedy) from None
        except (ValueError, TypeError, AttributeError):  # the SDK met an answer of another form
            raise UserDelegationError(f"{self._endpoint} does not answer as storage does") from None

    def _error_for(self, error: HttpResponseError) -> UserDelegationError:
        code = str(getattr(error.response, "headers", {}).get("x-ms-error-code", ""))
        text = f"{self._endpoint} answered {error.status_code} {code} to the request for a user delegation key"
        if error.status_code == HTTPStatus.FORBIDDEN and code != BY_FIREWALL:
            scope = shlex.quote(self._resource or "<resource id of the account>")
            command = az_commands.assign_role(permissions.BLOB_DELEGATOR_NAME, scope, "…")
            return UserDelegationForbiddenError(text).repaired_by(command)
        if code == BY_FIREWALL:
            return UserDelegationError(text, remedy="Check the storage firewall: this app's network may not be let in.")
        return UserDelegationError(text)
