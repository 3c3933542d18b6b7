"""Runs checks at the same time, makes each wait for the results that it needs, and skips it where one is missing."""

import concurrent.futures
import contextlib
import contextvars
import functools
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from rotator import errors, event_log
from rotator.checks.findings import Checkup, Finding, Level
from rotator.checks.interface import AlreadyReportedError, Check, DependencyError, Found, Key, Results
from rotator.event_log import Event
from rotator.reporting import report as reports

if TYPE_CHECKING:  # the app starts without the SDKs, which a context needs
    from rotator.checks.context import Context

logger = logging.getLogger(__name__)

_SEVERITIES = {Level.FAILURE: logging.ERROR, Level.WARNING: logging.WARNING}


class Progress(Protocol):
    """Follows the checks while they run. Called from several threads."""

    def began(self, check: str) -> None:
        """Note that the check of this name begins."""

    def found(self, finding: Finding) -> None:
        """Note a finding, right when it is reported."""


def run(
    checks: Iterable[type[Check[Any]]],
    context: "Context",
    progress: Progress,
    *,
    at_once: int = 8,
    logged: bool = True,
) -> Checkup:
    """Run each check for each of its subjects in the plan, at most `at_once` at a time.

    Unless `logged`, findings are only returned: those about another plan than the present one are no events.

    Findings are in that order: by check, and of one check in the plan's order. A check waits for those before it only,
    and threads are handed out in the same order: none waits in vain, and all clusters get on at the same time.
    """
    started = context.clock()
    futures: dict[Key, concurrent.futures.Future[Any]] = {}
    findings: list[list[Finding]] = []
    pool = concurrent.futures.ThreadPoolExecutor(at_once, "check")
    try:
        for kind in checks:
            earlier = dict(futures)  # shared by all subjects, as a plan may have hundreds
            for subject in kind.subjects(context.plan):
                findings.append([])
                check, results = kind(context, subject), Results(earlier, subject)
                one = functools.partial(_run_followed, check, results, progress, findings[-1], logged=logged)
                futures[kind, subject] = pool.submit(contextvars.copy_context().run, one)
        pool.shutdown()
    except BaseException:  # whoever interrupts it does not wait for answers that may never come
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return Checkup(started, context.clock(), tuple(finding for each in findings for finding in each))


def _run_followed(
    check: Check[Any], results: Results, progress: Progress, findings: list[Finding], *, logged: bool
) -> Any:
    def found(finding: Finding) -> None:
        findings.append(finding)
        with contextlib.suppress(Exception):
            progress.found(finding)

    with contextlib.suppress(Exception):  # whoever follows may be gone
        progress.began(check.label)
    return run_check(check, results, found, logged=logged)


def run_check(check: Check[Found], results: Results, found: Callable[[Finding], None], *, logged: bool = True) -> Found:
    """Run one check and return its result; `found` gets each finding when it is reported.

    What the check raises is reported too, and raised again: an unexpected exception as AlreadyReportedError.
    """
    began = time.perf_counter()

    def report(level: Level, text: str, remedy: str = "", command: str = "") -> None:
        finding = Finding(check.label, level, text, remedy, command, time.perf_counter() - began)
        if logged:
            _log(finding)
        found(finding)

    try:
        return check.run(results, report)
    except DependencyError as error:
        needed = error.check.label_of(check.plan, error.subject)
        report(Level.SKIPPED, f"not checked: it needs {needed!r}")
        raise
    except AlreadyReportedError:
        raise
    except errors.RotatorError as error:
        command = _command(check, error, results)
        report(check.severity, reports.failure(error).message, error.advice if command else error.remedy, command)
        raise
    except Exception as error:
        failed = reports.failure(error)
        report(Level.FAILURE, failed.message, failed.remedy)
        logger.debug("an unexpected error in %r", check.label, exc_info=error)
        raise AlreadyReportedError from error


def _command(check: Check[Any], error: errors.RotatorError, results: Results) -> str:
    try:
        return check.command(error, results)
    except (DependencyError, errors.RotatorError):  # the command depends on what is not known; the remedy has to do
        return ""


def _log(finding: Finding) -> None:
    event_log.log(
        logger,
        _SEVERITIES.get(finding.level, logging.INFO),
        Event.CHECK_DONE,
        check=finding.check,
        outcome=finding.level,
        text=finding.text,
        remedy=finding.remedy or None,
        command=finding.command or None,
    )


class NoProgress:
    """A Progress that nobody follows."""

    def began(self, check: str) -> None:
        """Do nothing."""

    def found(self, finding: Finding) -> None:
        """Do nothing."""
