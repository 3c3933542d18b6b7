"""From settings to a run: what each trigger and command calls.

The functions here load the plan, sign in, take the run's lock, and run with the services that `wiring.py` makes. One
run at a time: in this process by a lock, beyond it by a lease in the host storage.
"""

import contextlib
import dataclasses
import datetime
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rotator import errors, event_log, redaction, wiring
from rotator.azure.errors import LeaseUnavailableError
from rotator.azure.host_storage.lease import Holder
from rotator.checks import runner
from rotator.checks.findings import Checkup
from rotator.event_log import Event
from rotator.issuers.interface import PROOF_SECONDS
from rotator.plan import issuer_change, loader, tolerance
from rotator.plan.plan import Plan, Target
from rotator.reporting import publish
from rotator.reporting import report as reports
from rotator.reporting.report import Report, TargetReport, Trigger
from rotator.reporting.status import LastKnown, Status
from rotator.reporting.timer import TimerReader, TimerReading
from rotator.rotation import lock, readiness, target_status
from rotator.rotation.keys import delegation
from rotator.rotation.keys import rotate as key_rotation
from rotator.rotation.keys import task as key_task
from rotator.rotation.request import Firing, Request
from rotator.rotation.run import Run
from rotator.rotation.services import utc_now
from rotator.rotation.state import Operation

if TYPE_CHECKING:
    from rotator.azure.identity import TokenCredential
    from rotator.checks.move import Move
    from rotator.deployment.finish import Deployment
    from rotator.deployment.progress import Announce
    from rotator.onboarding.onboard import Onboarding
    from rotator.onboarding.request import OnboardingRequest
    from rotator.onboarding.steps import Step
    from rotator.plan.account import IssuerKind
    from rotator.plan.resource_id import ResourceId
    from rotator.reporting.archive import Archive

logger = logging.getLogger(__name__)

_LEAST_RECALL = datetime.timedelta(days=2)  # so that the status can also report a SAS that expired since


def rotate(
    *,
    trigger: Trigger,
    asked_by: str = "",
    forced: bool = False,
    operation: Operation | None = None,
    lease: bool = True,
    firing: Firing | None = None,
    environment: Mapping[str, str] = os.environ,
    proof_seconds: float = PROOF_SECONDS,
) -> Report:
    """Rotate the targets that are due, or run an operation on the account's keys: see `Request`.

    Raises SettingsError or BusyError before anything is done, and a RotatorError when an operation on the keys is
    refused. Other failures are in the report.
    """
    request = Request(trigger, asked_by or trigger, forced, operation, lease, proof_seconds, firing=firing or Firing())
    with _under_way(request, environment):
        return _rotate_plan(_load(request, environment), request, environment)


def rotate_if_missed(
    *, trigger: Trigger, asked_by: str = "", environment: Mapping[str, str] = os.environ
) -> Report | None:
    """Do what the timer would do, if the schedule's time has come since the last run; None if it has not.

    So whoever calls, and however often: there is one run for each scheduled time, and none is forced. A run that was
    killed is made up for at once. Raises what `rotate` does.
    """
    request = Request(trigger, asked_by or trigger, if_missed=True)
    with _under_way(request, environment):
        plan = _load(request, environment)
        with wiring.signed_in(plan.client_id) as credential:
            try:
                last = lock.last_run(plan, environment, credential)
            except LeaseUnavailableError:  # as for the timer, that stops no rotation
                last = lock.last_run_here()
        if not readiness.is_missed(plan, utc_now(), last):
            return None
        try:
            return _rotate_plan(plan, request, environment)
        except _NotMissedError:  # another caller was first
            return None


class _NotMissedError(errors.RotatorError):
    """A run was only wanted if one was missed, and none was."""


def _load(request: Request, environment: Mapping[str, str]) -> Plan:
    """Load the plan for a run; settings that are refused are reported as a run that was refused."""
    try:
        return loader.load(environment)
    except errors.SettingsError as error:
        publish.log_and_measure(request.failure_report(error))
        raise


def rotate_plan(plan: Plan, request: Request, environment: Mapping[str, str] = os.environ) -> Report:
    """Do what `rotate` does, for a plan that is loaded already."""
    with _under_way(request, environment):
        return _rotate_plan(plan, request, environment)


@contextlib.contextmanager
def _under_way(request: Request, environment: Mapping[str, str]) -> Iterator[None]:
    _prepare_logs()
    with event_log.of_run(request.run), _reporting(request.trigger, "rotate", environment), _scrubbed_errors():
        yield


@dataclasses.dataclass
class _Progress:
    """What is known of a run that may break off: each target's report, and what was found with the lock."""

    reported: dict[Target, TargetReport] = dataclasses.field(default_factory=dict)
    interrupted: Holder | None = None
    warnings: tuple[str, ...] = ()


