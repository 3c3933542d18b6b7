"""What fails, what goes on regardless, and what the report says of it."""

import dataclasses
import json
import logging

import pytest

from rotator.azure.errors import (
    StorageRefusedError,
    StorageUnreachableError,
    VaultForbiddenError,
    VaultSecretNotFoundError,
    VaultThrottledError,
    VaultUnreachableError,
)
from rotator.delivery.errors import (
    AuthenticationRejectedError,
    ConnectionLostError,
    HostKeyRejectedError,
    PrivateKeyError,
    SshError,
    TimedOutError,
    UnreachableError,
)
from rotator.plan.plan import Target
from rotator.reporting import report
from rotator.reporting.report import Failed, Rotated
from tests.fakes.examples import TARGET, TOKEN, delivered, document, plan
from tests.fakes.world import FAR, HOST, World
from tests.unit.rotation.test_run import outcome

OTHER = dataclasses.replace(TARGET, secret="other-sas")


def two_clusters() -> World:
    return World(FAR, TARGET)


def failed(found: report.Report, number: int = 0) -> Failed:
    done = outcome(found, number)
    assert isinstance(done, Failed)
    assert found.failed
    return done


def test_failing_target_does_not_stop_the_next_on_the_same_connection() -> None:
    theirs = document({"password": "hunter2"}, labels={"app.kubernetes.io/managed-by": "Helm"})
    world = World(TARGET, OTHER, held=theirs)
    found = world.rotate()
    assert failed(found).error == "NotOursError"
    assert isinstance(outcome(found, 1), Rotated)
    assert found.counts() == "1 failed, 1 rotated"


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("far does not answer"),
        HostKeyRejectedError("far shows another key"),
        AuthenticationRejectedError("far does not accept the key"),
        PrivateKeyError("the key is damaged"),
        TimedOutError("the handshake took longer than 15 s"),
    ],
)
def test_cluster_that_cannot_be_reached_does_not_stop_the_next(error: SshError) -> None:
    world = two_clusters()
    world.network.failing["far"] = error
    found = world.rotate()
    assert failed(found).error == type(error).__name__
    assert failed(found).message == str(error)
    assert isinstance(outcome(found, 1), Rotated)


def test_unreachable_cluster_fails_each_of_its_targets() -> None:
    world = World(TARGET, OTHER)
    world.network.failing[HOST] = UnreachableError("no answer", remedy="Check it.")
    found = world.rotate()
    assert [failed(found, number) for number in (0, 1)] == [Failed("UnreachableError", "no answer", "Check it.")] * 2
    assert "mint" not in world.calls.names


def test_unexpected_exception_at_the_connection_does_not_stop_the_next_cluster() -> None:
    world = two_clusters()
    world.network.failing["far"] = ValueError("Unsupported curve for ssh private key")
    found = world.rotate()
    assert failed(found).error == "UnexpectedError"
    assert isinstance(outcome(found, 1), Rotated)


def test_unexpected_exception_in_a_target_is_reported_scrubbed_and_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(TARGET, OTHER)
    world.master.broken = RuntimeError("Socket is closed &sig=Zm9v")
    with caplog.at_level(logging.ERROR):
        found = world.rotate()
    assert failed(found).error == "UnexpectedError"
    assert failed(found).message == "RuntimeError: Socket is closed &sig=[secret]"
    assert failed(found, 1).error == "UnexpectedError"
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_connection_that_breaks_at_one_target_leaves_what_was_done_reported() -> None:
    world = World(TARGET, OTHER)
    world.master.hooks["after"].append(
        lambda: setattr(world.master, "broken", ConnectionLostError("the connection broke"))
    )
    found = world.rotate()
    assert isinstance(outcome(found), Rotated)
    assert failed(found, 1).error == "ConnectionLostError"


@pytest.mark.parametrize("method", ["stored", "managed", "store", "mint"])
def test_failing_issue_is_tried_once_and_fails_every_due_target(method: str) -> None:
    world = World(TARGET, OTHER)
    world.calls.failing[method] = VaultThrottledError("the vault answered 429")
    found = world.rotate()
    assert [failed(found, number).error for number in (0, 1)] == ["VaultThrottledError"] * 2
    assert world.calls.names.count(method) == 1
    assert world.master.methods == []


def test_failing_issue_leaves_fresh_targets_unchanged() -> None:
    world = World(OTHER, TARGET, held=delivered())
    world.calls.failing["mint"] = VaultUnreachableError("no answer")
    assert world.rotate().counts() == "1 failed, 1 unchanged"
    assert world.master.value() == TOKEN


def test_missing_private_key_fails_before_any_connection() -> None:
    world = World()
    world.calls.failing["secret"] = VaultSecretNotFoundError("secret 'privatekey' is not in the vault")
    assert failed(world.rotate()).error == "VaultSecretNotFoundError"
    assert world.network.connections == []


