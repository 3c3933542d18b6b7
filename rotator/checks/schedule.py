"""Checks how much the schedule and the validity of a SAS forgive: runs that fail, and a timer that stops."""

from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import PlanCheck, Results
from rotator.plan import tolerance


class FailuresTolerated(PlanCheck[None]):
    """How many runs may fail before a SAS expires, and whether an alert could call in time."""

    name = "failing runs"

    def run(self, _results: Results, report: Reporter) -> None:
        """Report it for a SAS that is issued now."""
        found = tolerance.of(self.plan, self.context.clock())
        runs, call = found.sentences()
        report(Level.OK, f"of a SAS that is issued now, {runs}")
        if found.called_in_time or found.called_after is None:
            report(Level.OK, call)
            return
        validity = self.plan.grant.origin("validity")
        schedule = self.plan.origin("schedule")
        report(Level.WARNING, call, f"Set a longer {validity}, or let {schedule} fire more often.")
