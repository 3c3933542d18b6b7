"""Issuers that need no managed storage, end to end: what a Secret gets, how SAS end, and the move between issuers."""

import contextlib
import http.client
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from rotator import app, errors, sas
from rotator.azure.errors import ResourceManagerForbiddenError, RunStateError
from rotator.redaction import SecretText
from rotator.reporting.report import Report, Trigger
from rotator.rotation import state
from sandbox.issuers import Issuer
from sandbox.resource_manager import roles
from sandbox.server.faults import Fault
from sandbox.world import ACCOUNT, APP_ACCOUNT, CONTAINER, PICTURE, World
from tests import secrets_in, surroundings
from tests.integration import recorded
from tests.integration.conftest import (
    REFUSED,
    WORKING,
    Cluster,
    Keys,
    command_line,
    functions_host,
    happened,
    outcome,
    regenerate,
    revoke,
    rotate,
    settings_for,
)
from tests.integration.consumer import Consumer
from tests.integration.test_leaks import ProcessList

OTHERS: tuple[Issuer, ...] = ("storagekey", "userdelegation")
NESTED = "2026/july/deep.txt"


@pytest.fixture(params=OTHERS)
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def delegated(userdelegation: World) -> World:
    return userdelegation


def held(world: World) -> sas.Sas:
    """The SAS in the Secret."""
    cluster = Cluster(world)
    secret = cluster.secret()
    assert secret
    path = secret["metadata"]["annotations"].get("rotator/resource", "")
    return sas.parse(SecretText(cluster.value()), path=path)


def answers(world: World, token: sas.Sas, *names: str, query: str = "") -> list[int]:
    """What storage answers to a request for each of these blobs, or for a container itself."""
    endpoint = urllib.parse.urlsplit(world.settings["STORAGE_BLOB_ENDPOINT"])
    address, context = (endpoint.hostname or "", endpoint.port), world.authority.client_context()
    found = []
    with contextlib.closing(http.client.HTTPSConnection(*address, context=context, timeout=10)) as connection:
        for name in names:
            connection.request("GET", f"{endpoint.path}/{urllib.parse.quote(name)}?{query}{token.token.reveal()}")
            with connection.getresponse() as response:
                response.read()
                found.append(response.status)
    return found


# Rotation


