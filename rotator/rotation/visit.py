"""A visit to one cluster: the connection, and what becomes of each target there; one failing target stops no other."""

import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rotator import errors, event_log, telemetry
from rotator.delivery.interface import Channel, Delivery, Write
from rotator.delivery.live_secret import LiveSecret
from rotator.event_log import Event
from rotator.plan.plan import Cluster, Target
from rotator.reporting import report
from rotator.reporting.report import Outcome, TargetReport
from rotator.rotation.services import Services
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)

_Found = TypeVar("_Found")


class Visit:
    """A cluster, its targets, and what became of each.

    `expires` has the expiry of the SAS that each target was last seen to hold. `keep` gets each report as soon as there
    is one, and returns it as it is to be kept.
    """

    def __init__(
        self,
        cluster: Cluster,
        targets: Sequence[Target],
        services: Services,
        expires: dict[Target, datetime.datetime | None],
        keep: Callable[[Target, TargetReport], TargetReport],
    ) -> None:
        self._cluster = cluster
        self._targets = targets
        self._services = services
        self._expires = expires
        self._keep = keep
        self._connecting = Stopwatch()
        self._stopwatches = dict.fromkeys(targets, self._connecting)
        self._reports: dict[Target, TargetReport] = {}

    def run(self, act: "Callable[[Visit, Channel], None]") -> dict[Target, TargetReport]:
        """Connect, and do what is to be done there. Returns a report for each target.

        One that has no report when the connection fails or breaks has failed by that.
        """
        connector, secrets = self._services.connector, self._services.secrets
        try:
            with connector.connect(self._cluster, secrets, self._connecting) as channel:
                self._stopwatches = {target: self._connecting.forked() for target in self._targets}
                act(self, channel)
        except Exception as error:  # noqa: BLE001  # one failing cluster stops no other
            for target in self._targets:
                if target not in self._reports:
                    self._fail(target, error)
        return {target: self._reports[target] for target in self._targets}

    def read(self, channel: Channel) -> Iterator[tuple[Target, LiveSecret | None]]:
        """Yield what each target holds; one that cannot be read has failed."""
        return self._each(Step.OBSERVE, self._targets, channel.read(self._targets))

    def write(
        self, channel: Channel, targets: Sequence[Target], writes: Iterable[Write]
    ) -> Iterator[tuple[Target, Delivery]]:
        """Yield each confirmed delivery; a target that is not written to has failed. One write for each target."""
        return self._each(Step.DELIVER, targets, channel.write(writes, self._services.fence))

    def _each(
        self, step: Step, targets: Sequence[Target], results: Iterator[_Found | Exception]
    ) -> Iterator[tuple[Target, _Found]]:
        for target in targets:
            try:
                with telemetry.span("rotator.target", target=str(target)), self._stopwatches[target].step(step):
                    found = next(results)
            except Exception as error:  # noqa: BLE001
                found = error
            if isinstance(found, Exception):
                self._fail(target, found)
            else:
                yield target, found

    @contextlib.contextmanager
    def guard(self, target: Target) -> Iterator[Stopwatch]:
        """Measure a target's steps; what is raised inside is its failure, and goes no further."""
        try:
            yield self._stopwatches[target]
        except Exception as error:  # noqa: BLE001
            self._fail(target, error)

    def report(self, target: Target, outcome: Outcome, warnings: tuple[str, ...] = ()) -> None:
        """Report what became of a target."""
        seconds = self._stopwatches[target].laps
        expires = self._expires.get(target)
        found = TargetReport(str(target), target.strategy, outcome, seconds, warnings, expires)
        self._reports[target] = self._keep(target, found)

    def _fail(self, target: Target, error: Exception) -> None:
        outcome = report.failure(error)
        event_log.log(
            logger,
            logging.ERROR,
            Event.TARGET_FAILED,
            target=target,
            **dataclasses.asdict(outcome),
            exc_info=None if isinstance(error, errors.RotatorError) else error,
        )
        self.report(target, outcome)
