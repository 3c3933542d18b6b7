"""Finds the error of delivery for what kubectl, or sudo, snap or a shell around it, printed on stderr.

The text is shortened before it is searched, and every pattern takes a time linear in its length.
"""

import dataclasses
import re

from rotator import errors
from rotator.delivery import remedies
from rotator.delivery.errors import (
    AdmissionWebhookError,
    ApiServerDownError,
    CommandFailedError,
    ConflictError,
    DryRunUnsupportedError,
    KubeconfigError,
    KubectlMissingError,
    KubercError,
    KubernetesForbiddenError,
    KubernetesUnauthorizedError,
    ManifestRejectedError,
    NamespaceMissingError,
    OwnerReferenceError,
    QuotaExceededError,
    SudoError,
)
from rotator.delivery.ssh.remote_output import quote, shortened, without_noise
from rotator.plan.plan import Strategy, Target


@dataclasses.dataclass(frozen=True)
class _Meaning:
    """The error for text that matches `pattern`.

    `what` is a format string of the target and the pattern's groups. `remedy` replaces the error's own; `remedies`
    fills both.
    """

    pattern: str
    error: type[errors.RotatorError]
    what: str
    remedy: str | None = None


_SUDO = "sudo does not run kubectl for {target.cluster.user}"
_KUBECONFIG = "kubectl has no usable kubeconfig on {target.cluster}"
# For targets with strategy `apply`, of errors whose own remedy is `apply`. They get here if the Secret is immutable.
_APPLY_REMEDIES: dict[type[errors.RotatorError], str] = {
    DryRunUnsupportedError: "Let the webhook's owner declare its sideEffects as None or NoneOnDryRun.",
    OwnerReferenceError: "Let kubectl's user update the finalizers of the Secret's owner.",
}
_KUBERC_REMEDY = (
    "Remove that default from the kuberc of the user that kubectl runs as (~/.kube/kuberc; root's with sudo). The "
    'rotator sets KUBERC=off; for sudo to pass that on, put into /etc/sudoers.d: Defaults env_keep += "KUBERC"'
)
# For a type that the Secret had before, too; what the settings say is refused with them.
_TYPE_REMEDY = (
    "The API server wants certain data keys, or a certain form of them, in a Secret of its type: write them by {data}, "
    "or set {opaque}."
)
_NO_SETUID = (
    "Let kubectl run without sudo, with a kubeconfig that this user may read; or let sshd's sessions gain privileges: "
    "remove NoNewPrivileges from its unit, or the mount option nosuid."
)

