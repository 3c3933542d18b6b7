"""When the timer fired, for those who look: by the Functions host's record, within seconds, and never an error."""

import dataclasses
import datetime
import queue
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.plan import timer
from rotator.plan.plan import Plan
from rotator.plan.timer import Timer
from rotator.reporting import report

if TYPE_CHECKING:
    from rotator.azure.host_storage.timer_record import Reading
    from rotator.azure.identity import TokenCredential

_SECONDS = 5.0  # within which the record must be read: a wall screen asks each minute


@dataclasses.dataclass(frozen=True)
class TimerReading:
    """The timer, None where it is not known, and warnings: of what cannot be read, and of a timer that is silent."""

    timer: Timer | None = None
    warnings: tuple[str, ...] = ()


class TimerReader:
    """Reads the record while its caller does something else, in a thread: getting a token may take long.

    Nothing is read where the settings name no storage of the app's own, or the host keeps no record of such a schedule.
    """

    def __init__(
        self, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential", *, seconds: float = _SECONDS
    ) -> None:
        self._plan = plan
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._outcomes: queue.SimpleQueue[Reading | str] | None = None
        storage = storage_settings.find(environment, plan.account.blob_suffix)
        if storage is not None and timer.keeps_record(plan.schedule):
            self._outcomes = queue.SimpleQueue()
            arguments = (storage, plan.client_id, credential, self._outcomes)
            threading.Thread(target=_read, args=arguments, name="timer", daemon=True).start()

    def result(self, now: datetime.datetime) -> TimerReading:
        """Return what was read, as of `now`; waits until five seconds after the beginning at most."""
        if self._outcomes is None:
            return TimerReading()
        try:
            found = self._outcomes.get(timeout=max(0.0, self._ends - time.monotonic()))
        except queue.Empty:
            found = f"the app's own storage takes more than {self._seconds:g} s"
        if isinstance(found, str):
            return TimerReading(None, (f"when the timer fired cannot be read: {found}",))
        return _judge(found, self._plan.schedule, now)


def _judge(found: "Reading", expression: str, now: datetime.datetime) -> TimerReading:
    if found.record is None:
        return TimerReading(None, found.warnings)
    observed = timer.observe(found.record.last, found.record.next, expression, now)
    silent = (f"the timer {observed.missed_text(now)}",) if observed.silent else ()
    return TimerReading(observed, silent + found.warnings)


def _read(
    storage: HostStorage,
    client_id: str | None,
    credential: "TokenCredential",
    outcomes: "queue.SimpleQueue[Reading | str]",
) -> None:
    """The thread: put the reading, or why there is none."""
    from rotator.azure.host_storage import blob_containers, timer_record

    try:
        with blob_containers.signed_in(storage, client_id, credential) as own:
            outcomes.put(timer_record.read(storage, own))
    except Exception as error:  # noqa: BLE001  # whoever looks at the targets gets these all the same
        outcomes.put(report.failure(error).message)
