"""What real runs print and answer, against the published schemas: all of it fits, and there is nothing in them else."""

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from rotator.azure.host_storage.blob_lease import CONTAINER as LEASES
from rotator.commands import cli
from rotator.deployment import listing
from rotator.plan.account import IssuerKind
from rotator.reporting.report import Trigger
from rotator.rotation.request import Request
from sandbox.functions.host import FunctionsHost
from sandbox.master.server import Master
from sandbox.server.faults import Fault
from sandbox.world import APP_ACCOUNT, SECRET_NAME, World
from tests import schemas, surroundings
from tests.fakes import deployment
from tests.integration.conftest import (
    Cluster,
    Keys,
    functions_host,
    host_timer,
    options_for,
    settings_for,
    unspoilt,
)
from tests.integration.test_onboarding import prepare
from tests.integration.test_one_at_a_time import NO_STORAGE, held
from tests.integration.test_second_trigger import ALERT

pytestmark = pytest.mark.timeout(300)  # whichever test comes first has all scenes played

CONTAINER = "rotation-reports"
WRONG_PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
UNREACHABLE = {"KUBERNETES_SSH_PORT": "9"}
BY_AGE = {"KEY_ROTATION_PERIOD": "P90D"}
WITHOUT_SAS = deployment.STATUS | {"targets": []}
LONG_AGO = "2020-01-01T00:00:00Z"


@dataclasses.dataclass(frozen=True)
class Output:
    """What was told, and what is to describe it."""

    schema: str
    value: Any


def printed(world: World, schema: str, *words: str, **settings: str) -> Output:
    """What a command prints with --json, which is one value and nothing else."""
    given = {**settings_for(world), "REPORT_CONTAINER": CONTAINER, **settings}
    return Output(schema, json.loads(CliRunner().invoke(cli.main, [*words, "--json"], env=given).stdout))


@contextlib.contextmanager
def host(world: World, **settings: str) -> Iterator[FunctionsHost]:
    with functions_host(world, REPORT_CONTAINER=CONTAINER, **settings) as running:
        yield running


def lines_of(world: World, command: str, schema: str) -> Iterator[Output]:
    """What a command prints that has one JSON value on each line, the last of which may be an error."""
    given = {**settings_for(world), "FUNCTION_APP_ID": world.function_app_id}
    for line in CliRunner().invoke(cli.main, [command, "--json"], env=given).stdout.splitlines():
        value = json.loads(line)
        yield Output("error" if "message" in value else schema, value)


def answered(running: FunctionsHost, status: int, function: str, path: str, body: str = "", **query: str) -> Any:
    method = "GET" if function == "status" else "POST"
    answer = running.request(function, method, f"/api/{path}", body, query=query)
    assert answer["status"] == status, answer
    return json.loads(answer["body"])


def logged(running: FunctionsHost) -> list[Output]:
    """The reports in the log."""
    return [Output("report", json.loads(line.partition("report ")[2])) for line in running.log if "report {" in line]


def annotate(world: World, name: str, text: str) -> None:
    Cluster(world).kubectl("annotate", "--overwrite", "secret", SECRET_NAME, f"rotator/{name}={text}")


def spoil(world: World) -> None:
    Cluster(world).kubectl("patch", "secret", SECRET_NAME, "--patch", '{"stringData": {"secretKey": "by hand"}}')


def lock_out(world: World, out: bool = True) -> None:
    assert isinstance(world.master, Master)
    world.master.accept_auth = not out


# What happens


def a_secret_and_its_sas(world: World) -> Iterator[Output]:
    yield printed(world, "check", "check", **NO_STORAGE)
    yield printed(world, "status", "status")
    yield printed(world, "report", "plan")
    for issuer in IssuerKind:
        yield printed(world, "move", "plan", "--issuer", str(issuer))
        yield printed(world, "move", "plan", "--issuer", str(issuer), SAS_CONTAINER="pictures")
    yield printed(world, "report", "rotate")
    yield printed(world, "report", "rotate")
    yield printed(world, "report", "plan")
    yield printed(world, "status", "status")
    yield printed(world, "check", "check")
    yield printed(world, "report", "rotate", "--force", **NO_STORAGE)
    yield printed(world, "report", "rotate", "--force", KUBERNETES_SECRET_STRATEGY="apply")


def little_is_permitted(world: World) -> Iterator[Output]:
    world.vault.permissions -= {"storage/get"}
    yield printed(world, "report", "rotate", STORAGE_BLOB_ENDPOINT="")
    yield printed(world, "status", "status")
    world.vault.permissions -= {"storage/getsas"}
    yield printed(world, "report", "rotate", "--force")
    world.vault.permissions.clear()
    yield printed(world, "status", "status")
    yield printed(world, "check", "check")
    yield printed(world, "error", "plan")


