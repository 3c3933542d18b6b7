"""How a target is, by arithmetic on what its Secret says, each state up to the second at which it changes."""

import dataclasses
import datetime
from collections.abc import Collection

import pytest

from rotator.azure.errors import ArchiveError, VaultForbiddenError
from rotator.delivery import live_secret, manifest
from rotator.delivery.errors import UnreachableError
from rotator.delivery.live_secret import Document
from rotator.issuers.account_state import AccountState
from rotator.plan import schedule
from rotator.plan.consistency import MARGIN
from rotator.redaction import SecretText
from rotator.reporting.report import Failed
from rotator.reporting.status import LastKnown, State, TargetStatus
from rotator.rotation import due, state, target_status
from tests.fakes.examples import CLUSTER, LABEL, NOW, TARGET, TOKEN, delivered, document, held, lasting, plan, token
from tests.fakes.services import Killed
from tests.fakes.world import FAR, World

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
EVERY_30_MINUTES = plan()
EXPIRY = NOW + 4 * HOUR
KNOWN = AccountState(entries=state.with_delivery({}, TARGET), validity=4 * HOUR)
NEVER = AccountState(validity=4 * HOUR)
RUN = "20260701T120000Z-abc123"


def judged(
    found: Document | None, now: datetime.datetime = NOW, account_state: AccountState | None = None
) -> TargetStatus:
    return target_status.status_of(held(found) if found else None, TARGET, EVERY_30_MINUTES, now, account_state)


def test_a_secret_that_says_more_than_its_sas_holds_is_not_believed() -> None:
    found = judged(delivered(**{live_secret.EXPIRES: "2030-01-01T00:00:00Z"}), EXPIRY)
    assert (found.state, found.expires) == (State.EXPIRED, EXPIRY)


def test_a_fresh_secret_is_told_with_all_that_it_says() -> None:
    assert judged(delivered(**{live_secret.SIGNING_KEY: "key2"}), NOW + MINUTE) == TargetStatus(
        target="default/storage-sas@master.example.com",
        state=State.FRESH,
        text="its SAS is fresh",
        expires=EXPIRY,
        rotated=NOW,
        signing_key="key2",
        definition=LABEL,
        run=RUN,
    )


@pytest.mark.parametrize(
    ("since", "state"),
    [
        (datetime.timedelta(0), State.FRESH),
        (29 * MINUTE, State.FRESH),
        (30 * MINUTE + MARGIN, State.FRESH),
        (30 * MINUTE + MARGIN + SECOND, State.LATE),
        (3 * HOUR, State.LATE),
    ],
)
def test_it_is_late_once_the_next_rotation_is_ten_minutes_overdue(since: datetime.timedelta, state: State) -> None:
    assert judged(lasting(NOW + 48 * HOUR), NOW + since).state is state


@pytest.mark.parametrize(
    ("expires", "state"),
    [
        (NOW + 30 * MINUTE + MARGIN, State.FRESH),
        (NOW + 30 * MINUTE + MARGIN - SECOND, State.LATE),
        (NOW + SECOND, State.LATE),
        (NOW, State.EXPIRED),
        (NOW - HOUR, State.EXPIRED),
    ],
)
def test_it_is_late_when_the_sas_hardly_outlives_the_next_run(expires: datetime.datetime, state: State) -> None:
    assert judged(lasting(expires)).state is state


def test_a_run_that_finds_the_sas_fresh_still_need_not_have_replaced_it() -> None:
    """One that was rotated at 12:16, by HTTP or late, is 14 minutes old at 12:30, and replaced at 13:00."""
    looked = lasting(NOW + 48 * HOUR, NOW + 16 * MINUTE)
    assert judged(looked, NOW + HOUR + MARGIN).state is State.FRESH
    assert judged(looked, NOW + HOUR + MARGIN + SECOND).state is State.LATE


@pytest.mark.parametrize("minutes", ["*/30", "5", "0,20", "7-59/13"])
@pytest.mark.parametrize("hand", [0, 16])
@pytest.mark.parametrize("jitter", [0, 9])
def test_no_healthy_schedule_makes_anything_late(minutes: str, hand: int, jitter: int) -> None:
    """Runs that come up to nine minutes after their firing, after a rotation by hand at any time.

    Looked at a second before each run, when what is held is oldest, and right after it.
    """
    wanted = plan(schedule=f"0 {minutes} * * * *")
    now, firing = NOW + hand * MINUTE, schedule.following(wanted.schedule, NOW)
    looked = held(lasting(now + 48 * HOUR, now))
    while now < NOW + 4 * HOUR:
        now = max(now, firing + jitter * MINUTE)
        assert target_status.status_of(looked, TARGET, wanted, now - SECOND).state is State.FRESH
        firing = schedule.following(wanted.schedule, now)
        if due.find(looked, TARGET, wanted, now):
            looked = held(lasting(now + 48 * HOUR, now))
        assert target_status.status_of(looked, TARGET, wanted, now).state is State.FRESH


