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

from rotator import errors, event_log, timestamps
from rotator.azure.errors import (
    ResourceLockedError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    ResourceNotFoundError,
    StorageError,
    StorageUnreachableError,
)
from rotator.delivery import held_values
from rotator.delivery.live_secret import LiveSecret
from rotator.event_log import Event
from rotator.reporting import report
from rotator.reporting.report import Failed, KeyOutcome, KeyReport, Report
from rotator.rotation import state
from rotator.rotation.keys import task
from rotator.rotation.run import Observed, Run
from rotator.rotation.state import Operation
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)

_CUT_OFF = "every user delegation SAS of this account, whoever asked for it"
# After these nothing was revoked, and no later run could do it either.
_CERTAIN = (ResourceManagerForbiddenError, ResourceNotFoundError, ResourceLockedError)


def carry_out(run: Run, operation: Operation | None, *, forced: bool) -> Report:
    """Rotate the targets that are due, revoke what was asked for, or finish what an earlier run began to revoke.

    Raises KeyInUseError without force, or another RotatorError when an operation is refused before anything is done.
    """
    if operation is Operation.REGENERATE:
        run.services.issuer.regenerate("")  # raises
    if operation is None:
        return _finish_earlier(run)
    if not forced:
        raise _refusal(run)
    run.account.with_keys()  # so that a record that cannot be read raises
    return _Revocation(run, task.ASKED_FOR).carry_out()


def _finish_earlier(run: Run) -> Report:
    try:
        began = run.account.state().entries.get(state.REVOKING_TAG)
    except Exception:  # noqa: BLE001  # each target fails by it too, and reports it
        began = None
    return _Revocation(run, f"run {began} began it").carry_out() if began else run.rotate()


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
    def __init__(self, run: Run, reason: str) -> None:
        self._run = run
        self._services = run.services
        self._reason = reason

    def carry_out(self) -> Report:
        """Do all steps. Failures are in the report once it is not certain that nothing was revoked."""
        former = _former(self._run.observe(), self._services.clock())
        self._services.admit(None)
        self._record({state.REVOKING_TAG: self._run.name})
        failure: Exception | None = None
        try:
            self._revoke()
        except _CERTAIN:
            self._record({state.REVOKING_TAG: None})
            raise
        except ResourceManagerError as error:  # it may have been done, so that the targets need new SAS
            failure = error
        # A time in whole seconds, as a Secret says when it was written: what was written in this second is older.
        now = self._services.clock() + datetime.timedelta(seconds=1)
        finished = {state.REVOKING_TAG: None} if failure is None else {}
        self._record({state.REVOKED_TAG: timestamps.text(now), **finished})
        delivered = self._run.rotate()
        key = self._key_report(failure, former, delivered)
        return dataclasses.replace(delivered, key=key, finished=self._services.clock())

    def _revoke(self) -> None:
        self._services.fence()
        with Stopwatch().step(Step.REGENERATE):
            self._services.issuer.revoke_delegation_keys()
        event_log.log(logger, logging.WARNING, Event.DELEGATION_KEYS_REVOKED, account=self._run.account.state().account)

    def _record(self, changes: Mapping[str, str | None]) -> None:
        """Change these entries of the record; None removes one."""
        entries = {**self._run.account.refresh().entries, **changes}
        self._services.fence()
        self._services.run_state.save({name: text for name, text in entries.items() if text is not None})
        self._run.account.refresh()

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
        found = report.failure(failure)
        unfinished = key.outcome is KeyOutcome.UNFINISHED
        event = Event.KEY_ROTATION_UNFINISHED if unfinished else Event.KEY_ROTATION_FAILED
        event_log.log(logger, logging.ERROR, event, operation=Operation.REVOKE, **dataclasses.asdict(found))
        return dataclasses.replace(key, failure=found)

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
    found = (
        sas
        for target, held in observed.items()
        if isinstance(held, LiveSecret)
        for sas in held_values.all_sas(held, target)
    )
    return {sas.fingerprint: sas for sas in found if sas.delegated and sas.expiry > now}
