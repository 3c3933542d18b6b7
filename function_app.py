"""The triggers, and nothing more: timer, a second way to fire, manual rotation, revocation, check, status, health.

Only azure.functions is imported here; the SDKs come with the first run, which keeps indexing and cold start short.
"""

import datetime
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import azure.functions as func

from rotator.plan import schedule

if TYPE_CHECKING:
    from rotator.reporting.report import Report, Trigger

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
logger = logging.getLogger("rotator.functions")

# The host refuses a function whose %SETTING% is missing, but the schedule has a default.
SCHEDULE = "%ROTATION_SCHEDULE%" if os.environ.get("ROTATION_SCHEDULE", "").strip() else schedule.DEFAULT


@app.function_name("rotate_on_schedule")
@app.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False, use_monitor=True)
def rotate_on_schedule(timer: func.TimerRequest) -> None:
    """Rotate what is due. A failed target fails the invocation, so that the host and alerts see it."""
    from rotator import app as rotator
    from rotator import errors
    from rotator.reporting.report import Trigger
    from rotator.rotation.request import Firing

    if timer.past_due:
        logger.warning("the timer is past due: a run was missed or comes late")
    # The type of the programming model has only a part of what the worker hands over.
    firing = Firing.from_host(getattr(timer, "schedule_status", None), past_due=timer.past_due)
    try:
        report = rotator.rotate(trigger=Trigger.TIMER, asked_by="timer", firing=firing)
    except errors.BusyError:
        return  # the run in progress does the work; the log says so
    except errors.RotatorError as error:
        # The host logs the whole chain of exceptions, whose words may hold anything.
        raise error from None
    if report.failed:
        raise errors.RotationFailedError(f"run {report.run}: {report.counts()}; the log holds its report")


@app.function_name("rotate_due")
@app.route(route="rotate-due", methods=["POST"])
def rotate_due(req: func.HttpRequest) -> func.HttpResponse:
    """Do what the timer missed: what is due, at most once for each scheduled time, whoever calls. No detail is told."""
    from rotator import app as rotator
    from rotator import errors

    trigger, asked_by = _caller_of_due(req)
    if trigger is None:
        return _answer(200, {"status": "not due"})
    try:
        report = rotator.rotate_if_missed(trigger=trigger, asked_by=asked_by)
    except errors.BusyError as error:
        return _answer(error.http_status, {"status": "busy"})
    except errors.RotatorError:  # reported, as any run's failure
        return _answer(500, {"status": "failed"})
    if report is None:
        return _answer(200, {"status": "not due"})
    return _answer(502 if report.failed else 200, {"status": "failed" if report.failed else "done"})


@app.function_name("rotate_now")
@app.route(route="rotate", methods=["POST"])
def rotate_now(req: func.HttpRequest) -> func.HttpResponse:
    """Force a rotation; `{"only_due": true}` rotates what is due; `{"regenerate_key": true}` runs a key rotation.

    With `"force": true` the key rotation runs even if a SAS dies.
    """
    return _run_and_answer(req, {"regenerate_key", "force", "only_due"}, _rotate)


@app.function_name("revoke_now")
@app.route(route="revoke", methods=["POST"])
def revoke_now(req: func.HttpRequest) -> func.HttpResponse:
    """Regenerate both keys after a leak; with `{"force": true}` also if a target cannot be reached."""
    return _run_and_answer(req, {"force"}, _revoke)