def test_runs_that_were_missed_are_late_long_before_the_longest_interval_is_over() -> None:
    """Of the weekdays' runs those of Tuesday and Wednesday did not come."""
    monday = datetime.datetime(2026, 7, 6, 6, tzinfo=datetime.UTC)
    weekdays = plan(schedule="0 0 6 * * 1-5")
    looked = held(lasting(monday + 80 * HOUR, monday))
    hours = (24, 25, 54)
    states = [target_status.status_of(looked, TARGET, weekdays, monday + after * HOUR).state for after in hours]
    assert states == [State.FRESH, State.LATE, State.LATE]


def test_both_ways_to_be_late_say_why() -> None:
    overdue = judged(lasting(NOW + 48 * HOUR), NOW + HOUR)
    assert overdue.text == "the run at 2026-07-01T12:30:00Z should have replaced the SAS of 2026-07-01T12:00:00Z"
    ending = judged(lasting(NOW + 35 * MINUTE))
    assert ending.text == "the SAS expires at 2026-07-01T12:35:00Z, and the next run is at 2026-07-01T12:30:00Z"


def test_a_fresh_secret_that_the_next_run_replaces_says_why() -> None:
    aged = judged(delivered(), NOW + 20 * MINUTE)
    assert (aged.state, aged.text) == (State.FRESH, "the next run replaces it: the SAS is 20 min old")
    assert judged(delivered(**{live_secret.DEFINITION: "other@1"})).text == (
        "the next run replaces it: the SAS definition was changed"
    )


def test_an_expired_sas_is_told_before_anything_else() -> None:
    expired = judged(document({"secretKey": "changed"}, annotations=delivered()["metadata"]["annotations"]), EXPIRY)
    assert (expired.state, expired.text) == (State.EXPIRED, "the SAS expired at 2026-07-01T16:00:00Z")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"secretKey": "changed"}, "drift: somebody changed the value"),
        ({"other": TOKEN}, "drift: somebody removed the data key"),
        ({}, "drift: somebody removed the data key"),
    ],
)
def test_a_secret_that_somebody_changed_is_drift(data: dict[str, str], why: str) -> None:
    found = judged(document(data, annotations=delivered()["metadata"]["annotations"]), NOW + MINUTE)
    assert (found.state, found.text, found.run) == (State.DRIFT, why, RUN)


@pytest.mark.parametrize("annotation", [live_secret.EXPIRES, live_secret.ROTATED])
@pytest.mark.parametrize("text", [None, "yesterday", "2026-07-01T12:00:00"])
def test_a_secret_of_ours_that_no_longer_says_how_old_it_is_is_drift(annotation: str, text: str | None) -> None:
    found = judged(delivered(**{annotation: text}), NOW + MINUTE)
    assert (found.state, found.text) == (State.DRIFT, "drift: the Secret does not say how old its SAS is")


def test_a_missing_secret_is_drift_once_there_was_one() -> None:
    assert judged(None) == TargetStatus(str(TARGET), State.MISSING, "there is no Secret yet")
    assert judged(None, account_state=NEVER).state is State.MISSING
    gone = judged(None, account_state=KNOWN)
    assert (gone.state, gone.text) == (State.DRIFT, "drift: somebody deleted the Secret")


def test_somebody_elses_secret_is_drift_once_there_was_ours() -> None:
    foreign = document({"secretKey": "theirs"})
    assert judged(foreign).state is State.MISSING
    assert judged(foreign, account_state=NEVER).state is State.MISSING
    replaced = judged(foreign, account_state=KNOWN)
    assert (replaced.state, replaced.text) == (State.DRIFT, "drift: somebody replaced the Secret")


