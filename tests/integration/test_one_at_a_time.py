"""One run at a time: whoever comes second is told who is at it, and who lost its lease changes nothing any more."""

import contextlib
import dataclasses
import datetime
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from rotator.azure import identity
from rotator.azure.errors import LeaseUnavailableError
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.blob_lease import BlobLease
from rotator.azure.host_storage.lease import Holder
from rotator.reporting.report import Report, Trigger
from sandbox.master.server import Master
from sandbox.world import ACCOUNT, World
from tests.integration.conftest import (
    ROOT,
    Cluster,
    Keys,
    command_line,
    environment,
    functions_host,
    happened,
    outcome,
    plain,
    regenerate,
    revoke,
    rotate,
)
from tests.integration.killing import Step, signalled

SINCE = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
HOLDER = Holder(run="20261124T120000Z-abcdef", trigger=Trigger.CLI, host="laptop", since=SINCE)
BY_HAND = ("rotate", "--regenerate-key", "--json")
CHANGES = ("regenerate-key", "set-definition", "delete", "create", "update")
NO_STORAGE = {"AzureWebJobsStorage__blobServiceUri": ""}
DOWN = {"AzureWebJobsStorage__blobServiceUri": "https://127.0.0.1:9/appstorage"}
Process = subprocess.Popen[str]


