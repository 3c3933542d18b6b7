"""What checks find: findings with a level, a remedy and a command, and all of them together as one result."""

import dataclasses
import datetime
import enum
from typing import Any, Protocol

from rotator import timestamps


class Level(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # a rotation works, but somebody should act
    FAILURE = "failure"  # a rotation would fail, or would not do what the settings ask for
    SKIPPED = "skipped"  # not checked, because it needs a check that failed, or is switched off


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line about one check.

    `check` is its name for people, `remedy` what to do, `command` what to run for that where a command does it.
    `seconds` is how long the check took up to this line.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""
    command: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**dataclasses.asdict(self), "level": self.level.value, "seconds": round(self.seconds, 3)}


class Reporter(Protocol):
    """The function with which a check reports a finding."""

    def __call__(self, level: Level, text: str, remedy: str = "", command: str = "") -> None:
        """Add a finding of this check."""


def _counted(number: int, level: Level) -> str:
    has_plural = level in (Level.WARNING, Level.FAILURE)
    return f"{number} {level}{'s' if has_plural and number > 1 else ''}"


@dataclasses.dataclass(frozen=True)
class Checkup:
    """The result of all checks of one plan; times are in UTC."""

    started: datetime.datetime
    finished: datetime.datetime
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether a rotation would fail."""
        return any(finding.level is Level.FAILURE for finding in self.findings)

    def verdict(self) -> str:
        """Return one line: whether a rotation would fail, and the number of findings of each level."""
        levels = [finding.level for finding in self.findings]
        counts = ", ".join(_counted(levels.count(level), level) for level in Level if level in levels)
        return f"{'a rotation would fail' if self.failed else 'nothing would make a rotation fail'}: {counts}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are ISO 8601 in UTC."""
        return {
            "started": timestamps.text(self.started),
            "finished": timestamps.text(self.finished),
            "failed": self.failed,
            "findings": [finding.as_json() for finding in self.findings],
        }