def _rotate_plan(plan: Plan, request: Request, environment: Mapping[str, str]) -> Report:
    progress = _Progress()
    with wiring.signed_in(plan.client_id, unattended=request.trigger.scheduled) as credential:
        try:
            report = _run(plan, request, environment, credential, progress)
        except errors.BusyError as error:
            event_log.log(logger, logging.WARNING, Event.RUN_BUSY, reason=error)
            raise
        except _NotMissedError:
            raise
        except BaseException as error:
            ended = error if isinstance(error, Exception) else errors.InterruptedRunError()
            failed = request.failure_report(
                ended,
                plan.longest_interval,
                tuple(progress.reported.values()),
                interrupted=progress.interrupted,
                warnings=progress.warnings,
            )
            publish.publish(failed, plan, environment, credential)
            raise
        return publish.publish(report, plan, environment, credential)


def _run(
    plan: Plan,
    request: Request,
    environment: Mapping[str, str],
    credential: "TokenCredential",
    progress: _Progress,
) -> Report:
    with (
        lock.acquire(plan, request, environment, credential) as run_lock,
        wiring.services(
            plan, credential, run_lock, environment=environment, proof_seconds=request.proof_seconds
        ) as services,
    ):
        if request.if_missed and not readiness.is_missed(plan, utc_now(), run_lock.before):
            raise _NotMissedError("no run was missed")
        progress.interrupted, progress.warnings = run_lock.interrupted, run_lock.warnings
        run = Run(
            plan,
            services,
            trigger=request.trigger,
            asked_by=request.asked_by,
            forced=request.forced and request.operation is None,
            name=request.run,
            warnings=run_lock.warnings,
            reported=progress.reported,
        )
        done = carry_out(run, request)
        run_lock.completed()
        return request.complete(done, run_lock.interrupted)


def carry_out(run: Run, request: Request) -> Report:
    """Do what was requested. The account's keys enter where it names an operation, or one may be pending or due."""
    if not run.services.issuer.capabilities.account_keys:
        done = delegation.carry_out(run, request.operation, forced=request.forced)
        return dataclasses.replace(done, forced=request.forced)
    if request.operation is not None:
        done = key_rotation.run_operation(run, request.operation, forced=request.forced)
        return dataclasses.replace(done, forced=request.forced)
    scheduled = request.trigger.scheduled
    if key_task.is_possible(run.plan, run.account, scheduled=scheduled):
        return key_rotation.rotate_and_resume(run, scheduled=scheduled)
    return run.rotate()


def plan(*, forced: bool = False, environment: Mapping[str, str] = os.environ) -> Report:
    """Report what a rotation would do. Changes nothing. Raises SettingsError or a VaultError."""
    with (
        _signed_in(environment) as (found, credential),
        wiring.services(found, credential, environment=environment) as services,
    ):
        run = Run(found, services, trigger=Trigger.PLAN, forced=forced)
        key = _preview_of_keys(run)
        report = run.preview()
        warnings = run.account.state().warnings
        now = services.clock()
        held = [each.expires for each in report.targets if each.expires and each.expires > now]
        tolerated = tolerance.of(found, now, min(held, default=None))
    return dataclasses.replace(report, key=key, warnings=report.warnings + warnings, tolerance=tolerated)


def _preview_of_keys(run: Run) -> reports.KeyReport | None:
    if not run.services.issuer.capabilities.account_keys:
        return delegation.preview(run.account)
    if key_task.is_possible(run.plan, run.account, scheduled=True):
        return key_task.preview(run.plan, run.account, run.services.clock())
    return None


def status(*, environment: Mapping[str, str] = os.environ) -> Status:
    """Read what every target holds. Changes nothing. Raises SettingsError."""
    with (
        _signed_in(environment, Trigger.STATUS) as (found, credential),
        # A wall screen asks each minute. A SAS that was accepted before its delivery needs no retries.
        wiring.services(found, credential, environment=environment, proof_seconds=2.0, quick=True) as services,
    ):
        reader = TimerReader(found, environment, credential)
        targets = target_status.read(found, services, _archive_reader(found, environment, credential))
        reading = reader.result(targets.now)
    return dataclasses.replace(targets, warnings=targets.warnings + reading.warnings, timer=reading.timer)


def _archive_reader(
    plan: Plan, environment: Mapping[str, str], credential: "TokenCredential"
) -> target_status.LastKnownReader | None:
    """Return a reader of the reports that were kept; None where none are kept."""
    if plan.report_container is None:
        return None

    def recall(targets: Collection[str]) -> Mapping[str, LastKnown]:
        from rotator.reporting import archive as adapter

        # An older report knows only of SAS that have expired since.
        since = datetime.datetime.now(datetime.UTC) - max(2 * plan.grant.validity, _LEAST_RECALL)
        with adapter.opened(plan, environment, credential, retry_total=0) as kept:
            return kept.last_known(targets, since)

    return recall


def runs_come_as_scheduled(*, environment: Mapping[str, str] = os.environ) -> bool:
    """Look up in the host storage whether a run is overdue. Raises SettingsError or LeaseUnavailableError."""
    with _signed_in(environment) as (plan, credential):
        last, now = lock.last_run(plan, environment, credential), utc_now()
        # Before the first run, the host's timer says when it is due.
        timer = None if last.ended else TimerReader(plan, environment, credential).result(now).timer
        return not readiness.is_overdue(plan, now, last, timer.next if timer else None)


