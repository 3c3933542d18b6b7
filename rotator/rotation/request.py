"""A request for a run: who made it, whether it is forced, and which operation on the account's keys it wants."""

import dataclasses
import datetime
import secrets
import socket
from typing import Self

from rotator import untrusted
from rotator.azure.host_storage.lease import Holder
from rotator.issuers.interface import PROOF_SECONDS
from rotator.reporting import report
from rotator.reporting.report import Report, TargetReport, Trigger
from rotator.rotation.state import Operation


def name_at(time: datetime.datetime) -> str:
    """Return a new name for a run that begins at this time."""
    return f"{time:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


EARLY = datetime.timedelta(seconds=1)  # by which the host's timer may fire before its time


@dataclasses.dataclass(frozen=True)
class Firing:
    """How the Functions host fired the timer: whether late by its own account, and for which time, if that is known."""

    past_due: bool = False
    due: datetime.datetime | None = None

    @classmethod
    def from_host(cls, status: object, *, past_due: bool) -> Self:
        """Read what the host tells the timer's function: its record as it was before this firing.

        https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#usage
        """
        return cls(past_due, untrusted.iso_time(untrusted.mapping(status).get("Next")))

    def late(self, began: datetime.datetime) -> datetime.timedelta | None:
        """Return by how much a run began late; None where it is not known when it was due."""
        if self.due is None or began < self.due - EARLY:
            return None
        return max(began - self.due, datetime.timedelta(0))


@dataclasses.dataclass(frozen=True)
class Request:
    """A request for one run. `forced` applies to the operation on the keys if there is one, else to the targets.

    `asked_by` says who or what started it. Without `lease` nothing keeps another run from starting at the same time.
    A SAS that storage refuses is tried again for `proof_seconds`. `firing` is the timer's, for a run by the timer.
    `if_missed`: only if the schedule's time has come since the last run.
    """

    trigger: Trigger
    asked_by: str
    forced: bool = False
    operation: Operation | None = None
    lease: bool = True
    proof_seconds: float = PROOF_SECONDS
    since: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    run: str = ""
    firing: Firing = Firing()
    if_missed: bool = False

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
        *,
        interrupted: Holder | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Report:
        """Return the report of a run that was refused, or that broke off after some targets.

        `interrupted` is the run before it, if that did not end.
        """
        refused = Report(
            run=self.run,
            trigger=self.trigger,
            forced=self.forced,
            started=self.since,
            finished=datetime.datetime.now(datetime.UTC),
            targets=targets,
            asked_by=self.asked_by,
            interval=interval,
            error=report.failure(error),
            warnings=warnings,
        )
        return self.complete(refused, interrupted)

    def complete(self, done: Report, interrupted: Holder | None) -> Report:
        """Return the report of a run, with how it began and the run before it that did not end."""
        late = self.firing.late(self.since)
        return dataclasses.replace(done, past_due=self.firing.past_due, late=late, interrupted=interrupted)
