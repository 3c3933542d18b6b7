"""The errors that the rotator raises, each with a remedy for the operator; none ever holds a secret value."""

from typing import ClassVar, Literal


class RotatorError(Exception):
    """Something an operator can act on: `str(error)` says what is wrong, `remedy` what to check or do."""

    remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy  # type: ignore[misc]  # an instance's remedy is more exact than its class's

    @property
    def kind(self) -> str:
        """The stable name of this error in reports."""
        return type(self).__name__

    def as_json(self) -> dict[str, str]:
        """Give what an answer or `--json` says of this error."""
        return {"error": self.kind, "message": str(self), "remedy": self.remedy}


class SettingsError(RotatorError):
    """One or more settings are missing or wrong; `problems` has a line for each."""

    remedy = "Correct these app settings; nothing was changed."

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings are missing or wrong:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


class UnexpectedError(RotatorError):
    """A defect of this program: an error that is none of its own."""

    remedy = "This is a defect of the rotator: please report it with the log's traceback."


class InterruptedRunError(RotatorError):
    """Somebody, or the system, ended the process in the middle of a run."""

    remedy = "Run it again: a run finishes what an earlier one began, a key rotation that was asked for included."

    def __init__(self) -> None:
        super().__init__("the run was interrupted")


# One at a time


class BusyError(RotatorError):
    """Another run is in progress; `holder` says which and `since` when, in ISO 8601, where that is known."""

    remedy = "Wait for the run in progress to end, then ask again."

    def __init__(self, message: str, *, holder: str = "", since: str = "") -> None:
        super().__init__(message)
        self.holder = holder
        self.since = since

    def as_json(self) -> dict[str, str]:
        """Give what an answer or `--json` says of this error."""
        return {**super().as_json(), "holder": self.holder, "since": self.since}


class LeaseError(RotatorError):
    """The lease that keeps runs from meeting each other cannot be relied on."""


class LeaseUnavailableError(LeaseError):
    """The app's own storage gives no lease."""

    remedy = (
        "Check AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role Storage Blob Data "
        "Owner there. On a workstation where no other run can start, --no-lease does without."
    )


class LeaseLostError(LeaseError):
    """The lease went to another run, or could not be renewed in time: this run stops before its next change."""

    remedy = "Nothing needs to be done: the next run works out what was done, and finishes it."


# The archive of reports


class ArchiveError(RotatorError):
    """A report could not be kept, or not be read again."""

    remedy = (
        "Check REPORT_CONTAINER, AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and the identity's role "
        "Storage Blob Data Owner there."
    )


# Account keys


class KeyRotationError(RotatorError):
    """A key rotation was refused before anything was changed, or cannot be finished as things are."""


class KeyInUseError(KeyRotationError):
    """A SAS that the key signed may still be in use."""

    remedy = "Say force, if those SAS may die at once: the report will say what that cut off."


class ClockSkewError(KeyRotationError):
    """This host's clock is far from the vault's or storage's: whether a SAS still lives cannot be judged by it."""

    remedy = (
        "Synchronise this host's clock by NTP (timedatectl set-ntp true), then ask again; a function app's clock is "
        "Azure's to correct, and a restart moves the app to another host."
    )


class OwnStorageError(KeyRotationError):
    """The function app itself runs on the account by connection string, and would die with its key."""


class UnfinishedError(KeyRotationError):
    """Not every target holds a SAS of the new key yet."""

    remedy = "Mend those targets, or take them out of the settings: the next run goes on from here."


class ActiveKeyError(KeyRotationError):
    """The vault's active key is not the one that this step needs."""


class NoAnswerError(RotatorError):
    """Nothing answers at a URL."""

    remedy = "Check the address in the settings, name resolution, and the firewalls and private endpoints in between."


# Identity and vault


class IdentityError(RotatorError):
    """No token could be had for the app's identity."""

    remedy = (
        "Enable the function app's managed identity (set AZURE_CLIENT_ID for a user-assigned one); "
        "on a workstation sign in with `az login`."
    )
    unanswered: bool = False  # the network was in the way, so that no sign-in helps


class VaultError(RotatorError):
    """Key Vault did not do what was asked."""


class VaultUnreachableError(VaultError):
    """The vault's host gave no answer."""

    remedy = "Check KEYVAULT_BASEURL, name resolution, the vault's firewall and private endpoint."


class VaultForbiddenError(VaultError):
    """No access policy of the vault gives the identity a permission."""


class VaultFirewallError(VaultError):
    """The vault refuses the network that the request came from; `address` is that which it saw, where it says so."""

    remedy = (
        "Let this network through the vault's firewall (az keyvault network-rule add --ip-address …), or run it "
        "inside the vault's private network; for the function app, check its network integration."
    )

    def __init__(self, message: str, *, address: str = "") -> None:
        super().__init__(message)
        self.address = address