is_ready = readiness.Readiness(runs_come_as_scheduled)


def check(
    *,
    announce: runner.Progress | None = None,
    environment: Mapping[str, str] = os.environ,
    proof_seconds: float | None = None,
) -> Checkup:
    """Check every step of a rotation. Changes nothing. Raises SettingsError."""
    with _signed_in(environment, Trigger.CHECK) as (found, credential):
        from rotator.checks import checkup

        seconds = checkup.PROOF_SECONDS if proof_seconds is None else proof_seconds
        with wiring.check_context(found, credential, environment, proof_seconds=seconds) as context:
            return checkup.check(context, announce or runner.NoProgress())


def move_preview(issuer: "IssuerKind", *, environment: Mapping[str, str] = os.environ) -> "Move":
    """Look up what a move to another issuer takes. Changes nothing. Raises SettingsError."""
    from rotator.checks import move
    from rotator.checks.remedies import Remedies

    _prepare_logs()
    with _scrubbed_errors():
        former = issuer_change.former_plan(environment)
        with wiring.signed_in(former.client_id) as credential:
            account = wiring.storage_account_id(former, credential)
            change = issuer_change.propose(environment, former, issuer, account)
            command = Remedies(former, environment).change(change.settings)
            if change.plan is None:
                return move.preview(change, None, command)
            with wiring.check_context(change.plan, credential, environment, proof_seconds=0) as context:
                return move.preview(change, context, command)


def history(
    limit: int, since: datetime.datetime, *, environment: Mapping[str, str] = os.environ
) -> tuple[list[dict[str, Any]], TimerReading]:
    """Read the newest reports, newest first, and when the timer fired. Raises SettingsError or ArchiveError."""
    with _signed_in(environment) as (found, credential):
        from rotator.reporting import archive as adapter

        with adapter.opened(found, environment, credential) as kept:
            reader = TimerReader(found, environment, credential)
            return kept.recent(limit, since), reader.result(utc_now())


@contextlib.contextmanager
def archive(*, environment: Mapping[str, str] = os.environ) -> "Iterator[Archive]":
    """Open the archive of reports; raises SettingsError when the settings name no place for it."""
    with _signed_in(environment) as (found, credential):
        from rotator.reporting import archive as adapter

        with adapter.opened(found, environment, credential) as kept:
            yield kept


@contextlib.contextmanager
def _signed_in(
    environment: Mapping[str, str], trigger: Trigger | None = None
) -> "Iterator[tuple[Plan, TokenCredential]]":
    """Load the plan and sign in, for what only reads; with a trigger, telemetry reports it. Raises SettingsError."""
    _prepare_logs()
    with _reporting(trigger, trigger, environment) if trigger else contextlib.nullcontext(), _scrubbed_errors():
        found = loader.load(environment)
        with wiring.signed_in(found.client_id) as credential:
            yield found, credential


def _reporting(
    trigger: Trigger, command: str, environment: Mapping[str, str]
) -> contextlib.AbstractContextManager[None]:
    from rotator.reporting import application_insights

    return application_insights.reporting(environment, trigger=trigger, command=command)


@contextlib.contextmanager
def onboarding(
    request: "OnboardingRequest", report: "Callable[[Step], None]", on_wait: Callable[[str], None]
) -> "Iterator[Onboarding]":
    """Return an onboarding that is wired to Azure and the master, as whoever is signed in.

    `report` gets each step, `on_wait` a line when a new permission is waited for.
    """
    _prepare_logs()
    with wiring.onboarding(request, report, on_wait) as wired:
        yield wired


@contextlib.contextmanager
def deployment(
    function_app: "ResourceId",
    announce: "Announce",
    *,
    seconds: float,
    environment: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> "Iterator[Deployment]":
    """Return the end of a deployment that is wired to Azure, as whoever is signed in; raises SettingsError.

    `announce` gets each line; each step may take `seconds`.
    """
    _prepare_logs()
    with _scrubbed_errors():
        url = loader.resource_manager(environment)
        with wiring.deployment(url, function_app, announce, seconds=seconds, sleep=sleep) as wired:
            yield wired


@contextlib.contextmanager
def _scrubbed_errors() -> Iterator[None]:
    """Raise any foreign exception as an UnexpectedError with a scrubbed message: its own may hold a secret."""
    try:
        yield
    except errors.RotatorError:
        raise
    except Exception as error:
        failed = reports.failure(error)
        event_log.log(logger, logging.ERROR, Event.RUN_FAILED, **dataclasses.asdict(failed), exc_info=error)
        raise errors.UnexpectedError(failed.message) from error


def _prepare_logs() -> None:
    redaction.install()
    # Each vault request and SSH packet would be a line at the level of the rotator's own events.
    # What these libraries log as errors is raised and reported here anyway.
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "paramiko"):
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            library.setLevel(logging.CRITICAL)
