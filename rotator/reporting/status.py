"""What the clusters hold now: how old and how fresh each target's SAS is, and whether that is as it should be."""

import dataclasses
import datetime
import enum
from typing import Any

from rotator import timestamps
from rotator.reporting.report import Failed


class State(enum.StrEnum):
    """How a target is."""

    FRESH = "fresh"
    LATE = "late"  # a run that should have replaced the SAS is over, or it expires before the next has had its chance
    DRIFT = "drift"  # somebody changed or deleted the Secret
    EXPIRED = "expired"  # its time is up, its key is gone, or storage refuses it
    MISSING = "missing"  # there is no Secret, and none was ever delivered
    UNKNOWN = "unknown"  # the cluster could not be looked into


@dataclasses.dataclass(frozen=True)
class LastKnown:
    """When a target's SAS expires, by the report of the last run that saw or made it, and when that run ended."""

    expires: datetime.datetime
    run: str
    reported: datetime.datetime

    def as_json(self, now: datetime.datetime) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "expires": timestamps.text(self.expires),
            "seconds_to_expiry": round((self.expires - now).total_seconds()),
            "run": self.run,
            "reported": timestamps.text(self.reported),
        }


@dataclasses.dataclass(frozen=True)
class TargetStatus:
    """What one target holds; None for what is not known.

    `last_known` is for a target that cannot be looked at, whose SAS lives on all the same.
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
        """Whether nobody needs to do anything."""
        return self.state is State.FRESH

    def as_json(self, now: datetime.datetime) -> dict[str, Any]:
        """Give it as JSON values; ages are in seconds."""
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
    """All targets at one time, and when the schedule fires next."""

    now: datetime.datetime
    next_run: datetime.datetime
    interval: datetime.timedelta
    targets: tuple[TargetStatus, ...]
    warnings: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether every target is."""
        return all(target.well for target in self.targets)

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values; times are ISO 8601 in UTC."""
        return {
            "now": timestamps.text(self.now),
            "next_run": timestamps.text(self.next_run),
            "interval_seconds": self.interval.total_seconds(),
            "well": self.well,
            "warnings": list(self.warnings),
            "targets": [target.as_json(self.now) for target in self.targets],
        }