class VaultPrivateError(VaultError):
    """The vault takes requests through its private endpoints only."""


class RbacVaultError(VaultForbiddenError):
    """The vault decides by Azure roles. Managed storage is undocumented there; access policies are the known way."""


class KeyAccessForbiddenError(VaultForbiddenError):
    """Key Vault, or the caller on whose behalf it acts, may not handle the storage account's keys."""

    remedy = (
        "Give Key Vault's application and the caller the role 'Storage Account Key Operator Service Role' on the "
        "account, and wait some minutes: az role assignment create --role 81a9662b-bebf-436f-a333-f67b29880f12 "
        "--assignee … --scope <the account's resource id>"
    )


class VaultUnavailableError(VaultError):
    """The vault answered with a server error, also when asked again."""

    remedy = "Key Vault is having trouble; the next run tries again."


class VaultThrottledError(VaultError):
    """The vault answered 429 for longer than the retries last."""

    remedy = "Something calls this vault too often (limit: 4,000 requests in 10 s); the next run tries again."


class VaultSecretNotFoundError(VaultError):
    """A secret is not in the vault."""


class VaultDisabledError(VaultError):
    """A secret, or a managed account, is there but disabled."""


class ManagedAccountNotFoundError(VaultError):
    """The storage account is not managed by this vault, or its SAS definition is gone."""


class VaultConflictError(VaultError):
    """A vault object is soft-deleted, or being deleted or recovered, and cannot be written."""


# Onboarding


class ResourceManagerError(RotatorError):
    """Azure Resource Manager did not do what was asked."""

    remedy = "Check the resource ids, and AZURE_RESOURCE_MANAGER for other clouds than the public one."


class ResourceManagerForbiddenError(ResourceManagerError):
    """The operator's role does not allow it."""

    remedy = "Ask for a role on that resource, such as Contributor; `az account show` tells who is signed in."


class ResourceNotFoundError(ResourceManagerError):
    """There is no such resource, or the operator may not see it."""


class OnboardingError(RotatorError):
    """Onboarding cannot go on as things are."""


class AlreadyManagedError(OnboardingError):
    """The vault manages another storage account under this name, or this one under another name."""


class MissingRoleError(OnboardingError):
    """Key Vault or the operator lacks the role to handle the storage account's keys."""


class SharedKeyError(OnboardingError):
    """The storage account refuses every SAS that an account key signs."""


class ConfirmationNeededError(OnboardingError):
    """Nobody is there to confirm the host key, or the changes."""


class DeclinedError(OnboardingError):
    """The operator said no."""

    remedy = "Nothing was changed."


# The SAS


class SasError(RotatorError):
    """The SAS that the issuer gave is not the one that was asked for."""

    remedy = "Check the SAS definition in Key Vault and the SAS_* settings; the Secret was left as it was."


class StorageError(RotatorError):
    """The proof of a SAS on storage failed; the SAS was not delivered."""


class StorageRefusedError(StorageError):
    """Storage refuses the SAS."""


class StillAcceptedError(StorageError):
    """Storage accepts a SAS whose key was regenerated."""

    remedy = "Try the SAS again in some minutes; if it still works, regenerate both keys in Key Vault once more."


class StorageUnreachableError(StorageError):
    """Storage gave no answer that judges the SAS."""

    remedy = "Check STORAGE_BLOB_ENDPOINT, name resolution and the storage firewall, or set ROTATION_PROVE=false."


# SSH


class SshError(RotatorError):
    """The SSH connection to the master, or a command on it, failed."""


PassphraseFault = Literal["missing", "wrong", "needless"]


