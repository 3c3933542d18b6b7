"""Runs checks at the same time, makes each wait for the results that it needs, and skips it where one is missing.

A check names what it needs by type: `results.of(SignedIn)` waits for the check `SignedIn` and returns its result.
Checks' names are for people, in a terminal and in JSON; nothing looks them up.
"""

import abc
import concurrent.futures
import contextlib
import contextvars
import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from rotator import errors, event_log
from rotator.checks.findings import Checkup, Finding, Level, Reporter
from rotator.event_log import Event
from rotator.plan.plan import Plan
from rotator.reporting import report as reports

if TYPE_CHECKING:  # the app starts without the SDKs, which a context needs
    from rotator.checks.context import Context

logger = logging.getLogger(__name__)

Found = TypeVar("Found")
_SEVERITIES = {Level.FAILURE: logging.ERROR, Level.WARNING: logging.WARNING}


class Progress(Protocol):
    """Follows the checks while they run. Called from several threads."""

    def began(self, check: str) -> None:
        """Note that the check of this name begins."""

    def found(self, finding: Finding) -> None:
        """Note a finding, right when it is reported."""


class Check(abc.ABC, Generic[Found]):
    """One check; a subclass is what later checks name to get its result.

    A subclass is named after the fact that it establishes. `name` is its name for people.
    """

    name: ClassVar[str]

    def __init__(self, context: "Context") -> None:
        self.context = context
        self.plan = context.plan
        self.target = context.plan.targets[0]

    @classmethod
    def applies(cls, plan: Plan) -> bool:  # noqa: ARG003  # most checks apply to every plan
        """Whether a rotation of this plan needs what is checked."""
        return True

    @property
    def severity(self) -> Level:
        """What an error that `run` raises means for a rotation."""
        return Level.FAILURE

    @abc.abstractmethod
    def run(self, results: "Results", report: Reporter) -> Found:
        """Check, report what was found, and return the result for later checks; changes nothing.

        Raises DependencyError where it needs a result that is missing, AlreadyReportedError where it has no result
        itself and has reported why, and any RotatorError for the runner to report.
        """

    def command(self, error: errors.RotatorError, results: "Results") -> str:  # noqa: ARG002
        """Return the command that repairs what `run` raised; empty where there is none."""
        return ""


class DependencyError(Exception):
    """A check needs the result of `check`, which has none."""

    def __init__(self, check: type[Check[Any]]) -> None:
        super().__init__(check.name)
        self.check = check


class AlreadyReportedError(Exception):
    """A check has reported what is wrong, and has no result."""


class Results:
    """The results of the checks before one check. Of later ones there are none, so that no two wait for each other."""

    def __init__(self, earlier: Mapping[type[Check[Any]], "concurrent.futures.Future[Any]"]) -> None:
        self._earlier = dict(earlier)

    def of(self, check: type[Check[Found]]) -> Found:
        """Wait for a check and return its result.

        Raises DependencyError where it has none, with the check that is the cause: of one that was skipped, the one
        that it needed itself.
        """
        try:
            result: Found = self._earlier[check].result()
        except DependencyError as error:
            raise DependencyError(error.check) from None
        except (KeyError, AlreadyReportedError, errors.RotatorError):
            raise DependencyError(check) from None
        return result

    def require(self, *checks: type[Check[Any]]) -> None:
        """Wait for checks whose results themselves are not needed; raises DependencyError where one has none."""
        for check in checks:
            self.of(check)

    def find(self, check: type[Check[Found]]) -> Found | None:
        """Wait for a check and return its result, or None where it has none."""
        try:
            return self.of(check)
        except DependencyError:
            return None


def run(checks: Iterable[type[Check[Any]]], context: "Context", progress: Progress, *, at_once: int = 8) -> Checkup:
    """Run the checks that apply to the plan, at most `at_once` at a time.

    A check waits for those before it only, and threads are handed out in that order: none waits in vain.
    """
    started = context.clock()
    futures: dict[type[Check[Any]], concurrent.futures.Future[Any]] = {}
    findings: list[list[Finding]] = []
    pool = concurrent.futures.ThreadPoolExecutor(at_once, "check")
    try:
        for kind in checks:
            if kind.applies(context.plan):
                findings.append([])
                one = functools.partial(_run_followed, kind(context), Results(futures), progress, findings[-1])
                futures[kind] = pool.submit(contextvars.copy_context().run, one)
        pool.shutdown()
    except BaseException:  # whoever interrupts it does not wait for answers that may never come
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return Checkup(started, context.clock(), tuple(finding for each in findings for finding in each))


def _run_followed(check: Check[Any], results: Results, progress: Progress, findings: list[Finding]) -> Any:
    def found(finding: Finding) -> None:
        findings.append(finding)
        with contextlib.suppress(Exception):
            progress.found(finding)

    with contextlib.suppress(Exception):  # whoever follows may be gone
        progress.began(check.name)
    return run_check(check, results, found)


def run_check(check: Check[Found], results: Results, found: Callable[[Finding], None]) -> Found:
    """Run one check and return its result; `found` gets each finding when it is reported.

    What the check raises is reported too, and raised again: an unexpected exception as AlreadyReportedError.
    """
    began = time.perf_counter()

    def report(level: Level, text: str, remedy: str = "", command: str = "") -> None:
        finding = Finding(check.name, level, text, remedy, command, time.perf_counter() - began)
        _log(finding)
        found(finding)

    try:
        return check.run(results, report)
    except DependencyError as error:
        report(Level.SKIPPED, f"not checked: it needs {error.check.name!r}")
        raise
    except AlreadyReportedError:
        raise
    except errors.RotatorError as error:
        report(check.severity, reports.failure(error).message, error.remedy, _command(check, error, results))
        raise
    except Exception as error:
        failed = reports.failure(error)
        report(Level.FAILURE, failed.message, failed.remedy)
        logger.debug("an unexpected error in %r", check.name, exc_info=error)
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