def drift(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    spoil(world)
    yield printed(world, "check", "check")
    yield printed(world, "status", "status")
    yield printed(world, "report", "plan")
    yield printed(world, "report", "rotate")


def time_passes(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    annotate(world, "rotated", LONG_AGO)
    yield printed(world, "status", "status")
    Cluster(world).kubectl("annotate", "secret", SECRET_NAME, "rotator/expires-")
    yield printed(world, "status", "status")


def the_master_is_not_to_be_had(world: World) -> Iterator[Output]:
    for wrong in (UNREACHABLE, {"KUBERNETES_SSH_FINGERPRINT": WRONG_PIN}):
        yield printed(world, "report", "rotate", **wrong)
        yield printed(world, "check", "check", **wrong)
        yield printed(world, "status", "status", **wrong)


def a_key_is_regenerated_elsewhere(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    world.account.regenerate("key1")
    yield printed(world, "status", "status")


def keys_are_rotated(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    yield printed(world, "report", "plan", **BY_AGE)
    yield printed(world, "check", "check", **BY_AGE)
    yield printed(world, "report", "rotate", "--regenerate-key")
    yield printed(world, "error", "rotate", "--regenerate-key")
    yield printed(world, "report", "rotate", "--regenerate-key", "--force")
    yield printed(world, "report", "revoke")


def a_revocation_is_left_unfinished(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    lock_out(world)
    yield printed(world, "report", "revoke")
    yield printed(world, "report", "plan")


def keys_are_left_as_they_are(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    yield printed(world, "report", "rotate", "--regenerate-key")
    settled = Keys(world).record.updated
    Keys(world).age(days=200)
    Keys(world).record.updated = settled  # key1 signed until just now
    with host(world, **BY_AGE) as running:
        running.fire_timer("rotate_on_schedule")
        world.resource_manager.role_assignments.clear()
        running.fire_timer("rotate_on_schedule")
    yield from logged(running)


def another_run_is_in_progress(world: World) -> Iterator[Output]:
    with held(world), host(world) as running:
        yield printed(world, "error", "rotate")
        yield printed(world, "check", "check")
        yield Output("error", answered(running, 409, "rotate_now", "rotate"))


def it_is_asked_for_by_http(world: World) -> Iterator[Output]:
    with host(world) as running:
        yield Output("status", answered(running, 503, "status", "status"))
        yield Output("report", answered(running, 200, "rotate_now", "rotate"))
        yield Output("status", answered(running, 200, "status", "status"))
        yield Output("check", answered(running, 200, "check", "check"))
        yield Output("error", answered(running, 400, "status", "status", format="xml"))
        yield Output("error", answered(running, 400, "rotate_now", "rotate", "[]"))
        yield Output("report", answered(running, 200, "rotate_now", "rotate", '{"regenerate_key": true}'))
        yield Output("error", answered(running, 412, "rotate_now", "rotate", '{"regenerate_key": true}'))
        yield Output("report", answered(running, 200, "revoke_now", "revoke", '{"force": true}'))
        lock_out(world)
        yield Output("report", answered(running, 502, "rotate_now", "rotate"))
        yield Output("check", answered(running, 502, "check", "check"))
        lock_out(world, out=False)
        world.vault.faults.append(Fault(path="/storage", status=403, code="Forbidden", times=9))
        yield Output("error", answered(running, 500, "revoke_now", "revoke"))
    yield from logged(running)


def the_timer_is_silent(world: World) -> Iterator[Output]:
    world.blob.containers[APP_ACCOUNT].pop(LEASES)
    with host(world) as running:
        for body in (ALERT, {"trigger": "workflow"}):
            running.request("rotate_due", "POST", "/api/rotate-due", json.dumps(body))
            (lease,) = world.blob.containers[APP_ACCOUNT][LEASES].blobs.values()
            lease.metadata = {"ended": "2020-01-01T00:00:00Z"}
        lease.metadata = Request(Trigger.TIMER, "timer").holder.as_metadata()  # it was killed
        status = {"Last": "0001-01-01T00:00:00", "Next": LONG_AGO, "LastUpdated": LONG_AGO}
        running.fire_timer("rotate_on_schedule", past_due=True, status=status)
    yield from logged(running)
    yield printed(world, "report", "plan", ROTATION_SCHEDULE="0 0 6 * * MON", SAS_VALIDITY="P20D")


def the_settings_are_wrong(world: World) -> Iterator[Output]:
    with host(world, SAS_VALIDITY="1h") as running:
        yield Output("error", answered(running, 500, "rotate_now", "rotate"))
        yield Output("error", answered(running, 500, "check", "check"))
        yield Output("error", answered(running, 500, "status", "status"))
        running.fire_timer("rotate_on_schedule")
    yield from logged(running)
    for command in ("rotate", "plan", "revoke", "check", "status", "history"):
        yield printed(world, "error", command, SAS_VALIDITY="1h")


def it_is_looked_back_upon(world: World) -> Iterator[Output]:
    yield printed(world, "report", "rotate")
    yield printed(world, "error", "revoke", **NO_STORAGE)
    printed(world, "report", "rotate", "--regenerate-key", "--force")
    printed(world, "error", "rotate", "--regenerate-key")
    world.blob.put_container(APP_ACCOUNT, CONTAINER)
    run = Cluster(world).annotation("run")
    day = f"{run[:4]}/{run[4:6]}/{run[6:8]}"
    world.blob.put_blob(APP_ACCOUNT, CONTAINER, f"{day}/{run[:15]}Z-ffffff.json", b"[]", "application/json")
    yield printed(world, "history", "history", "--days", "1", "--limit", "1000")
    yield printed(world, "report", "history", run)
    yield printed(world, "error", "history", "20200101T000000Z-abcdef")
    yield printed(world, "error", "history", REPORT_CONTAINER="")


def a_deployment_ends(world: World) -> Iterator[Output]:
    """Each line: that it waits, warns, is done or failed, with a SAS and without one."""
    report = printed(world, "report", "rotate").value
    world.deployed.functions, world.deployed.listed_after = listing.FUNCTIONS, 1
    world.resource_manager.sites[world.function_app_id].python = "3.11"
    answers = {"rotate": (200, report), "status": (200, deployment.STATUS)}
    for change in ({}, {"rotate": (502, report | {"failed": True})}, {"status": (503, WITHOUT_SAS)}):
        changed = {**answers, **change}
        world.site.prepared["POST", "/api/rotate"] = [changed["rotate"]]
        world.site.prepared["GET", "/api/status"] = [changed["status"]]
        yield from lines_of(world, "finish-deployment", "finish-deployment-step")


def the_timer_stands_still(world: World) -> Iterator[Output]:
    now = datetime.datetime.now(datetime.UTC)
    timer = host_timer(world)
    timer.start(now - datetime.timedelta(hours=3))
    for hours in (3, 2):
        timer.advance(now - datetime.timedelta(hours=hours))
        yield printed(world, "status", "status")
        yield printed(world, "history", "history")


SCENES: list[Callable[[World], Iterator[Output]]] = [
    a_secret_and_its_sas,
    little_is_permitted,
    drift,
    time_passes,
    a_key_is_regenerated_elsewhere,
    the_master_is_not_to_be_had,
    keys_are_rotated,
    a_revocation_is_left_unfinished,
    keys_are_left_as_they_are,
    another_run_is_in_progress,
    it_is_asked_for_by_http,
    the_timer_is_silent,
    the_settings_are_wrong,
    it_is_looked_back_upon,
    a_deployment_ends,
    the_timer_stands_still,
]


def onboarding(patch: pytest.MonkeyPatch) -> Iterator[Output]:
    """Each line that onboarding prints, from nothing on: refused, looked at, done, and done again."""
    with World(dataclasses.replace(options_for("sandbox"), onboarded=False)) as world:
        prepare(world, patch)
        for words in ([], ["--dry-run"], ["--yes"], ["--yes"]):
            unpinned = {} if words else {"KUBERNETES_SSH_FINGERPRINT": ""}
            done = CliRunner().invoke(cli.main, ["onboard", "--json", *words], env=unpinned)
            for line in done.stdout.splitlines():
                value = json.loads(line)
                yield Output("error" if "error" in value else "onboard-step", value)


def delegation(patch: pytest.MonkeyPatch) -> Iterator[Output]:
    """What only SAS have that a user delegation key signed."""
    with World(dataclasses.replace(options_for("sandbox"), issuer="userdelegation")) as world:
        surroundings.enter(world, patch)
        yield printed(world, "report", "rotate")
        yield printed(world, "check", "check")
        yield printed(world, "move", "plan", "--issuer", "keyvault")


@pytest.fixture(scope="module")
def outputs(sandbox_world: World) -> list[Output]:
    """All that there is to tell."""
    found: list[Output] = []
    for scene in SCENES:
        with pytest.MonkeyPatch.context() as patch, unspoilt(sandbox_world, patch) as world:
            found += scene(world)
    with pytest.MonkeyPatch.context() as patch:
        found += onboarding(patch)
    with pytest.MonkeyPatch.context() as patch:
        return [*found, *delegation(patch)]


def test_what_is_told_fits_its_schema_strictly(outputs: list[Output]) -> None:
    wrong = {json.dumps(each.value): schemas.problems(each.schema, each.value, schemas.strict()) for each in outputs}
    assert {value: problems for value, problems in wrong.items() if problems} == {}


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_field_value_and_alternative_of_a_schema_occurs(outputs: list[Output], name: str) -> None:
    values = [each.value for each in outputs if each.schema == name]
    dead = [part for part, less in schemas.narrower(name) if all(schemas.fits(name, value, less) for value in values)]
    assert dead == []
