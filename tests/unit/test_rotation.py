import dataclasses
import datetime
import json

from rotator import errors, report
from rotator.report import Due, Failed, Rotated, Unchanged
from rotator.rotation import Run, Services
from rotator.targets import Plan, Target
from tests.unit.examples import CLUSTER, DEFINITION, LABEL, NOW, TARGET, TOKEN, delivered, plan
from tests.unit.fake_master import Master
from tests.unit.fakes import Clock, Network, Storage, Vault

HOST = "master.example.com"


class World:
    """A vault, storage and one master, with the clock at NOW."""

    def __init__(self, *targets: Target, **masters: Master) -> None:
        self.targets = targets
        self.vault = Vault()
        self.storage = Storage()
        self.network = Network(**(masters or {HOST: Master(*targets)}))
        self.clock = Clock()
        self.plan: Plan = plan(*targets)

    @property
    def master(self) -> Master:
        return self.network.masters[HOST]

    def run(self, *, forced: bool = False) -> Run:
        services = Services(self.vault, self.storage, self.network, self.clock)
        return Run(self.plan, services, trigger="test", forced=forced)

    def rotate(self, *, forced: bool = False) -> report.Report:
        found = self.run(forced=forced).rotate()
        assert self.network.open == 0
        assert "c2lnbmF0dXJl" not in json.dumps(found.as_json())  # how every signature of the fake vault begins
        assert "the private key" not in json.dumps(found.as_json())
        return found


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
    assert world.master.value().startswith("sv=2018-03-28&ss=b&srt=sco&sp=rwu&se=2026-07-01T16%3A00%3A00Z")
    assert world.storage.tried == [(done.fingerprint, "https://mystorage.blob.core.windows.net")]
    assert world.network.connections == [(HOST, "the private key", None)]


def test_steps_are_timed_and_in_the_order_of_the_design() -> None:
    found = World().rotate()
    assert list(found.targets[0].seconds) == ["vault", "connect", "observe", "issue", "prove", "deliver"]
    assert all(seconds >= 0 for seconds in found.targets[0].seconds.values())


def test_second_run_at_once_changes_nothing_and_mints_nothing() -> None:
    world = World()
    world.rotate()
    before = world.master.value()
    found = world.rotate()
    assert outcome(found) == Unchanged("its SAS is fresh", datetime.datetime(2026, 7, 1, 16, tzinfo=datetime.UTC))
    assert world.master.value() == before
    assert (world.vault.minted, world.vault.writes, len(world.storage.tried)) == (1, 1, 1)
    assert not found.definition_changed


def test_forced_run_rotates_a_fresh_secret_too() -> None:
    world = World()
    world.rotate()
    before = world.master.value()
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
    world.clock.now = NOW + datetime.timedelta(minutes=30)
    world.vault.grants = {"se": "2026-07-01T16:30:00Z"}
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
    assert (world.vault.minted, len(world.storage.tried), len(world.network.connections)) == (1, 1, 1)


def test_targets_of_several_clusters_get_the_same_sas_over_their_own_connections() -> None:
    far = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, host="far"))
    world = World(TARGET, far, **{HOST: Master(TARGET), "far": Master(far)})
    assert world.rotate().counts() == "2 rotated"
    assert world.master.value() == world.network.masters["far"].value()
    assert world.vault.minted == 1
    assert [host for host, _, _ in world.network.connections] == [HOST, "far"]


def test_cluster_gets_one_connection_per_run_in_whatever_order_its_targets_stand() -> None:
    far = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, host="far"))
    other = dataclasses.replace(TARGET, secret="other-sas")
    world = World(TARGET, far, other, **{HOST: Master(TARGET, other), "far": Master(far)})
    world.rotate()
    assert sorted(host for host, _, _ in world.network.connections) == ["far", HOST]


def test_fresh_and_due_targets_are_told_apart() -> None:
    other = dataclasses.replace(TARGET, secret="other-sas")
    world = World(TARGET, other, **{HOST: Master(TARGET, other, held=delivered())})
    found = world.rotate()
    assert found.counts() == "1 rotated, 1 unchanged"
    assert world.master.value("storage-sas") == TOKEN


def test_plan_tells_what_is_due_and_changes_nothing() -> None:
    world = World()
    found = world.run().plan()
    assert outcome(found) == Due("there is no Secret yet")
    assert found.definition_changed
    assert (world.master.secrets, world.master.acts, world.vault.definitions) == ({}, [], {})
    assert {"mint", "ensure_definition"}.isdisjoint(world.vault.calls)


def test_plan_of_a_fresh_secret_says_so_unless_forced() -> None:
    world = World()
    world.rotate()
    assert isinstance(outcome(world.run().plan()), Unchanged)
    assert outcome(world.run(forced=True).plan()) == Due("asked for")


def test_plan_does_not_promise_a_definition_that_no_due_target_would_set() -> None:
    world = World()
    world.rotate()
    world.vault.definitions.clear()
    assert not world.run().plan().definition_changed


def test_plan_reports_a_master_that_does_not_answer() -> None:
    world = World()
    world.network.failing[HOST] = errors.UnreachableError("no answer")
    assert isinstance(outcome(world.run().plan()), Failed)


def test_definition_in_the_vault_that_differs_is_set_and_told() -> None:
    world = World()
    world.vault.definitions[DEFINITION.name] = dataclasses.replace(DEFINITION, permissions="r")
    assert world.rotate().definition_changed
    assert world.vault.definitions[DEFINITION.name] == DEFINITION
    world.clock.now = NOW + datetime.timedelta(minutes=20)
    world.vault.grants = {"se": "2026-07-01T16:20:00Z"}
    assert not world.rotate().definition_changed


def test_warnings_of_the_plan_are_in_the_report() -> None:
    world = World()
    world.plan = plan(warnings=("pin the SHA256 fingerprint",))
    assert world.rotate().warnings == ("pin the SHA256 fingerprint",)
