"""Key rotation and revocation end to end: by HTTP, by the command line and by the timer, on each stack."""

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from rotator import app, errors, timestamps
from rotator.reporting.report import Trigger
from sandbox.master import keys
from sandbox.world import ACCOUNT, KEY_SECRET, SECRET_NAME, World
from tests.integration.conftest import (
    REFUSED,
    WORKING,
    Cluster,
    Keys,
    command_line,
    functions_host,
    happened,
    outcome,
    plain,
    refused_soon,
    regenerate,
    revoke,
    rotate,
    settings_for,
)

TARGET = f"default/{SECRET_NAME}@127.0.0.1"
ROTATE, REVOKE = ("rotate_now", "POST", "/api/rotate"), ("revoke_now", "POST", "/api/revoke")
Answer = tuple[int, dict[str, Any]]


def http(world: World, function: tuple[str, str, str], body: str = "", **settings: str) -> Answer:
    """A request to the functions; its status and JSON."""
    with functions_host(world, **settings) as host:
        answer = host.request(*function, body)
    return answer["status"], json.loads(answer["body"])


def terminal(world: World, *words: str, **settings: str) -> Answer:
    """A command; its exit code and JSON."""
    done = command_line(world, *words, "--json", **settings)
    return done.returncode, json.loads(done.stdout)


def by_timer(world: World) -> None:
    with functions_host(world, KEY_ROTATION_PERIOD="P90D") as host:
        assert host.fire_timer("rotate_on_schedule")["ok"]


def by_http(world: World) -> None:
    status, report = http(world, ROTATE, '{"regenerate_key": true}')
    assert (status, report["key"]["regenerated"]) == (200, ["key2"]), report


def by_hand(world: World) -> None:
    code, report = terminal(world, "rotate", "--regenerate-key")
    assert (code, report["key"]["regenerated"]) == (0, ["key2"]), report


@pytest.mark.parametrize("act", [by_http, by_hand, by_timer])
def test_the_other_key_is_regenerated_and_signs_what_the_secret_holds_then(
    stack: World, act: Callable[[World], None]
) -> None:
    rotate(stack)
    cluster, keys = Cluster(stack), Keys(stack)
    old, before = cluster.value(), keys.values()
    assert cluster.annotation("signing-key") == "key1"

    act(stack)

    assert keys.regenerated(before) == ["key2"]
    assert (keys.active, keys.pending()) == ("key2", None)
    assert cluster.annotation("signing-key") == "key2"
    assert cluster.annotation("key-created") == timestamps.text(stack.account.key_created["key2"])
    assert cluster.value() != old
    assert cluster.works()
    assert stack.blob_status(old) == WORKING


def test_the_timer_leaves_a_key_alone_until_its_period_is_over(world: World) -> None:
    rotate(world)
    before = Keys(world).values()
    Keys(world).age(days=89)

    assert rotate(world, Trigger.TIMER, KEY_ROTATION_PERIOD="P90D").key is None
    assert Keys(world).regenerated(before) == []


def test_the_vaults_own_regeneration_in_between_is_followed(world: World) -> None:
    rotate(world)
    before = Keys(world).values()
    Keys(world).record.regenerate("key2")
    Keys(world).age(days=1)
    rotate(world)

    report = regenerate(world)

    assert not report.failed
    assert Keys(world).regenerated(before) == ["key1", "key2"]
    assert (Keys(world).active, Cluster(world).annotation("signing-key")) == ("key1", "key1")


# Interlock


@pytest.fixture
def in_use(world: World) -> str:
    """The key that is not active signed what the Secret holds; the value."""
    rotate(world)
    Keys(world).record.active_key = "key2"
    return Cluster(world).value()


def assert_unchanged(world: World, held: str, seen: int) -> None:
    assert Cluster(world).value() == held
    assert happened(world, "regenerate-key", seen) == []
    assert happened(world, "set-definition", seen) == []


def test_http_refuses_a_key_that_signed_what_a_target_holds_and_says_until_when(world: World, in_use: str) -> None:
    seen = len(world.journal.events())

    status, refusal = http(world, ROTATE, '{"regenerate_key": true}')

    assert (status, refusal["error"]) == (412, "KeyInUseError")
    until = Cluster(world).annotation("expires")
    assert f"{TARGET} holds a SAS that key1 signed, until {until}" in refusal["message"]
    assert "force" in refusal["remedy"]
    assert_unchanged(world, in_use, seen)


