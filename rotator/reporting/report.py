"""The report of a run: an outcome for each target, and its JSON form, which holds no secret.

The JSON fields are documented in docs/schema.
"""

import dataclasses
import datetime
import enum
from typing import Any, ClassVar

from rotator import errors, redaction, timestamps
from rotator.azure.host_storage.lease import Holder
from rotator.plan.tolerance import Tolerance


@dataclasses.dataclass(frozen=True)
class Rotated:
    """The target holds a new SAS, which was read back and compared.

    With `drift`, somebody had changed or deleted the Secret. The digests are of its data after and before. By
    `correlation_id` storage's logs name a user delegation SAS.
    """

    kind: ClassVar[str] = "rotated"
    reason: str
    act: str
    fingerprint: str
    expires: datetime.datetime
    definition: str
    digest: str
    previous_digest: str | None
    proof: str
    signing_key: str | None = None
    drift: bool = False
    correlation_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Unchanged:
    """The target holds a fresh SAS already."""

    kind: ClassVar[str] = "unchanged"
    reason: str
    expires: datetime.datetime | None
    rotated: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class WouldRotate:
    """The target would get a new SAS, by a plan, which changes nothing."""

    kind: ClassVar[str] = "due"
    reason: str
    drift: bool = False


@dataclasses.dataclass(frozen=True)
class Failed:
    """The target did not get its new SAS; the message says what it holds."""

    kind: ClassVar[str] = "failed"
    error: str
    message: str
    remedy: str


Outcome = Rotated | Unchanged | WouldRotate | Failed


@dataclasses.dataclass(frozen=True)
class TargetReport:
    """One target's outcome, its warnings, and how long each step took, in seconds.

    `expires` is the expiry of the SAS that the target holds, if it was read; after a failure that is the former one.
    """

    target: str
    strategy: str
    outcome: Outcome
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    expires: datetime.datetime | None = None


class Trigger(enum.StrEnum):
    """What starts a run, or reads as one does."""

    TIMER = "timer"
    HTTP = "http"
    CLI = "cli"
    ALERT = "alert"  # Azure Monitor calls, as the timer has not fired
    WORKFLOW = "workflow"  # a scheduled workflow elsewhere
    PLAN = "plan"  # a preview
    STATUS = "status"
    CHECK = "check"

    @property
    def scheduled(self) -> bool:
        """Whether a schedule starts the run, which nobody waits for, and which does what the timer would do."""
        return self in {Trigger.TIMER, Trigger.ALERT, Trigger.WORKFLOW}


# What reports of earlier versions do not have, and what that means.
ADDED_FIELDS = {"past_due": False, "late_seconds": None, "interrupted": None, "tolerance": None}


class KeyOutcome(enum.StrEnum):
    """What became of an operation on the account's keys."""

    DONE = "done"
    DUE = "due"  # in a preview
    WAITING = "waiting"  # until every SAS of the key has expired
    UNFINISHED = "unfinished"  # the next run resumes it
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class KeyReport:
    """What a run did to the account's keys.

    `regenerated` are the keys that this run regenerated, `remaining` those still to be
    regenerated, `cut_off` the targets whose SAS may have been invalidated, `proofs` how storage refused the former SAS.
    """

    operation: str
    outcome: KeyOutcome
    reason: str
    active_key: str | None = None
    regenerated: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    cut_off: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    failure: Failed | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        texts = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return texts | {"failure": dataclasses.asdict(self.failure) if self.failure else None}


@dataclasses.dataclass(frozen=True)
class Report:
    """What one run did, or, in a plan, would do.

    `asked_by` is who or what started it, `interval` the longest time between two scheduled runs. With `error` the run
    was refused or broke off; `targets` are then those that it had reached. `past_due` and `late` are the timer's:
    whether the host says that it missed a time, and by how much the run began late. `interrupted` is a run before this
    one that did not end, `tolerance` in a plan how many runs may fail. `definition_changed` is None in a plan whose
    issuer has no SAS definition.
    """

    run: str
    trigger: Trigger
    forced: bool
    started: datetime.datetime
    finished: datetime.datetime
    targets: tuple[TargetReport, ...]
    definition_changed: bool | None = False
    warnings: tuple[str, ...] = ()
    key: KeyReport | None = None
    asked_by: str = ""
    interval: datetime.timedelta | None = None
    error: Failed | None = None
    past_due: bool = False
    late: datetime.timedelta | None = None
    interrupted: Holder | None = None
    tolerance: Tolerance | None = None

    @property
    def failed(self) -> bool:
        """Whether any target failed, or the key rotation, or the run as a whole."""
        keys_failed = bool(self.key and self.key.outcome in {KeyOutcome.UNFINISHED, KeyOutcome.FAILED})
        return self.error is not None or self.targets_failed or keys_failed

    @property
    def targets_failed(self) -> bool:
        """Whether any target failed."""
        return any(isinstance(target.outcome, Failed) for target in self.targets)

    def counts(self) -> str:
        """The number of targets by outcome, for a log line or an exception; or the error of the run as a whole."""
        kinds = [target.outcome.kind for target in self.targets]
        counted = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
        if self.error:
            return self.error.error
        return ", ".join([*counted, f"{self.key.operation} {self.key.outcome}"] if self.key else counted)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values; times are ISO 8601 in UTC."""
        return {
            "run": self.run,
            "trigger": self.trigger,
            "asked_by": self.asked_by,
            "forced": self.forced,
            "started": _text(self.started),
            "finished": _text(self.finished),
            "interval_seconds": self.interval.total_seconds() if self.interval else None,
            "failed": self.failed,
            "error": dataclasses.asdict(self.error) if self.error else None,
            "definition_changed": bool(self.definition_changed),
            "warnings": list(self.warnings),
            "key": self.key.as_json() if self.key else None,
            "targets": [_target(target) for target in self.targets],
            "past_due": self.past_due,
            "late_seconds": round(self.late.total_seconds(), 3) if self.late is not None else None,
            "interrupted": self.interrupted.as_json() if self.interrupted else None,
            "tolerance": self.tolerance.as_json() if self.tolerance else None,
        }


def failure(error: BaseException) -> Failed:
    """Return the outcome for an error; for one of another library, its class and its scrubbed message."""
    if isinstance(error, errors.RotatorError):
        return Failed(error.code, redaction.scrub(str(error)), error.remedy)
    words = redaction.scrub(f"{type(error).__name__}: {error}")
    return Failed(errors.UnexpectedError.__name__, words, errors.UnexpectedError.remedy)


def _target(target: TargetReport) -> dict[str, Any]:
    outcome = {field.name: _text(getattr(target.outcome, field.name)) for field in dataclasses.fields(target.outcome)}
    if isinstance(target.outcome, Failed):
        outcome["expires"] = _text(target.expires)
    return {
        "target": target.target,
        "strategy": target.strategy,
        "outcome": target.outcome.kind,
        **outcome,
        "warnings": list(target.warnings),
        "seconds": {step: round(seconds, 3) for step, seconds in target.seconds.items()},
    }


def _text(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return timestamps.text(value)
    return value
