"""What keeps a SAS from a Secret: the way to the master, kubectl, the API server, or whoever else writes the Secret."""

from typing import Literal

from rotator.errors import RotatorError


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
    """The Secret was changed by somebody else during the run, or is being deleted, or would not be deleted at once.

    `has_finalizers` says that it is for its finalizers, with which it can still be updated in place.
    """

    remedy = "Find out what else writes this Secret; the next run tries again."

    def __init__(self, message: str, *, remedy: str | None = None, has_finalizers: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.has_finalizers = has_finalizers


class NotConfirmedError(DeliveryError):
    """What was read back is not what was delivered."""

    remedy = "Look for an admission webhook or controller that changes this Secret."
