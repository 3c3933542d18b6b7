"""Asks the app for a run of what is due, and waits for its report."""

import dataclasses
import enum
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rotator import errors, redaction, untrusted
from rotator.azure.errors import AppUnreachableError
from rotator.azure.function_endpoint import Answer
from rotator.deployment.errors import DeploymentError, RunNotAnsweredError, RunRefusedError
from rotator.deployment.interface import Endpoint
from rotator.deployment.progress import Announce, Progress, ProgressKind, Stage
from rotator.deployment.waiting import Wait, duration
from rotator.redaction import SecretText

FUNCTION = "rotate_now"
_PATH = "/api/rotate"
_LONGEST_TEXT = 4_000  # characters of a message of the app's
_REMEDIES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "The app's package is older than this command: deploy it again.",
    HTTPStatus.UNAUTHORIZED: (
        "The app does not accept its function's key: restart it, and run finish-deployment again. Something in front "
        "of the app may also ask for a sign-in of its own."
    ),
    HTTPStatus.FORBIDDEN: (
        "The app's access restrictions refuse this network, or the app is stopped: run finish-deployment from a "
        "network that may reach it, or start it."
    ),
    HTTPStatus.NOT_FOUND: (
        "The host does not know the function: look at its log, restart the app, and deploy again if that does not help."
    ),
}


class _Kind(enum.Enum):
    """What an answer is."""

    REPORT = enum.auto()
    BUSY = enum.auto()
    REFUSAL = enum.auto()
    NOTHING = enum.auto()  # of the app's own: the host or the platform answered


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """What came of one request: a report, or why it has to be repeated, and the error if it never succeeds."""

    report: Mapping[str, Any] | None = None
    waits_for: str = ""
    at_last: errors.RotatorError | None = None


def rotate_due(endpoint: Endpoint, key: SecretText, wait: Wait, announce: Announce) -> Mapping[str, Any]:
    """Ask for a run until there is its report, which is returned as JSON values; it may be of a run that failed.

    Raises BusyError, RunRefusedError, RunNotAnsweredError or AppUnreachableError.
    """
    announce(Progress(Stage.RUN, ProgressKind.WAITING, "waiting for a run of what is due"))
    while True:
        attempt = _attempt(endpoint, key)
        if attempt.report is not None:
            return attempt.report
        text = f"waiting for a run: {attempt.waits_for}, {duration(wait.elapsed())}"
        announce(Progress(Stage.RUN, ProgressKind.WAITING, text))
        if not wait.pause():
            raise attempt.at_last or DeploymentError(attempt.waits_for)


def _attempt(endpoint: Endpoint, key: SecretText) -> _Attempt:
    try:
        answer = endpoint.ask("POST", _PATH, key, {"only_due": True})
    except AppUnreachableError as error:
        if not error.transient:
            raise
        return _Attempt(waits_for=str(error), at_last=error)
    match _kind(answer):
        case _Kind.REPORT:
            return _Attempt(report=_report(answer.value))
        case _Kind.BUSY:
            busy = _busy(answer)
            return _Attempt(waits_for=str(busy), at_last=busy)
        case _Kind.REFUSAL:
            remedy = _text(answer, "remedy") or _REMEDIES.get(answer.status)
            raise RunRefusedError(_text(answer, "message"), remedy=remedy)
        case _Kind.NOTHING:
            words = f"the app answers {answer.status}"
            at_last = RunNotAnsweredError(f"{words} for {_PATH}", remedy=_REMEDIES.get(answer.status))
            return _Attempt(waits_for=words, at_last=at_last)


def _kind(answer: Answer) -> _Kind:
    value = answer.value
    if isinstance(value.get("run"), str) and isinstance(value.get("failed"), bool) and "targets" in value:
        return _Kind.REPORT
    if not isinstance(value.get("error"), str) or not isinstance(value.get("message"), str):
        return _Kind.NOTHING
    return _Kind.BUSY if answer.status == HTTPStatus.CONFLICT else _Kind.REFUSAL


def _report(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report of which every part has the type that it should have."""
    parts = {name: untrusted.mapping(value.get(name)) or None for name in ("key", "error")}
    key = parts["key"]
    if key is not None:
        key["failure"] = untrusted.mapping(key.get("failure")) or None
    return {**value, **parts, "targets": untrusted.records(value["targets"])}


def _busy(answer: Answer) -> errors.BusyError:
    holder, since = (_text(answer, name) for name in ("holder", "since"))
    return errors.BusyError(_text(answer, "message"), holder=holder, since=since)


def _text(answer: Answer, field: str) -> str:
    """Return a text of the app's without secrets."""
    return redaction.scrub_quotation(str(answer.value.get(field) or ""))[:_LONGEST_TEXT]
