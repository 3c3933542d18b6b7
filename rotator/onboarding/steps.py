"""The steps that onboarding reports, one line each, as values."""

import dataclasses
import enum


class StepOutcome(enum.Enum):
    """What onboarding did for a step; the value is the JSON field `did`."""

    CHECKED = "checked"
    UNCHANGED = "unchanged"
    WOULD = "would do"
    DONE = "done"


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of onboarding's output; `equivalent` is a shell command that does the same, or empty."""

    title: str
    outcome: StepOutcome
    text: str
    equivalent: str = ""
