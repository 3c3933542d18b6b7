"""What `status` reports: what each target holds, judged by the schedule and by storage. Changes nothing."""

import concurrent.futures
import dataclasses
import datetime
import logging
from collections.abc import Callable, Collection, Mapping

from rotator import errors, redaction, timestamps, untrusted
from rotator.azure.errors import StorageRefusedError
from rotator.delivery import held_values, live_secret
from rotator.delivery.errors import NotOursError
from rotator.delivery.live_secret import LiveSecret
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Prover
from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan, Target
from rotator.reporting import report
from rotator.reporting.report import Failed
from rotator.reporting.status import LastKnown, State, Status, TargetStatus
from rotator.rotation import due, state
from rotator.rotation.keys import task
from rotator.rotation.run import Observed, Run
from rotator.rotation.services import Services
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)

_AT_ONCE = 32  # requests to storage

LastKnownReader = Callable[[Collection[str]], Mapping[str, LastKnown]]
"""Returns what the reports of earlier runs have about these targets; raises ArchiveError."""


def read(plan: Plan, services: Services, recall: LastKnownReader | None = None) -> Status:
    """Read every target. One that cannot be read fails nothing: the status has what `recall` still knows of it."""
    run = Run(plan, services, trigger=report.Trigger.STATUS, forced=False)
    account_state, warnings = _account_state(run, plan)
    observed: Observed = run.observe()
    refusals, untried = _try_all(run, plan, services, observed)
    now = services.clock()
    judged = [
        status_of(observed[each], each, plan, now, account_state, refused=refusals.get(each)) for each in plan.targets
    ]
    targets, forgotten = with_last_known(judged, now, recall)
    return Status(
        now=now,
        next_run=schedule.following(plan.schedule, now),
        interval=plan.longest_interval,
        targets=targets,
        warnings=plan.warnings + warnings + untried + forgotten,
    )


def with_last_known(
    targets: Collection[TargetStatus], now: datetime.datetime, recall: LastKnownReader | None
) -> tuple[tuple[TargetStatus, ...], tuple[str, ...]]:
    """Add what was last known to targets that could not be read, and a warning where that cannot be read either."""
    unseen = [each.target for each in targets if _unread(each)]
    if not unseen or recall is None:
        return tuple(targets), ()
    try:
        found = recall(unseen)
    except errors.RotatorError as error:
        return tuple(targets), (f"what was last known of targets cannot be read: {error}",)
    return tuple(_with_last_known(each, found.get(each.target), now) for each in targets), ()


def _unread(target: TargetStatus) -> bool:
    """Whether the Secret could not be read; one that belongs to somebody else could."""
    failed = target.failure is not None and target.failure.error != NotOursError.code
    return target.state is State.UNKNOWN and failed


def _with_last_known(target: TargetStatus, known: LastKnown | None, now: datetime.datetime) -> TargetStatus:
    if known is None or not _unread(target):
        return target
    ends = "expired" if known.expires <= now else "expires"
    when = timestamps.with_distance(known.expires, now)
    text = f"{target.text}; by what was last known its SAS {ends} at {when}, as run {known.run} reported"
    return dataclasses.replace(target, text=text, last_known=known)


def status_of(
    held: LiveSecret | Failed | None,
    target: Target,
    plan: Plan,
    now: datetime.datetime,
    account_state: AccountState | None = None,
    *,
    refused: Failed | None = None,
) -> TargetStatus:
    """Derive a target's status from what it holds, and from storage's refusal of that where it `refused`.

    An account state distinguishes a deleted Secret from one that never existed.
    """
    name = str(target)
    if isinstance(held, Failed):
        return _unseen(held, target, account_state)
    why = due.find(held, target, plan, now, account_state)
    if held is None:
        return TargetStatus(name, State.DRIFT if why and why.drift else State.MISSING, why.text if why else "")
    expires = _expiry(held, target)
    key_only = held_values.has_account_key(held) and held_values.held_sas(held, target) is None
    state, text = _state(held, expires, plan, now, why, key_only=key_only)
    if refused and state is not State.EXPIRED:
        more = f"; {why}" if why and why.drift else ""
        state, text = State.EXPIRED, f"storage refuses its SAS: rotate now, by HTTP or with --force{more}"
    else:
        refused = None
    annotations = held.annotations
    return TargetStatus(
        target=name,
        state=state,
        text=text,
        expires=expires,
        rotated=held.annotated_time(live_secret.ROTATED),
        signing_key=annotations.get(live_secret.SIGNING_KEY),
        definition=annotations.get(live_secret.DEFINITION),
        run=annotations.get(live_secret.RUN),
        failure=refused,
    )


def _unseen(failure: Failed, target: Target, account_state: AccountState | None) -> TargetStatus:
    if failure.error != NotOursError.code:
        return TargetStatus(str(target), State.UNKNOWN, "the cluster could not be read", failure=failure)
    if account_state is None or not state.was_delivered(account_state.entries, target):
        return TargetStatus(str(target), State.UNKNOWN, "the Secret is somebody else's", failure=failure)
    remedy = (
        "Find out who replaced it. Once it is deleted the next run creates ours again; "
        f"with {target.assignment('adopt', 'true')} it takes this one over."
    )
    text = "drift: somebody replaced the Secret, by one that runs leave alone"
    return TargetStatus(str(target), State.DRIFT, text, failure=dataclasses.replace(failure, remedy=remedy))


