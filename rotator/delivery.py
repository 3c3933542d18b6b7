"""Putting a SAS into a target: what the Secret holds is read, merged, replaced and read back in one remote command."""

import dataclasses
import logging
import secrets
from collections.abc import Callable
from typing import Protocol

from rotator import decisions, errors, kubectl, manifest
from rotator.kubectl import Act, Answer
from rotator.manifest import Held, Order
from rotator.redaction import Secret
from rotator.targets import Strategy, Target

logger = logging.getLogger(__name__)

_ATTEMPTS = 3  # as often as somebody else may change the Secret between our look and our write
_OBSERVE_SECONDS = 45.0
_ACT_SECONDS = 180.0  # the remote command itself gives up putting a Secret back after 120


@dataclasses.dataclass(frozen=True)
class Result:
    """How a remote command ended, and what it printed, which may hold secrets."""

    status: int
    stdout: str = dataclasses.field(repr=False)
    stderr: str = dataclasses.field(repr=False)


class Running(Protocol):
    """A remote command that has been started."""

    def wait_for(self, line: str) -> str:
        """Give stdout up to `line`, or all of it if the command ends without it."""

    def finish(self, stdin: Secret | None = None) -> Result:
        """Send stdin, close it, and wait for the end; raises CommandError or TimedOutError."""


