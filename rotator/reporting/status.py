"""The status of each target: the SAS that it holds now, its age and expiry, and whether somebody must act."""

import dataclasses
import datetime
import enum
from typing import Any

from rotator import timestamps
from rotator.plan.timer import Timer
from rotator.reporting.report import Failed


class State(enum.StrEnum):
    """The state of a target."""

    FRESH = "fresh"
    LATE = "late"  # a scheduled run has not replaced the SAS, or it expires before the next run is over
    DRIFT = "drift"  # somebody changed or deleted the Secret
    EXPIRED = "expired"  # by its time; or its key was regenerated, or storage refuses it
    MISSING = "missing"  # there is no Secret, and none was ever delivered
    UNKNOWN = "unknown"  # the cluster could not be read


@dataclasses.dataclass(frozen=True)
class LastKnown:
    """When a target's SAS expires, by the last run that read or issued it, and that run's end as `reported`."""

    expires: datetime.datetime
    run: str
    reported: datetime.datetime

    def as_json(self, now: datetime.datetime) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "expires": timestamps.text(self.expires),
            "seconds_to_expiry": round((self.expires - now).total_seconds()),
            "run": self.run,
            "reported": timestamps.text(self.reported),
        }


@dataclasses.dataclass(frozen=True)
class TargetStatus:
    """What one target holds; None for what is not known.

    `last_known` is for a target that cannot be read: its SAS may still be valid.
    """

    target: str
    state: State
    text: str
    expires: datetime.datetime | None = None
    rotated: datetime.datetime | None = None
    signing_key: str | None = None
    definition: str | None = None
    run: str | None = None
    failure: Failed | None = None
    last_known: LastKnown | None = None

    @property
    def well(self) -> bool:
        """Whether nobody needs to act."""
        return self.state is State.FRESH

    def as_json(self, now: datetime.datetime) -> dict[str, Any]:
        """Return it as JSON values; ages are in seconds."""
        return {
            "target": self.target,
            "state": self.state.value,
            "text": self.text,
            "expires": timestamps.text(self.expires) if self.expires else None,
            "seconds_to_expiry": round((self.expires - now).total_seconds()) if self.expires else None,
            "rotated": timestamps.text(self.rotated) if self.rotated else None,
            "age_seconds": round((now - self.rotated).total_seconds()) if self.rotated else None,
            "signing_key": self.signing_key,
            "definition": self.definition,
            "run": self.run,
            "failure": dataclasses.asdict(self.failure) if self.failure else None,
            "last_known": self.last_known.as_json(now) if self.last_known else None,
        }


@dataclasses.dataclass(frozen=True)
class Status:
    """All targets at one time, when the schedule fires next, and what the host's record says of the timer.

    `timer` is None where it is not known.
    """

    now: datetime.datetime
    next_run: datetime.datetime
    interval: datetime.timedelta
    targets: tuple[TargetStatus, ...]
    warnings: tuple[str, ...] = ()
    timer: Timer | None = None

    @property
    def well(self) -> bool:
        """Whether every target is well; a timer that is silent is a warning."""
        return all(target.well for target in self.targets)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are ISO 8601 in UTC."""
        return {
            "now": timestamps.text(self.now),
            "next_run": timestamps.text(self.next_run),
            "interval_seconds": self.interval.total_seconds(),
            "well": self.well,
            "warnings": list(self.warnings),
            "targets": [target.as_json(self.now) for target in self.targets],
            "timer": self.timer.as_json() if self.timer else None,
        }
