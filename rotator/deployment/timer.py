"""Looks whether the timer of an app that runs has a next moment, by the app's own status."""

import dataclasses
import datetime
from typing import Any

from rotator import timestamps, untrusted
from rotator.azure.errors import AppUnreachableError
from rotator.azure.function_endpoint import Answer
from rotator.deployment.errors import TimerSilentError
from rotator.deployment.interface import Endpoint
from rotator.deployment.progress import Announce, Progress, ProgressKind, Stage
from rotator.deployment.waiting import Wait, duration
from rotator.redaction import SecretText

FUNCTION = "status"
# Its record is written when the host has started, which may be later than its first answer to a request.
LONGEST_WAIT_SECONDS = 60.0
_PATH = "/api/status"
_MOST_MISSED = 3
_LEAST_RECORDED_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class _Look:
    """What one look found: the next moment if it lies ahead, and otherwise what is wrong."""

    now: datetime.datetime | None = None
    next_run: datetime.datetime | None = None
    sas_until: datetime.datetime | None = None
    problem: str = ""


def wait_for_next_run(endpoint: Endpoint, key: SecretText, wait: Wait, announce: Announce) -> None:
    """Wait until the timer's next moment lies ahead, and report it; raises TimerSilentError."""
    while True:
        found = _look(endpoint, key)
        if found.now and found.next_run:
            next_run = timestamps.with_distance(found.next_run, found.now)
            text = f"next run at {next_run}, {_sas(found.sas_until, found.now)}"
            done = Progress(Stage.TIMER, ProgressKind.DONE, text)
            return announce(dataclasses.replace(done, next_run=found.next_run, sas_until=found.sas_until))
        text = f"waiting for the timer's next moment: {found.problem}, {duration(wait.elapsed())}"
        announce(Progress(Stage.TIMER, ProgressKind.WAITING, text))
        if not wait.pause():
            raise TimerSilentError(f"the app runs, but {found.problem}")


def _look(endpoint: Endpoint, key: SecretText) -> _Look:
    try:
        answer = endpoint.ask("GET", _PATH, key)
    except AppUnreachableError as error:
        return _Look(problem=f"when its timer fires is not known: {error}")
    now = untrusted.iso_time(answer.value.get("now"))
    if now is None or "targets" not in answer.value:
        return _Look(problem=f"when its timer fires is not known: {_refusal(answer)}")
    timer = untrusted.mapping(answer.value.get("timer"))
    next_run = untrusted.iso_time(timer.get("next"))
    if not timer and _is_without_record(answer.value):
        next_run = untrusted.iso_time(answer.value.get("next_run"))
    if next_run is not None and next_run > now:
        return _Look(now, next_run, _first_expiry(answer.value))
    return _Look(problem=_problem(answer.value, timer, next_run))


def _is_without_record(status: dict[str, Any]) -> bool:
    """Whether the host keeps no record of the timer, as for every schedule under a minute: then the plan's is known."""
    interval = status.get("interval_seconds")
    return isinstance(interval, int | float) and interval < _LEAST_RECORDED_SECONDS


def _problem(status: dict[str, Any], timer: dict[str, Any], next_run: datetime.datetime | None) -> str:
    if not timer:
        warnings = [untrusted.one_line(text) for text in untrusted.strings(status.get("warnings"))]
        return "; ".join(["when its timer fires is not known", *warnings])
    if next_run is None:
        return "its timer has no next moment"
    recorded = [untrusted.one_line(text) for text in untrusted.strings(timer.get("missed"))]
    missed = recorded or [timestamps.text(next_run)]
    more = f" and {len(missed) - _MOST_MISSED} more" if len(missed) > _MOST_MISSED else ""
    return f"its timer should have fired at {', '.join(missed[:_MOST_MISSED])}{more} and did not"


def _refusal(answer: Answer) -> str:
    words = answer.value.get("message")
    return f"the app answers {answer.status}" + (f": {untrusted.one_line(words)}" if words else "")


def _first_expiry(status: dict[str, Any]) -> datetime.datetime | None:
    found = (untrusted.iso_time(target.get("expires")) for target in untrusted.records(status["targets"]))
    return min(filter(None, found), default=None)


def _sas(until: datetime.datetime | None, now: datetime.datetime) -> str:
    return f"SAS valid until {timestamps.with_distance(until, now)}" if until else "no target holds a SAS"
