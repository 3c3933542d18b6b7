"""The look at all clusters that `status` tells of: what each target holds, judged by the schedule. Changes nothing."""

import datetime
import logging

from rotator import due, errors, manifest, moments, outlook, pending, schedule
from rotator.config import MARGIN
from rotator.interlock import Sighting
from rotator.manifest import Held
from rotator.report import Failed
from rotator.rotation import Run
from rotator.services import Services
from rotator.standing import Standing
from rotator.status import State, Status, TargetStatus
from rotator.targets import Plan, Target

logger = logging.getLogger(__name__)


def survey(plan: Plan, services: Services) -> Status:
    """Look at every target; what cannot be looked at is in the status, and fails nothing."""
    run = Run(plan, services, trigger="status", forced=False)
    standing, warnings = _standing(run, plan)
    sighting: Sighting = run.observe()
    now = services.clock()
    return Status(
        now=now,
        next_run=schedule.following(plan.schedule, now),
        interval=plan.longest,
        targets=tuple(judge(sighting[target], target, plan, now, standing) for target in plan.targets),
        warnings=plan.warnings + warnings,
    )


def judge(
    held: Held | Failed | None, target: Target, plan: Plan, now: datetime.datetime, standing: Standing | None = None
) -> TargetStatus:
    """Say how a target is, by what it holds; with `standing`, a Secret that was deleted is told as such."""
    name = str(target)
    if isinstance(held, Failed):
        foreign = held.error == errors.NotOursError.__name__
        text = "the Secret is somebody else's" if foreign else "the cluster could not be looked into"
        return TargetStatus(name, State.UNKNOWN, text, failure=held)
    why = due.reason(held, target, plan, now, standing)
    if held is None:
        return TargetStatus(name, State.DRIFT if why and due.is_drift(why) else State.MISSING, why or "")
    expires = _expiry(held, target)
    state, text = _state(held, expires, plan, now, why)
    annotations = held.annotations
    return TargetStatus(
        target=name,
        state=state,
        text=text,
        expires=expires,
        rotated=held.moment(manifest.ROTATED),
        signing_key=annotations.get(manifest.SIGNING_KEY),
        definition=annotations.get(manifest.DEFINITION),
        run=annotations.get(manifest.RUN),
    )


def _expiry(held: Held, target: Target) -> datetime.datetime | None:
    """When the SAS expires by what the Secret says, or by the SAS itself, where that is earlier."""
    said, found = held.moment(manifest.EXPIRES), manifest.held_sas(held, target)
    return min(said, found.expiry) if said and found else said


def _state(
    held: Held, expires: datetime.datetime | None, plan: Plan, now: datetime.datetime, why: str | None
) -> tuple[State, str]:
    rotated = held.moment(manifest.ROTATED)
    dead = why if why and due.is_dead(why) else None
    if dead or (held.ours and expires and expires <= now):
        return State.EXPIRED, dead or f"the SAS expired at {moments.text(expires or now)}"
    if why and due.is_drift(why):
        return State.DRIFT, why
    if expires is None or rotated is None:
        return State.MISSING, "the Secret is not ours yet: the next run takes it over"
    following = schedule.following(plan.schedule, now)
    # A firing leaves a SAS that is not half an interval old; the one after it must have come by then.
    if now - rotated > plan.longest + plan.fresh_for + MARGIN:
        return State.LATE, f"runs are up to {plan.longest} apart, and the last rotation was {moments.text(rotated)}"
    if expires < following + MARGIN:
        return State.LATE, f"the SAS expires at {moments.text(expires)}, and the next run is {moments.text(following)}"
    return State.FRESH, f"the next run replaces it: {why}" if why else "its SAS is fresh"


def _standing(run: Run, plan: Plan) -> tuple[Standing | None, tuple[str, ...]]:
    try:
        standing = run.issuing.standing()
        text = standing.stored.tags.get(pending.TAG)
        # As a run does, the keys are looked at where something was or may be done to them.
        if text or plan.key_rotation_period:
            standing = outlook.reading(run.issuing)
    except errors.RotatorError as error:  # the clusters can be looked into all the same
        return None, (f"the vault could not be asked: {error}",)
    words = f"a key rotation is not finished ({text}): the next run goes on with it"
    return standing, (words,) if text else ()
