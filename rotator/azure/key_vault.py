"""Key Vault's data plane as one identity: requests, and what its refusals mean.

Secrets go through the SDK; managed storage by REST, which no current SDK knows.
https://learn.microsoft.com/rest/api/keyvault/
"""

import contextlib
import urllib.parse
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpRequest, HttpResponse
from azure.keyvault.secrets import SecretClient

from rotator import activity, telemetry
from rotator.azure import az_commands, identity, key_vault_refusals, network_errors, permissions, retries
from rotator.azure.errors import (
    IdentityError,
    KeyAccessForbiddenError,
    ManagedAccountNotFoundError,
    RbacVaultError,
    VaultConflictError,
    VaultDisabledError,
    VaultError,
    VaultFirewallError,
    VaultForbiddenError,
    VaultPrivateError,
    VaultSecretNotFoundError,
    VaultThrottledError,
    VaultUnavailableError,
    VaultUnreachableError,
)
from rotator.azure.key_vault_refusals import Answer, Cause
from rotator.plan.plan import ManagedAccount
from rotator.redaction import SecretText

# Newer service versions carry the storage operations too, but the SDK's own default need not.
_API_VERSION = "7.4"
_RETRIES = 4
WAIT = "Wait for the deletion or the recovery to end; the next run tries again."
_CHECK_SETTINGS = "Check KEYVAULT_BASEURL, KEYVAULT_STORAGE_NAME and the SAS_* settings."


class RefusedAsBadError(VaultError):
    """The request is not one that the vault can carry out."""


class SoftDeletedError(VaultConflictError):
    """The name belongs to a soft-deleted object."""


