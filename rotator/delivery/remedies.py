"""What to do about errors of delivery, where that names values of the plan: each goes by its origin."""

from rotator.delivery.errors import (
    DryRunUnsupportedError,
    KubeconfigError,
    KubectlMissingError,
    ManifestRejectedError,
    NamespaceMissingError,
    OwnerReferenceError,
    QuotaExceededError,
)
from rotator.errors import RotatorError
from rotator.plan import host_keys, secret_builtin_types
from rotator.plan.plan import Cluster, Target

_REMEDIES: dict[type[RotatorError], str] = {
    KubectlMissingError: "Set {kubectl} to the command line that works on the master, with an absolute path.",
    KubeconfigError: (
        "On the master, let the user read a kubeconfig. If it is not ~/.kube/config, name it: {with_kubeconfig}."
    ),
    NamespaceMissingError: "Create the namespace, or correct {namespace}.",
    QuotaExceededError: "Raise the quota of Secrets in the namespace by one, or use {apply}.",
    ManifestRejectedError: (
        "Read what the API server says. If the reason is in what others put into the Secret, {without_foreign} leaves "
        "that out."
    ),
    DryRunUnsupportedError: (
        "Use {apply}, which needs no dry run; or let the webhook's owner declare its sideEffects as None or "
        "NoneOnDryRun."
    ),
    OwnerReferenceError: (
        "Use {apply}, which leaves the owner as it is; or let kubectl's user update the owner's finalizers."
    ),
}


def unreachable(cluster: Cluster) -> str:
    """What to do if no SSH server answers."""
    host, port = cluster.origin("host"), cluster.origin("port")
    return f"Check {host}, {port} and the network path, and that sshd runs on the master."


def host_replaced(cluster: Cluster) -> str:
    """What to do if the host shows other keys than the pinned ones."""
    return (
        "Find out whether the host was replaced. Only if the new key is confirmed at the master's console "
        f"({host_keys.ON_THE_CONSOLE}), set {cluster.origin('fingerprints')} to it."
    )


def find(error: type[RotatorError], target: Target) -> str:
    """What to do about an error of this kind."""
    return fill(_REMEDIES.get(error, error.remedy), target)


def fill(remedy: str, target: Target) -> str:
    """Replace the names of values in braces by what an operator knows them by."""
    cluster = target.cluster
    return remedy.format(
        kubectl=cluster.origin("kubectl"),
        with_kubeconfig=cluster.assignment("kubectl", "'kubectl --kubeconfig=/path/to/it'"),
        with_microk8s=cluster.assignment("kubectl", "'sudo /snap/bin/microk8s kubectl'"),
        namespace=target.origin("namespace"),
        apply=target.assignment("strategy", "apply"),
        data=target.origin("preset" if target.preset else "data"),
        opaque=target.assignment("type", secret_builtin_types.OPAQUE),
        without_foreign=target.assignment("keep_foreign", "false"),
    )
