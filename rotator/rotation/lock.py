"""A run's turn: nobody else's at the same time, in this process by a lock, beyond it by a lease on a blob."""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rotator import activity, errors, telemetry
from rotator.azure.errors import LeaseUnavailableError
from rotator.azure.host_storage import lease, storage_settings
from rotator.azure.host_storage.lease import Holder, Lease, NoLease
from rotator.azure.managed_account import blob_suffix
from rotator.plan.plan import Plan
from rotator.rotation.request import Request

if TYPE_CHECKING:
    from rotator.azure.identity import TokenCredential

logger = logging.getLogger(__name__)


class _ProcessLock:
    """The one run of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Holder | None = None

    @contextlib.contextmanager
    def held_by(self, holder: Holder) -> Iterator[None]:
        """Be the only run while inside; raises BusyError when there is one."""
        if not self._lock.acquire(blocking=False):
            raise lease.busy_error(self._holder)
        self._holder = holder
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()


_process_lock = _ProcessLock()


@dataclasses.dataclass(frozen=True)
class RunLock:
    """Leave to act. Without a lease `obstacle` says why, and keys stay as they are."""

    holder: Holder
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    lease: Lease = dataclasses.field(default_factory=NoLease)
    obstacle: LeaseUnavailableError | None = None

    @property
    def fence(self) -> Callable[[], None]:
        """What raises LeaseLostError once another run may have begun."""
        return self.lease.fence

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the report is to say of a run without a lease."""
        return (f"{self.obstacle}: nothing keeps another run from starting meanwhile",) if self.obstacle else ()

    def admit(self, account: str) -> None:
        """Raise unless this account's keys may be regenerated from here; names the remedy."""
        storage_settings.check(self.environment, account)
        if self.obstacle:
            raise self.obstacle


@contextlib.contextmanager
def acquire(
    plan: Plan, request: Request, environment: Mapping[str, str], credential: "TokenCredential"
) -> Iterator[RunLock]:
    """Take the turn, and give it back; raises BusyError that says who has it since when."""
    holder = request.holder
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process_lock.held_by(holder))
        turn = RunLock(holder, environment)
        if request.lease:
            turn = _with_lease(plan, turn, credential, stack)
        for warning in turn.warnings:
            logger.warning("%s", warning)
        yield turn


def lease_name(plan: Plan) -> str:
    """The blob on which the runs of an account take their turns."""
    return f"{plan.account.host}/{plan.account.name}".lower()


def _with_lease(plan: Plan, turn: RunLock, credential: "TokenCredential", stack: contextlib.ExitStack) -> RunLock:
    storage = storage_settings.find(turn.environment, blob_suffix(plan.account.host) or "blob.core.windows.net")
    if storage is None:
        nowhere = LeaseUnavailableError("no storage of the app's own is set (AzureWebJobsStorage) for a lease")
        return dataclasses.replace(turn, obstacle=nowhere)
    from rotator.azure.host_storage import blob_containers
    from rotator.azure.host_storage.blob_lease import BlobLease

    signed_in = stack.enter_context(blob_containers.signed_in(storage, plan.client_id, credential))
    try:
        with _measured():
            taken = stack.enter_context(BlobLease(storage, lease_name(plan), turn.holder, signed_in))
    except LeaseUnavailableError as error:
        return dataclasses.replace(turn, obstacle=error)
    return dataclasses.replace(turn, lease=taken)


@contextlib.contextmanager
def _measured() -> Iterator[None]:
    """Measure how long it takes to get the lease, or to learn that it cannot be had."""
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