class VaultClient:
    """One vault, as one identity. Every method raises IdentityError or a VaultError."""

    def __init__(self, account: ManagedAccount, credential: TokenCredential) -> None:
        self.account = account
        self.host = account.host
        self._credential = credential
        self._client = SecretClient(
            account.vault_url,
            credential,
            api_version=_API_VERSION,
            retry_policy=retries.BoundedRetryPolicy(retry_total=_RETRIES),
            transport=retries.transport(),
            raw_response_hook=_count,
        )
        # Now: threads that ask at the same moment would each open one, and lose all but the last.
        self._client.__enter__()
        self._name = self.host.partition(".")[0]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def secret(self, name: str) -> SecretText:
        """Read a secret's current value."""
        with self._translated("secrets get", f"secret {name!r}"):
            value = self._client.get_secret(name).value
        if not isinstance(value, str) or not value:
            raise VaultSecretNotFoundError(f"secret {name!r} in {self.host} is empty")
        return SecretText(value)

    def put_secret(self, name: str, value: SecretText, content_type: str) -> None:
        """Write a new version of a secret."""
        with self._translated("secrets set", f"secret {name!r}"):
            self._client.set_secret(name, value.reveal(), content_type=content_type)

    def recover_secret(self, name: str) -> None:
        """Begin to bring a soft-deleted secret back."""
        with self._translated("secrets recover", f"deleted secret {name!r}"):
            self._client.begin_recover_deleted_secret(name)

    def send(
        self,
        method: str,
        path: str,
        permission: str,
        what: str,
        body: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> dict[str, Any]:
        """Make one call of managed storage; `permission` and `what` are for the error's text.

        With `once` it is not sent again, whatever comes back: for what must not be done twice.
        """
        separator = "&" if "?" in path else "?"
        url = f"{path}{separator}api-version={_API_VERSION}"
        request = HttpRequest(method, url, headers={"Accept": "application/json"}, json=body)
        with self._translated(permission, what):
            response = self._client.send_request(request, retry_total=0 if once else _RETRIES)
            response.raise_for_status()
            found = response.json()
            if not isinstance(found, dict):
                raise ValueError("no object")  # noqa: TRY004  # of the service's, and worded below
            return found

    def would(self, method: str, path: str, permission: str, what: str) -> None:
        """Raise VaultForbiddenError unless the identity may do this. Asked with an empty body, so nothing is done.

        The vault judges who asks before it judges what is asked for, which lacks all that is required.
        """
        try:
            self.send(method, path, permission, what, {}, once=True)
        except RefusedAsBadError:
            return
        raise VaultError(f"{self.host} took an empty request for {what}", remedy=_CHECK_SETTINGS)

    def get(self, path: str, permission: str, what: str) -> dict[str, Any] | None:
        """Read an object of managed storage; None when there is none."""
        try:
            return self.send("GET", path, permission, what)
        except ManagedAccountNotFoundError:
            return None

    @contextlib.contextmanager
    def _translated(self, permission: str, what: str) -> Iterator[None]:
        try:
            with activity.of(f"Key Vault, for {what}"):
                yield
        except HttpResponseError as error:
            if isinstance(error, ClientAuthenticationError):
                raise IdentityError(f"{self.host} takes no token of this identity's") from error
            raise self._explained(error, permission, what) from error
        except (ServiceRequestError, ServiceResponseError, OSError) as error:
            trouble = network_errors.explain(error, self.host, "KEYVAULT_BASEURL", VaultUnreachableError.remedy)
            raise VaultUnreachableError(trouble.text, remedy=trouble.remedy) from error
        # An answer that is no JSON, or not of the form that the SDK takes for granted; a challenge for another host's
        # token.
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise VaultError(
                f"{self.host} does not answer {what} as a Key Vault does",
                remedy="Check KEYVAULT_BASEURL, and for a proxy in between.",
            ) from error

    def _explained(self, error: HttpResponseError, permission: str, what: str) -> VaultError:
        answer = key_vault_refusals.read(error.status_code or 0, error.response.text() if error.response else "")
        status, codes = answer.status, answer.codes
        said = f"{self.host} answered {status} ({', '.join(codes) or 'no code'}) for {what}"
        if answer.refuses:
            return self._forbidden(said, answer, permission)
        if status == HTTPStatus.NOT_FOUND:
            return self._not_found(permission, what)
        if status == HTTPStatus.CONFLICT:
            kind = SoftDeletedError if "ObjectIsDeletedButRecoverable" in codes else VaultConflictError
            return kind(said, remedy=WAIT)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return VaultThrottledError(said)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return VaultUnavailableError(said)
        bad = RefusedAsBadError if status == HTTPStatus.BAD_REQUEST else VaultError
        return bad(said, remedy=_CHECK_SETTINGS)

    def _not_found(self, permission: str, what: str) -> VaultError:
        if permission.startswith("secrets"):
            remedy = az_commands.set_secret(self._name, "…", "…")
            return VaultSecretNotFoundError(f"{what} is not in {self.host}", remedy=remedy)
        missing = f"{self.host} knows no {what} of a managed account {self.account.name!r}"
        return ManagedAccountNotFoundError(missing, remedy=self.onboard())

    def _forbidden(self, said: str, answer: Answer, permission: str) -> VaultError:
        cause, vault = answer.cause(permission), self._name
        if cause is Cause.DISABLED:
            remedy = az_commands.enable_secret(vault, "…")
            return VaultDisabledError(f"{said}: it is disabled", remedy=remedy)
        if cause in (Cause.PRIVATE, Cause.PERIMETER):
            text, remedy = _private(vault) if cause is Cause.PRIVATE else _perimeter()
            return VaultPrivateError(f"{said}: {text}", remedy=remedy)
        if cause is Cause.FIREWALL:
            return VaultFirewallError(said, address=answer.address)
        if cause is Cause.ROLES:
            return RbacVaultError(f"{said}: it is in RBAC mode", remedy=rbac_remedy(vault))
        if cause is Cause.KEYS:
            return KeyAccessForbiddenError(f"{said}: Resource Manager refuses it the account's keys")
        return self._without_policy(said, cause, permission)

    def _without_policy(self, said: str, cause: Cause, permission: str) -> VaultForbiddenError:
        who = identity.describe(self._credential, scope(self.host))
        kind, _, verb = permission.partition(" ")
        app, operator = (getattr(policy, kind) for policy in (permissions.APP, permissions.OPERATOR))
        wanted = permissions.Policy(**{kind: (operator if verb in operator - app else app) | {verb}})
        lacks = f"{who.name} lacks the permission {permission!r}"
        if cause is Cause.APPLICATION:
            lacks += (
                " by itself: its access policy names an application too (compound identity), and counts only for "
                "requests that this application makes on behalf of a user"
            )
        return VaultForbiddenError(f"{said}: {lacks}", remedy=az_commands.add_policy(self._name, who.object_id, wanted))

    def onboard(self) -> str:
        """Say how the vault comes to manage the account."""
        return (
            f"Let the vault manage the storage account as {self.account.name!r} (KEYVAULT_STORAGE_NAME): "
            "python -m rotator onboard."
        )


def scope(host: str) -> str:
    """What a token for this vault is asked for, in whichever cloud it is."""
    domain = host.partition(".")[2]
    return f"https://{domain if domain.startswith('vault.') else 'vault.azure.net'}/.default"


def rbac_remedy(vault: str) -> str:
    """Say how a vault gets into access-policy mode."""
    return (
        "Managed storage is undocumented for vaults in RBAC mode; access policies are the known way: "
        f"{az_commands.use_access_policies(vault)}"
    )


def _private(vault: str) -> tuple[str, str]:
    return (
        "it takes no requests from public networks",
        "Run it where a private endpoint of the vault is reached, and the vault's name leads there (for the function "
        "app: network integration and private DNS); or let public networks in, as far as the vault's firewall does: "
        f"{az_commands.allow_public_networks(vault)}",
    )


def _perimeter() -> tuple[str, str]:
    return (
        "its network security perimeter does not let this network in",
        "Let this network, or the subscription that the app is in, into the perimeter by an inbound access rule "
        "(az network perimeter profile access-rule create), or run it inside of the perimeter.",
    )


def _count(answer: PipelineResponse[HttpRequest, HttpResponse]) -> None:
    """Count an answer by what was asked for: the method, and the path without the objects' names.

    Each try counts, and so does the 401 with which the vault says whose token it wants.
    """
    request, status = answer.http_request, answer.http_response.status_code
    kinds = urllib.parse.urlsplit(request.url).path.strip("/").split("/")[::2]
    operation = f"{request.method} {'/'.join(kinds)}"
    telemetry.count(telemetry.VAULT_CALLS, operation=operation, status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        telemetry.count(telemetry.VAULT_THROTTLES, operation=operation)
