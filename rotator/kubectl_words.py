"""What kubectl, and whatever runs it on the master, say when something fails: what it means, and what of it is shown.

These words are foreign: they may be of any length, so that they are cut before anything is searched in them, and every
pattern takes a time linear in what is left.
"""

import re

from rotator import errors, redaction
from rotator.targets import Target

_LONGEST_QUOTE = 400
# In characters. The first is far more than what is cut off again: a secret on its edge does not reach the second.
_MOST_SCRUBBED = 1 << 20
_MOST_SEARCHED = 16 << 10

# The original error words come from k8s.io/apimachinery's StatusReason and from kubectl itself.
_MEANINGS: tuple[tuple[str, type[errors.RotatorError], str], ...] = (
    (
        r"sudo: (a password is|a terminal is|no tty|sorry, you must)|is not in the sudoers file|"
        r"Sorry, user .{1,300} is not allowed to",
        errors.SudoError,
        "sudo does not run kubectl for {target.cluster.user}",
    ),
    (
        r'error loading config file|error: stat .{1,1000}no such file|context "[^"]*" does not exist|no context exists|'
        r"invalid configuration:|Unable to read /etc/rancher",
        errors.KubeconfigError,
        "kubectl has no usable kubeconfig on {target.cluster}",
    ),
    (r"denied the request", errors.ManifestRejectedError, "an admission webhook refuses {target}"),
    (r"exceeded quota", errors.QuotaExceededError, "a quota forbids Secret {target}"),
    (r'namespaces "[^"]*" not found|because it is being terminated', errors.NamespaceMissingError, "no namespace"),
    (
        r"\(Unauthorized\)|must be logged in|getting credentials: ",
        errors.KubernetesUnauthorizedError,
        "the API server does not know who kubectl is on {target.cluster}",
    ),
    (r"\(Forbidden\)", errors.KubernetesForbiddenError, "not allowed on {target}"),
    (r"\((Conflict|AlreadyExists)\)|has been modified", errors.ConflictError, "Secret {target} changed meanwhile"),
    (
        r"connection refused|was refused|Unable to connect|ServiceUnavailable|InternalError|etcdserver|i/o timeout|"
        r"Timeout|TooManyRequests|deadline exceeded|unexpected EOF|: EOF|no such host|connection reset|"
        r"Error from server:",
        errors.ApiServerDownError,
        "the API server does not serve kubectl",
    ),
    (
        r"\((Invalid|BadRequest)\)|is invalid|Error from server",
        errors.ManifestRejectedError,
        "the API server refuses {target}",
    ),
    (
        r"(?i)sh: .{0,300}not found|command not found|no such file or directory|permission denied",
        errors.KubectlMissingError,
        "no usable kubectl on the master",
    ),
)


def explain(status: int, stderr: str, target: Target, consequence: str) -> errors.RotatorError:
    """Turn kubectl's failure into our error, with its own words, scrubbed, and what the cluster now holds."""
    words, stderr = quote(stderr), bounded(stderr)
    said = f"{words or f'kubectl ended with status {status} and said nothing'}; {consequence}"
    for pattern, error, what in _MEANINGS:
        if re.search(pattern, stderr):
            return error(f"{what.format(target=target)}: {said}")
    if status in (126, 127):  # the shell's own: not executable, not found
        return errors.KubectlMissingError(f"no kubectl on {target.cluster}: {said}")
    return errors.CommandFailedError(
        f"kubectl failed on {target.cluster}: {said}", status=status, remedy="Run kubectl on the master as that user."
    )


def quote(stderr: str) -> str:
    """Give kubectl's words in one line without anything that may be a value: a server may quote the manifest."""
    words = " ".join(bounded(redaction.scrub_quotation(bounded(stderr, _MOST_SCRUBBED))).split())
    words = re.sub(r"[A-Za-z0-9+/=_%-]{60,}", redaction.MASK, words)
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}…"


def bounded(text: str, most: int = _MOST_SEARCHED) -> str:
    """Give the beginning and the end of a text that is too long: what failed is at the end, what ran at the start."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-(most // 2) :]}"
