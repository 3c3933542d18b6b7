"""The result of a delivery, from what deliver.sh printed: confirmed, changed by others, or an error."""

import dataclasses

from rotator import errors
from rotator.delivery import live_secret, owners
from rotator.delivery.errors import ApiServerDownError, CommandFailedError, NotConfirmedError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.merge import UNCHANGED
from rotator.delivery.ssh import kubectl, kubectl_errors, remote_output, script
from rotator.delivery.ssh.script import Outcome, ScriptOutput, ScriptStep
from rotator.plan.plan import Target

# An error is about the first of these steps that failed. Nothing is written after a failed validation; of the writes,
# a later one stands before those that it follows. What protects or restores the former Secret only follows a failure.
_WRITES = (ScriptStep.VALIDATE, ScriptStep.CREATE_AGAIN, ScriptStep.WRITE, ScriptStep.DELETE_AGAIN, ScriptStep.DELETE)
_MAYBE_DELETED = (
    "the Secret holds what it held before, but a delete of it may still be under way: look whether it is there in a "
    "minute; if it is not, the next run creates it"
)


@dataclasses.dataclass(frozen=True)
class ReadBack:
    """The Secret after the write; None if there is none, or if that is not `known`."""

    secret: LiveSecret | None
    known: bool


def read_back(output: ScriptOutput) -> ReadBack:
    """Parse what the remote command read back."""
    if output.status(ScriptStep.CONFIRM) == 0:
        try:
            return ReadBack(live_secret.parse(output.text(ScriptStep.CONFIRM)), known=True)
        except ValueError:
            return ReadBack(None, known=False)
    known = output.status(ScriptStep.CONFIRM) is not None and kubectl.not_found(output.stderr(ScriptStep.CONFIRM))
    return ReadBack(None, known=known)


def lacks_requirement(output: ScriptOutput) -> bool:
    """Whether the remote command reported that the master lacks something that it needs."""
    return output.has(ScriptStep.NO_PIPES) or output.has(ScriptStep.NO_PRINTF)


def start_error(output: ScriptOutput, status: int, stderr: str, target: Target) -> errors.RotatorError:
    """The error of a remote command that ended before it printed the Secret."""
    if output.has(ScriptStep.NO_PIPES):
        reason = remote_output.quote(output.text(ScriptStep.NO_PIPES))
        return CommandFailedError(
            f"no named pipe can be made on {target.cluster}: {reason}; {UNCHANGED}",
            status=status,
            remedy="On the master, make room in /tmp or /dev/shm (see df -h and df -i), and let the user write there.",
        )
    if output.has(ScriptStep.NO_PRINTF):
        return CommandFailedError(
            f"/bin/sh on {target.cluster} has no built-in printf, so other users could see the Secret; {UNCHANGED}",
            status=status,
            remedy="On the master, let /bin/sh be dash, bash or busybox.",
        )
    return kubectl_errors.explain(status, stderr, target, UNCHANGED)


def warnings(output: ScriptOutput, target: Target, former: LiveSecret | None) -> tuple[str, ...]:
    """Warnings about a delivery that succeeded: a second attempt, or another owner that may overwrite it."""
    texts = []
    if output.outcome(ScriptStep.WRITE) is not Outcome.OK or output.outcome(ScriptStep.CREATE_AGAIN):
        step = _failed_step(output)
        reason = remote_output.quote(output.stderr(step)) if step else "what it had written was not there"
        texts.append(f"kubectl needed a second try: {reason}")
    owner = owners.find_owner(former.metadata) if former else None
    if owner:
        texts.append(f"Secret {target} is managed by {owner}, which may write back what it held before")
    return tuple(texts)