class Shell(Protocol):
    """A connection to a master that runs commands."""

    def start(self, command: str, *, seconds: float) -> Running:
        """Start a command that may take so many seconds in all; raises SshError."""


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What was done to the Secret, and what it held before."""

    act: Act
    digest: str
    previous: Held | None
    warnings: tuple[str, ...] = ()


def unfenced() -> None:
    """Nobody else can write."""


def observe(shell: Shell, target: Target) -> Held | None:
    """Read what the cluster holds under the target's name; None if there is no such Secret.

    Raises NotOursError when it belongs to somebody else, DeliveryError when kubectl cannot read it.
    """
    result = shell.start(kubectl.observe(target), seconds=_OBSERVE_SECONDS).finish()
    if result.status != 0:
        if kubectl.not_found(result.stderr):
            return None
        raise kubectl.explain(result.status, result.stderr, target, "nothing was changed")
    return _checked(result.stdout, target)


def deliver(
    shell: Shell, target: Target, held: Held | None, order: Order, fence: Callable[[], None] = unfenced
) -> Delivery:
    """Put the SAS into the Secret and confirm it; `held` is what was observed before.

    `fence` is called right before each write, and what it raises keeps that from happening. Raises a DeliveryError that
    says what the cluster now holds, or an SshError.
    """
    task = _Task(shell, target, order, fence)
    try:
        return _settle(task, held)
    except _Killed as killed:
        decisions.tell(logger, logging.WARNING, "remote shell killed", target=target)
        try:
            done = _settle(task, observe(shell, target), killed.held)
        except _Killed:
            raise errors.CommandKilledError(
                f"{killed.cause}, and so was another one; what Secret {target} holds now is not known"
            ) from killed.cause
        return dataclasses.replace(done, warnings=(*done.warnings, f"{killed.cause}; another one finished"))


@dataclasses.dataclass(frozen=True)
class _Task:
    """What every attempt at a delivery has in common."""

    shell: Shell
    target: Target
    order: Order
    fence: Callable[[], None]


class _Changed(Exception):  # noqa: N818  # not an error: the caller looks again
    def __init__(self, held: Held | None) -> None:
        super().__init__("the Secret is not what it was")
        self.held = held


class _Killed(Exception):  # noqa: N818  # not the end: what it left is looked at
    """The remote shell was killed, maybe between delete and create; `held` is what the Secret held before."""

    def __init__(self, cause: errors.CommandKilledError, held: Held | None) -> None:
        super().__init__("the remote shell was killed")
        self.cause = cause
        self.held = held


def _settle(task: _Task, held: Held | None, lost: Held | None = None) -> Delivery:
    """Attempt it until nobody else writes at the same time; `lost` is what a killed attempt may have deleted."""
    for attempt in range(1, _ATTEMPTS + 1):
        act = choose(task.target, held)
        try:
            return _attempt(task, act, lost)
        except _Changed as change:
            decisions.tell(logger, logging.INFO, "changed meanwhile", target=task.target, attempt=attempt)
            held = change.held
    raise errors.ConflictError(f"Secret {task.target} changed {_ATTEMPTS} times while it was to be written")


def _attempt(task: _Task, act: Act, lost: Held | None) -> Delivery:
    target = task.target
    mark = f"rotator-{secrets.token_hex(8)}"
    running = task.shell.start(kubectl.act(target, act, mark), seconds=_ACT_SECONDS)
    before = kubectl.parse(running.wait_for(f"{mark} {kubectl.READY}"), mark)
    if not before.has(kubectl.READY):
        result = running.finish()
        raise kubectl.explain(result.status, result.stderr, target, "nothing was changed")
    try:
        change = _merge(before, task, act, lost)
        task.fence()
    except BaseException:
        running.finish()  # an empty stdin is no manifest: the remote command ends without a change
        raise
    try:
        result = running.finish(kubectl.stdin(mark, change.new, change.old))
    except errors.CommandKilledError as error:
        raise _Killed(error, change.former) from error
    return _judge(kubectl.parse(result.stdout, mark), result, target, change)


@dataclasses.dataclass(frozen=True)
class _Change:
    """What one attempt does: the Secret before it, the manifest to write, the one to put back, and the outcome.

    `former` is the Secret before it, or the one that an earlier attempt deleted.
    """

    act: Act
    held: Held | None
    former: Held | None
    new: Secret
    old: Secret | None
    digests: dict[str, str]


def _merge(before: Answer, task: _Task, act: Act, lost: Held | None) -> _Change:
    target, order = task.target, task.order
    held = _held(before.steps["held"], target)
    if choose(target, held) is not act:
        raise _Changed(held)
    former = held or lost
    document = manifest.compose(target, former, order)
    new, old = manifest.text(document), None
    if held is not None and act is Act.UPDATE:
        new = manifest.text(manifest.pinned(document, held))
    if held is not None and act is Act.RECREATE:
        expires = held.moment(manifest.EXPIRES)
        # A former SAS that has expired is no working credential: then only the new one is worth putting back.
        expired = expires is not None and expires <= order.now
        old = new if expired else manifest.text(manifest.restorable(held))
    return _Change(act, held, former, new, old, manifest.digests(document))


def choose(target: Target, held: Held | None) -> Act:
    """Say what is to be done about the Secret; raises ConflictError when nothing can be."""
    if held is None:
        return Act.CREATE
    if held.metadata.get("deletionTimestamp"):
        raise errors.ConflictError(f"Secret {target} is being deleted; it was left alone")
    type_changes = not target.keep_foreign and held.document.get("type") != "Opaque"
    if target.strategy is Strategy.APPLY and not held.immutable and not type_changes:
        return Act.UPDATE
    if held.metadata.get("finalizers"):
        raise errors.ConflictError(
            f"Secret {target} has finalizers, so kubectl delete would not remove it at once; it was left alone",
            remedy="Use KUBERNETES_SECRET_STRATEGY=apply, or remove the finalizers.",
        )
    return Act.RECREATE


def _judge(answer: Answer, result: Result, target: Target, change: _Change) -> Delivery:
    found = _read_back(answer)
    if found is not None and found.digests == change.digests:
        warnings = () if answer.has("done") else (f"kubectl needed a second try: {kubectl.quote(result.stderr)}",)
        return Delivery(change.act, change.digests[target.data_key], change.former, warnings)
    raced = {Act.UPDATE: "(Conflict)", Act.CREATE: "(AlreadyExists)"}.get(change.act)
    if raced and raced in result.stderr:
        raise _Changed(found)
    if found is not None and answer.has("done"):
        raise errors.NotConfirmedError(f"Secret {target} does not hold what was delivered when read back")
    # Once a dry run is refused, the words of the processes that were stopped with it say nothing more.
    words = answer.steps.get("refused") or result.stderr
    raise kubectl.explain(result.status, words, target, _consequence(answer, found, change.held))


def _consequence(answer: Answer, found: Held | None, held: Held | None) -> str:
    if answer.has("lost"):
        return "the Secret is MISSING: neither the new nor the former one could be created for 120 s"
    if answer.has("refused") or answer.has("incomplete"):
        return "nothing was changed"
    if found is None:
        return "what the Secret holds now could not be read" if held else "there is still no such Secret"
    if held is not None and found.digests == held.digests:
        return "the former Secret was put back" if answer.has("put back") else "the Secret holds what it held before"
    return "the Secret holds neither the former nor the new value"


def _read_back(answer: Answer) -> Held | None:
    try:
        return manifest.parse(answer.steps.get("confirm", ""))
    except ValueError:
        return None


def _held(text: str, target: Target) -> Held | None:
    if kubectl.not_found(text):
        return None
    if "{" not in text:
        raise kubectl.explain(1, text, target, "nothing was changed")
    return _checked(text, target)


def _checked(text: str, target: Target) -> Held:
    try:
        held = manifest.parse(text)
    except ValueError:
        # Not quoted: it may be a part of a Secret.
        raise errors.DeliveryError(
            f"what kubectl printed for {target} is no Secret in JSON; nothing was changed",
            remedy="Run `kubectl get secret -o json` on the master as that user.",
        ) from None
    manifest.check_owner(held, target)
    return held
