"""Checks the function app's own storage: whether a run can take the lease and save its report there, and the timer.

The Functions host keeps its record of the timer there.
"""

from rotator import errors
from rotator.azure.errors import BY_FIREWALL, HostStorageError
from rotator.azure.host_storage.timer_record import TimerRecord
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import PlanCheck, Results
from rotator.plan import timer
from rotator.plan.plan import Plan

_WITHOUT_ROLE = "AuthorizationPermissionMismatch"
_SETTING = "AzureWebJobsStorage__accountName"
_IN_AZURE = (
    "WEBSITE_SITE_NAME"  # App Service sets it: https://learn.microsoft.com/azure/app-service/reference-app-settings
)
_RUN_BOOK = "the run-book 'Timer silent' in docs/operations.md"


class HostStorageCheck(PlanCheck[None]):
    """A check that sends requests to the app's own storage."""

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return what lets this network, or whoever opens it, into the storage."""
        storage = self.context.host_storage
        if storage is None or storage.blob_url is None or not isinstance(error, HostStorageError):
            return ""
        if error.storage_code == BY_FIREWALL:
            return self.context.remedies.through_storage_firewall(storage.blob_url)
        if error.storage_code == _WITHOUT_ROLE:
            return self.context.remedies.blob_owner(storage.blob_url, storage.whoami())
        return ""

    def report_unset(self, text: str, report: Reporter) -> None:
        """Report that the settings name no storage; `text` says what that means."""
        command = self.context.remedies.setting(_SETTING, "<account>")
        report(self.severity, text, f"Set {_SETTING}.", command)


class LeaseAvailable(HostStorageCheck):
    """A run can take the lease, which keeps two runs apart."""

    name = "lease"

    @property
    def severity(self) -> Level:
        """A plain rotation runs without a lease; a key rotation does not."""
        return Level.FAILURE if self.plan.account.key_rotation_period is not None else Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Read who holds the lease, and check that this identity could acquire it; does not acquire it."""
        results.require(SignedIn)
        if self.context.host_storage is None:
            text = "the app has no storage of its own: nothing keeps two runs apart, and no key is regenerated"
            self.report_unset(text, report)
            return
        holder = self.context.host_storage.holder()
        if holder:
            report(Level.WARNING, f"a run is in progress: {holder}", "Wait for it to end.")
        else:
            report(Level.OK, "a run can take it: none is in progress")


class ReportsWritable(HostStorageCheck):
    """A run can save its report."""

    name = "reports"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether reports are saved."""
        return bool(plan.report_container)

    @property
    def severity(self) -> Level:
        """A rotation succeeds without its report."""
        return Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Check whether the container exists, and that blobs may be written to it."""
        results.require(SignedIn)
        if self.context.host_storage is None:
            name = self.plan.origin("report_container")
            self.report_unset(f"{name} is set, but the app has no storage of its own for it", report)
            return
        where = "exists" if self.context.host_storage.container() else "does not exist yet, the next run creates it"
        report(Level.OK, f"container {self.plan.report_container} {where}; blobs may be written to it")


class TimerFires(HostStorageCheck):
    """The timer fires when the schedule says so, by the Functions host's own record."""

    name = "timer"

    @property
    def severity(self) -> Level:
        """A rotation by HTTP or in a terminal needs no timer."""
        return Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Read when it fired, and report which times of the schedule it missed since.

        Reports nothing where no storage is set, which `lease` reports.
        """
        results.require(SignedIn)
        if self.context.host_storage is None:
            return
        if not timer.keeps_record(self.plan.schedule):
            report(Level.OK, "of a timer that fires more than once a minute the host keeps no record")
            return
        found = self.context.host_storage.timer()
        for warning in found.warnings:
            report(Level.WARNING, warning, "The host writes it again when the timer fires; if it does not, delete it.")
        if found.record:
            self._report_record(found.record, report)
        elif not found.warnings:
            self._report_unrecorded(report)

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what lets this network, or whoever opens it, into the storage, unless `lease` has that already."""
        results.require(LeaseAvailable)
        return super().command(error, results)

    def _report_record(self, record: TimerRecord, report: Reporter) -> None:
        now = self.context.clock()
        observed = timer.observe(record.last, record.next, self.plan.schedule, now)
        summary, missed = observed.summary(now), observed.missed_text(now)
        if observed.silent:
            remedy = f"Rotate now, by HTTP or with `python -m rotator rotate`; then follow {_RUN_BOOK}."
            report(Level.WARNING, f"{missed}; it {summary}", remedy)
        else:
            report(Level.OK, summary)

    def _report_unrecorded(self, report: Reporter) -> None:
        """Report that there is no record, which a host makes when it starts the timer."""
        if self.context.environment.get(_IN_AZURE):
            schedule = self.plan.origin("schedule")
            remedy = f"Check {schedule}, and whether the app's functions are listed: {_RUN_BOOK}."
            report(Level.WARNING, "the host has no record of the timer, so it never started it", remedy)
        else:
            report(Level.OK, "no host has recorded a timer here yet")