def changed_by_others(output: ScriptOutput, method: WriteMethod) -> bool:
    """Whether the write failed because the Secret was no longer what the remote command had printed before."""
    if output.has(ScriptStep.PROTECTED) or output.has(ScriptStep.DELETE_UNCLEAR):
        return False
    conflicts = {
        WriteMethod.CREATE: {(ScriptStep.WRITE, Outcome.EXISTS)},
        WriteMethod.UPDATE: {(ScriptStep.WRITE, Outcome.CONFLICT), (ScriptStep.WRITE, Outcome.MISSING)},
        WriteMethod.RECREATE: {
            *((step, Outcome.CONFLICT) for step in (ScriptStep.DELETE, ScriptStep.DELETE_AGAIN)),
            *((step, Outcome.EXISTS) for step in (ScriptStep.WRITE, ScriptStep.CREATE_AGAIN, ScriptStep.RESTORE)),
        },
    }[method]
    return any(output.outcome(step) is outcome for step, outcome in conflicts)


def failure(
    output: ScriptOutput, status: int, stderr: str, target: Target, held: LiveSecret | None
) -> errors.RotatorError:
    """The error of a delivery that failed, with what the cluster now holds; `held` is what it held before."""
    after = read_back(output)
    written = Outcome.OK in (output.outcome(ScriptStep.WRITE), output.outcome(ScriptStep.CREATE_AGAIN))
    if after.secret is not None and written:
        return NotConfirmedError(f"Secret {target}, read back, does not hold what was delivered")
    consequence = _consequence(output, after, held)
    if after.known and written:
        return NotConfirmedError(f"kubectl reported that it wrote Secret {target}, but it is not there; {consequence}")
    step = _failed_step(output) or ScriptStep.CONFIRM
    if output.has(ScriptStep.INCOMPLETE):
        text = f"the manifest did not reach {target.cluster} completely; {consequence}"
        return CommandFailedError(text, status=status)
    if output.has(ScriptStep.LATE):
        return CommandFailedError(f"the manifest reached {target.cluster} too late; {consequence}", status=status)
    kubectl_status, words = output.status(step), output.stderr(step)
    if kubectl_status is None and output.has_status(step):
        return ApiServerDownError(f"the API server does not serve kubectl on {target.cluster}: {words}; {consequence}")
    return kubectl_errors.explain(
        status if kubectl_status is None else kubectl_status, words or stderr, target, consequence
    )


def _failed_step(output: ScriptOutput) -> ScriptStep | None:
    done = (None, Outcome.OK, Outcome.EXISTS)
    return next((step for step in _WRITES if output.outcome(step) not in done), None)


def _consequence(output: ScriptOutput, after: ReadBack, held: LiveSecret | None) -> str:
    """What the cluster holds after a failure, as a clause of the error's message."""
    if output.has_status(ScriptStep.VALIDATE) or output.has(ScriptStep.INCOMPLETE) or output.has(ScriptStep.LATE):
        return UNCHANGED
    deleted = Outcome.OK in (output.outcome(ScriptStep.DELETE), output.outcome(ScriptStep.DELETE_AGAIN))
    if after.secret is not None:
        return _still_there(output, after.secret, held, deleted=deleted)
    if output.has(ScriptStep.GIVEN_UP) and deleted:
        state = "is MISSING" if after.known else "was deleted"
        seconds = script.RECOVERY_SECONDS
        return f"the Secret {state}: neither the new nor the former one could be created for {seconds} s"
    if not after.known:
        return "what the Secret holds now could not be read"
    return "the Secret is MISSING" if held else "there is still no such Secret"


def _still_there(output: ScriptOutput, now: LiveSecret, before: LiveSecret | None, *, deleted: bool) -> str:
    if before is None or now.digests != before.digests:
        return "the Secret holds neither the former nor the new value"
    if output.outcome(ScriptStep.RESTORE) is Outcome.OK:
        return "the former Secret was put back"
    if output.has(ScriptStep.DELETE_UNCLEAR) or (output.has(ScriptStep.GIVEN_UP) and not deleted):
        return _MAYBE_DELETED
    return "the Secret holds what it held before"