@app.function_name("check")
@app.route(route="check", methods=["POST"])
def check(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # the binding's name must be a parameter
    """Check every step of a rotation: 200, or 502 when one would fail, 500 for bad settings."""
    from rotator import app as rotator
    from rotator import errors

    try:
        checkup = rotator.check()
    except errors.RotatorError as error:
        return _answer(error.http_status, error.as_json())
    return _answer(502 if checkup.failed else 200, checkup.as_json())


@app.function_name("status")
@app.route(route="status", methods=["GET"])
def status(req: func.HttpRequest) -> func.HttpResponse:
    """Report what every target holds: 200, or 503 when one needs attention; `?format=html` is for people, and 200."""
    from rotator import app as rotator
    from rotator import errors
    from rotator.reporting import report, status_page

    if req.params.get("format", "json") not in {"json", "html"}:
        return _answer(400, {"error": "BadRequest", "message": "format must be json or html"})
    html = req.params.get("format") == "html"
    try:
        found = rotator.status()
    except errors.RotatorError as error:
        if not html:
            return _answer(error.http_status, error.as_json())
        page = status_page.render_failure(report.failure(error), datetime.datetime.now(datetime.UTC))
        return func.HttpResponse(page.body, status_code=error.http_status, headers=page.headers, mimetype="text/html")
    if not html:
        return _answer(200 if found.well else 503, found.as_json())
    page = status_page.render(found)
    return func.HttpResponse(page.body, status_code=200, headers=page.headers, mimetype="text/html")


@app.function_name("health")
@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # the binding's name must be a parameter
    """Answer that the app is up, and nothing else, to anybody."""
    return _answer(200, {"status": "ok"})


@app.function_name("ready")
@app.route(route="ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # the binding's name must be a parameter
    """Answer 200 while runs come as scheduled, 503 while one is overdue; nothing else, to anybody."""
    from rotator import app as rotator

    return _answer(200, {"status": "ok"}) if rotator.is_ready() else _answer(503, {"status": "unavailable"})


class _BadRequestError(Exception):
    """The request's body is wrong; the text is for the caller."""


def _run_and_answer(
    req: func.HttpRequest, known: set[str], action: "Callable[[dict[str, bool], str], Report]"
) -> func.HttpResponse:
    """Answer 200 done, 400 bad body, 409 one is running, 412 refused, 500 settings or vault, 502 a target failed."""
    from rotator import errors

    try:
        report = action(_options(req.get_body(), known), _caller(req.headers))
    except _BadRequestError as error:
        return _answer(400, {"error": "BadRequest", "message": str(error)})
    except errors.RotatorError as error:
        return _answer(error.http_status, error.as_json())
    return _answer(502 if report.failed else 200, report.as_json())


def _caller(headers: "Mapping[str, str]") -> str:
    """Who made the request. Only App Service's own authentication keeps callers from setting this header themselves."""
    signed_in = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    name = headers.get("X-MS-CLIENT-PRINCIPAL-NAME") if signed_in else None
    return name[:200] if name else "a function key"


def _rotate(options: dict[str, bool], caller: str) -> "Report":
    from rotator import app as rotator
    from rotator.reporting.report import Trigger
    from rotator.rotation.state import Operation

    force, only_due = options.get("force", False), options.get("only_due", False)
    if only_due and (force or options.get("regenerate_key")):
        raise _BadRequestError("only_due goes with no other field")
    if options.get("regenerate_key"):
        return rotator.rotate(trigger=Trigger.HTTP, asked_by=caller, operation=Operation.REGENERATE, forced=force)
    if "force" in options:
        raise _BadRequestError("force goes with regenerate_key; every other rotation by HTTP is a forced one")
    return rotator.rotate(trigger=Trigger.HTTP, asked_by=caller, forced=not only_due)


def _caller_of_due(req: func.HttpRequest) -> "tuple[Trigger | None, str]":
    """Return what calls, by its body, and its name for the report; None for an alert's message that all is well again.

    https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
    """
    from rotator import untrusted
    from rotator.reporting.report import Trigger

    body = untrusted.mapping(untrusted.json_value(req.get_body()))
    if body.get("schemaId") == "azureMonitorCommonAlertSchema":
        essentials = untrusted.mapping(untrusted.mapping(body.get("data")).get("essentials"))
        resolved = essentials.get("monitorCondition") == "Resolved"
        return (None if resolved else Trigger.ALERT), "an alert"
    if body.get("trigger") == Trigger.WORKFLOW:
        return Trigger.WORKFLOW, "a workflow"
    return Trigger.HTTP, _caller(req.headers)


def _revoke(options: dict[str, bool], caller: str) -> "Report":
    from rotator import app as rotator
    from rotator.reporting.report import Trigger
    from rotator.rotation.state import Operation

    return rotator.rotate(
        trigger=Trigger.HTTP, asked_by=caller, operation=Operation.REVOKE, forced=options.get("force", False)
    )


def _options(body: bytes, known: set[str]) -> dict[str, bool]:
    """Read a body that is empty, or a JSON object of these fields, each true or false."""
    try:
        options = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise _BadRequestError("the body must be empty or a JSON object")
    if set(options) - known:
        raise _BadRequestError(f"the body has unknown fields: {', '.join(sorted(set(options) - known))[:200]}")
    if not all(isinstance(value, bool) for value in options.values()):
        raise _BadRequestError(f"the fields {', '.join(sorted(options))} must be true or false")
    return options


def _answer(status: int, body: dict[str, Any]) -> func.HttpResponse:
    from rotator import redaction

    # A last barrier: what is in there is scrubbed, or holds no secret, already.
    return func.HttpResponse(json.dumps(redaction.scrubbed(body)), status_code=status, mimetype="application/json")