def test_a_failed_target_tells_until_when_the_sas_lives_that_it_was_seen_to_hold() -> None:
    world = World(TARGET, FAR, held=delivered(**{"rotator/rotated": "2026-07-01T11:00:00Z"}))
    world.calls.failing["mint"] = VaultUnreachableError("no answer")
    world.network.failing["far"] = UnreachableError("far does not answer")
    found = world.rotate()
    assert [each["expires"] for each in found.as_json()["targets"]] == ["2026-07-01T16:00:00Z", None]


@pytest.mark.parametrize(
    ("grants", "problem"),
    [
        ({"sp": "rw"}, "permissions are 'rw' instead of 'rwu'"),
        ({"se": "2026-07-01T11:00:00Z"}, "it expired at 2026-07-01T11:00:00Z"),
        ({"sv": "2026-02-06"}, "version 2026-02-06 is later than 2018-03-28"),
        ({"sig": None}, "the issued SAS lacks sig"),
    ],
)
def test_sas_that_is_not_what_was_asked_for_is_neither_tried_nor_delivered(
    grants: dict[str, str | None], problem: str
) -> None:
    world = World(TARGET, held=delivered(**{"rotator/rotated": "2026-07-01T11:00:00Z"}))
    world.vault.grants = grants
    done = failed(world.rotate())
    assert done.error == "SasError"
    assert problem in done.message
    assert world.storage.tried == []
    assert world.master.value() == TOKEN
    assert world.master.methods == []


def test_sas_that_storage_refuses_is_never_delivered() -> None:
    world = World(TARGET, OTHER, held=delivered())
    world.calls.failing["prove"] = StorageRefusedError("storage answered 403", remedy="Check the keys.")
    found = world.rotate(forced=True)
    assert [failed(found, number).error for number in (0, 1)] == ["StorageRefusedError"] * 2
    assert failed(found).remedy == "Check the keys."
    assert len(world.storage.tried) == 1
    assert world.master.methods == []


def test_storage_that_does_not_answer_at_the_given_endpoint_stops_the_delivery() -> None:
    world = World()
    world.calls.failing["prove"] = StorageUnreachableError("storage does not answer")
    assert failed(world.rotate()).error == "StorageUnreachableError"
    assert world.master.secrets == {}


def test_storage_that_does_not_answer_at_a_concluded_endpoint_is_a_warning() -> None:
    world = World()
    world.plan = plan(blob_endpoint=None)
    world.calls.failing["prove"] = StorageUnreachableError("storage does not answer")
    found = world.rotate()
    done = outcome(found)
    assert isinstance(done, Rotated)
    assert done.proof == "left out: the concluded endpoint does not answer"
    assert found.targets[0].warnings == ("the SAS was not tried on storage: storage does not answer",)


def test_proof_is_left_out_with_a_warning_when_no_endpoint_is_known() -> None:
    world = World()
    world.plan = plan(blob_endpoint=None)
    world.vault.may_read = False
    found = world.rotate()
    done = outcome(found)
    assert isinstance(done, Rotated)
    assert done.proof == "left out: no STORAGE_BLOB_ENDPOINT"
    assert "set STORAGE_BLOB_ENDPOINT" in found.targets[0].warnings[0]
    assert world.storage.tried == []


def test_proof_is_left_out_without_a_warning_when_told_so() -> None:
    world = World()
    world.plan = plan(prove=False)
    found = world.rotate()
    done = outcome(found)
    assert isinstance(done, Rotated)
    assert done.proof == "left out: ROTATION_PROVE is false"
    assert found.targets[0].warnings == ()
    assert world.storage.tried == []


def test_failed_delivery_is_repaired_by_the_next_run() -> None:
    world = World()
    world.master.refuse = {"create": "Unable to connect to the server: unexpected EOF\n"}
    assert failed(world.rotate()).error == "ApiServerDownError"
    world.master.refuse = {}
    assert isinstance(outcome(world.rotate()), Rotated)


def test_log_of_a_run_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    world = World(TARGET, OTHER)
    world.vault.secrets["privatekey"] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----"
    with caplog.at_level(logging.DEBUG):
        found = world.rotate()
    assert '"event": "target_due"' in caplog.text
    for piece in ("sig=", "MC4CAQAw", world.master.secrets["storage-sas"]["data"]["secretKey"]):
        assert piece not in caplog.text + json.dumps(found.as_json())


def test_plan_stops_at_a_vault_that_refuses_as_nothing_could_be_told() -> None:
    world = World()
    world.calls.failing["stored"] = VaultForbiddenError("no permission")
    with pytest.raises(VaultForbiddenError):
        world.run().preview()


def test_target_names_itself_in_reports_by_namespace_name_and_host() -> None:
    far: Target = dataclasses.replace(FAR, namespace="shop")
    world = World(far)
    assert world.rotate().targets[0].target == "shop/storage-sas@far"