def process(world: World, *arguments: str) -> Process:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "rotator", *arguments]
    return subprocess.Popen(command, env=environment(world), cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@contextlib.contextmanager
def held(world: World) -> Iterator[BlobLease]:
    """Another run holds the lease."""
    storage = storage_settings.find(world.settings)
    assert storage
    with (
        contextlib.closing(identity.credential(None)) as credential,
        BlobLease(storage, f"127.0.0.1/{ACCOUNT}", HOLDER, credential) as lease,
    ):
        yield lease


def test_of_two_processes_one_does_it_and_the_other_says_who_does(world: World) -> None:
    rotate(world)
    before = Keys(world).values()
    assert isinstance(world.master, Master)
    world.master.exec_delay = 1.5  # longer than one process can start after the other

    with process(world, *BY_HAND) as one, process(world, *BY_HAND) as other:
        ended = {each.wait(): each.communicate() for each in (one, other)}

    assert sorted(ended) == [0, 3]
    done, (stdout, stderr) = json.loads(ended[0][0]), ended[3]
    assert done["key"]["regenerated"] == ["key2"]
    refusal = json.loads(stdout)
    assert refusal["error"] == "BusyError"
    assert f"run {done['run']} (cli) on host" in refusal["holder"]
    assert re.sub("[-:]", "", refusal["since"]) == done["run"].partition("-")[0]
    assert f"{refusal['holder']} since {refusal['since']}" in plain(stderr)
    assert Keys(world).regenerated(before) == ["key2"]
    assert Cluster(world).works()


@pytest.mark.parametrize(
    ("function", "path", "body"),
    [
        ("rotate_now", "/api/rotate", ""),
        ("rotate_now", "/api/rotate", '{"regenerate_key": true, "force": true}'),
        ("revoke_now", "/api/revoke", ""),
    ],
)
def test_http_answers_409_with_who_holds_the_lease_since_when(
    world: World, function: str, path: str, body: str
) -> None:
    seen = len(world.journal.events())
    with held(world), functions_host(world) as host:
        answer = host.request(function, "POST", path, body)

    assert answer["status"] == 409
    refusal = json.loads(answer["body"])
    assert refusal["holder"] == "run 20261124T120000Z-abcdef (cli) on host laptop"
    assert refusal["since"] == "2026-11-24T12:00:00Z"
    assert [action for action in CHANGES if happened(world, action, seen)] == []


def test_the_timer_leaves_its_firing_to_the_run_in_progress(world: World) -> None:
    seen = len(world.journal.events())
    with held(world), functions_host(world, KEY_ROTATION_PERIOD="P90D") as host:
        assert host.fire_timer("rotate_on_schedule")["ok"]
        assert any("run 20261124T120000Z-abcdef (cli) on host laptop" in line for line in host.log)

    assert [action for action in CHANGES if happened(world, action, seen)] == []
    assert Cluster(world).secret() is None


@contextlib.contextmanager
def paused(world: World, at: Step) -> Iterator[Process]:
    """A key rotation by hand that is stopped at a step, until the block ends; the time of its lease has passed."""
    started: list[Process] = []

    def start() -> int:
        started.append(process(world, *BY_HAND))
        return started[0].pid

    with signalled(world, start, signal.SIGSTOP, at) as stopped:
        assert stopped.wait(timeout=30)
        world.blob.expire_leases()
        try:
            yield started[0]
        finally:
            os.kill(started[0].pid, signal.SIGCONT)


# The last answers before the vault is told to remember, before it regenerates, and before the Secret is changed.
BEFORE_REMEMBERING = Step("master", "exec", "after", 1)
BEFORE_REGENERATING = Step("resource-manager", "list-keys", "after", 2)
BEFORE_DELIVERING = Step("blob", "get-service-properties", "after", 1)


@pytest.mark.parametrize("at", [BEFORE_REMEMBERING, BEFORE_REGENERATING, BEFORE_DELIVERING], ids=lambda at: at.action)
def test_a_paused_process_whose_lease_went_to_another_run_changes_nothing_more(world: World, at: Step) -> None:
    rotate(world)
    before = Keys(world).values()

    with paused(world, at) as one:
        assert not regenerate(world).failed
        holds, seen = Cluster(world).value(), len(world.journal.events())
    stdout, stderr = one.communicate(timeout=60)

    assert one.returncode == 1, stderr
    assert "LeaseLostError" in stdout
    assert [action for action in CHANGES if happened(world, action, seen)] == []
    assert Keys(world).regenerated(before) == ["key2"]
    assert Keys(world).pending() is None
    assert Cluster(world).value() == holds
    assert Cluster(world).works()


def test_a_lease_that_lapsed_and_that_nobody_took_is_taken_up_again(world: World) -> None:
    rotate(world)
    before = Keys(world).values()

    with paused(world, BEFORE_REGENERATING) as one:
        pass
    one.communicate(timeout=60)

    assert one.returncode == 0
    assert Keys(world).regenerated(before) == ["key2"]
    assert Cluster(world).works()


# Without a lease


@dataclasses.dataclass(frozen=True)
class Without:
    settings: dict[str, str]
    problem: str


EACH = pytest.mark.parametrize(
    "without",
    [Without(NO_STORAGE, "no storage of the app's own"), Without(DOWN, "127.0.0.1:9")],
    ids=["no storage", "storage down"],
)


@EACH
def test_a_plain_rotation_goes_on_with_a_warning(world: World, without: Without) -> None:
    report = rotate(world, forced=True, **without.settings)

    assert outcome(report)["outcome"] == "rotated"
    assert any(without.problem in each and "nothing keeps another run" in each for each in report.warnings)
    assert Cluster(world).works()


@EACH
@pytest.mark.parametrize("act", [regenerate, revoke])
def test_keys_are_left_alone(world: World, without: Without, act: Callable[..., Report]) -> None:
    rotate(world)
    seen = len(world.journal.events())

    with pytest.raises(LeaseUnavailableError, match=without.problem):
        act(world, forced=True, **without.settings)
    assert [action for action in CHANGES if happened(world, action, seen)] == []


@EACH
def test_the_timer_leaves_keys_alone_and_rotates_the_targets(world: World, without: Without) -> None:
    report = rotate(world, Trigger.TIMER, forced=False, KEY_ROTATION_PERIOD="P90D", **without.settings)

    assert report.key
    assert report.key.failure
    assert report.key.failure.error == "LeaseUnavailableError"
    assert outcome(report)["outcome"] == "rotated"
    assert Keys(world).active == "key1"


@pytest.mark.parametrize("arguments", [("rotate", "--regenerate-key"), ("revoke",)])
def test_the_command_line_names_no_lease_and_does_without_when_told_to(
    world: World, arguments: tuple[str, ...]
) -> None:
    rotate(world)
    before = Keys(world).values()

    refused = command_line(world, *arguments, **NO_STORAGE)
    assert refused.returncode == 1
    assert "--no-lease" in plain(refused.stderr)
    assert Keys(world).regenerated(before) == []

    done = command_line(world, *arguments, "--no-lease", **NO_STORAGE)
    assert done.returncode == 0, done.stderr
    assert Keys(world).regenerated(before) != []
    assert Cluster(world).works()
