"""Delivers a SAS to a target: one remote command reads the Secret, writes it, and reads it back."""

import dataclasses
import logging
import secrets
from collections.abc import Callable

from rotator import event_log
from rotator.delivery import manifest
from rotator.delivery.errors import ApiServerDownError, CommandKilledError, ConflictError, DeliveryError
from rotator.delivery.interface import Delivery, Result, Shell, WriteMethod, unfenced
from rotator.delivery.manifest import DesiredSecret, LiveSecret
from rotator.delivery.ssh import kubectl, kubectl_errors, outcomes
from rotator.delivery.ssh.kubectl import ReplacedSecret, ScriptOutput
from rotator.event_log import Event
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText

logger = logging.getLogger(__name__)

_ATTEMPTS = 3  # how often somebody else may change the Secret between our read and our write
_OBSERVE_SECONDS = 45.0
_DELIVER_SECONDS = 300.0  # up to four kubectl, each with its own limit, and the script's time for recovery


def observe(shell: Shell, target: Target) -> LiveSecret | None:
    """Read the Secret of the target's name; None if there is none.

    Raises NotOursError if it belongs to somebody else, DeliveryError if kubectl cannot read it, or an SshError.
    """
    result = shell.start(kubectl.get_command(target), seconds=_OBSERVE_SECONDS).finish()
    if result.status != 0:
        if kubectl.not_found(result.stderr):
            return None
        raise kubectl_errors.explain(result.status, result.stderr, target, outcomes.UNCHANGED)
    return _parse_own(result.stdout, target)


def deliver(
    shell: Shell, target: Target, held: LiveSecret | None, desired: DesiredSecret, fence: Callable[[], None] = unfenced
) -> Delivery:
    """Write the SAS to the Secret and confirm it; `held` is what was observed before.

    `fence` is called right before each write, and prevents it by raising. Raises a DeliveryError that says what the
    cluster now holds, or an SshError.
    """
    task = _Task(shell, target, desired, fence)
    try:
        return _retry_if_changed(task, held)
    except _ShellKilled as killed:
        event_log.log(logger, logging.WARNING, Event.REMOTE_SHELL_KILLED, target=target)
        try:
            done = _retry_if_changed(task, observe(shell, target), killed.former)
        except _ShellKilled:
            raise CommandKilledError(
                f"{killed.cause}, and so was a second one; what Secret {target} holds now is not known"
            ) from killed.cause
        return dataclasses.replace(done, warnings=(*done.warnings, f"{killed.cause}; a second one succeeded"))


@dataclasses.dataclass(frozen=True)
class _Task:
    """What all attempts at one delivery have in common."""

    shell: Shell
    target: Target
    desired: DesiredSecret
    fence: Callable[[], None]


class _SecretChanged(Exception):  # noqa: N818  # not an error: the caller tries again
    """Somebody else changed the Secret since it was read; `held` is what it holds now."""

    def __init__(self, held: LiveSecret | None) -> None:
        super().__init__("the Secret was changed by somebody else")
        self.held = held


class _ShellKilled(Exception):  # noqa: N818  # not an error yet: the caller reads the Secret again
    """The remote shell was killed, maybe between delete and create; `former` is the Secret before the write."""

    def __init__(self, cause: CommandKilledError, former: LiveSecret | None) -> None:
        super().__init__("the remote shell was killed")
        self.cause = cause
        self.former = former


