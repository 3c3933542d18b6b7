"""The triggers, and nothing more: timer, manual rotation, health.

Only azure.functions is imported here; the SDKs come with the first run, which keeps indexing and cold start short.
"""

import json
import logging
import os
from typing import Any

import azure.functions as func

from rotator import schedule

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
logger = logging.getLogger("rotator.functions")

# The host refuses a function whose %SETTING% is missing, but the schedule has a default.
SCHEDULE = "%ROTATION_SCHEDULE%" if os.environ.get("ROTATION_SCHEDULE", "").strip() else schedule.DEFAULT


@app.function_name("rotate_on_schedule")
@app.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False, use_monitor=True)
def rotate_on_schedule(timer: func.TimerRequest) -> None:
    """Rotate what is due; a failed target fails the invocation, so that retry and alerts see it."""
    from rotator import app as rotator
    from rotator import errors

    if timer.past_due:
        logger.warning("the timer is past due: a run was missed or comes late")
    try:
        report = rotator.rotate(trigger="timer", forced=False)
    except errors.BusyError as error:
        logger.warning("%s: this firing is left to it", error)
        return
    if report.failed:
        raise errors.RotationFailedError(f"run {report.run}: {report.counts()}; the log holds its report")


@app.function_name("rotate_now")
@app.route(route="rotate", methods=["POST"])
def rotate_now(req: func.HttpRequest) -> func.HttpResponse:
    """Force a rotation: 200 done, 400 bad body, 409 one is running, 500 bad settings, 502 a target failed."""
    from rotator import app as rotator
    from rotator import errors

    problem = _problem(req.get_body())
    if problem:
        return _answer(400, {"error": "BadRequest", "message": problem})
    try:
        report = rotator.rotate(trigger="http", forced=True)
    except errors.RotatorError as error:
        status = 409 if isinstance(error, errors.BusyError) else 500
        return _answer(status, error.as_json())
    return _answer(502 if report.failed else 200, report.as_json())


@app.function_name("health")
@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # the binding's name must be a parameter
    """Say that the app is up, and nothing else to whoever asks."""
    return _answer(200, {"status": "ok"})


def _problem(body: bytes) -> str | None:
    """Say what is wrong with a request's body: it is to be empty or an empty JSON object."""
    try:
        wish = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return "the body must be empty or a JSON object"
    if not isinstance(wish, dict):
        return "the body must be empty or a JSON object"
    return f"the body has unknown fields: {', '.join(sorted(wish))[:200]}" if wish else None


def _answer(status: int, body: dict[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")