def _expiry(held: LiveSecret, target: Target) -> datetime.datetime | None:
    """Return when the SAS expires; where the Secret holds none, what its annotation says."""
    found = held_values.held_sas(held, target) if held.ours else None
    return found.expiry if found else held.annotated_time(live_secret.EXPIRES)


def _state(
    held: LiveSecret,
    expires: datetime.datetime | None,
    plan: Plan,
    now: datetime.datetime,
    why: due.Due | None,
    *,
    key_only: bool,
) -> tuple[State, str]:
    """Judge a Secret; with `key_only` it has no SAS but an account key, which does not expire."""
    rotated = held.annotated_time(live_secret.ROTATED)
    if held.ours and expires and expires <= now and not key_only:
        return State.EXPIRED, f"the SAS expired at {timestamps.text(expires)}"
    if why and why.cause is due.Cause.KEY_REGENERATED:
        return State.EXPIRED, why.text
    if why and why.drift:
        return State.DRIFT, why.text
    if expires is None or rotated is None or not held.ours:
        return State.MISSING, "the Secret is not ours yet: the next run takes it over"
    late = _overdue(rotated, expires, plan, now)
    if late:
        return State.LATE, late
    return State.FRESH, f"the next run replaces it: {why}" if why else "its SAS is fresh"


def _overdue(rotated: datetime.datetime, expires: datetime.datetime, plan: Plan, now: datetime.datetime) -> str | None:
    # A run leaves alone what is younger than `fresh_for`; the first one after that replaces it.
    replaced = schedule.following(plan.schedule, rotated + plan.fresh_for)
    if now > replaced + MARGIN:
        return f"the run at {timestamps.text(replaced)} should have replaced the SAS of {timestamps.text(rotated)}"
    return due.expires_before_next_run(expires, plan, now)


def _try_all(
    run: Run, plan: Plan, services: Services, observed: Observed
) -> tuple[dict[Target, Failed], tuple[str, ...]]:
    """Try on storage what the targets hold, if ROTATION_PROVE is set and storage's endpoint is known."""
    endpoint = _endpoint(run, plan) if plan.prove else None
    if endpoint is None:
        return {}, ()
    found = {
        target: held_values.held_sas(held, target)
        for target, held in observed.items()
        if isinstance(held, LiveSecret) and held.ours
    }
    now = services.clock()
    living = {target: sas for target, sas in found.items() if sas and sas.expiry > now}
    with Stopwatch().step(Step.PROVE):
        return refusals(living, services.prover, endpoint)


def _endpoint(run: Run, plan: Plan) -> str | None:
    try:
        return plan.account.blob_endpoint or run.account.endpoint()
    except errors.RotatorError:  # the vault does not answer; a warning says so
        return None


def _account_state(run: Run, plan: Plan) -> tuple[AccountState | None, tuple[str, ...]]:
    try:
        account_state = run.account.state()
        # As in a run, the keys are listed only where they may be regenerated.
        if task.is_possible(plan, run.account, scheduled=True):
            account_state = run.account.with_keys_if_allowed()
    except errors.RotatorError as error:  # the clusters can be read without it
        return None, (f"{run.services.issuer.name} could not be read: {error}",)
    return account_state, _unfinished(account_state) + run.account.warnings


def _unfinished(account_state: AccountState) -> tuple[str, ...]:
    before = state.readable_pending(account_state.entries)
    if before is None:
        return ()
    by = untrusted.one_line(before.run)
    return (f"a key rotation is not finished ({before.operation}, by run {by}): the next run resumes it",)


def refusals(held: Mapping[Target, Sas], prover: Prover, endpoint: str) -> tuple[dict[Target, Failed], tuple[str, ...]]:
    """Return the targets whose SAS storage refuses, and warnings where it does not judge one.

    Targets of one run hold the same SAS, which is tried once; others are tried at the same time.
    """
    distinct: list[Sas] = []
    for each in held.values():
        if each not in distinct:  # not in a set: a secret has no hash
            distinct.append(each)
    if not distinct:
        return {}, ()
    with concurrent.futures.ThreadPoolExecutor(min(len(distinct), _AT_ONCE), "prove") as pool:
        answers = list(pool.map(lambda each: _try_on_storage(each, prover, endpoint), distinct))
    by_target = {target: answers[distinct.index(each)] for target, each in held.items()}
    refused = {target: answer for target, answer in by_target.items() if isinstance(answer, Failed)}
    return refused, tuple(dict.fromkeys(answer for answer in answers if isinstance(answer, str)))


def _try_on_storage(sas: Sas, prover: Prover, endpoint: str) -> Failed | str | None:
    """Return storage's refusal, or a warning where it does not judge the SAS."""
    try:
        prover.prove(sas, endpoint)
    except StorageRefusedError as error:
        found = report.failure(error)
        return Failed(found.error, redaction.scrub(error.refusal), found.remedy)
    except Exception as error:  # noqa: BLE001  # the status has the rest
        return f"what the targets hold was not tried on storage: {report.failure(error).message}"
    return None