def test_the_command_line_refuses_it_with_1(world: World, in_use: str) -> None:
    seen = len(world.journal.events())

    done = command_line(world, "rotate", "--regenerate-key")

    assert done.returncode == 1
    assert f"{TARGET} holds a SAS that key1 signed, until {Cluster(world).annotation('expires')}" in plain(done.stderr)
    assert_unchanged(world, in_use, seen)


def test_the_timer_waits_and_goes_on_with_the_targets(world: World, in_use: str) -> None:
    before = Keys(world).values()

    report = rotate(world, Trigger.TIMER, KEY_ROTATION_PERIOD="P90D")

    assert report.key
    assert (report.key.outcome, report.failed) == ("waiting", False)
    assert Keys(world).regenerated(before) == []
    assert Cluster(world).annotation("signing-key") == "key2"


def test_by_force_it_goes_through_and_the_report_says_what_that_cut_off(world: World, in_use: str) -> None:
    until = Cluster(world).annotation("expires")

    status, report = http(world, ROTATE, '{"regenerate_key": true, "force": true}')

    assert status == 200
    assert f"{TARGET} holds a SAS that key1 signed, until {until}" in report["key"]["cut_off"]
    assert world.blob_status(in_use) == REFUSED
    assert Cluster(world).annotation("signing-key") == "key1"
    assert Cluster(world).works()


@pytest.mark.parametrize(("part", "hours"), [("vault", -5), ("vault", 5), ("blob", 5)])
def test_no_key_is_regenerated_by_a_clock_that_is_not_the_vaults_and_storages(
    world: World, in_use: str, part: str, hours: int
) -> None:
    getattr(world, part).clock_skew = datetime.timedelta(hours=hours)
    before = Keys(world).values()

    with pytest.raises(errors.ClockSkewError, match=r"clock is 1[78][0-9]{3} s "):
        regenerate(world, forced=True)

    assert Keys(world).regenerated(before) == []
    assert (Keys(world).pending(), Cluster(world).value()) == (None, in_use)
    getattr(world, part).clock_skew = datetime.timedelta()


def test_asking_twice_regenerates_one_key(world: World) -> None:
    rotate(world)
    before = Keys(world).values()
    regenerate(world)

    with pytest.raises(errors.KeyInUseError, match=r"a SAS that key1 signed before .* until 20"):
        regenerate(world)
    assert Keys(world).regenerated(before) == ["key2"]


# Revocation


def revoked_by_http(world: World, **settings: str) -> Answer:
    return http(world, REVOKE, **settings)


def revoked_by_hand(world: World, **settings: str) -> Answer:
    return terminal(world, "revoke", **settings)


@pytest.mark.parametrize(("act", "done"), [(revoked_by_http, 200), (revoked_by_hand, 0)])
def test_after_a_revocation_nothing_issued_before_works(
    stack: World, act: Callable[[World], Answer], done: int
) -> None:
    rotate(stack)
    leaked, before = Cluster(stack).value(), Keys(stack).values()

    status, report = act(stack)

    assert status == done, report
    assert (report["key"]["outcome"], report["key"]["regenerated"]) == ("done", ["key2", "key1"])
    assert "answered 403 Auth" in report["key"]["proofs"][0]
    assert refused_soon(stack, leaked)
    assert Keys(stack).regenerated(before) == ["key1", "key2"]
    assert Keys(stack).pending() is None
    assert Cluster(stack).works()
    rotate(stack, Trigger.TIMER)
    assert Cluster(stack).annotation("signing-key") == "key1"
    assert Cluster(stack).works()


def locked(world: World, *, out: bool) -> None:
    """Have the master refuse the SSH key that the vault gives, or take it again."""
    pair = keys.generate() if out else world.key_pair
    world.vault.secrets.put(KEY_SECRET, pair.private_text)


@pytest.mark.parametrize(("act", "failed"), [(revoked_by_http, 502), (revoked_by_hand, 1)])
def test_the_second_key_is_left_while_a_target_cannot_be_reached(
    stack: World, act: Callable[[World], Answer], failed: int
) -> None:
    rotate(stack)
    held, before = Cluster(stack).value(), Keys(stack).values()
    locked(stack, out=True)

    status, report = act(stack)

    assert status == failed, report
    assert (report["key"]["outcome"], report["key"]["remaining"]) == ("unfinished", ["key1"])
    assert Keys(stack).regenerated(before) == ["key2"]
    assert stack.blob_status(held) == WORKING

    locked(stack, out=False)
    assert not rotate(stack, Trigger.TIMER).failed
    assert Keys(stack).regenerated(before) == ["key1", "key2"]
    assert refused_soon(stack, held)
    assert Cluster(stack).works()


