"""What became of a Secret, by what the remote command printed: delivered, changed by others, or failed, and how."""

import dataclasses

from rotator import errors
from rotator.delivery import manifest
from rotator.delivery.errors import ApiServerDownError, CommandFailedError, NotConfirmedError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.manifest import LiveSecret
from rotator.delivery.ssh import kubectl, kubectl_errors, remote_output
from rotator.delivery.ssh.kubectl import Answer, Outcome
from rotator.plan.plan import Target

NOTHING = "nothing was changed"
# The steps in which a Secret is written, the last one first: what failed last is what stands in the way.
_WRITES = ("validate", "again", "write", "delete again", "delete")
_UNSETTLED = (
    "the Secret holds what it held before, but a delete of it may still be under way: look whether it is there in a "
    "minute; if it is not, the next run creates it"
)


@dataclasses.dataclass(frozen=True)
class Found:
    """What there was at the end: `held` is None where there was no Secret, or where that is not `known`."""

    held: LiveSecret | None
    known: bool


def found(answer: Answer) -> Found:
    """Read what the remote command read back."""
    if answer.status("confirm") == 0:
        try:
            return Found(manifest.parse(answer.text("confirm")), known=True)
        except ValueError:
            return Found(None, known=False)
    return Found(None, known=answer.status("confirm") is not None and kubectl.not_found(answer.words("confirm")))


def misses_something(answer: Answer) -> bool:
    """Whether the remote command itself says that it cannot do without something."""
    return answer.has("no pipes") or answer.has("no printf")


def not_started(answer: Answer, status: int, stderr: str, target: Target) -> errors.RotatorError:
    """Say why the remote command ended before it showed the Secret."""
    if answer.has("no pipes"):
        words = remote_output.quote(answer.text("no pipes"))
        return CommandFailedError(
            f"no named pipe can be made on {target.cluster}: {words}; {NOTHING}",
            status=status,
            remedy="On the master, make room in /tmp or /dev/shm (see df -h and df -i), and let the user write there.",
        )
    if answer.has("no printf"):
        return CommandFailedError(
            f"/bin/sh on {target.cluster} has no printf of its own, so others would see the Secret; {NOTHING}",
            status=status,
            remedy="On the master, let /bin/sh be dash, bash or busybox.",
        )
    return kubectl_errors.explain(status, stderr, target, NOTHING)


def warnings(answer: Answer, target: Target, former: LiveSecret | None) -> tuple[str, ...]:
    """Say what is to be known of a delivery that succeeded."""
    found = []
    if answer.outcome("write") is not Outcome.OK or answer.outcome("again"):
        step = _failed_step(answer)
        why = remote_output.quote(answer.words(step)) if step else "what it had written was not there"
        found.append(f"kubectl needed a second try: {why}")
    keeper = manifest.keeper(former) if former else None
    if keeper:
        found.append(f"Secret {target} is kept by {keeper}, which may write back what it held before")
    return tuple(found)


def has_raced(answer: Answer, act: WriteMethod) -> bool:
    """Whether the Secret was no longer what the remote command had shown, so that it has to be looked at again."""
    if answer.has("kept") or answer.has("unsettled"):
        return False
    raced = {
        WriteMethod.CREATE: {("write", Outcome.EXISTS)},
        WriteMethod.UPDATE: {("write", Outcome.CONFLICT), ("write", Outcome.MISSING)},
        WriteMethod.RECREATE: {
            *((step, Outcome.CONFLICT) for step in ("delete", "delete again")),
            *((step, Outcome.EXISTS) for step in ("write", "again", "restore")),
        },
    }[act]
    return any(answer.outcome(step) is outcome for step, outcome in raced)


def failure(answer: Answer, status: int, stderr: str, target: Target, held: LiveSecret | None) -> errors.RotatorError:
    """Turn a delivery that failed into an error that says what the cluster now holds; `held` is what it held before."""
    there = found(answer)
    written = Outcome.OK in (answer.outcome("write"), answer.outcome("again"))
    if there.held is not None and written:
        return NotConfirmedError(f"Secret {target} does not hold what was delivered when read back")
    consequence = _consequence(answer, there, held)
    if there.known and written:
        text = f"kubectl wrote Secret {target} without an error, but it is not there when read back; {consequence}"
        return NotConfirmedError(text)
    step = _failed_step(answer) or "confirm"
    if answer.has("incomplete"):
        return CommandFailedError(f"the manifest did not reach {target.cluster} whole; {consequence}", status=status)
    if answer.has("late"):
        return CommandFailedError(f"the manifest reached {target.cluster} late; {consequence}", status=status)
    if answer.status(step) is None and answer.has(f"{step} status"):
        text = f"the API server does not serve kubectl on {target.cluster}: {answer.words(step)}; {consequence}"
        return ApiServerDownError(text)
    ended = answer.status(step)
    return kubectl_errors.explain(status if ended is None else ended, answer.words(step) or stderr, target, consequence)


def _failed_step(answer: Answer) -> str | None:
    done = (None, Outcome.OK, Outcome.EXISTS)
    return next((step for step in _WRITES if answer.outcome(step) not in done), None)


def _consequence(answer: Answer, there: Found, held: LiveSecret | None) -> str:
    if any(answer.has(step) for step in ("validate status", "incomplete", "late")):
        return NOTHING
    deleted = Outcome.OK in (answer.outcome("delete"), answer.outcome("delete again"))
    if there.held is not None:
        return _still_there(answer, there.held, held, deleted=deleted)
    if answer.has("given up") and deleted:
        state = "is MISSING" if there.known else "was deleted"
        seconds = kubectl.RECOVERY_SECONDS
        return f"the Secret {state}: neither the new nor the former one could be created for {seconds} s"
    if not there.known:
        return "what the Secret holds now could not be read"
    return "the Secret is MISSING" if held else "there is still no such Secret"


def _still_there(answer: Answer, now: LiveSecret, before: LiveSecret | None, *, deleted: bool) -> str:
    if before is None or now.digests != before.digests:
        return "the Secret holds neither the former nor the new value"
    if answer.outcome("restore") is Outcome.OK:
        return "the former Secret was put back"
    if answer.has("unsettled") or (answer.has("given up") and not deleted):
        return _UNSETTLED
    return "the Secret holds what it held before"
