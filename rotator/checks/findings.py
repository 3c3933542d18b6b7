"""What a check found: one line for each thing looked at, with the remedy where something is wrong."""

import dataclasses
import datetime
import enum
from typing import Any

from rotator import timestamps


class Level(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # it works, but somebody should look
    FAILURE = "failure"  # a rotation would fail, or would not be as wanted
    SKIPPED = "skipped"  # it could not be looked at, because another check failed or is switched off


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line. `remedy` says what to do, `command` is what to run for that, where a command does it."""

    check: str
    level: Level
    text: str
    remedy: str = ""
    command: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {**dataclasses.asdict(self), "level": self.level.value, "seconds": round(self.seconds, 3)}


def _counted(number: int, level: Level) -> str:
    has_plural = level in (Level.WARNING, Level.FAILURE)
    return f"{number} {level}{'s' if has_plural and number > 1 else ''}"


@dataclasses.dataclass(frozen=True)
class Checkup:
    """All lines of one preflight."""

    started: datetime.datetime
    finished: datetime.datetime
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether anything would keep a rotation from succeeding."""
        return any(finding.level is Level.FAILURE for finding in self.findings)

    def verdict(self) -> str:
        """Say what it comes to, and how many lines came out how."""
        levels = [finding.level for finding in self.findings]
        counts = ", ".join(_counted(levels.count(level), level) for level in Level if level in levels)
        return f"{'a rotation would fail' if self.failed else 'nothing would make a rotation fail'}: {counts}"

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values; times are ISO 8601 in UTC."""
        return {
            "started": timestamps.text(self.started),
            "finished": timestamps.text(self.finished),
            "failed": self.failed,
            "findings": [finding.as_json() for finding in self.findings],
        }
