"""A preflight: every step of a rotation is looked at, all at once where they allow it, and nothing is changed.

A look gets what earlier ones found by their names, and waits for it; what an earlier one did not find is not looked at.
"""

import concurrent.futures
import contextlib
import contextvars
import dataclasses
import datetime
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rotator import errors, event_log
from rotator.checks.findings import Checkup, Finding, Level
from rotator.event_log import Event
from rotator.reporting import report

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Whoever watches. Called from several threads."""

    def began(self, check: str) -> None:
        """Tell that a look begins."""

    def found(self, finding: Finding) -> None:
        """Tell what it found."""


class NotKnownError(Exception):
    """An earlier look did not find what this one needs; `name` is that of the one which was in its way, too."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class OverError(Exception):
    """A look has said what is wrong, and gives nothing to later ones."""


class Results:
    """What earlier looks found."""

    def __init__(self) -> None:
        self._found: dict[str, concurrent.futures.Future[Any]] = {}

    def of(self, name: str) -> Any:
        """Give what a look found, once it has; raises NotKnownError."""
        try:
            return self._found[name].result()
        except NotKnownError as missing:
            raise NotKnownError(missing.name) from None
        except (KeyError, OverError, errors.RotatorError):
            raise NotKnownError(name) from None

    def over(self, name: str) -> None:
        """Wait until a look is over, whatever it found."""
        with contextlib.suppress(NotKnownError):
            self.of(name)

    def expect(self, name: str, value: "concurrent.futures.Future[Any]") -> None:
        """Have others wait for a look."""
        self._found[name] = value


Remedy = Callable[[errors.RotatorError], str]
Reporter = Callable[..., None]


def no_command(_error: errors.RotatorError) -> str:
    """There is no command for what may go wrong here."""
    return ""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check: `act` gets what others found and a way to say what it finds, and gives what it found to others.

    `command` gives the command that mends an error of ours. `severity` is what such an error means for a rotation.
    """

    name: str
    act: Callable[[Results, Reporter], Any]
    command: Remedy = no_command
    severity: Level = Level.FAILURE


def run(
    looks: Iterable[Check], announce: Progress, clock: Callable[[], datetime.datetime], *, at_once: int = 8
) -> Checkup:
    """Look at everything. Looks wait for those before them only, so that none waits in vain for a thread."""
    started, known, everything = clock(), Results(), list(looks)
    findings: dict[str, list[Finding]] = {look.name: [] for look in everything}
    pool = concurrent.futures.ThreadPoolExecutor(at_once, "check")
    try:
        for look in everything:
            context = contextvars.copy_context()
            known.expect(look.name, pool.submit(context.run, _look, look, known, announce, findings[look.name]))
        pool.shutdown()
    except BaseException:  # whoever interrupts it does not wait for answers that may never come
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return Checkup(started, clock(), tuple(finding for each in findings.values() for finding in each))


def _look(look: Check, known: Results, announce: Progress, findings: list[Finding]) -> Any:
    began = time.perf_counter()
    with contextlib.suppress(Exception):  # whoever watches may be gone
        announce.began(look.name)

    def say(level: Level, text: str, remedy: str = "", command: str = "") -> None:
        finding = Finding(look.name, level, text, remedy, command, time.perf_counter() - began)
        _tell(finding)
        findings.append(finding)
        with contextlib.suppress(Exception):
            announce.found(finding)

    try:
        return look.act(known, say)
    except NotKnownError as missing:
        say(Level.SKIPPED, f"not looked at: that needs {missing.name!r}")
        raise
    except OverError:
        raise
    except errors.RotatorError as error:
        command = ""
        with contextlib.suppress(NotKnownError):  # which command it would be depends on what is not known
            command = look.command(error)
        say(look.severity, report.failure(error).message, error.remedy, command)
        raise
    except Exception as error:
        failed = report.failure(error)
        say(Level.FAILURE, failed.message, failed.remedy)
        logger.debug("an unexpected error in %r", look.name, exc_info=error)
        raise OverError from error


def _tell(finding: Finding) -> None:
    severity = {Level.FAILURE: logging.ERROR, Level.WARNING: logging.WARNING}.get(finding.level, logging.INFO)
    event_log.log(
        logger,
        severity,
        Event.CHECK_DONE,
        check=finding.check,
        outcome=finding.level,
        text=finding.text,
        remedy=finding.remedy or None,
        command=finding.command or None,
    )


class NoProgress:
    """Nobody watches."""

    def began(self, check: str) -> None:
        """Nobody is told."""

    def found(self, finding: Finding) -> None:
        """Nobody is told."""
