import dataclasses
import datetime

from rotator.delivery.errors import UnreachableError
from rotator.reporting import report
from rotator.reporting.report import Failed, Rotated, Unchanged, WouldRotate
from tests.fakes.examples import CLUSTER, DEFINITION, LABEL, NOW, TARGET, TOKEN, delivered, plan
from tests.fakes.world import FAR, HOST, World


def outcome(found: report.Report, number: int = 0) -> report.Outcome:
    return found.targets[number].outcome


def test_first_run_sets_the_definition_and_creates_the_secret() -> None:
    world = World()
    found = world.rotate()
    done = outcome(found)
    assert isinstance(done, Rotated)
    assert (done.reason, done.act, done.proof) == ("there is no Secret yet", "create", "accepted")
    assert (done.definition, done.previous_digest) == (LABEL, None)
    assert done.expires == datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC)
    assert found.definition_changed
    assert not found.failed
    assert world.master.value().startswith("sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&se=2026-07-01T16:00:00Z&")
    assert world.storage.tried == [(done.fingerprint, "https://mystorage.blob.core.windows.net")]
    assert world.network.connections == [(HOST, "the private key", None)]


def test_steps_are_timed_and_in_the_order_of_the_design() -> None:
    found = World().rotate()
    assert list(found.targets[0].seconds) == ["vault", "connect", "observe", "issue", "prove", "deliver"]
    assert all(seconds >= 0 for seconds in found.targets[0].seconds.values())


def test_second_run_at_once_changes_nothing_and_mints_nothing() -> None:
    world = World()
    world.rotate()
    before, writes = world.master.value(), world.vault.writes
    found = world.rotate()
    until = datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC)
    assert outcome(found) == Unchanged("its SAS is fresh", until, NOW)
    assert world.master.value() == before
    assert (len(world.vault.minted), world.vault.writes, len(world.storage.tried)) == (1, writes, 1)
    assert not found.definition_changed


def test_forced_run_rotates_a_fresh_secret_too() -> None:
    world = World()
    world.rotate()
    before = world.master.value()
    world.clock.forward(seconds=1)
    done = outcome(world.rotate(forced=True))
    assert isinstance(done, Rotated)
    assert (done.reason, done.act) == ("asked for", "recreate")
    assert done.previous_digest is not None
    assert done.previous_digest != done.digest
    assert world.master.value() != before


def test_forced_run_of_a_due_secret_tells_why_it_was_due() -> None:
    done = outcome(World().rotate(forced=True))
    assert isinstance(done, Rotated)
    assert done.reason == "there is no Secret yet"


def test_next_run_of_the_schedule_rotates() -> None:
    world = World()
    world.rotate()
    world.clock.forward(minutes=30)
    done = outcome(world.rotate())
    assert isinstance(done, Rotated)
    assert done.reason == "the SAS is 30 min old"


def test_drift_is_repaired_before_the_sas_is_old() -> None:
    world = World()
    world.rotate()
    world.master.secrets["storage-sas"]["data"]["secretKey"] = "aHVudGVyMg=="
    done = outcome(world.rotate())
    assert isinstance(done, Rotated)
    assert done.reason == "drift: somebody changed the value"


def test_passphrase_is_read_where_one_is_named() -> None:
    cluster = dataclasses.replace(CLUSTER, passphrase_secret="passphrase")
    world = World(dataclasses.replace(TARGET, cluster=cluster))
    world.rotate()
    assert world.network.connections == [(HOST, "the private key", "the passphrase")]


def test_run_has_a_name_that_tells_when_it_began() -> None:
    world = World()
    first, second = world.run(), world.run()
    assert first.name.startswith("20260701T120000Z-")
    assert first.name != second.name
    assert world.rotate().run == world.master.secrets["storage-sas"]["metadata"]["annotations"]["rotator/run"]


def test_several_targets_of_one_cluster_share_one_connection_and_one_sas() -> None:
    other = dataclasses.replace(TARGET, secret="other-sas")
    world = World(TARGET, other)
    found = world.rotate()
    assert [target.target for target in found.targets] == [f"default/storage-sas@{HOST}", f"default/other-sas@{HOST}"]
    assert found.counts() == "2 rotated"
    assert world.master.value("storage-sas") == world.master.value("other-sas")
    assert (len(world.vault.minted), len(world.storage.tried), len(world.network.connections)) == (1, 1, 1)


def test_secret_says_which_key_signed_its_sas() -> None:
    world = World()
    done = outcome(world.rotate())
    assert isinstance(done, Rotated)
    annotations = world.master.secrets["storage-sas"]["metadata"]["annotations"]
    assert done.signing_key == annotations["rotator/signing-key"] == "key1"
    assert "rotator/key-created" not in annotations


