"""The channel over SSH: kubectl on the master reads Secrets, and `deliver.sh` writes one and reads it back."""

import contextlib
import dataclasses
import functools
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rotator import event_log
from rotator.delivery import merge
from rotator.delivery.errors import ApiServerDownError, CommandKilledError, ConflictError
from rotator.delivery.interface import Delivery, Fence, Write, WriteMethod
from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.merge import UNCHANGED, Change
from rotator.delivery.ssh import kubectl, kubectl_errors, script, write_results
from rotator.delivery.ssh.script import ScriptOutput, ScriptStep
from rotator.delivery.ssh.shell import Result, Shell
from rotator.event_log import Event
from rotator.plan.plan import Target

logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 3  # to write a Secret that somebody else changes between our read and our write
_READ_SECONDS = 45.0
_WRITE_SECONDS = 300.0  # a script that takes longer goes on to its end, but is not waited for
_Found = TypeVar("_Found")


class SshChannel:
    """A channel over a shell on the master. One target after the other, each with its own remote command."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def read(self, targets: Iterable[Target]) -> Iterator[LiveSecret | Exception | None]:
        """Read the Secrets of the targets' names; None where there is none. See `Channel`."""
        for target in targets:
            yield _result(functools.partial(read, self._shell, target))

    def write(self, writes: Iterable[Write], fence: Fence) -> Iterator[Delivery | Exception]:
        """Write each Secret, and confirm it. See `Channel`."""
        for each in writes:
            yield _result(functools.partial(_write, _Attempts(self._shell, each, fence)))


def _result(act: Callable[[], _Found]) -> _Found | Exception:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  # one target's trouble is its own result
        return error


def read(shell: Shell, target: Target) -> LiveSecret | None:
    """Read the Secret of the target's name; None if there is none.

    Raises NotOursError if it belongs to somebody else, DeliveryError if kubectl cannot read it, or an SshError.
    """
    result = shell.start(kubectl.get_command(target), seconds=_READ_SECONDS).finish()
    if result.status != 0:
        if kubectl.not_found(result.stderr):
            return None
        raise kubectl_errors.explain(result.status, result.stderr, target, UNCHANGED)
    return merge.parse_own(result.stdout, target)


@dataclasses.dataclass(frozen=True)
class _Attempts:
    """What all attempts to write one Secret share. `fence` is called in each, right before its manifest is sent."""

    shell: Shell
    write: Write
    fence: Fence

    @property
    def target(self) -> Target:
        """The target that is written to."""
        return self.write.target


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


def _write(attempts: _Attempts) -> Delivery:
    target = attempts.target
    try:
        return _retry_if_changed(attempts, attempts.write.held)
    except _ShellKilled as killed:
        event_log.log(logger, logging.WARNING, Event.REMOTE_SHELL_KILLED, target=target)
        try:
            done = _retry_if_changed(attempts, read(attempts.shell, target), killed.former)
        except _ShellKilled:
            raise CommandKilledError(
                f"{killed.cause}, and so was a second one; what Secret {target} holds now is not known"
            ) from killed.cause
        return dataclasses.replace(done, warnings=(*done.warnings, f"{killed.cause}; a second one succeeded"))


def _retry_if_changed(attempts: _Attempts, held: LiveSecret | None, deleted: LiveSecret | None = None) -> Delivery:
    """Attempt the delivery, and again where somebody else changed the Secret.

    `deleted` is the Secret that an earlier, killed attempt may have deleted. Raises ConflictError in the end.
    """
    target = attempts.target
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        method = merge.choose_method(target, held)
        try:
            return _attempt(attempts, method, deleted)
        except _SecretChanged as change:
            event_log.log(logger, logging.INFO, Event.SECRET_CHANGED, target=target, attempt=attempt)
            held = change.held
    raise ConflictError(f"Secret {target} was changed by somebody else in each of {_MAX_ATTEMPTS} attempts to write it")


def _attempt(attempts: _Attempts, method: WriteMethod, deleted: LiveSecret | None) -> Delivery:
    target = attempts.target
    mark = f"rotator-{secrets.token_hex(8)}"
    running = attempts.shell.start(script.command(target, method, mark), seconds=_WRITE_SECONDS)
    before = script.parse(running.wait_for(f"{mark} {ScriptStep.READY}"), mark)
    if not before.has(ScriptStep.READY):
        result = running.finish()
        raise write_results.start_error(script.parse(result.stdout, mark), result.status, result.stderr, target)
    try:
        change = _merge(before, attempts.write, method, deleted)
        attempts.fence()
    except BaseException:
        with contextlib.suppress(Exception):  # it must not take the place of what was raised
            running.finish()  # without stdin the remote command ends and changes nothing
        raise
    try:
        result = running.finish(script.stdin(mark, change.new, change.replaced))
    except CommandKilledError as error:
        raise _ShellKilled(error, change.former) from error
    return _evaluate(script.parse(result.stdout, mark), result, target, change)


def _merge(before: ScriptOutput, write: Write, method: WriteMethod, deleted: LiveSecret | None) -> Change:
    """Merge the SAS into the Secret that the script has just read; raises _SecretChanged if it needs another method."""
    held = _live_secret(before, write.target)
    if merge.choose_method(write.target, held) is not method:
        raise _SecretChanged(held)
    return merge.merge(write, held, deleted)


def _evaluate(output: ScriptOutput, result: Result, target: Target, change: Change) -> Delivery:
    """Return the delivery if what was read back is what was written; raises _SecretChanged or the delivery's error."""
    after = write_results.read_back(output)
    if after.secret is not None and after.secret.digests == change.digests and not output.has(ScriptStep.PROTECTED):
        warnings = write_results.warnings(output, target, change.former)
        return Delivery(change.method, change.digest, change.former, warnings)
    if write_results.changed_by_others(output, change.method):
        raise _SecretChanged(after.secret)
    raise write_results.failure(output, result.status, result.stderr, target, change.held)


def _live_secret(before: ScriptOutput, target: Target) -> LiveSecret | None:
    status, stderr = before.status(ScriptStep.HELD), before.stderr(ScriptStep.HELD)
    if status == 0:
        return merge.parse_own(before.text(ScriptStep.HELD), target)
    if status is None:
        raise ApiServerDownError(
            f"kubectl on {target.cluster} did not end within {script.LIMIT_SECONDS} s; {UNCHANGED}"
        )
    if kubectl.not_found(stderr):
        return None
    raise kubectl_errors.explain(status, stderr, target, UNCHANGED)