def test_a_secret_of_somebody_else_s_that_is_left_alone_is_drift_in_the_place_of_ours() -> None:
    failure = Failed("NotOursError", "it belongs to Helm", "Choose another KUBERNETES_SECRET_NAME.")
    found = target_status.status_of(failure, TARGET, EVERY_30_MINUTES, NOW, KNOWN)
    assert (found.state, found.failure and found.failure.message) == (State.DRIFT, "it belongs to Helm")
    assert found.failure
    assert "deleted" in found.failure.remedy
    assert "KUBERNETES_SECRET_ADOPT=true" in found.failure.remedy
    assert target_status.status_of(failure, TARGET, EVERY_30_MINUTES, NOW, NEVER).state is State.UNKNOWN


def test_a_target_that_cannot_be_looked_at_is_unknown_with_the_remedy() -> None:
    failure = Failed("UnreachableError", "master.example.com does not answer", "Check the network.")
    found = target_status.status_of(failure, TARGET, EVERY_30_MINUTES, NOW)
    assert found == TargetStatus(str(TARGET), State.UNKNOWN, "the cluster could not be read", failure=failure)


def test_a_secret_that_may_not_be_touched_is_told_as_such() -> None:
    failure = Failed("NotOursError", "it was not made by this tool", "Set KUBERNETES_SECRET_ADOPT=true.")
    assert target_status.status_of(failure, TARGET, EVERY_30_MINUTES, NOW).text == "the Secret is somebody else's"


@pytest.mark.parametrize("state", list(State))
def test_only_a_fresh_target_is_well(state: State) -> None:
    assert TargetStatus("default/storage-sas@m", state, "why").well is (state is State.FRESH)


def test_what_is_drift_for_a_status_is_drift_for_the_next_run() -> None:
    for found in (None, document({"secretKey": "theirs"}), document({"secretKey": "x"}, annotations=_annotations())):
        looked = held(found) if found else None
        why = due.find(looked, TARGET, EVERY_30_MINUTES, NOW + MINUTE, KNOWN)
        assert why
        assert why.drift
        assert judged(found, NOW + MINUTE, KNOWN).state is State.DRIFT


def _annotations() -> dict[str, str]:
    annotations: dict[str, str] = delivered()["metadata"]["annotations"]
    return annotations


def test_over_a_weekend_without_runs_a_secret_is_fresh_until_monday() -> None:
    friday = datetime.datetime(2026, 7, 3, 18, tzinfo=datetime.UTC)
    weekdays = plan(schedule="0 0 18 * * 1-5")
    looked = held(lasting(friday + 120 * HOUR, friday))
    states = [
        target_status.status_of(looked, TARGET, weekdays, friday + hours * HOUR).state for hours in (1, 71, 72, 73)
    ]
    assert states == [State.FRESH, State.FRESH, State.FRESH, State.LATE]


# A whole survey


def test_a_survey_tells_each_target_and_the_next_run() -> None:
    world = World(TARGET, FAR).settled()
    found = target_status.read(world.plan, world.services)
    assert [(each.target, each.state) for each in found.targets] == [(str(TARGET), State.LATE), (str(FAR), State.LATE)]
    assert found.next_run == world.clock() + 30 * MINUTE
    assert found.interval == 30 * MINUTE
    assert found.warnings == world.plan.warnings


def test_a_survey_changes_nothing() -> None:
    world = World().settled()
    before = world.master.secrets["storage-sas"], world.vault.tags
    target_status.read(world.plan, world.services)
    assert world.calls.made("store", "mint", "write", "regenerate") == []
    assert before == (world.master.secrets["storage-sas"], world.vault.tags)


def test_one_master_that_is_out_of_reach_hides_no_other() -> None:
    world = World(TARGET, FAR)
    assert not world.rotate().failed
    world.network.failing["far"] = UnreachableError("far does not answer")
    found = target_status.read(world.plan, world.services)
    assert [each.state for each in found.targets] == [State.FRESH, State.UNKNOWN]
    assert found.targets[1].failure == Failed("UnreachableError", "far does not answer", UnreachableError.remedy)
    assert not found.well


def test_what_belongs_to_which_target_is_not_mixed_up() -> None:
    """Targets of two clusters in turn, looked at cluster by cluster."""
    second = dataclasses.replace(TARGET, secret="second-sas")
    world = World(TARGET, FAR, second)
    assert not world.rotate().failed
    world.network.failing["far"] = UnreachableError("far does not answer")
    del world.master.secrets["second-sas"]
    found = target_status.read(world.plan, world.services)
    assert [(each.target, each.state) for each in found.targets] == [
        (str(TARGET), State.FRESH),
        (str(FAR), State.UNKNOWN),
        (str(second), State.DRIFT),
    ]


