"""How many scheduled runs may fail before a SAS expires, and whether an alert that calls the app comes in time."""

import dataclasses
import datetime
from typing import Any

from rotator import timestamps
from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan

# The alert "Timer silent: call" (infra/app/alerts.bicep) waits fifteen minutes for a late run, is evaluated every five,
# and its call may meet an instance that has to start.
CALL_DELAY = datetime.timedelta(minutes=25)
LOOKS_BACK = datetime.timedelta(days=1)  # with runs further apart no alert can watch them
_MOST_RUNS = 100


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What a SAS that is valid until `expires` tolerates.

    `failed_runs` in a row may fail (100 means at least as many). The run at `last_run` is the last one in time, ten
    minutes before. `called_after` is how long after its last firing a timer that stopped is made up for by the alert;
    None where no alert can watch the schedule. `called_in_time`: whether the SAS is still valid if it stops now.
    """

    failed_runs: int
    last_run: datetime.datetime
    expires: datetime.datetime
    called_after: datetime.timedelta | None
    called_in_time: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are ISO 8601 in UTC."""
        return {
            "failed_runs": self.failed_runs,
            "last_run": timestamps.text(self.last_run),
            "expires": timestamps.text(self.expires),
            "called_after_seconds": self.called_after.total_seconds() if self.called_after else None,
            "called_in_time": self.called_in_time,
        }

    def sentences(self) -> tuple[str, ...]:
        """Return it for people: what may fail, and what an alert does about a timer that stops."""
        many = {0: "no", _MOST_RUNS: "100 or more"}.get(self.failed_runs, str(self.failed_runs))
        times = "run" if self.failed_runs in {0, 1} else "runs in a row"
        failing = (
            f"{many} scheduled {times} may fail: the last one in time is at {timestamps.text(self.last_run)}, "
            f"and help must come before {timestamps.text(self.expires)}, when a SAS expires"
        )
        return failing, self._call()

    def _call(self) -> str:
        if self.called_after is None:
            return "no alert watches for a timer that stops, as it looks back two days only"
        minutes = round(self.called_after.total_seconds() / 60)
        within = f"{minutes} min after its last firing"
        if self.called_in_time:
            return f"if the timer stops, the alert 'Timer silent: call', where it is deployed, rotates within {within}"
        return f"if the timer stops, the alert 'Timer silent: call' would come too late: up to {within}"


def of(plan: Plan, now: datetime.datetime, expires: datetime.datetime | None = None) -> Tolerance:
    """Return what the plan tolerates from now on; by default of a SAS that is issued now."""
    until = expires or timestamps.after(now, plan.grant.validity)
    runs = _runs_in_time(plan, now, until - MARGIN)
    after = plan.longest_interval + CALL_DELAY if plan.longest_interval <= LOOKS_BACK else None
    return Tolerance(
        failed_runs=max(runs - 1, 0),
        last_run=schedule.latest(plan.schedule, until - MARGIN),
        expires=until,
        called_after=after,
        called_in_time=after is not None and now + after < until,
    )


def _runs_in_time(plan: Plan, now: datetime.datetime, until: datetime.datetime) -> int:
    """Count the scheduled times up to `until`; 101 at most."""
    count = 0
    following = schedule.following(plan.schedule, now)
    while following <= until and count <= _MOST_RUNS:
        count += 1
        following = schedule.following(plan.schedule, following)
    return count
