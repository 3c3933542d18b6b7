"""What becomes of a report: the log, the archive, metrics, and whoever is to be told. None of it fails the run."""

import contextlib
import dataclasses
import datetime
import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rotator import decisions, errors, message, telemetry
from rotator.redaction import Secret
from rotator.report import Report
from rotator.targets import Plan

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

logger = logging.getLogger(__name__)


def log(report: Report) -> None:
    """Write it into the log, in the one line that alerts read."""
    level = logging.ERROR if report.failed else logging.INFO
    logger.log(level, "report %s", json.dumps(report.as_json(), separators=(",", ":")))


def publish(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> Report:
    """Log, keep and tell it; gives it with a warning for what did not succeed."""
    log(report)
    telemetry.record(report, datetime.datetime.now(datetime.UTC))
    warnings: list[str] = []
    if plan.report_container:
        with _warned("the report was not kept", warnings):
            _keep(report, plan, environment, credential)
    if plan.webhook and message.worth_telling(report):
        with _warned("NOTIFY_WEBHOOK_URL was not told", warnings):
            _notify(plan.webhook, report)
    return dataclasses.replace(report, warnings=report.warnings + tuple(warnings))


def _keep(report: Report, plan: Plan, environment: Mapping[str, str], credential: "TokenCredential") -> None:
    from rotator import archive

    with archive.opened(plan, environment, credential) as kept:
        kept.keep(report)


def _notify(url: Secret, report: Report) -> None:
    from rotator import webhook

    webhook.send(url, report)


@contextlib.contextmanager
def _warned(what: str, warnings: list[str]) -> Iterator[None]:
    try:
        yield
    except errors.RotatorError as error:
        decisions.tell(logger, logging.ERROR, what, error=error.kind, message=error, remedy=error.remedy)
        warnings.append(f"{what}: {error}. {error.remedy}")
    except Exception as error:
        logger.exception("%s", what)
        warnings.append(f"{what}: {type(error).__name__}")