def test_secret_says_when_the_key_was_made_where_keys_were_listed() -> None:
    world = World()
    run = world.run()
    run.account.with_keys()
    run.rotate()
    annotations = world.master.secrets["storage-sas"]["metadata"]["annotations"]
    assert annotations["rotator/key-created"] == "2026-01-01T00:00:00Z"


def test_signing_key_is_left_out_where_the_active_key_may_not_be_read() -> None:
    world = World()
    world.vault.may_read = False
    done = outcome(world.rotate())
    assert isinstance(done, Rotated)
    assert done.signing_key is None
    assert "rotator/signing-key" not in world.master.secrets["storage-sas"]["metadata"]["annotations"]


def test_plain_rotation_lists_no_keys() -> None:
    world = World()
    world.rotate()
    assert "keys" not in world.calls.names


def test_tags_of_others_stay_on_a_definition_that_is_set_anew() -> None:
    world = World()
    world.vault.tags = {"team": "blue"}
    assert world.rotate().definition_changed
    assert world.vault.tags_without_deliveries == {"team": "blue"}


def test_each_change_comes_right_after_a_look_at_the_lease() -> None:
    world = World()
    world.rotate()
    names = world.calls.names
    assert [names[names.index(change) - 1] for change in ("store", "write")] == ["fence", "fence"]


def test_sas_of_a_key_that_is_no_longer_active_is_replaced() -> None:
    world = World()
    world.rotate()
    world.vault.activate("key2")
    world.clock.forward(minutes=1)
    done = outcome(world.rotate())
    assert isinstance(done, Rotated)
    assert done.reason == "the SAS was signed by key1, which is no longer the active key"
    assert world.signers() == ["key2"]


def test_targets_of_several_clusters_get_the_same_sas_over_their_own_connections() -> None:
    world = World(TARGET, FAR)
    assert world.rotate().counts() == "2 rotated"
    assert world.master.value() == world.value(FAR)
    assert len(world.vault.minted) == 1
    assert [host for host, _, _ in world.network.connections] == [HOST, "far"]


def test_cluster_gets_one_connection_per_run_in_whatever_order_its_targets_stand() -> None:
    other = dataclasses.replace(TARGET, secret="other-sas")
    world = World(TARGET, FAR, other)
    world.rotate()
    assert sorted(host for host, _, _ in world.network.connections) == ["far", HOST]


def test_fresh_and_due_targets_are_told_apart() -> None:
    other = dataclasses.replace(TARGET, secret="other-sas")
    world = World(TARGET, other, held=delivered())
    found = world.rotate()
    assert found.counts() == "1 rotated, 1 unchanged"
    assert world.master.value("storage-sas") == TOKEN


def test_plan_tells_what_is_due_and_changes_nothing() -> None:
    world = World()
    found = world.run().preview()
    assert outcome(found) == WouldRotate("there is no Secret yet")
    assert found.definition_changed
    assert (world.master.secrets, world.master.methods, world.vault.definitions) == ({}, [], {})
    assert {"mint", "store", "fence"}.isdisjoint(world.calls.names)


def test_plan_of_a_fresh_secret_says_so_unless_forced() -> None:
    world = World()
    world.rotate()
    assert isinstance(outcome(world.run().preview()), Unchanged)
    assert outcome(world.run(forced=True).preview()) == WouldRotate("asked for")


def test_plan_does_not_promise_a_definition_that_no_due_target_would_set() -> None:
    world = World()
    world.rotate()
    world.vault.definitions.clear()
    assert not world.run().preview().definition_changed


def test_plan_reports_a_master_that_does_not_answer() -> None:
    world = World()
    world.network.failing[HOST] = UnreachableError("no answer")
    assert isinstance(outcome(world.run().preview()), Failed)


def test_definition_in_the_vault_that_differs_is_set_and_told() -> None:
    world = World()
    world.vault.definitions[DEFINITION.name] = dataclasses.replace(DEFINITION, permissions="r")
    assert world.rotate().definition_changed
    assert world.vault.definitions[DEFINITION.name] == DEFINITION
    world.clock.forward(minutes=20)
    assert not world.rotate().definition_changed


def test_warnings_of_the_plan_are_in_the_report() -> None:
    world = World()
    world.plan = plan(warnings=("pin the SHA256 fingerprint",))
    assert world.rotate().warnings == ("pin the SHA256 fingerprint",)


def test_each_secret_says_when_it_was_written_itself() -> None:
    world = World(TARGET, dataclasses.replace(TARGET, secret="other-sas"))
    world.calls.hook("after", "write", lambda: world.clock.forward(minutes=5))
    assert not world.rotate().failed
    written = [
        world.master.secrets[target.secret]["metadata"]["annotations"]["rotator/rotated"] for target in world.targets
    ]
    assert written == ["2026-07-01T12:00:00Z", "2026-07-01T12:05:00Z"]