def test_a_vault_that_does_not_tell_keeps_nobody_from_looking_into_the_clusters() -> None:
    world = World()
    assert not world.rotate().failed
    world.calls.failing["stored"] = VaultForbiddenError("no permission 'storage getsas'")
    found = target_status.read(world.plan, world.services)
    assert [each.state for each in found.targets] == [State.FRESH]
    assert found.warnings == (*world.plan.warnings, "the vault could not be read: no permission 'storage getsas'")
    assert found.well


UNFINISHED = f"revoke first=key2 forced=false run=20260701T120000Z-abc123 key1={NOW.isoformat()} key2={NOW.isoformat()}"


def test_a_key_rotation_that_is_not_finished_is_told_in_words() -> None:
    world = World()
    assert not world.rotate().failed
    world.vault.tags[state.PENDING_TAG] = UNFINISHED
    [*_, warning] = target_status.read(world.plan, world.services).warnings
    assert warning == (
        "a key rotation is not finished (revoke, by run 20260701T120000Z-abc123): the next run resumes it"
    )


def test_a_pending_tag_that_cannot_be_read_is_not_told_as_a_key_rotation_that_goes_on() -> None:
    world = World()
    assert not world.rotate().failed
    world.vault.tags[state.PENDING_TAG] = "whatever"
    warnings = target_status.read(world.plan, world.services).warnings
    assert any(
        warning.startswith(f"the tag {state.PENDING_TAG} on the SAS definition is not one") for warning in warnings
    )
    assert not any("not finished" in warning for warning in warnings)


def test_without_the_vault_a_deleted_secret_is_told_as_missing() -> None:
    world = World()
    assert not world.rotate().failed
    world.master.secrets.clear()
    assert [each.state for each in target_status.read(world.plan, world.services).targets] == [State.DRIFT]
    world.calls.failing["stored"] = VaultForbiddenError("no permission 'storage getsas'")
    assert [each.state for each in target_status.read(world.plan, world.services).targets] == [State.MISSING]


def test_without_the_vaults_secrets_every_target_is_unknown() -> None:
    world = World(TARGET, FAR)
    world.calls.failing["secret"] = VaultForbiddenError("no permission 'secrets get'")
    found = target_status.read(world.plan, world.services)
    assert [each.state for each in found.targets] == [State.UNKNOWN, State.UNKNOWN]


def test_a_sas_of_the_other_key_is_fresh_but_to_be_replaced() -> None:
    world = World()
    assert not world.rotate().failed
    world.vault.activate("key2")
    [target] = target_status.read(world.plan, world.services).targets
    assert target.state is State.FRESH
    assert target.text == "the next run replaces it: the SAS was signed by key1, which is no longer the active key"


def test_the_end_of_the_process_is_not_taken_for_a_cluster_out_of_reach() -> None:
    world = World()
    world.calls.failing["connect"] = Killed()
    with pytest.raises(Killed):
        target_status.read(world.plan, world.services)


@pytest.mark.parametrize(
    "edited",
    [
        {live_secret.ROTATED: "2030-01-01T00:00:00Z", live_secret.EXPIRES: "2031-01-01T00:00:00Z"},
        {live_secret.ROTATED: "2030-01-01T00:00:00Z"},
        {live_secret.EXPIRES: "2031-01-01T00:00:00Z"},
    ],
)
def test_times_that_somebody_edited_are_repaired_by_the_next_run(edited: dict[str, str]) -> None:
    world = World()
    assert not world.rotate().failed
    world.clock.forward(minutes=5)
    world.master.secrets["storage-sas"]["metadata"]["annotations"] |= edited
    assert [each.state for each in target_status.read(world.plan, world.services).targets] == [State.DRIFT]
    [target] = world.timer().as_json()["targets"]
    assert (target["outcome"], target["drift"]) == ("rotated", True)
    assert target_status.read(world.plan, world.services).well


def test_a_secret_of_which_only_our_label_is_left_is_drift_that_the_next_run_repairs() -> None:
    world = World()
    assert not world.rotate().failed
    found = world.master.secrets["storage-sas"]
    del found["metadata"]["annotations"], found["data"]
    assert [each.state for each in target_status.read(world.plan, world.services).targets] == [State.DRIFT]
    [target] = world.timer().as_json()["targets"]
    assert (target["outcome"], target["drift"]) == ("rotated", True)
    assert target_status.read(world.plan, world.services).well


