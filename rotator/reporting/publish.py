"""Publishes a run's report: to the log, the metrics, the archive and a chat service. None of these fails the run."""

import contextlib
import dataclasses
import datetime
import json
import logging
import queue
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rotator import activity, errors, event_log, redaction, telemetry
from rotator.azure.errors import ArchiveError
from rotator.event_log import Event
from rotator.plan.plan import Plan
from rotator.redaction import SecretText
from rotator.reporting import chat_message
from rotator.reporting.report import Failed, Report, Rotated, TargetReport, Unchanged

if TYPE_CHECKING:
    from rotator.azure.identity import TokenCredential

logger = logging.getLogger(__name__)

_ARCHIVE_SECONDS = 30.0


def log_and_measure(report: Report) -> list[str]:
    """Write the report to the log and the metrics; return a warning for each that failed."""
    _log(report)
    warnings: list[str] = []
    with _warn_on_error(Event.METRICS_NOT_RECORDED, warnings):
        measure(report, datetime.datetime.now(datetime.UTC))
    return warnings


def _log(report: Report) -> None:
    """Log the report in one line, which alerts query."""
    level = logging.ERROR if report.failed else logging.INFO
    # Scrubbed before it is JSON, as the log filter could cut an escape sequence of the line in half.
    line = redaction.scrubbed(report.as_json())
    logger.log(level, "report %s", json.dumps(line, separators=(",", ":")))


def measure(report: Report, now: datetime.datetime) -> None:
    """Record a finished run in the metrics and in the current span, which is the run's."""
    outcome = "failed" if report.failed else "done"
    telemetry.conclude(report.counts() if report.failed else None, run=report.run, outcome=outcome)
    telemetry.count(telemetry.RUNS, outcome=outcome, trigger=report.trigger)
    for target in report.targets:
        _measure_target(target, report.trigger, now)


def _measure_target(target: TargetReport, trigger: str, now: datetime.datetime) -> None:
    outcome = target.outcome
    named = {"error": outcome.error} if isinstance(outcome, Failed) else {}
    telemetry.count(telemetry.ROTATIONS, outcome=outcome.kind, trigger=trigger, **named)
    expires = outcome.expires if isinstance(outcome, Rotated | Unchanged) else target.expires
    if expires:
        telemetry.countdown(telemetry.SECONDS_TO_EXPIRY, (expires - now).total_seconds(), target=target.target)


def publish(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> Report:
    """Log, measure, archive and send the report; return it with a warning for each that failed."""
    warnings = log_and_measure(report)
    if plan.report_container:
        archiving = activity.of("the app's own storage, to keep the report")
        with _warn_on_error(Event.REPORT_NOT_KEPT, warnings), archiving:
            _archive(report, plan, environment, credential)
    if plan.webhook and chat_message.is_worth_a_message(report):
        with _warn_on_error(Event.WEBHOOK_NOT_NOTIFIED, warnings), activity.of("the chat service, to take a message"):
            _notify(plan.webhook, report)
    return dataclasses.replace(report, warnings=report.warnings + tuple(warnings))


def _archive(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> None:
    """Write the report to the archive, in a thread with a time limit: the SDK retries to get a token for long."""
    from rotator.reporting import archive

    outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def save() -> None:
        try:
            with archive.opened(plan, environment, credential) as opened:
                opened.save(report)
        except Exception as error:  # noqa: BLE001  # raised again by the caller
            outcomes.put(error)
        else:
            outcomes.put(None)

    threading.Thread(target=save, name="archive", daemon=True).start()
    try:
        error = outcomes.get(timeout=_ARCHIVE_SECONDS)
    except queue.Empty:
        raise ArchiveError(f"the app's own storage takes more than {_ARCHIVE_SECONDS:.0f} s") from None
    if error is not None:
        raise error


def _notify(url: SecretText, report: Report) -> None:
    from rotator.reporting import webhook

    webhook.send(url, report)


@contextlib.contextmanager
def _warn_on_error(event: Event, warnings: list[str]) -> Iterator[None]:
    """Report an exception as a warning and as an event in the log, instead of raising it."""
    try:
        yield
    except errors.RotatorError as error:
        event_log.log(logger, logging.ERROR, event, error=error.code, message=error, remedy=error.remedy)
        warnings.append(f"{event.text}: {error}. {error.remedy}")
    except Exception as error:
        logger.exception("%s", event.text)
        warnings.append(f"{event.text}: {type(error).__name__}")