class PrivateKeyError(SshError):
    """The private key from the vault cannot be used; `passphrase` says what is wrong with that, if anything."""

    def __init__(self, message: str, *, remedy: str | None = None, passphrase: PassphraseFault | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.passphrase = passphrase


class UnreachableError(SshError):
    """No SSH server answers at that address."""

    remedy = "Check KUBERNETES_DNS, KUBERNETES_SSH_PORT, the network path and that sshd runs."


class NoHostKeyError(UnreachableError):
    """The host has no host key of a type that is asked for."""


class HostKeyRejectedError(SshError):
    """The host showed no key that is pinned; nothing was sent to it."""


class AuthenticationRejectedError(SshError):
    """The host does not accept this user with this key."""


class SecondFactorError(AuthenticationRejectedError):
    """The host accepts the key, but asks this user for something else as well."""


class CommandError(SshError):
    """A remote command did not end as it should."""


class CommandFailedError(CommandError):
    """A remote command ended with a non-zero status; `status` holds it."""

    def __init__(self, message: str, *, status: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class CommandKilledError(CommandError):
    """A remote command was ended by a signal."""

    remedy = "Look into the master's kernel log (out of memory?) and its process limits."


class ConnectionLostError(CommandError):
    """The connection broke before the command's end was seen; the command may have gone on."""

    remedy = "Check the network path; the next run reads the cluster's state and repairs what is needed."


class OutputUnboundedError(CommandError):
    """A remote command printed more than anything that it is asked for; it may have gone on."""

    remedy = (
        "Run kubectl on the master as that user, and look at what prints without end: kubectl, what it is wrapped in, "
        "or a start-up file of the shell."
    )


class TimedOutError(SshError):
    """A step took longer than it may."""

    remedy = "Check the load of the master and of the API server."


# Delivery


class DeliveryError(RotatorError):
    """kubectl did not do what was asked; the message says what the cluster now holds."""


class KubectlMissingError(DeliveryError):
    """There is no kubectl at the master under that name."""

    remedy = "Set KUBERNETES_KUBECTL to the command line that works on the master, with an absolute path."


class KubeconfigError(DeliveryError):
    """kubectl's configuration is missing, unreadable for that user, or names no cluster."""

    remedy = (
        "On the master, let the user read a kubeconfig, and name it where it is not ~/.kube/config: "
        "KUBERNETES_KUBECTL='kubectl --kubeconfig=/path/to/it'."
    )


class SudoError(DeliveryError):
    """sudo asks for a password, or does not let the user run kubectl."""

    remedy = (
        "On the master, let the user run it without a password, by a line in /etc/sudoers.d: "
        "<user> ALL=(root) NOPASSWD: <kubectl with its absolute path>"
    )


class KubercError(DeliveryError):
    """The user's own defaults for kubectl (kuberc) change what is asked of it."""


class KubernetesUnauthorizedError(DeliveryError):
    """The API server does not take the credential in kubectl's kubeconfig."""

    remedy = (
        "Renew the credential in the kubeconfig that kubectl uses on the master: its token or client certificate has "
        "expired, or was withdrawn."
    )


class KubernetesForbiddenError(DeliveryError):
    """The master's kubectl user may not do this."""

    remedy = "Grant the verbs get, create, delete (recreate) or get, create, update (apply) on this Secret."


class NamespaceMissingError(DeliveryError):
    """The namespace does not exist."""

    remedy = "Create the namespace, or correct KUBERNETES_NAMESPACE."


class ApiServerDownError(DeliveryError):
    """kubectl cannot reach the API server."""

    remedy = "Check the API server, and the kubeconfig that kubectl uses in a non-login shell on the master."


class QuotaExceededError(DeliveryError):
    """A resource quota forbids creating the Secret."""

    remedy = "Raise the quota of Secrets in the namespace by one, or use KUBERNETES_SECRET_STRATEGY=apply."


class ManifestRejectedError(DeliveryError):
    """The API server, or an admission webhook of it, refuses the manifest."""

    remedy = "Read what the API server says; KUBERNETES_SECRET_KEEP_FOREIGN=false leaves out what others put there."


class DryRunUnsupportedError(ManifestRejectedError):
    """An admission webhook, or the API server, makes no dry run, without which nothing is deleted."""

    remedy = (
        "Use KUBERNETES_SECRET_STRATEGY=apply, which makes none; or let the webhook's owner declare its sideEffects as "
        "None or NoneOnDryRun."
    )


class OwnerReferenceError(ManifestRejectedError):
    """The Secret has an owner for which kubectl's user may not create it anew."""

    remedy = (
        "Use KUBERNETES_SECRET_STRATEGY=apply, which leaves the owner as it is; or let kubectl's user update the "
        "owner's finalizers."
    )


class AdmissionWebhookError(DeliveryError):
    """The API server gets no answer from an admission webhook, and therefore takes no Secret."""

    remedy = (
        "Bring that webhook back, or have its owner leave Secrets of this namespace out: kubectl get "
        "validatingwebhookconfigurations,mutatingwebhookconfigurations."
    )


class NotOursError(DeliveryError):
    """The Secret belongs to somebody else."""


class ConflictError(DeliveryError):
    """The Secret was changed by somebody else during the run."""

    remedy = "Find out what else writes this Secret; the next run tries again."


class NotConfirmedError(DeliveryError):
    """What was read back is not what was delivered."""

    remedy = "Look for an admission webhook or controller that changes this Secret."


class RotationFailedError(RotatorError):
    """At least one target failed; the report has the details."""

    remedy = "See the report in the log."


# Telling somebody


class WebhookError(RotatorError):
    """The chat service did not take a message; what the message is about is done all the same."""

    remedy = (
        "Check NOTIFY_WEBHOOK_URL, which the chat service may have withdrawn, and the network path there; the run's "
        "report is in the log."
    )