def test_a_secret_that_others_put_in_the_place_of_ours_is_drift_that_runs_leave_alone() -> None:
    world = World()
    assert not world.rotate().failed
    world.master.secrets["storage-sas"] = document({"password": "theirs"})
    [target] = target_status.read(world.plan, world.services).targets
    assert (target.state, target.text) == (
        State.DRIFT,
        "drift: somebody replaced the Secret, by one that runs leave alone",
    )
    assert target.failure
    assert world.timer().failed
    del world.master.secrets["storage-sas"]  # as the remedy says
    assert not world.timer().failed
    assert target_status.read(world.plan, world.services).well


def test_another_port_is_another_target() -> None:
    elsewhere = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, port=2222))
    found = target_status.status_of(None, elsewhere, EVERY_30_MINUTES, NOW, KNOWN)
    assert found.state is State.MISSING


def test_a_sas_that_ends_at_the_end_of_the_calendar_harms_nobody() -> None:
    for text in ("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z"):
        value = token(se=text)
        digest = live_secret.digest(manifest.data_value(SecretText(value), TARGET.encoding))
        odd = document({"secretKey": value}) | {"metadata": delivered(**{live_secret.DIGEST: digest})["metadata"]}
        assert judged(odd).state is State.DRIFT


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_times_at_the_ends_of_the_calendar_harm_nobody(text: str) -> None:
    for name in (live_secret.ROTATED, live_secret.EXPIRES):
        found = judged(delivered(**{name: text}))
        assert found.as_json(NOW)["state"] in list(State)


# What was last known

UNSEEN = TargetStatus(
    "default/storage-sas@far",
    State.UNKNOWN,
    "the cluster could not be read",
    failure=Failed("UnreachableError", "far does not answer", "Check the network."),
)
THEIRS = dataclasses.replace(UNSEEN, failure=Failed("NotOursError", "it is somebody else's", "Find out whose."))


def last_known(away: datetime.timedelta) -> LastKnown:
    return LastKnown(NOW + away, RUN, NOW - HOUR)


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (3 * HOUR, "its SAS expires at 2026-07-01T15:00:00Z (in 3 h), as run"),
        (-HOUR, "its SAS expired at 2026-07-01T11:00:00Z (1 h ago), as run"),
    ],
)
def test_of_a_cluster_that_cannot_be_looked_into_the_last_known_expiry_is_told(
    away: datetime.timedelta, words: str
) -> None:
    [found], warnings = target_status.with_last_known([UNSEEN], NOW, lambda _targets: {UNSEEN.target: last_known(away)})
    assert f"the cluster could not be read; by what was last known {words} {RUN} reported" == found.text
    assert (found.state, found.expires, found.last_known) == (State.UNKNOWN, None, last_known(away))
    assert warnings == ()
    assert found.as_json(NOW)["last_known"] == {
        "expires": (NOW + away).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds_to_expiry": away.total_seconds(),
        "run": RUN,
        "reported": "2026-07-01T11:00:00Z",
    }


def test_only_what_could_not_be_looked_into_is_recalled() -> None:
    asked: list[str] = []

    def recall(targets: Collection[str]) -> dict[str, LastKnown]:
        asked.extend(targets)
        return dict.fromkeys([UNSEEN.target, "default/seen@m"], last_known(HOUR))

    seen = TargetStatus("default/seen@m", State.FRESH, "its SAS is fresh", EXPIRY)
    found, _ = target_status.with_last_known([seen, UNSEEN, THEIRS], NOW, recall)
    assert asked == [UNSEEN.target]
    assert (found[0], found[2]) == (seen, THEIRS)
    assert target_status.with_last_known([seen], NOW, recall)[0] == (seen,)
    assert asked == [UNSEEN.target]


def test_an_archive_that_cannot_be_read_is_a_warning() -> None:
    def recall(_targets: Collection[str]) -> dict[str, LastKnown]:
        raise ArchiveError("the app's own storage answered 403")

    found, warnings = target_status.with_last_known([UNSEEN], NOW, recall)
    assert found == (UNSEEN,)
    assert warnings == ("what was last known of targets cannot be read: the app's own storage answered 403",)


def test_what_no_report_knows_is_not_told() -> None:
    assert target_status.with_last_known([UNSEEN], NOW, lambda _targets: {}) == ((UNSEEN,), ())
    assert target_status.with_last_known([UNSEEN], NOW, None) == ((UNSEEN,), ())
