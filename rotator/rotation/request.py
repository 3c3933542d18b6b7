"""A request for a run: who made it, whether it is forced, and which operation on the account's keys it wants."""

import dataclasses
import datetime
import secrets
import socket

from rotator.azure.host_storage.lease import Holder
from rotator.issuers.interface import PROOF_SECONDS
from rotator.reporting import report
from rotator.reporting.report import Report, TargetReport, Trigger
from rotator.rotation.state import Operation


def name_at(time: datetime.datetime) -> str:
    """Return a new name for a run that begins at this time."""
    return f"{time:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclasses.dataclass(frozen=True)
class Request:
    """A request for one run. `forced` applies to the operation on the keys if there is one, else to the targets.

    `asked_by` says who or what started it. Without `lease` nothing keeps another run from starting at the same time.
    A SAS that storage refuses is tried again for `proof_seconds`.
    """

    trigger: Trigger
    asked_by: str
    forced: bool = False
    operation: Operation | None = None
    lease: bool = True
    proof_seconds: float = PROOF_SECONDS
    since: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    run: str = ""

    def __post_init__(self) -> None:
        """Name the run."""
        object.__setattr__(self, "run", self.run or name_at(self.since))

    @property
    def holder(self) -> Holder:
        """This run as the holder of the lease."""
        return Holder(run=self.run, trigger=self.trigger, host=socket.gethostname(), since=self.since)

    def failure_report(
        self,
        error: BaseException,
        interval: datetime.timedelta | None = None,
        targets: tuple[TargetReport, ...] = (),
    ) -> Report:
        """Return the report of a run that was refused, or that broke off after some targets."""
        return Report(
            run=self.run,
            trigger=self.trigger,
            forced=self.forced,
            started=self.since,
            finished=datetime.datetime.now(datetime.UTC),
            targets=targets,
            asked_by=self.asked_by,
            interval=interval,
            error=report.failure(error),
        )
