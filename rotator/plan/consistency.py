"""How values of the plan fit together: what would let a SAS expire too early, or a key die too soon.

Each value comes with its origin, by which messages name it.
"""

import dataclasses
import datetime
from typing import Generic, TypeVar

from isodate import duration_isoformat as _text

from rotator.plan import ncrontab, schedule
from rotator.plan.plan import Plan

# A SAS must outlive the next run by this: kubelet takes up to 90 s to update a mounted Secret, clocks differ, and a run
# takes time (https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically).
MARGIN = datetime.timedelta(minutes=10)
TIME_ZONE = "WEBSITE_TIME_ZONE"
_UTC_NAMES = ("UTC", "ETC/UTC", "GMT", "ETC/GMT")
_SUMMER_TIME = datetime.timedelta(hours=1)
_USUAL_KEY_AGE = datetime.timedelta(days=90)

_V = TypeVar("_V")


@dataclasses.dataclass(frozen=True)
class Written(Generic[_V]):
    """A value that is valid by itself, and its origin."""

    value: _V
    origin: str


def problems_of_expiry(validity: Written[datetime.timedelta], times: Written[str]) -> list[str]:
    """What is wrong if a SAS expires before the next run replaces it."""
    _, longest = schedule.intervals(times.value)
    minimum = longest + MARGIN
    if validity.value >= minimum:
        return []
    swapped = _backward_ranges(times.value)
    return [
        f"{validity.origin} is too short: runs of {times.origin} are up to {_text(longest)} apart, so a SAS must live "
        f"at least {_text(minimum)}, or it expires before it is replaced; for example {_text(longest + minimum)}"
        + (f". In {times.origin} {swapped}" if swapped else "")
    ]


def problems_of_key_rotation(
    period: Written[datetime.timedelta], validity: Written[datetime.timedelta], times: Written[str]
) -> list[str]:
    """What is wrong if a key is regenerated while a SAS that it signed may still be valid."""
    _, longest = schedule.intervals(times.value)
    minimum = validity.value + longest + MARGIN
    if period.value >= minimum:
        return []
    return [
        f"{period.origin} is too short: a key may be regenerated only when every SAS that it signed has expired, "
        f"which takes {_text(minimum)} with this {validity.origin} and {times.origin}; "
        f"for example {_text(max(minimum, _USUAL_KEY_AGE))}"
    ]


def warnings(plan: Plan, time_zone: str) -> list[str]:
    """What a plan that works is better without; `time_zone` is the Functions host's, empty if it has none."""
    return _forgeable_pins(plan) + _short_validity(plan) + _swapped_ranges(plan) + _shifted_schedule(plan, time_zone)


def _forgeable_pins(plan: Plan) -> list[str]:
    return [
        f"{cluster.origin('fingerprints')}: {pin} is MD5, which can be forged; pin the SHA256 fingerprint instead"
        for cluster in plan.clusters
        for pin in cluster.fingerprints
        if pin.weak
    ]


def _short_validity(plan: Plan) -> list[str]:
    grant, longest = plan.grant, plan.longest_interval
    if grant.validity >= 2 * longest + MARGIN:
        return []
    return [
        f"{grant.origin('validity')} ({_text(grant.validity)}) is too short to outlive one failed run: with runs up to "
        f"{_text(longest)} apart, that takes {_text(2 * longest + MARGIN)} or more"
    ]


def _swapped_ranges(plan: Plan) -> list[str]:
    swapped = _backward_ranges(plan.schedule)
    return [f"{plan.origin('schedule')}: {swapped}"] if swapped else []


def _shifted_schedule(plan: Plan, time_zone: str) -> list[str]:
    """Warn where the host may run the schedule at other times than its reader, or this app, expects.

    https://learn.microsoft.com/azure/azure-functions/functions-app-settings#website_time_zone
    """
    if not time_zone or time_zone.upper() in _UTC_NAMES:
        return []
    words = (
        f"{TIME_ZONE} is set, but the rotator reads {plan.origin('schedule')} in UTC: Flex Consumption and Linux "
        "Consumption do not support this setting; other plans run the schedule in that time zone, and then the "
        "reported next run is wrong. Remove it, and write the schedule in UTC"
    )
    grant, minimum = plan.grant, plan.longest_interval + _SUMMER_TIME + MARGIN
    if grant.validity < minimum:
        words += (
            f". {grant.origin('validity')} is too short for the hour that is added when its summer time ends: it "
            f"should be at least {_text(minimum)}"
        )
    return [words]


def _backward_ranges(expression: str) -> str:
    """A warning about the ranges that run backwards, empty if there are none; the expression must be valid."""
    ranges = [
        (item, "-".join(reversed(item.partition("/")[0].split("-")))) for item in ncrontab.backward_ranges(expression)
    ]
    return "; ".join(
        f"{item} runs backwards, and NCRONTAB swaps its ends ({swapped}): write a list, or two ranges"
        for item, swapped in ranges
    )
