"""One run at a time: in this process by a lock, beyond it by a lease on a blob."""

import contextlib
import dataclasses
import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rotator import activity, errors, telemetry
from rotator.azure.errors import LeaseUnavailableError
from rotator.azure.host_storage import lease, storage_settings
from rotator.azure.host_storage.lease import Holder, Lease, NoLease
from rotator.plan.plan import Plan
from rotator.rotation.request import Request

if TYPE_CHECKING:
    from rotator.azure.host_storage.blob_lease import LeaseState
    from rotator.azure.identity import TokenCredential

logger = logging.getLogger(__name__)


class _ProcessLock:
    """The one run of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Holder | None = None
        self.ended: datetime.datetime | None = None  # when its last run ended that was completed

    @contextlib.contextmanager
    def held_by(self, holder: Holder) -> Iterator[None]:
        """Be the only run of this process while inside; raises BusyError when there is another."""
        if not self._lock.acquire(blocking=False):
            raise lease.busy_error(self._holder)
        self._holder = holder
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()

    def completed(self) -> None:
        """Note that the run in progress visited the targets."""
        self.ended = datetime.datetime.now(datetime.UTC)


_process_lock = _ProcessLock()


@dataclasses.dataclass(frozen=True)
class LastRun:
    """When the last run ended that was completed, None if that is not known, and a run after it that did not end."""

    ended: datetime.datetime | None = None
    interrupted: Holder | None = None


@dataclasses.dataclass(frozen=True)
class RunLock:
    """The lock of the run in progress; `environment` has the settings of this process.

    `problem` is why the lease that was asked for could not be acquired: the run goes on without it, but may regenerate
    no key. It is None with a lease, and where none was asked for. `before` is what is known of the last run.
    """

    holder: Holder
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    lease: Lease = dataclasses.field(default_factory=NoLease)
    problem: LeaseUnavailableError | None = None
    before: LastRun = dataclasses.field(default_factory=LastRun)

    @property
    def interrupted(self) -> Holder | None:
        """The run before this one, if it did not end."""
        return self.before.interrupted

    @property
    def fence(self) -> Callable[[], None]:
        """What to call before each change: it renews the lease, and raises LeaseLostError where that fails.

        Without a lease it does nothing.
        """
        return self.lease.fence

    @property
    def warnings(self) -> tuple[str, ...]:
        """The report's warnings: of a lease that could not be acquired, and of a run that never ended."""
        if self.problem:
            return (f"{self.problem}: nothing keeps another run from starting meanwhile",)
        if self.interrupted:
            return (f"{self.interrupted} did not end: it was killed, or lost its lease; this run makes up for it",)
        return ()

    def completed(self) -> None:
        """Note that this run visited the targets, so that nothing makes up for it."""
        self.lease.completed()
        _process_lock.completed()

    def admit(self, account: str | None) -> None:
        """Return if this run may regenerate the account's keys; without one, if it may revoke user delegation keys.

        Raises OwnStorageError if a setting of this process opens that account with a key or a SAS, and
        LeaseUnavailableError if the lease could not be acquired.
        """
        if account is not None:
            storage_settings.check(self.environment, account)
        if self.problem:
            raise self.problem


@contextlib.contextmanager
def acquire(
    plan: Plan, request: Request, environment: Mapping[str, str], credential: "TokenCredential"
) -> Iterator[RunLock]:
    """Hold the process's lock and, if the request asks for it, the lease while inside.

    Raises BusyError while another run holds either; the error names that run, and since when, as far as is known. A
    lease that cannot be acquired for another reason is the lock's `problem`, and is logged.
    """
    holder = request.holder
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process_lock.held_by(holder))
        run_lock = RunLock(holder, environment, before=last_run_here())
        if request.lease:
            run_lock = _with_lease(plan, run_lock, credential, stack)
        for warning in run_lock.warnings:
            logger.warning("%s", warning)
        yield run_lock


def lease_name(plan: Plan) -> str:
    """The name of the blob whose lease keeps the runs of one account apart.

    It is by the account's name in the vault, also with another issuer as long as that is set: a run of the former
    issuer may be in progress when an app moves.
    """
    if not plan.account.managed_account:
        return plan.account.name
    return f"{plan.account.host}/{plan.account.managed_account}".lower()


def last_run(plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> LastRun:
    """Return the last run by the lease, or without one by this process. One request, without a retry: somebody waits.

    Raises LeaseUnavailableError.
    """
    state = _lease_state(plan, environment, credential)
    return LastRun(state.ended, state.interrupted) if state else last_run_here()


def last_run_here() -> LastRun:
    """Return this process's last run."""
    return LastRun(_process_lock.ended)


def _lease_state(plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> "LeaseState | None":
    storage = storage_settings.find(environment, plan.account.blob_suffix)
    if storage is None:
        return None
    from rotator.azure.host_storage import blob_containers, blob_lease

    with blob_containers.signed_in(storage, plan.client_id, credential) as signed_in:
        return blob_lease.read(storage, lease_name(plan), signed_in, retry_total=0)


def _with_lease(plan: Plan, run_lock: RunLock, credential: "TokenCredential", stack: contextlib.ExitStack) -> RunLock:
    storage = storage_settings.find(run_lock.environment, plan.account.blob_suffix)
    if storage is None:
        nowhere = LeaseUnavailableError("no storage of the app's own is set (AzureWebJobsStorage) for a lease")
        return dataclasses.replace(run_lock, problem=nowhere)
    from rotator.azure.host_storage import blob_containers
    from rotator.azure.host_storage.blob_lease import BlobLease

    signed_in = stack.enter_context(blob_containers.signed_in(storage, plan.client_id, credential))
    try:
        with _measured():
            taken = stack.enter_context(BlobLease(storage, lease_name(plan), run_lock.holder, signed_in))
    except LeaseUnavailableError as error:
        return dataclasses.replace(run_lock, problem=error)
    return dataclasses.replace(run_lock, lease=taken, before=LastRun(taken.ended, taken.interrupted))


@contextlib.contextmanager
def _measured() -> Iterator[None]:
    """Measure how long it takes to acquire the lease, or to fail to."""
    began, outcome = time.perf_counter(), "unavailable"
    try:
        with telemetry.span("rotator.lease"), activity.of("the app's own storage, for the lease"):
            yield
        outcome = "acquired"
    except errors.BusyError:
        outcome = "busy"
        raise
    finally:
        telemetry.measure(telemetry.LEASE_WAIT, time.perf_counter() - began, outcome=outcome)
