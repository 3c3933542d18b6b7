"""Errors of Azure's services, each with a remedy for the operator; none ever holds a secret value."""

from rotator.azure import az_commands, permissions
from rotator.errors import KeyRotationError, RotatorError

# Storage's error code for a request that its firewall does not let in.
BY_FIREWALL = "AuthorizationFailure"


class LeaseError(RotatorError):
    """The lease that lets only one run work at a time is not held."""

    http_status = 412


class HostStorageError(RotatorError):
    """The app's own storage refused a request or did not answer; `storage_code` is its error code, where it has one."""

    # Codes: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
    def __init__(self, message: str, *, remedy: str | None = None, storage_code: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.storage_code = storage_code


class LeaseUnavailableError(LeaseError, HostStorageError):
    """The lease in the app's own storage cannot be acquired or read, for another reason than a run that holds it."""

    remedy = (
        "Check AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role Storage Blob Data "
        "Owner there. On a workstation where no other run can start, use --no-lease."
    )


class LeaseLostError(LeaseError):
    """Another run holds the lease, or it could not be renewed in time: this run stops before its next change."""

    remedy = "Nothing needs to be done: the next run works out what was done, and finishes it."


class ArchiveError(HostStorageError):
    """A report could not be written to the archive, or not be read from it."""

    remedy = (
        "Check REPORT_CONTAINER, AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role "
        "Storage Blob Data Owner there."
    )


class TimerRecordError(HostStorageError):
    """The Functions host's record of the timer cannot be read from the app's own storage."""

    remedy = (
        "Check AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role Storage Blob Data "
        "Owner there; to read it, Storage Blob Data Reader is enough."
    )


class RunStateError(HostStorageError):
    """What runs record for later ones cannot be read from the app's own storage, or not be written there."""

    remedy = (
        "Check AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role Storage Blob Data "
        "Owner there. Without it SAS are rotated as usual, but no key."
    )


class OwnStorageError(KeyRotationError):
    """The function app opens its own storage with a key of this account, and would stop if that were regenerated."""


class NoAnswerError(RotatorError):
    """Nothing answers at a URL."""

    remedy = "Check the address in the settings, name resolution, and the firewalls and private endpoints in between."


class AppUnreachableError(NoAnswerError):
    """The function app does not answer at its own host name; if `transient`, another try may succeed."""

    def __init__(self, message: str, *, remedy: str | None = None, transient: bool = True) -> None:
        super().__init__(message, remedy=remedy)
        self.transient = transient


class IdentityError(RotatorError):
    """The app's identity gets no token."""

    remedy = (
        "Enable the function app's managed identity (set AZURE_CLIENT_ID for a user-assigned one); "
        "on a workstation sign in with `az login`."
    )
    unanswered: bool = False  # the sign-in service could not be reached, so another sign-in does not help


class VaultError(RotatorError):
    """A request to Key Vault failed."""


class VaultUnreachableError(VaultError):
    """The vault does not answer."""


class VaultForbiddenError(VaultError):
    """No access policy of the vault grants the identity the permission."""


class VaultFirewallError(VaultError):
    """The vault's firewall refuses the caller's network; `address` is the caller's as the vault saw it, or empty."""

    remedy = (
        "Run this inside the vault's private network (for the function app, check its network integration), or let "
        "this network through the vault's firewall."
    )

    def __init__(self, message: str, *, address: str = "") -> None:
        super().__init__(message)
        self.repaired_by(az_commands.allow_vault_address("…", address or "…"))
        self.address = address


class VaultPrivateError(VaultError):
    """The vault accepts requests only from its private endpoints, or from within its network security perimeter."""


class RbacVaultError(VaultForbiddenError):
    """The vault is in RBAC mode, for which managed storage is not documented; access policies are the known way."""


class KeyAccessForbiddenError(VaultForbiddenError):
    """Key Vault, or the caller on whose behalf it acts, may not handle the storage account's keys."""

    remedy = (
        f"Assign the role {permissions.KEY_OPERATOR_NAME!r} on the account to Key Vault's application and to the "
        "caller, and wait some minutes."
    )


class VaultUnavailableError(VaultError):
    """The vault answered with a server error, also to each retry."""

    remedy = "Key Vault has a problem; the next run tries again."


class VaultThrottledError(VaultError):
    """The vault answered 429 for longer than the retries last."""

    remedy = "Something calls this vault too often (limit: 4,000 requests in 10 s); the next run tries again."


class VaultSecretNotFoundError(VaultError):
    """The vault has no secret of this name: the SSH key, or its passphrase."""

    remedy = "Let `python -m rotator onboard` write it, or write it from its file."


class VaultDisabledError(VaultError):
    """A secret or a managed account exists but is disabled."""


class ManagedAccountNotFoundError(VaultError):
    """The storage account is not managed by this vault, or its SAS definition is gone."""


class VaultConflictError(VaultError):
    """A vault object cannot be written, as it is soft-deleted, or is being deleted or recovered."""


class ResourceManagerError(RotatorError):
    """A request to Azure Resource Manager failed."""

    remedy = "Check the resource ids, and AZURE_RESOURCE_MANAGER for other clouds than the public one."


class ResourceManagerForbiddenError(ResourceManagerError):
    """The operator's role does not allow it."""

    remedy = "Ask for a role on that resource, such as Contributor; `az account show` shows who is signed in."


class FunctionAppForbiddenError(ResourceManagerForbiddenError):
    """The operator may not do something with the function app; the remedy is the command that assigns the role."""


class ResourceNotFoundError(ResourceManagerError):
    """There is no such resource, or the operator may not see it."""


class UnservedVersionError(ResourceManagerError):
    """This cloud does not serve an api-version yet."""


class ResourceLockedError(ResourceManagerError):
    """A lock on the resource forbids the change, whatever the operator's role."""

    remedy = (
        "A ReadOnly lock blocks every request that lists or regenerates keys; `az lock list` shows it, and on which "
        "scope. Delete it (az lock delete), or use an issuer that needs no such request."
    )


class StorageError(RotatorError):
    """The proof of a SAS on storage failed; the SAS was not delivered."""


class StorageRefusedError(StorageError):
    """Storage refuses the SAS.

    The message is `answer` (what storage answered), `detail` (to what) and `consequence`; `refusal` is the first two.
    `status` is the answer's HTTP status and `storage_code` its error code, as in HostStorageError.
    """

    def __init__(
        self,
        answer: str,
        detail: str = "",
        consequence: str = "",
        *,
        remedy: str | None = None,
        status: int = 0,
        storage_code: str = "",
    ) -> None:
        self.answer = answer
        self.refusal = f"{answer} {detail}".rstrip()
        self.status = status
        self.storage_code = storage_code
        super().__init__(f"{self.refusal}; {consequence}" if consequence else self.refusal, remedy=remedy)


class StillAcceptedError(StorageError):
    """Storage accepts a SAS whose key was regenerated or revoked."""

    remedy = "Try the SAS again in some minutes, as storage caches keys; if it still works, revoke once more."


class StorageUnreachableError(StorageError):
    """Storage neither accepted nor refused the SAS: it does not answer, or not as storage does."""


class UserDelegationError(RotatorError):
    """Storage gave no user delegation key."""

    remedy = "Check the storage account's name and firewall; `python -m rotator check` looks at each."


class UserDelegationForbiddenError(UserDelegationError):
    """The identity may not ask for user delegation keys."""

    remedy = (
        f"Assign the role {permissions.BLOB_DELEGATOR_NAME!r} on the account to the app's identity, and wait some "
        "minutes."
    )
