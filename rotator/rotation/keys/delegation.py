"""The revocation of user delegation keys: all of an account at once, and with them every SAS that they signed.

    read all targets ─► record it ─► revoke ─► record when ─► issue, prove, deliver, confirm ─► prove the refusal

Storage offers nothing finer: the SAS of other applications end too, and those of consumers until they read the new
ones. So it is done only by force. After the first record any later run finishes it, and after the second each target
whose SAS is older is due.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#revoke-a-user-delegation-sas
"""

import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Iterator, Mapping

from rotator import errors, event_log, timestamps, untrusted
from rotator.azure.errors import (
    ResourceLockedError,
    ResourceManagerForbiddenError,
    ResourceNotFoundError,
    StorageError,
    StorageUnreachableError,
)
from rotator.delivery import held_values
from rotator.delivery.live_secret import LiveSecret
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Report
from rotator.rotation import state
from rotator.rotation.account import AccountReader
from rotator.rotation.keys import in_use, task
from rotator.rotation.keys.task import KeyTask
from rotator.rotation.run import Observed, Run
from rotator.rotation.services import Services
from rotator.rotation.state import Operation
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)

_CUT_OFF = "every user delegation SAS of this account, whoever asked for it"
# After these nothing was revoked, and no later run could do it either.
_CERTAIN = (ResourceManagerForbiddenError, ResourceNotFoundError, ResourceLockedError, errors.KeyRotationError)


def carry_out(run: Run, operation: Operation | None, *, forced: bool) -> Report:
    """Rotate the targets that are due, revoke what was asked for, or finish what an earlier run began to revoke.

    Raises KeyInUseError without force, or another RotatorError when an operation is refused before anything is done.
    """
    if operation is Operation.REGENERATE:
        run.services.issuer.regenerate("")  # raises
    if operation is None:
        return _rotate_and_resume(run)
    if not forced:
        raise _refusal(run)
    account_state = run.account.with_keys()  # so that a record that cannot be read raises
    return _Revocation(run, task.ASKED_FOR, may_clear=_begun_by(account_state) is None).carry_out()


def preview(account: AccountReader) -> KeyReport | None:
    """Report a revocation that an earlier run began; changes nothing. Raises as `AccountReader.state` does."""
    reason = _begun_by(account.state())
    return KeyReport(str(Operation.REVOKE), KeyOutcome.DUE, reason, None) if reason else None


def _rotate_and_resume(run: Run) -> Report:
    """Rotate the targets that are due, after a revocation that an earlier run began. Its failure stops no target."""
    try:
        reason = _begun_by(run.account.state())
    except Exception:  # noqa: BLE001  # each target fails by it too, and reports it
        reason = None
    if reason is None:
        return run.rotate()
    try:
        run.account.with_keys()
        return _Revocation(run, reason, may_clear=False).carry_out()
    except Exception as error:  # noqa: BLE001  # no problem with the keys stops the targets
        key = task.skipped(error, KeyTask(Operation.REVOKE, reason))
        _assume_revoked(run)  # the earlier run may have come so far
        return dataclasses.replace(run.rotate(), key=key)


def _begun_by(account_state: AccountState) -> str | None:
    began = account_state.entries.get(state.REVOKING_TAG)
    return f"run {untrusted.one_line(began)} began it" if began else None


def _assume_revoked(run: Run) -> None:
    """For the rest of this run, let each target be due that holds a user delegation SAS; records nothing."""
    run.account.without_keys()
    with contextlib.suppress(errors.RotatorError):  # each target fails by it too, and reports it
        entries = run.account.state().entries
        run.account.replace_entries({**entries, state.REVOKED_TAG: _next_second(run.services)})


def _next_second(services: Services) -> str:
    """Wait for it, and return it: a Secret says to the second when it was written, and this one is none of before."""
    services.sleep(1 - services.clock().microsecond / 1_000_000)
    return timestamps.text(services.clock())


def _refusal(run: Run) -> errors.KeyInUseError:
    now = run.services.clock()
    lines = "".join(f"\n  - {line}" for line in (*_in_targets(run.observe(), now), _CUT_OFF))
    return errors.KeyInUseError(
        f"{Operation.REVOKE} was refused, nothing was revoked: it ends at once, with a delay of storage's own:{lines}",
        remedy="Repeat it with force, if those SAS may stop working until consumers read the new ones.",
    )


