"""What is reported while a deployment ends: one line at a time, as values."""

import dataclasses
import datetime
import enum
from collections.abc import Callable, Mapping
from typing import Any

from rotator import timestamps


class Stage(enum.StrEnum):
    """What a line is about."""

    APP = "app"
    FUNCTIONS = "functions"
    RUN = "run"
    TIMER = "timer"


class ProgressKind(enum.StrEnum):
    """How far it is; the value is the JSON field `did`."""

    WAITING = "waiting"
    WARNING = "warning"
    DONE = "done"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Progress:
    """One line. `report` is that of the run, as JSON; the times are known when the timer is done."""

    stage: Stage
    kind: ProgressKind
    text: str
    report: Mapping[str, Any] | None = None
    next_run: datetime.datetime | None = None
    sas_until: datetime.datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "step": self.stage.value,
            "did": self.kind.value,
            "text": self.text,
            "report": dict(self.report) if self.report is not None else None,
            "next_run": timestamps.text(self.next_run) if self.next_run else None,
            "sas_until": timestamps.text(self.sas_until) if self.sas_until else None,
        }


Announce = Callable[[Progress], None]
