"""Putting a SAS into a target: what the Secret holds is read, merged, replaced and read back in one remote command."""

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
from rotator.delivery.ssh.kubectl import Answer, Former
from rotator.event_log import Event
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText

logger = logging.getLogger(__name__)

_ATTEMPTS = 3  # as often as somebody else may change the Secret between our look and our write
_OBSERVE_SECONDS = 45.0
_ACT_SECONDS = 300.0  # four kubectl, each up to its limit, and the time after which the remote command gives up


def observe(shell: Shell, target: Target) -> LiveSecret | None:
    """Read what the cluster holds under the target's name; None if there is no such Secret.

    Raises NotOursError when it belongs to somebody else, DeliveryError when kubectl cannot read it.
    """
    result = shell.start(kubectl.observe(target), seconds=_OBSERVE_SECONDS).finish()
    if result.status != 0:
        if kubectl.not_found(result.stderr):
            return None
        raise kubectl_errors.explain(result.status, result.stderr, target, outcomes.NOTHING)
    return _checked(result.stdout, target)


def deliver(
    shell: Shell, target: Target, held: LiveSecret | None, order: DesiredSecret, fence: Callable[[], None] = unfenced
) -> Delivery:
    """Put the SAS into the Secret and confirm it; `held` is what was observed before.

    `fence` is called right before each write, and what it raises keeps that from happening. Raises a DeliveryError that
    says what the cluster now holds, or an SshError.
    """
    task = _Task(shell, target, order, fence)
    try:
        return _settle(task, held)
    except _Killed as killed:
        event_log.log(logger, logging.WARNING, Event.REMOTE_SHELL_KILLED, target=target)
        try:
            done = _settle(task, observe(shell, target), killed.held)
        except _Killed:
            raise CommandKilledError(
                f"{killed.cause}, and so was another one; what Secret {target} holds now is not known"
            ) from killed.cause
        return dataclasses.replace(done, warnings=(*done.warnings, f"{killed.cause}; another one finished"))


@dataclasses.dataclass(frozen=True)
class _Task:
    """What every attempt at a delivery has in common."""

    shell: Shell
    target: Target
    order: DesiredSecret
    fence: Callable[[], None]


class _Changed(Exception):  # noqa: N818  # not an error: the caller looks again
    def __init__(self, held: LiveSecret | None) -> None:
        super().__init__("the Secret is not what it was")
        self.held = held


class _Killed(Exception):  # noqa: N818  # not the end: what it left is looked at
    """The remote shell was killed, maybe between delete and create; `held` is what the Secret held before."""

    def __init__(self, cause: CommandKilledError, held: LiveSecret | None) -> None:
        super().__init__("the remote shell was killed")
        self.cause = cause
        self.held = held


def _settle(task: _Task, held: LiveSecret | None, lost: LiveSecret | None = None) -> Delivery:
    """Attempt it until nobody else writes at the same time; `lost` is what a killed attempt may have deleted."""
    for attempt in range(1, _ATTEMPTS + 1):
        act = choose(task.target, held)
        try:
            return _attempt(task, act, lost)
        except _Changed as change:
            event_log.log(logger, logging.INFO, Event.SECRET_CHANGED, target=task.target, attempt=attempt)
            held = change.held
    raise ConflictError(f"Secret {task.target} changed {_ATTEMPTS} times while it was to be written")


def _attempt(task: _Task, act: WriteMethod, lost: LiveSecret | None) -> Delivery:
    target = task.target
    mark = f"rotator-{secrets.token_hex(8)}"
    running = task.shell.start(kubectl.act(target, act, mark), seconds=_ACT_SECONDS)
    before = kubectl.parse(running.wait_for(f"{mark} {kubectl.READY}"), mark)
    if not before.has(kubectl.READY):
        result = running.finish()
        raise outcomes.not_started(kubectl.parse(result.stdout, mark), result.status, result.stderr, target)
    try:
        change = _merge(before, task, act, lost)
        task.fence()
    except BaseException:
        running.finish()  # an empty stdin is no manifest: the remote command ends without a change
        raise
    try:
        result = running.finish(kubectl.stdin(mark, change.new, change.replaced))
    except CommandKilledError as error:
        raise _Killed(error, change.former) from error
    return _judge(kubectl.parse(result.stdout, mark), result, target, change)


@dataclasses.dataclass(frozen=True)
class _Change:
    """What one attempt does: the Secret before it, the manifest to write, what it replaces, and the digests after it.

    `former` is the Secret before it, or the one that an earlier attempt deleted.
    """

    act: WriteMethod
    held: LiveSecret | None
    former: LiveSecret | None
    new: SecretText
    replaced: Former | None
    digests: dict[str, str]


def _merge(before: Answer, task: _Task, act: WriteMethod, lost: LiveSecret | None) -> _Change:
    target, order = task.target, task.order
    held = _held(before, target)
    if choose(target, held) is not act:
        raise _Changed(held)
    former = held or lost
    document = manifest.compose(target, former, order)
    new, replaced = manifest.text(document), None
    if held is not None and act is WriteMethod.UPDATE:
        new = manifest.text(manifest.pinned(document, held))
    if held is not None and act is WriteMethod.RECREATE:
        worth = manifest.worth_restoring(held, target, order)
        again = manifest.text(manifest.restorable(held)) if worth else None
        replaced = Former(manifest.version(held), manifest.text(manifest.kept(held, order.run)), again)
    return _Change(act, held, former, new, replaced, manifest.digests(document))


def choose(target: Target, held: LiveSecret | None) -> WriteMethod:
    """Say what is to be done about the Secret; raises ConflictError when nothing can be."""
    if held is None:
        return WriteMethod.CREATE
    if held.metadata.get("deletionTimestamp"):
        raise ConflictError(f"Secret {target} is being deleted; it was left alone")
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


def _judge(answer: Answer, result: Result, target: Target, change: _Change) -> Delivery:
    found = outcomes.found(answer)
    if found.held is not None and found.held.digests == change.digests and not answer.has("kept"):
        warnings = outcomes.warnings(answer, target, change.former)
        return Delivery(change.act, change.digests[target.data_key], change.former, warnings)
    if outcomes.has_raced(answer, change.act):
        raise _Changed(found.held)
    raise outcomes.failure(answer, result.status, result.stderr, target, change.held)


def _held(before: Answer, target: Target) -> LiveSecret | None:
    status, words = before.status("held"), before.words("held")
    if status == 0:
        return _checked(before.text("held"), target)
    if status is None:
        raise ApiServerDownError(
            f"kubectl on {target.cluster} did not end within {kubectl.LIMIT_SECONDS} s; {outcomes.NOTHING}"
        )
    if kubectl.not_found(words):
        return None
    raise kubectl_errors.explain(status, words, target, outcomes.NOTHING)


def _checked(text: str, target: Target) -> LiveSecret:
    try:
        held = manifest.parse(text)
    except ValueError:
        # Not quoted: it may be a part of a Secret.
        raise DeliveryError(
            f"what kubectl printed for {target} is no Secret in JSON; nothing was changed",
            remedy="Run `kubectl get secret -o json` on the master as that user.",
        ) from None
    manifest.check_owner(held, target)
    return held
