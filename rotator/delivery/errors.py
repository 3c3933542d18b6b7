"""The errors of delivery: of the SSH connection, the private key, kubectl, the API server, and the Secret itself.

A remedy that names a value of the plan is made where the error is raised; see `remedies`.
"""

from typing import Literal

from rotator.errors import RotatorError


class SshError(RotatorError):
    """The SSH connection to the master, or a command on it, failed."""


PassphraseFault = Literal["missing", "wrong", "needless"]


class PrivateKeyError(SshError):
    """The private key from the vault cannot be used; `passphrase` is what is wrong with its passphrase."""

    def __init__(self, message: str, *, remedy: str | None = None, passphrase: PassphraseFault | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.passphrase = passphrase


class UnreachableError(SshError):
    """No SSH server answers at that address."""


class NoHostKeyError(UnreachableError):
    """The host has no host key of any type that was requested."""


class HostKeyRejectedError(SshError):
    """The host showed no key that is pinned. No login was attempted, and nothing was sent to it."""


class AuthenticationRejectedError(SshError):
    """The host does not accept this user with this key."""


class SecondFactorError(AuthenticationRejectedError):
    """The host accepts the key, but requires a further authentication method (RFC 4252 section 5.1)."""


class CommandError(SshError):
    """A remote command could not be started, or did not end as it should."""


class CommandFailedError(CommandError):
    """A remote command ended with a non-zero status; `status` holds it."""

    def __init__(self, message: str, *, status: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class CommandKilledError(CommandError):
    """A remote command was ended by a signal."""

    remedy = "Check the master's kernel log (out of memory?) and its process limits."


class ConnectionLostError(CommandError):
    """The connection broke before the remote command ended; the command may still have finished."""

    remedy = "Check the network path; the next run reads the cluster's state and repairs what is needed."


class OutputUnboundedError(CommandError):
    """A remote command printed more than any command should; it may still have finished."""

    remedy = (
        "Run kubectl on the master as that user, and find what prints without end: kubectl, a wrapper of it, or a "
        "start-up file of the shell."
    )


class TimedOutError(SshError):
    """A step exceeded its time limit."""

    remedy = "Check the load of the master and of the API server."


class DeliveryError(RotatorError):
    """The Secret was not delivered; the message says what the cluster now holds."""


class KubectlMissingError(DeliveryError):
    """The cluster's command line names no usable kubectl on the master."""


class KubeconfigError(DeliveryError):
    """kubectl's configuration is missing, unreadable for that user, or names no cluster."""


class SudoError(DeliveryError):
    """sudo asks for a password, or does not let the user run kubectl."""

    remedy = (
        "On the master, let the user run it without a password, with this line in a file in /etc/sudoers.d: "
        "<user> ALL=(root) NOPASSWD: <kubectl with its absolute path>"
    )


class KubercError(DeliveryError):
    """The user's own defaults for kubectl (kuberc) change what kubectl does."""

    # https://kubernetes.io/docs/reference/kubectl/kuberc/


class KubernetesUnauthorizedError(DeliveryError):
    """The API server does not accept the credential in kubectl's kubeconfig."""

    remedy = (
        "Renew the credential in the kubeconfig that kubectl uses on the master: its token or client certificate has "
        "expired or was revoked."
    )


class KubernetesForbiddenError(DeliveryError):
    """RBAC, or another authoriser, does not allow kubectl's user to do this."""

    remedy = "Grant the verbs get, create, delete (recreate) or get, create, update (apply) on this Secret."


class NamespaceMissingError(DeliveryError):
    """The namespace does not exist."""


class ApiServerDownError(DeliveryError):
    """kubectl cannot reach the API server."""

    remedy = "Check the API server, and the kubeconfig that kubectl uses in a non-login shell on the master."


class QuotaExceededError(DeliveryError):
    """A resource quota forbids creating the Secret."""


class ManifestRejectedError(DeliveryError):
    """The API server, or an admission webhook of it, refuses the manifest."""


class DryRunUnsupportedError(ManifestRejectedError):
    """An admission webhook, or the API server, supports no dry run; without one, nothing is deleted."""

    # https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#side-effects


class OwnerReferenceError(ManifestRejectedError):
    """The Secret has an owner reference that kubectl's user may not set, so it cannot be created again."""

    # https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement


class AdmissionWebhookError(DeliveryError):
    """An admission webhook does not answer the API server, which therefore accepts no Secret."""

    remedy = (
        "Repair that webhook, or have its owner exclude Secrets of this namespace: kubectl get "
        "validatingwebhookconfigurations,mutatingwebhookconfigurations."
    )


class NotOursError(DeliveryError):
    """The Secret belongs to somebody else."""


class ConflictError(DeliveryError):
    """The Secret was changed by somebody else during the run, or is being deleted, or would not be deleted at once.

    Or the settings name a data key in it that somebody else added.
    `has_finalizers` says that it is for its finalizers, with which it can still be updated in place.
    """

    remedy = "Find out what else writes this Secret; the next run tries again."

    def __init__(self, message: str, *, remedy: str | None = None, has_finalizers: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.has_finalizers = has_finalizers


class TemplateError(DeliveryError):
    """A template of the Secret needs a value that is not known."""


class NotConfirmedError(DeliveryError):
    """The Secret that was read back is not the one that was delivered."""

    remedy = "Look for an admission webhook or controller that changes or deletes this Secret."
