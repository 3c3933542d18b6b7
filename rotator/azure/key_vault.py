"""Requests to Key Vault's data plane, and its errors in this product's words.

Secrets are read and written through the SDK; managed storage by REST, as no current SDK has it.
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
from rotator.azure import az_commands, identity, key_vault_refusals, network_errors, paging, permissions, retries
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
from rotator.azure.permissions import Kind, Permission
from rotator.plan.account import Account
from rotator.redaction import SecretText

# Pinned: a later default of the SDK may be a service version without the storage operations.
_API_VERSION = "7.4"
_RETRIES = 4
WAIT_REMEDY = "Wait for the deletion or the recovery to end; the next run tries again."


class RefusedAsBadError(VaultError):
    """The vault answered 400: the request is not valid."""


class SoftDeletedError(VaultConflictError):
    """A soft-deleted object has this name."""


class VaultClient:
    """One vault, as one identity. Every method raises IdentityError or a VaultError."""

    def __init__(self, account: Account, credential: TokenCredential) -> None:
        self.account = account
        self.host = account.host
        self._origin = account.origin("vault")
        self._credential = credential
        self._client = SecretClient(
            account.vault,
            credential,
            api_version=_API_VERSION,
            retry_policy=retries.BoundedRetryPolicy(retry_total=_RETRIES),
            transport=retries.transport(),
            raw_response_hook=_count_answer,
        )
        # Now: threads whose first requests coincide would each open a connection pool, and leak all but the last.
        self._client.__enter__()
        self._name = self.host.partition(".")[0]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def secret(self, name: str) -> SecretText:
        """Read the current version of a secret; raises VaultSecretNotFoundError if it is missing or empty."""
        command = az_commands.set_secret(self._name, name, "<file>")
        try:
            with self._translated(Permission.SECRETS_GET, f"secret {name!r}"):
                value = self._client.get_secret(name).value
        except VaultSecretNotFoundError as error:
            raise VaultSecretNotFoundError(str(error)).repaired_by(command) from error.__cause__
        if not isinstance(value, str) or not value:
            raise VaultSecretNotFoundError(f"secret {name!r} in {self.host} is empty").repaired_by(command)
        return SecretText(value)

    def put_secret(self, name: str, value: SecretText, content_type: str) -> None:
        """Write a new version of a secret."""
        with self._translated(Permission.SECRETS_SET, f"secret {name!r}"):
            self._client.set_secret(name, value.reveal(), content_type=content_type)

    def recover_secret(self, name: str) -> None:
        """Start to recover a soft-deleted secret; does not wait until it is recovered."""
        with self._translated(Permission.SECRETS_RECOVER, f"deleted secret {name!r}"):
            self._client.begin_recover_deleted_secret(name)

    def send(
        self,
        method: str,
        path: str,
        permission: Permission,
        what: str,
        body: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> dict[str, Any]:
        """Send one request of managed storage and return its JSON object.

        `path` may be the whole URL of a list's next page. `permission` and `what` are for an error's text and remedy.
        With `once` the request is never retried: for what must not be done twice.
        """
        url = path if path.startswith("https://") else f"{path}?api-version={_API_VERSION}"
        request = HttpRequest(method, url, headers={"Accept": "application/json"}, json=body)
        with self._translated(permission, what):
            response = self._client.send_request(request, retry_total=0 if once else _RETRIES)
            response.raise_for_status()
            found = response.json()
            if not isinstance(found, dict):
                raise ValueError("no object")  # noqa: TRY004  # translated below
            return found

    def check_permission(self, method: str, path: str, permission: Permission, what: str) -> None:
        """Raise VaultForbiddenError unless the identity may do this; changes nothing.

        The request has an empty body: the vault checks permissions first and then answers 400.
        """
        try:
            self.send(method, path, permission, what, {}, once=True)
        except RefusedAsBadError:
            return
        raise VaultError(f"{self.host} took an empty request for {what}", remedy=self._check_account())

    def get(self, path: str, permission: Permission, what: str) -> dict[str, Any] | None:
        """Read an object of managed storage; None if it does not exist."""
        try:
            return self.send("GET", path, permission, what)
        except ManagedAccountNotFoundError:
            return None

    def list_all(self, path: str, permission: Permission, what: str) -> list[dict[str, Any]]:
        """Read all pages of a list of managed storage."""
        url = self.account.vault
        return paging.records(path, lambda page: self.send("GET", page, permission, what), url, what, VaultError)

    @contextlib.contextmanager
    def _translated(self, permission: Permission, what: str) -> Iterator[None]:
        """Raise this product's errors for the SDK's; `permission` and `what` are for their text."""
        try:
            with activity.of(f"Key Vault, for {what}"):
                yield
        except HttpResponseError as error:
            if isinstance(error, ClientAuthenticationError):
                raise IdentityError(f"{self.host} does not accept this identity's token") from error
            raise self._error_for(error, permission, what) from error
        except (ServiceRequestError, ServiceResponseError, OSError) as error:
            diagnosis = network_errors.diagnose(error, self.host, self._origin, self._check_network())
            raise VaultUnreachableError(diagnosis.text, remedy=diagnosis.remedy) from error
        # The answer is not JSON, not of the form that the SDK expects, or a challenge for another host's token.
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise VaultError(
                f"{self.host} does not answer {what} as a Key Vault does",
                remedy=f"Check {self._origin}, and for a proxy in between.",
            ) from error

    def _error_for(self, error: HttpResponseError, permission: Permission, what: str) -> VaultError:
        answer = key_vault_refusals.read(error.status_code or 0, error.response.text() if error.response else "")
        status, codes = answer.status, answer.codes
        text = f"{self.host} answered {status} ({', '.join(codes) or 'no code'}) for {what}"
        if answer.refuses:
            return self._forbidden(text, answer, permission)
        if status == HTTPStatus.NOT_FOUND:
            return self._not_found(permission, what)
        if status == HTTPStatus.CONFLICT:
            kind = SoftDeletedError if "ObjectIsDeletedButRecoverable" in codes else VaultConflictError
            return kind(text, remedy=WAIT_REMEDY)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return VaultThrottledError(text)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return VaultUnavailableError(text)
        bad = RefusedAsBadError if status == HTTPStatus.BAD_REQUEST else VaultError
        return bad(text, remedy=self._check_account())

    def _not_found(self, permission: Permission, what: str) -> VaultError:
        if permission.kind is Kind.SECRETS:
            return VaultSecretNotFoundError(f"{what} is not in {self.host}")
        missing = f"{self.host} knows no {what} of a managed account {self.account.managed_account!r}"
        return ManagedAccountNotFoundError(missing, remedy=self.onboard_remedy())

    def _forbidden(self, text: str, answer: Answer, permission: Permission) -> VaultError:
        """Distinguish the causes of a refusal, as each has another remedy."""
        cause, vault = answer.cause(permission), self._name
        if cause is Cause.DISABLED:
            command = az_commands.enable_secret(vault, "…")
            return VaultDisabledError(f"{text}: it is disabled", remedy="Enable it.").repaired_by(command)
        if cause in (Cause.PRIVATE, Cause.PERIMETER):
            reason, remedy = _private_endpoint_only(vault) if cause is Cause.PRIVATE else _perimeter()
            return VaultPrivateError(f"{text}: {reason}", remedy=remedy)
        if cause is Cause.FIREWALL:
            return VaultFirewallError(text, address=answer.address)
        if cause is Cause.ROLES:
            return self._without_role(f"{text}: it is in RBAC mode")
        if cause is Cause.KEYS:
            return KeyAccessForbiddenError(f"{text}: Resource Manager refuses it the account's keys")
        return self._without_policy(text, cause, permission)

    def _without_policy(self, text: str, cause: Cause, permission: Permission) -> VaultForbiddenError:
        """Name the identity and the command that adds what it lacks.

        The command adds all that the app needs, or the operator where only onboarding needs this permission.
        """
        who = identity.describe(self._credential, scope(self.host))
        kind, verb = permission.kind, permission.verb
        app, operator = permissions.APP.verbs(kind), permissions.OPERATOR.verbs(kind)
        wanted = permissions.Policy(**{kind.value: (operator if verb in operator - app else app) | {verb}})
        lacks = f"{who.name} lacks the permission '{permission}'"
        if cause is Cause.APPLICATION:
            lacks += (
                " by itself: its access policy names an application too (compound identity), and counts only for "
                "requests that this application makes on behalf of a user"
            )
        command = az_commands.add_policy(self._name, who.object_id, wanted)
        return VaultForbiddenError(f"{text}: {lacks}", remedy="Add that to its access policy.").repaired_by(command)

    def _without_role(self, text: str) -> RbacVaultError:
        """Name the role that is missing; managed storage needs access policies instead of roles."""
        if self.account.issuer.signs_here:
            command = az_commands.assign_role(permissions.SECRETS_USER_NAME, az_commands.vault_id(self._name), "…")
            remedy = f"Assign the role {permissions.SECRETS_USER_NAME!r} on the vault, and wait some minutes."
        else:
            command = az_commands.use_access_policies(self._name)
            remedy = "Managed storage is undocumented for vaults in RBAC mode; access policies are the known way."
        return RbacVaultError(text, remedy=remedy).repaired_by(command)

    def _check_network(self) -> str:
        return f"Check {self._origin}, name resolution, the vault's firewall and private endpoint."

    def _check_account(self) -> str:
        grants = "the SAS_* settings" if self.account.setting("managed_account") else "its grants"
        return f"Check {self._origin}, {self.account.origin('managed_account')} and {grants}."

    def onboard_remedy(self) -> str:
        """What to do if the vault does not manage the account."""
        name, origin = self.account.managed_account, self.account.origin("managed_account")
        return f"Let the vault manage the storage account as {name!r} ({origin}): python -m rotator onboard."


def scope(host: str) -> str:
    """The scope of a token for this vault, in its cloud; the public cloud's for a host that is in none."""
    domain = host.partition(".")[2]
    return f"https://{domain if domain.startswith('vault.') else 'vault.azure.net'}/.default"


def _private_endpoint_only(vault: str) -> tuple[str, str]:
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


def _count_answer(answer: PipelineResponse[HttpRequest, HttpResponse]) -> None:
    """Count an answer in the metrics by its operation: the method, and the path without the objects' names.

    Each retry counts, and so does the 401 with which the vault asks for a token.
    """
    request, status = answer.http_request, answer.http_response.status_code
    kinds = urllib.parse.urlsplit(request.url).path.strip("/").split("/")[::2]
    operation = f"{request.method} {'/'.join(kinds)}"
    telemetry.count(telemetry.VAULT_CALLS, operation=operation, status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        telemetry.count(telemetry.VAULT_THROTTLES, operation=operation)