# The first pattern that matches counts. Those of admission come first, as its messages may contain any words.
# The texts are from k8s.io/apimachinery's StatusReason and apiserver's admission, from kubectl, sudo, sudo-rs
# (src/common/error.rs), snapd, k3s and MicroK8s.
_MEANINGS = (
    _Meaning(
        r"is forbidden: cannot set blockOwnerDeletion",
        OwnerReferenceError,
        "admission does not let kubectl's user create {target} with its owner reference",
    ),
    _Meaning(
        r"does not support dry run|dryRun (?:alpha|beta) feature is disabled",
        DryRunUnsupportedError,
        "the API server supports no dry run for {target}",
    ),
    _Meaning(
        r'failed calling webhook "(?P<name>[\w.:/-]{1,253})"',
        AdmissionWebhookError,
        "admission webhook {name} does not answer the API server",
    ),
    _Meaning(
        r'admission webhook "(?P<name>[\w.:/-]{1,253})" denied the request',
        ManifestRejectedError,
        "admission webhook {name} refuses {target}",
    ),
    _Meaning(r"denied the request", ManifestRejectedError, "an admission webhook refuses {target}"),
    _Meaning(
        r"ValidatingAdmissionPolicy '(?P<name>[\w.:/-]{1,253})'",
        ManifestRejectedError,
        "admission policy {name} refuses {target}",
    ),
    _Meaning(r"denied request", ManifestRejectedError, "an admission policy refuses {target}"),
    _Meaning(
        r"not allowed to (?:set the following environment variables|preserve the environment)",
        SudoError,
        _SUDO,
        "Take variables and -E out of {kubectl}, or allow them in /etc/sudoers.d by the tag SETENV: "
        "<user> ALL=(root) NOPASSWD:SETENV: <kubectl with its absolute path>",
    ),
    _Meaning(
        r"no new privileges|is owned by uid 0 and has the setuid bit|effective uid is not 0|"
        r"must be owned by uid 0 and have the setuid bit",
        SudoError,
        _SUDO,
        _NO_SETUID,
    ),
    _Meaning(
        r"sudo: (?:a password is|a terminal is|no tty|no password was|sorry, you must|invalid configuration|timed out)|"
        r"interactive authentication is required|incorrect (?:password|authentication) attempt|"
        r"is not in the sudoers file|Sorry, user .{1,300} (?:is not allowed to|may not run)|I'm afraid I can't do that",
        SudoError,
        _SUDO,
    ),
    _Meaning(
        r"deletion is cancelled|--interactive can ?not be used with|while applying preferences",
        KubercError,
        "kubectl uses defaults of its user's on {target.cluster}",
        _KUBERC_REMEDY,
    ),
    _Meaning(
        r'error loading config file|error: stat .{1,1000}no such file|context "[^"]*" does not exist|no context exists|'
        r"invalid configuration:|no configuration has been provided|Unable to read /etc/rancher",
        KubeconfigError,
        _KUBECONFIG,
    ),
    _Meaning(
        r"Insufficient permissions to access MicroK8s",
        KubeconfigError,
        _KUBECONFIG,
        "On the master, allow the user MicroK8s: sudo usermod --append --groups microk8s <user>. Or set "
        "{with_microk8s}.",
    ),
    _Meaning(
        r"exceeded quota|status unknown for quota|failed quota:",
        QuotaExceededError,
        "a quota forbids Secret {target}",
    ),
    _Meaning(r'namespaces "[^"]*" not found|because it is being terminated', NamespaceMissingError, "no namespace"),
    _Meaning(
        r"\(Unauthorized\)|must be logged in|getting credentials: |"
        r"remote error: tls: (?:bad|expired|revoked|unknown) certificate|remote error: tls: certificate required",
        KubernetesUnauthorizedError,
        "the API server does not accept kubectl's credential on {target.cluster}",
    ),
    _Meaning(
        r"x509: certificate has expired or is not yet valid: current time \S{1,40} is before",
        ApiServerDownError,
        "the certificate of the API server is not valid yet",
        "Compare the master's clock with the API server's: timedatectl set-ntp true.",
    ),
    _Meaning(
        r"x509: certificate has expired",
        ApiServerDownError,
        "the certificate of the API server has expired",
        "Renew it: kubeadm certs renew apiserver, then restart the API server; k3s and RKE2 renew theirs when they "
        "are restarted.",
    ),
    _Meaning(
        r"x509: certificate signed by unknown authority|x509: certificate relies on legacy",
        ApiServerDownError,
        "kubectl does not trust the certificate of the API server",
        "Renew certificate-authority-data in the kubeconfig that kubectl uses on the master.",
    ),
    _Meaning(
        r"x509: (?:certificate is (?:valid for|not valid for any)|cannot validate certificate for)",
        ApiServerDownError,
        "the certificate of the API server is for other names than the one in the kubeconfig",
        "Correct `server` in the kubeconfig that kubectl uses on the master, or set tls-server-name there.",
    ),
    _Meaning(r"not yet ready to handle request", ApiServerDownError, "the API server is not ready yet"),
    _Meaning(r'is forbidden: (?!User ")', ManifestRejectedError, "admission refuses {target}"),
    _Meaning(r"\(Forbidden\)", KubernetesForbiddenError, "not allowed on {target}"),
    _Meaning(
        r"Operation cannot be fulfilled on resourcequotas ",
        ConflictError,
        "others update the quota of {target} at the same time",
        "The next run tries again.",
    ),
    _Meaning(
        r"\((?:Conflict|AlreadyExists)\)|has been modified",
        ConflictError,
        "Secret {target} was changed by somebody else",
    ),
    # ValidateSecret in Kubernetes' pkg/apis/core/validation
    _Meaning(
        r"data\[[^\]]{1,253}\]: Required value|data\[\.docker(?:cfg|configjson)\]: Invalid value",
        ManifestRejectedError,
        "the data keys of {target} do not fit its type",
        _TYPE_REMEDY,
    ),
    _Meaning(
        r"(?m)^Error from server \((?:Invalid|BadRequest)\): |^The (?:secrets|Secret|request) .{0,300}is invalid",
        ManifestRejectedError,
        "the API server refuses {target}",
    ),
    _Meaning(
        r"connection refused|was refused|Unable to connect|ServiceUnavailable|InternalError|etcdserver: |"
        r"(?:i/o|handshake) timeout|Timeout|TooManyRequests|deadline exceeded|unexpected EOF|: EOF|no such host|"
        r"connection reset|microk8s is not running|Error from server:",
        ApiServerDownError,
        "the API server does not serve kubectl",
    ),
    _Meaning(
        r"\((?:Invalid|BadRequest)\)|is invalid|Error from server",
        ManifestRejectedError,
        "the API server refuses {target}",
    ),
    _Meaning(
        r"cannot create user data directory|home directories outside of /home|is not a snap cgroup|"
        r'running "[^"]{1,100}" failed: ',
        KubectlMissingError,
        "snap does not run kubectl for {target.cluster.user}",
        "Snaps need a home directory below /home that the user may write to: create one, or install kubectl in another "
        "way and set {kubectl} to it.",
    ),
    _Meaning(
        r"(?i)sh: .{0,300}not found|command not found|no such file or directory|permission denied",
        KubectlMissingError,
        "no usable kubectl on the master",
    ),
    _Meaning(r"(?m)^sudo(?:-rs)?: ", SudoError, _SUDO),
)


def explain(status: int, stderr: str, target: Target, consequence: str) -> errors.RotatorError:
    """The error for a failed kubectl: it quotes stderr, scrubbed, and ends with what the cluster now holds."""
    details = f"{quote(stderr) or f'kubectl ended with status {status} and printed no error'}; {consequence}"
    # A warning may read like an error, so warnings are searched only if nothing else matches.
    for text in (without_noise(shortened(stderr)), shortened(stderr)):
        for meaning in _MEANINGS:
            if found := re.search(meaning.pattern, text):
                what = meaning.what.format(target=target, **found.groupdict())
                return meaning.error(f"{what}: {details}", remedy=_remedy(meaning, target))
    if status in (126, 127):  # the shell's own: not executable, not found
        text = f"no kubectl on {target.cluster}: {details}"
        return KubectlMissingError(text, remedy=remedies.find(KubectlMissingError, target))
    return CommandFailedError(
        f"kubectl failed on {target.cluster}: {details}",
        status=status,
        remedy="Run kubectl on the master as that user.",
    )


def _remedy(meaning: _Meaning, target: Target) -> str:
    own = remedies.find(meaning.error, target)
    if target.strategy is Strategy.APPLY:
        own = _APPLY_REMEDIES.get(meaning.error, own)
    elif meaning.error is ManifestRejectedError:
        apply = target.assignment("strategy", "apply")
        own += f" If only creating or deleting it is refused, {apply} changes it in place."
    return remedies.fill(meaning.remedy, target) if meaning.remedy else own