def test_by_force_the_second_key_is_regenerated_all_the_same_and_the_report_says_what_that_cut_off(
    stack: World,
) -> None:
    rotate(stack)
    held, before = Cluster(stack).value(), Keys(stack).values()
    locked(stack, out=True)

    report = revoke(stack, forced=True)

    assert report.key
    assert any(TARGET in each for each in report.key.cut_off)
    assert Keys(stack).regenerated(before) == ["key1", "key2"]
    assert refused_soon(stack, held)

    locked(stack, out=False)
    assert not rotate(stack, Trigger.TIMER).failed
    assert Cluster(stack).works()


# Its own foot


def connection_string(world: World, account: str) -> str:
    if world.azurite:
        return world.azurite.connection_string(account)
    key = world.storage[account].keys["key1"]
    return f"AccountName={account};AccountKey={key};BlobEndpoint={world.blob.url(account)}"


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName"),
        ("CUSTOMCONNSTR_QueueStorage", "QueueStorage__blobServiceUri"),
    ],
)
def test_the_account_that_the_app_runs_on_by_connection_string_is_refused(
    stack: World, setting: str, remedy: str
) -> None:
    rotate(stack)
    held, seen = Cluster(stack).value(), len(stack.journal.events())
    own = connection_string(stack, ACCOUNT)

    for status, refusal in (
        http(stack, ROTATE, '{"regenerate_key": true, "force": true}', **{setting: own}),
        http(stack, REVOKE, '{"force": true}', **{setting: own}),
        terminal(stack, "revoke", "--force", **{setting: own}),
    ):
        assert status in {412, 1}
        assert refusal["error"] == "OwnStorageError"
        assert setting in refusal["message"]
        assert remedy in refusal["remedy"]
        assert stack.account.keys["key1"] not in json.dumps(refusal)
    assert_unchanged(stack, held, seen)


def test_a_plain_rotation_of_that_account_is_none_of_its_business(stack: World) -> None:
    report = rotate(stack, AzureWebJobsStorage=connection_string(stack, ACCOUNT))

    assert outcome(report)["outcome"] == "rotated"


# Plan


def test_plan_tells_what_is_pending_and_changes_nothing(world: World) -> None:
    rotate(world)
    locked(world, out=True)
    revoke(world)
    locked(world, out=False)
    seen = len(world.journal.events())

    done = command_line(world, "plan")

    assert done.returncode == 0, done.stderr
    assert "revoke due: run" in plain(done.stdout)
    assert "to be regenerated: key1" in plain(done.stdout)
    assert happened(world, "regenerate-key", seen) == []
    assert happened(world, "set-definition", seen) == []


def test_plan_tells_of_a_key_that_is_too_old(world: World) -> None:
    rotate(world)

    report = app.plan(environment=settings_for(world, KEY_ROTATION_PERIOD="P90D"))

    assert report.key
    assert (report.key.operation, report.key.outcome) == ("regenerate", "due")
    assert "key1 was made at" in report.key.reason
    seen = len(world.journal.events())
    assert app.plan(environment=settings_for(world)).key is None
    assert happened(world, "list-keys", seen) == []  # which a run would not ask for either


@pytest.mark.parametrize(
    ("period", "settings", "warned"),
    [
        ("PT2H", {}, "SAS_VALIDITY (PT4H) is longer than the vault's regeneration period (PT2H)"),
        ("PT12H", {"ROTATION_SCHEDULE": "0 0 0 * * *", "SAS_VALIDITY": "P2D"}, "may die before the next run"),
        ("P1M", {"SAS_VALIDITY": "P29D"}, "SAS_VALIDITY (P29D) is longer than the vault's regeneration period (P1M)"),
        ("monthly", {}, "the vault's regeneration period (monthly) cannot be read"),
        ("P30D", {"KEY_ROTATION_PERIOD": "P90D"}, "KEY_ROTATION_PERIOD is set and the vault regenerates keys"),
    ],
)
def test_plan_warns_of_sas_that_would_die_early(
    world: World, period: str, settings: dict[str, str], warned: str
) -> None:
    Keys(world).record.regeneration_period = period

    warnings = app.plan(environment=settings_for(world, **settings)).warnings

    assert any(warned in warning for warning in warnings), warnings
    Keys(world).record.auto_regenerate = False
    assert not any("regenerat" in each for each in app.plan(environment=settings_for(world, **settings)).warnings)
