"""What becomes of a report: the log, the archive, metrics, and whoever is to be told. None of it fails the run."""

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

_KEEP_SECONDS = 30.0


def note(report: Report) -> list[str]:
    """Log and count it; gives a warning for what did not succeed."""
    _log(report)
    warnings: list[str] = []
    with _warned(Event.METRICS_NOT_RECORDED, warnings):
        record(report, datetime.datetime.now(datetime.UTC))
    return warnings


def _log(report: Report) -> None:
    """Write it into the log, in the one line that alerts read."""
    level = logging.ERROR if report.failed else logging.INFO
    # Scrubbed before it is JSON: what the log filter takes out of a line may be half an escape of it.
    line = redaction.scrubbed(report.as_json())
    logger.log(level, "report %s", json.dumps(line, separators=(",", ":")))


def record(report: Report, now: datetime.datetime) -> None:
    """Take in what a finished run did, inside of its span."""
    outcome = "failed" if report.failed else "done"
    telemetry.conclude(report.counts() if report.failed else None, run=report.run, outcome=outcome)
    telemetry.count(telemetry.RUNS, outcome=outcome, trigger=report.trigger)
    for target in report.targets:
        _record(target, report.trigger, now)


def _record(target: TargetReport, trigger: str, now: datetime.datetime) -> None:
    outcome = target.outcome
    named = {"error": outcome.error} if isinstance(outcome, Failed) else {}
    telemetry.count(telemetry.ROTATIONS, outcome=outcome.kind, trigger=trigger, **named)
    expires = outcome.expires if isinstance(outcome, Rotated | Unchanged) else target.expires
    if expires:
        telemetry.countdown(telemetry.SECONDS_TO_EXPIRY, (expires - now).total_seconds(), target=target.target)


def publish(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> Report:
    """Log, keep and tell it; gives it with a warning for what did not succeed."""
    warnings = note(report)
    if plan.report_container:
        keeping = activity.of("the app's own storage, to keep the report")
        with _warned(Event.REPORT_NOT_KEPT, warnings), keeping:
            _keep(report, plan, environment, credential)
    if plan.webhook and chat_message.worth_telling(report):
        with _warned(Event.WEBHOOK_NOT_NOTIFIED, warnings), activity.of("the chat service, to take a message"):
            _notify(plan.webhook, report)
    return dataclasses.replace(report, warnings=report.warnings + tuple(warnings))


def _keep(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> None:
    """Keep it, in bounded time: a token that cannot be had is asked for again and again."""
    from rotator.reporting import archive

    outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def keep() -> None:
        try:
            with archive.opened(plan, environment, credential) as kept:
                kept.keep(report)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller tells it
            outcomes.put(error)
        else:
            outcomes.put(None)

    threading.Thread(target=keep, name="archive", daemon=True).start()
    try:
        error = outcomes.get(timeout=_KEEP_SECONDS)
    except queue.Empty:
        raise ArchiveError(f"the app's own storage takes more than {_KEEP_SECONDS:.0f} s") from None
    if error is not None:
        raise error


def _notify(url: SecretText, report: Report) -> None:
    from rotator.reporting import webhook

    webhook.send(url, report)


@contextlib.contextmanager
def _warned(event: Event, warnings: list[str]) -> Iterator[None]:
    try:
        yield
    except errors.RotatorError as error:
        event_log.log(logger, logging.ERROR, event, error=error.code, message=error, remedy=error.remedy)
        warnings.append(f"{event.text}: {error}. {error.remedy}")
    except Exception as error:
        logger.exception("%s", event.text)
        warnings.append(f"{event.text}: {type(error).__name__}")