def _retry_if_changed(task: _Task, held: LiveSecret | None, deleted: LiveSecret | None = None) -> Delivery:
    """Attempt the delivery until nobody else writes at the same time; raises ConflictError if somebody always does.

    `deleted` is the Secret that an earlier, killed attempt may have deleted.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        method = choose_method(task.target, held)
        try:
            return _attempt(task, method, deleted)
        except _SecretChanged as change:
            event_log.log(logger, logging.INFO, Event.SECRET_CHANGED, target=task.target, attempt=attempt)
            held = change.held
    raise ConflictError(
        f"Secret {task.target} was changed by somebody else in each of {_ATTEMPTS} attempts to write it"
    )


def _attempt(task: _Task, method: WriteMethod, deleted: LiveSecret | None) -> Delivery:
    target = task.target
    mark = f"rotator-{secrets.token_hex(8)}"
    running = task.shell.start(kubectl.write_command(target, method, mark), seconds=_DELIVER_SECONDS)
    before = kubectl.parse(running.wait_for(f"{mark} {kubectl.READY}"), mark)
    if not before.has(kubectl.READY):
        result = running.finish()
        raise outcomes.start_error(kubectl.parse(result.stdout, mark), result.status, result.stderr, target)
    try:
        change = _prepare(before, task, method, deleted)
        task.fence()
    except BaseException:
        running.finish()  # without stdin the remote command ends and changes nothing
        raise
    try:
        result = running.finish(kubectl.stdin(mark, change.new, change.replaced))
    except CommandKilledError as error:
        raise _ShellKilled(error, change.former) from error
    return _evaluate(kubectl.parse(result.stdout, mark), result, target, change)


@dataclasses.dataclass(frozen=True)
class _Change:
    """One attempt to write: the Secret before it, the manifest to write, and the digests that are expected after it.

    `former` is the Secret before it, or the one that an earlier attempt deleted. `replaced` is for a recreate.
    """

    method: WriteMethod
    held: LiveSecret | None
    former: LiveSecret | None
    new: SecretText
    replaced: ReplacedSecret | None
    digests: dict[str, str]


def _prepare(before: ScriptOutput, task: _Task, method: WriteMethod, deleted: LiveSecret | None) -> _Change:
    """Merge the SAS into the Secret that the script has just read; raises _SecretChanged if it needs another method."""
    target, desired = task.target, task.desired
    held = _live_secret(before, target)
    if choose_method(target, held) is not method:
        raise _SecretChanged(held)
    former = held or deleted
    document = manifest.compose(target, former, desired)
    new, replaced = manifest.text(document), None
    if held is not None and method is WriteMethod.UPDATE:
        new = manifest.text(manifest.with_version(document, held))
    if held is not None and method is WriteMethod.RECREATE:
        replaced = _replaced(held, target, desired)
    return _Change(method, held, former, new, replaced, manifest.digests(document))


def _replaced(held: LiveSecret, target: Target, desired: DesiredSecret) -> ReplacedSecret:
    restorable = manifest.text(manifest.restorable(held)) if manifest.is_usable(held, target, desired) else None
    return ReplacedSecret(manifest.version(held), manifest.text(manifest.reversioned(held, desired.run)), restorable)


def choose_method(target: Target, held: LiveSecret | None) -> WriteMethod:
    """Choose how to write the Secret; raises ConflictError if there is no way."""
    if held is None:
        return WriteMethod.CREATE
    if held.metadata.get("deletionTimestamp"):
        raise ConflictError(f"Secret {target} is being deleted; it was left alone")
    # The API server changes neither an immutable Secret's data nor any Secret's type.
    type_changes = not target.keep_foreign and held.document.get("type") != "Opaque"
    if target.strategy is Strategy.APPLY and not held.immutable and not type_changes:
        return WriteMethod.UPDATE
    if held.metadata.get("finalizers"):
        raise ConflictError(
            f"Secret {target} has finalizers, so kubectl delete would not remove it at once; it was left alone",
            remedy="Use KUBERNETES_SECRET_STRATEGY=apply, or remove the finalizers.",
            has_finalizers=True,
        )
    return WriteMethod.RECREATE


def _evaluate(output: ScriptOutput, result: Result, target: Target, change: _Change) -> Delivery:
    """Return the delivery if what was read back is what was written; raises _SecretChanged or the delivery's error."""
    after = outcomes.read_back(output)
    if after.secret is not None and after.secret.digests == change.digests and not output.has(kubectl.PROTECTED):
        warnings = outcomes.warnings(output, target, change.former)
        return Delivery(change.method, change.digests[target.data_key], change.former, warnings)
    if outcomes.changed_by_others(output, change.method):
        raise _SecretChanged(after.secret)
    raise outcomes.failure(output, result.status, result.stderr, target, change.held)


def _live_secret(before: ScriptOutput, target: Target) -> LiveSecret | None:
    status, stderr = before.status("held"), before.stderr("held")
    if status == 0:
        return _parse_own(before.text("held"), target)
    if status is None:
        raise ApiServerDownError(
            f"kubectl on {target.cluster} did not end within {kubectl.LIMIT_SECONDS} s; {outcomes.UNCHANGED}"
        )
    if kubectl.not_found(stderr):
        return None
    raise kubectl_errors.explain(status, stderr, target, outcomes.UNCHANGED)


def _parse_own(text: str, target: Target) -> LiveSecret:
    """Parse a Secret that may be written to; raises NotOursError, or DeliveryError if it is no Secret."""
    try:
        held = manifest.parse(text)
    except ValueError:
        # The text is not quoted: it may be a part of a Secret.
        raise DeliveryError(
            f"what kubectl printed for {target} is not a Secret in JSON; {outcomes.UNCHANGED}",
            remedy="Run `kubectl get secret -o json` on the master as that user.",
        ) from None
    manifest.check_owner(held, target)
    return held