def _in_targets(observed: Observed, now: datetime.datetime) -> Iterator[str]:
    for target, held in observed.items():
        if isinstance(held, Failed):
            yield f"{target} cannot be read ({held.message})"
        found = held_values.all_sas(held, target) if isinstance(held, LiveSecret) else ()
        living = [sas.expiry for sas in found if sas.delegated and sas.expiry > now]
        if living:
            yield f"{target} holds a user delegation SAS until {timestamps.text(max(living))}"


class _Revocation:
    """One revocation. With `may_clear`, this run begins it: where it is forbidden, its record is removed."""

    def __init__(self, run: Run, reason: str, *, may_clear: bool) -> None:
        self._run = run
        self._services = run.services
        self._reason = reason
        self._may_clear = may_clear

    def carry_out(self) -> Report:
        """Do all steps. Failures are in the report once it is not certain that nothing was revoked."""
        former = _former(self._run.observe(), self._services.clock())
        self._services.admit(None)
        self._record({state.REVOKING_TAG: self._run.name})
        failure = self._record_end(self._try_to_revoke())
        delivered = self._run.rotate()
        key = self._key_report(failure, former, delivered)
        return dataclasses.replace(delivered, key=key, finished=self._services.clock())

    def _try_to_revoke(self) -> Exception | None:
        """Return the error after which the keys may have been revoked; raises one after which they were not."""
        try:
            self._revoke()
        except Exception as error:
            if self._may_clear and isinstance(error, _CERTAIN):
                self._record({state.REVOKING_TAG: None})
                raise
            return error
        return None

    def _revoke(self) -> None:
        self._services.fence()
        with Stopwatch().step(Step.REGENERATE):
            self._services.issuer.revoke_delegation_keys()
        event_log.log(logger, logging.WARNING, Event.DELEGATION_KEYS_REVOKED, account=self._run.account.state().account)

    def _record_end(self, failure: Exception | None) -> Exception | None:
        """Record since when SAS are refused, whatever happened; returns the failure, or that of the record."""
        since = {state.REVOKED_TAG: _next_second(self._services)}
        try:
            self._record(since if failure else {**since, state.REVOKING_TAG: None})
        except Exception as error:  # noqa: BLE001  # the targets' SAS are dead; the next run revokes once more
            _assume_revoked(self._run)
            return failure or error
        return failure

    def _record(self, changes: Mapping[str, str | None]) -> None:
        """Change these entries of the record; None removes one."""
        changed = {**self._run.account.refresh().entries, **changes}
        entries = {name: text for name, text in changed.items() if text is not None}
        self._services.fence()
        self._services.run_state.save(entries)
        self._run.account.replace_entries(entries)

    def _key_report(self, failure: Exception | None, former: Mapping[str, Sas], delivered: Report) -> KeyReport:
        failed = [each.target for each in delivered.targets if isinstance(each.outcome, Failed)]
        key = KeyReport(
            operation=str(Operation.REVOKE),
            outcome=KeyOutcome.UNFINISHED if failure else KeyOutcome.DONE,
            reason=self._reason,
            active_key=None,
            cut_off=(_CUT_OFF, *(f"{target} did not get another SAS" for target in failed)),
        )
        try:
            if failure is None:
                return dataclasses.replace(key, proofs=tuple(self._proofs(former)))
        except StorageError as error:
            failure, key = error, dataclasses.replace(key, outcome=KeyOutcome.FAILED)
        give_up = f"To give the revocation up, remove {state.REVOKING_TAG} {self._run.account.place}."
        return task.with_failure(key, failure, give_up if isinstance(failure, _CERTAIN) else "")

    def _proofs(self, former: Mapping[str, Sas]) -> Iterator[str]:
        """Prove that storage refuses what the targets held before, which it is given time for."""
        endpoint = self._run.account.endpoint()
        if endpoint is None or not self._run.plan.prove:
            return
        for fingerprint, sas in former.items():
            with Stopwatch().step(Step.REFUSE), contextlib.suppress(StorageUnreachableError):
                yield f"{fingerprint}: {self._services.prover.prove_refused(sas, endpoint)}"


def _former(observed: Observed, now: datetime.datetime) -> dict[str, Sas]:
    """Return the user delegation SAS that targets hold and that are valid, by fingerprint."""
    return {sas.fingerprint: sas for sas in in_use.all_held(observed) if sas.delegated and sas.expiry > now}