def by_hand(world: World) -> dict[str, Any]:
    done = command_line(world, "rotate", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def by_http(world: World) -> dict[str, Any]:
    with functions_host(world) as host:
        answer = host.request("rotate_now", "POST", "/api/rotate")
    assert answer["status"] == 200, answer
    return dict(json.loads(answer["body"]))


@pytest.mark.parametrize("act", [by_hand, by_http])
def test_first_rotation_delivers_a_sas_that_works_and_a_second_one_leaves_it(
    world: World, act: Callable[[World], dict[str, Any]]
) -> None:
    (target,) = act(world)["targets"]
    token = held(world)
    assert (target["outcome"], target["fingerprint"], target["proof"]) == ("rotated", token.fingerprint, "accepted")
    assert target.get("correlation_id") == (token.correlation_id or None)
    assert bool(token.correlation_id) is token.delegated is (world.options.issuer == "userdelegation")
    assert Cluster(world).works()
    assert outcome(rotate(world))["outcome"] == "unchanged"


PARTS: list[tuple[str, dict[str, Any], list[int]]] = [
    ("the container", {"SAS_CONTAINER": CONTAINER}, [200, 200, 404]),
    ("a directory", {"SAS_CONTAINER": CONTAINER, "SAS_PREFIX": "2026/july"}, [403, 200, 403]),
    ("one blob", {"SAS_CONTAINER": CONTAINER, "SAS_BLOB": PICTURE}, [200, 403, 403]),
]


@pytest.mark.parametrize(("scope", "expected"), [each[1:] for each in PARTS], ids=[each[0] for each in PARTS])
def test_sas_for_a_part_of_storage_reaches_that_part_and_no_other(
    world: World, scope: dict[str, Any], expected: list[int]
) -> None:
    permissions = "r" if "SAS_BLOB" in scope else "rl"
    world.blob.put_blob(ACCOUNT, CONTAINER, NESTED, b"deep", "text/plain")
    report = rotate(world, **{"SAS_PERMISSIONS": permissions, **scope})
    assert not report.failed, report.as_json()
    token = held(world)
    names = [f"{CONTAINER}/{name}" for name in (PICTURE, NESTED, "absent.txt")]
    assert answers(world, token, *names) == expected
    assert answers(world, token, CONTAINER, query="restype=container&") == [403]
    assert outcome(rotate(world, **{"SAS_PERMISSIONS": permissions, **scope}))["outcome"] == "unchanged"


def test_sas_of_other_addresses_is_delivered_though_this_host_may_not_use_it(storagekey: World) -> None:
    settings: dict[str, Any] = {
        "SAS_CONTAINER": CONTAINER,
        "SAS_PERMISSIONS": "r",
        "SAS_IP": "203.0.113.0-203.0.113.255",
    }
    assert outcome(rotate(storagekey, **settings))["proof"].startswith("accepted (AuthorizationSourceIPMismatch")
    assert (held(storagekey).ip, Cluster(storagekey).works()) == ("203.0.113.0-203.0.113.255", False)


def test_changed_scope_is_due_and_the_former_sas_lives_to_its_end(world: World) -> None:
    rotate(world, SAS_CONTAINER=CONTAINER, SAS_PERMISSIONS="rl")
    former = Cluster(world).value()
    found = outcome(rotate(world, SAS_CONTAINER=CONTAINER, SAS_PERMISSIONS="rl", SAS_PREFIX="2026/july"))
    assert (found["outcome"], found["reason"]) == (
        "rotated",
        "the issuer, the account or what the SAS allows was changed",
    )
    assert world.blob_status(former) == WORKING


def test_delegated_sas_works_where_shared_keys_are_disallowed_and_no_key_s_does(
    delegated: World, storagekey: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.enter(storagekey, monkeypatch)
    storagekey.account.allow_shared_key_access = False
    refused = outcome(rotate(storagekey))
    assert (refused["outcome"], refused["error"]) == ("failed", "StorageRefusedError")
    assert "shared key access" in refused["remedy"]
    surroundings.enter(delegated, monkeypatch)
    delegated.account.allow_shared_key_access = False
    assert outcome(rotate(delegated))["outcome"] == "rotated"
    assert Cluster(delegated).works()
    assert happened(delegated, "list-keys") == []


@pytest.mark.parametrize(
    ("role", "error", "remedy"),
    [
        (roles.STORAGE_BLOB_DELEGATOR, "UserDelegationForbiddenError", "Storage Blob Delegator"),
        (roles.STORAGE_BLOB_DATA_READER, "StorageRefusedError", "Storage Blob Data Reader"),
    ],
)
def test_role_that_is_missing_is_named_and_nothing_is_delivered(
    delegated: World, role: str, error: str, remedy: str
) -> None:
    rotate(delegated)
    before = Cluster(delegated).value()
    delegated.rights.unassign(role)
    found = outcome(rotate(delegated, forced=True, SAS_PERMISSIONS="rl"))
    assert (found["outcome"], found["error"]) == ("failed", error)
    assert remedy in found["remedy"]
    assert Cluster(delegated).value() == before


def test_without_the_role_for_keys_a_rotation_says_which_one(storagekey: World) -> None:
    storagekey.rights.unassign(roles.KEY_OPERATOR)
    found = outcome(rotate(storagekey))
    assert found["error"] == ResourceManagerForbiddenError.__name__
    assert "Storage Account Key Operator Service Role" in found["remedy"]


# The record


def test_without_its_record_rotation_goes_on_with_a_warning_and_no_key_is_touched(world: World) -> None:
    rotate(world)
    kept = {"rotator-pending": "whatever it was"}
    recorded.replace(world, kept)
    blob = world.blob.containers[APP_ACCOUNT][recorded.CONTAINER].blobs[f"{ACCOUNT}.json"]
    blob.data = b"no JSON"
    report = rotate(world, forced=True)
    assert not report.failed
    assert any("cannot be read" in warning and "no key is rotated" in warning for warning in report.warnings)
    assert Cluster(world).works()
    keys = dict(world.account.keys)
    with pytest.raises(RunStateError):
        revoke(world, forced=True)
    assert (world.account.keys, blob.data) == (keys, b"no JSON")


def test_without_the_app_s_own_storage_rotation_goes_on_with_a_warning(world: World) -> None:
    settings: dict[str, Any] = {"AzureWebJobsStorage__blobServiceUri": ""}
    report = rotate(world, **settings)
    assert not report.failed
    assert any("no storage of the app's own is set" in warning for warning in report.warnings)
    with pytest.raises(errors.RotatorError):
        revoke(world, forced=True, **settings)


# Account keys


def settled(world: World) -> str:
    """A Secret with a SAS of key1, whose other key has long been idle; the SAS."""
    rotate(world)
    Keys(world).age(days=365)
    return Cluster(world).value()


def test_other_key_is_regenerated_and_signs_what_the_secret_holds_then(storagekey: World) -> None:
    former = settled(storagekey)
    before = dict(storagekey.account.keys)
    done = command_line(storagekey, "rotate", "--regenerate-key", "--json")
    assert done.returncode == 0, done.stderr
    (regenerated,) = json.loads(done.stdout)["key"]["regenerated"]
    assert [name for name in before if storagekey.account.keys[name] != before[name]] == [regenerated]
    assert Cluster(storagekey).annotation("signing-key") == regenerated
    assert (storagekey.blob_status(former), Cluster(storagekey).works()) == (WORKING, True)
    assert state.PENDING_TAG not in recorded.entries(storagekey)


def test_key_that_may_have_signed_before_the_first_run_is_left_alone(storagekey: World) -> None:
    rotate(storagekey)
    with pytest.raises(errors.KeyInUseError, match="may use a SAS that key"):
        regenerate(storagekey)


def test_after_a_revocation_nothing_issued_before_works(storagekey: World) -> None:
    former = settled(storagekey)
    with functions_host(storagekey, REVOKE_GRACE="PT0S") as host:
        answer = host.request("revoke_now", "POST", "/api/revoke")
    key = json.loads(answer["body"])["key"]
    assert (answer["status"], key["outcome"], len(key["regenerated"])) == (200, "done", 2)
    assert (storagekey.blob_status(former), Cluster(storagekey).works()) == (REFUSED, True)


def test_timer_rotates_a_key_that_is_due_by_age(storagekey: World) -> None:
    settled(storagekey)
    report = rotate(storagekey, Trigger.TIMER, KEY_ROTATION_PERIOD="P90D")
    assert report.key
    assert (report.key.outcome, len(report.key.regenerated)) == ("done", 1)


# User delegation keys


def test_revocation_of_delegation_keys_takes_force_and_a_role_and_says_what_it_ends(delegated: World) -> None:
    rotate(delegated)
    former = Cluster(delegated).value()
    refused = command_line(delegated, "revoke", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]) == (1, "KeyInUseError")
    forbidden = command_line(delegated, "revoke", "--force", "--json")
    assert json.loads(forbidden.stdout)["error"] == "ResourceManagerForbiddenError"
    assert "revokeUserDelegationKeys/action" in json.loads(forbidden.stdout)["remedy"]
    assert (delegated.blob_status(former), recorded.entries(delegated).get(state.REVOKING_TAG)) == (WORKING, None)


def may_revoke(world: World) -> None:
    """Give the rotator the right to revoke, by a role that has it."""
    world.rights.assign(roles.CONTRIBUTOR, world.account.resource_id)


@pytest.mark.parametrize("delay", [0.0, 1.5])
def test_revoked_sas_is_refused_as_soon_as_storage_learns_of_it(delegated: World, delay: float) -> None:
    rotate(delegated)
    former = Cluster(delegated).value()
    may_revoke(delegated)
    delegated.account.delegation_keys.revocation_delay = delay
    report = revoke(delegated, forced=True)
    assert report.key
    assert (report.key.outcome, report.failed) == ("done", False), report.as_json()
    assert "answered 403" in report.key.proofs[0]
    assert any("every user delegation SAS of this account" in line for line in report.key.cut_off)
    assert (delegated.blob_status(former), Cluster(delegated).works()) == (REFUSED, True)
    assert outcome(rotate(delegated, Trigger.TIMER))["outcome"] == "unchanged"


@pytest.mark.parametrize("carried_out", [False, True])
def test_revocation_whose_answer_is_lost_is_finished_by_the_next_run(delegated: World, carried_out: bool) -> None:
    rotate(delegated)
    may_revoke(delegated)
    fault = Fault(path=f"{delegated.account.resource_id}/revoke", status=400, code="Lost", carried_out=carried_out)
    delegated.resource_manager.faults.append(fault)
    report = revoke(delegated, forced=True)
    assert report.key
    assert (report.key.outcome, Cluster(delegated).works()) == ("unfinished", True)
    planned = app.plan(environment=settings_for(delegated)).key
    assert planned
    assert (planned.operation, planned.outcome, planned.reason) == ("revoke", "due", f"run {report.run} began it")
    finished = rotate(delegated, Trigger.TIMER)
    assert finished.key
    assert (finished.key.outcome, Cluster(delegated).works()) == ("done", True)
    assert state.REVOKING_TAG not in recorded.entries(delegated)


# Secrets


def test_keys_and_sas_of_each_issuer_appear_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    processes = ProcessList()
    with processes.watching():
        emitted = everything(world, caplog)
    kept = f"{recorded.entries(world)} {world.blob.containers.get(APP_ACCOUNT)}"
    token = Cluster(world).value()
    for text in (emitted, kept, "\n".join(processes.seen)):
        assert secrets_in.found(world, text, token) == []
    if world.options.issuer == "userdelegation":
        assert len(world.account.delegation_keys.issued) >= 4


def everything(world: World, caplog: pytest.LogCaptureFixture) -> str:
    """What rotations and revocations write, when they work and when they do not."""
    caplog.set_level("DEBUG")
    done = [
        command_line(world, *words) for words in (["rotate", "-v"], ["rotate", "--force", "--json", "-v"], ["plan"])
    ]
    assert [each.returncode for each in done] == [0, 0, 0]
    may_revoke(world)
    done.append(command_line(world, "revoke", "--force", "-v", REVOKE_GRACE="PT0S"))
    with functions_host(world, PYTHON_ENABLE_DEBUG_LOGGING="1") as host:
        answered = [host.request("rotate_now", "POST", "/api/rotate")]
        world.resource_manager.faults.append(Fault(status=400, code="Boom", times=99))
        answered.append(host.request("revoke_now", "POST", "/api/revoke", '{"force": true}'))
        world.resource_manager.faults.clear()
        logged = "\n".join(host.log)
    rotate(world, forced=True)
    return "".join((*(each.stdout + each.stderr for each in done), *map(str, answered), logged, caplog.text))


# The move


def moved(world: World, issuer: Issuer, **settings: str) -> Report:
    """A run with the settings of another issuer, for which there is no other change."""
    world.allow_issuer(issuer)
    wanted = world.issuer_settings(issuer)
    known: dict[str, Any] = {name: "" for name in world.settings if name not in wanted}
    return rotate(world, **{**known, **wanted, **settings})


def test_no_consumer_is_refused_when_its_target_moves_from_issuer_to_issuer_and_back(
    sandbox_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.enter(sandbox_world, monkeypatch)
    rotate(sandbox_world)
    values = [Cluster(sandbox_world).value()]
    consumer = Consumer(sandbox_world)
    part = {"SAS_CONTAINER": CONTAINER, "SAS_PERMISSIONS": "rl"}
    steps: list[tuple[Issuer, dict[str, str]]] = [
        ("userdelegation", part),
        ("storagekey", part),
        ("storagekey", {}),
        ("userdelegation", part),
        ("keyvault", {}),
    ]
    with consumer.reading():
        for issuer, settings in steps:
            report = moved(sandbox_world, issuer, **settings)
            assert not report.failed, report.as_json()
            values.append(Cluster(sandbox_world).value())
    assert (consumer.refusals, consumer.reads > 20) == ([], True)
    assert [sandbox_world.blob_status(value) for value in dict.fromkeys(values)] == [WORKING] * len(set(values))
    assert len(set(values)) >= 5
    assert [sas.parse(SecretText(value)).delegated for value in dict.fromkeys(values)].count(True) >= 1
