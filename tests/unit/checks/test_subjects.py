"""What checks are about: the plan, each cluster, or each target; and which result each gets from an earlier one."""

import dataclasses
import threading
from typing import Any

import pytest

from rotator.checks import runner
from rotator.checks.findings import Checkup, Level, Reporter
from rotator.checks.interface import Check, ClusterCheck, DependencyError, PlanCheck, Results, TargetCheck
from rotator.checks.vault_permissions import PassphraseRead, PrivateKeyRead
from rotator.delivery.errors import UnreachableError
from rotator.plan.plan import Target
from tests.fakes import checks, examples
from tests.fakes.world import FAR, World

NEAR = examples.TARGET
OTHER = dataclasses.replace(NEAR, namespace="shop")
TWO_CLUSTERS = (NEAR, OTHER, FAR)


class Account(PlanCheck[str]):
    name = "account"

    def run(self, results: Results, report: Reporter) -> str:
        report(Level.OK, "fine")
        return "the account"


class Master(ClusterCheck[str]):
    name = "master"

    def run(self, results: Results, report: Reporter) -> str:
        if self.cluster == FAR.cluster:
            raise UnreachableError("no way there")
        report(Level.OK, f"{results.of(Account)}'s")
        return self.cluster.host


class Version(ClusterCheck[None]):
    name = "version"

    def run(self, results: Results, report: Reporter) -> None:
        report(Level.OK, f"as {results.of(Master)} says")


class Secret(TargetCheck[Target]):
    name = "Secret"

    @classmethod
    def applies(cls, target: Target) -> bool:
        return target.secret != "other"

    def run(self, results: Results, report: Reporter) -> Target:
        report(Level.OK, f"on {results.of(Master)}")
        return self.target


class Held(TargetCheck[None]):
    name = "held"

    def run(self, results: Results, report: Reporter) -> None:
        assert results.of(Secret) == self.target
        report(Level.OK, f"of {results.of(Account)}")


class Summary(PlanCheck[None]):
    """Asks for the result of a cluster, though there may be many."""

    name = "summary"

    def run(self, results: Results, report: Reporter) -> None:
        report(Level.OK, results.of(Master))


class Some(PlanCheck[None]):
    name = "some"

    def run(self, results: Results, report: Reporter) -> None:
        results.require_any(Master)
        report(Level.OK, "one is enough")


ALL: tuple[type[Check[Any]], ...] = (Account, Master, Version, Secret, Held)


def run(*kinds: type[Check[Any]], targets: tuple[Target, ...] = TWO_CLUSTERS, at_once: int = 8) -> Checkup:
    return runner.run(kinds, checks.context(World(*targets)), runner.NoProgress(), at_once=at_once)


def lines(checkup: Checkup) -> list[tuple[str, str, str]]:
    return [(finding.check, finding.level.value, finding.text) for finding in checkup.findings]


def test_each_check_is_run_for_the_plan_for_each_cluster_or_for_each_target_in_that_order() -> None:
    assert lines(run(*ALL)) == [
        ("account", "ok", "fine"),
        ("master (rotator@master.example.com:22)", "ok", "the account's"),
        ("master (rotator@far:22)", "failure", "no way there"),
        ("version (rotator@master.example.com:22)", "ok", "as master.example.com says"),
        ("version (rotator@far:22)", "skipped", "not checked: it needs 'master (rotator@far:22)'"),
        ("Secret (default/storage-sas@master.example.com)", "ok", "on master.example.com"),
        ("Secret (shop/storage-sas@master.example.com)", "ok", "on master.example.com"),
        ("Secret (default/storage-sas@far)", "skipped", "not checked: it needs 'master (rotator@far:22)'"),
        ("held (default/storage-sas@master.example.com)", "ok", "of the account"),
        ("held (shop/storage-sas@master.example.com)", "ok", "of the account"),
        ("held (default/storage-sas@far)", "skipped", "not checked: it needs 'master (rotator@far:22)'"),
    ]


def test_names_have_no_subject_where_there_is_one() -> None:
    assert [name for name, _, _ in lines(run(*ALL, targets=(NEAR,)))] == [
        "account",
        "master",
        "version",
        "Secret",
        "held",
    ]


def test_the_only_cluster_of_several_targets_needs_no_name() -> None:
    names = [name for name, _, _ in lines(run(Account, Master, Secret, targets=(NEAR, OTHER)))]
    assert names == [
        "account",
        "master",
        "Secret (default/storage-sas@master.example.com)",
        "Secret (shop/storage-sas@master.example.com)",
    ]


def test_a_check_is_left_out_for_a_target_to_which_it_does_not_apply() -> None:
    other = dataclasses.replace(NEAR, secret="other")
    assert lines(run(Account, Master, Secret, Held, targets=(NEAR, other)))[2:] == [
        ("Secret (default/storage-sas@master.example.com)", "ok", "on master.example.com"),
        ("held (default/storage-sas@master.example.com)", "ok", "of the account"),
        (
            "held (default/other@master.example.com)",
            "skipped",
            "not checked: it needs 'Secret (default/other@master.example.com)'",
        ),
    ]


@pytest.mark.parametrize("targets", [(NEAR,), TWO_CLUSTERS])
def test_a_check_of_the_plan_that_needs_the_result_of_one_cluster_is_a_mistake_of_ours(
    targets: tuple[Target, ...],
) -> None:
    """With one cluster, too: it would work until there are two."""
    *_, (name, level, text) = lines(run(Account, Master, Summary, targets=targets))
    assert (name, level) == ("summary", "failure")
    assert "SubjectError" in text


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (TWO_CLUSTERS, ("some", "ok", "one is enough")),
        ((FAR,), ("some", "skipped", "not checked: it needs 'master'")),
    ],
)
def test_a_check_of_the_plan_may_need_a_result_for_any_cluster(
    targets: tuple[Target, ...], expected: tuple[str, str, str]
) -> None:
    assert lines(run(Account, Master, Some, targets=targets))[-1] == expected


def test_what_no_check_has_a_result_of_is_missing_for_all() -> None:
    with pytest.raises(DependencyError, match="master"):
        Results({}).require_any(Master)


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_however_few_run_at_once_all_come_to_their_end(at_once: int) -> None:
    clusters = [dataclasses.replace(NEAR.cluster, host=f"host{number}") for number in range(20)]
    targets = tuple(dataclasses.replace(NEAR, cluster=cluster) for cluster in clusters)
    checkup = run(*ALL, targets=targets, at_once=at_once)
    assert {finding.level for finding in checkup.findings} == {Level.OK}
    assert len(checkup.findings) == 1 + 4 * len(targets)


def test_all_clusters_are_checked_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    class Meeting(ClusterCheck[None]):
        name = "meeting"

        def run(self, results: Results, report: Reporter) -> None:
            both.wait()
            report(Level.OK, "met the other")

    assert {level for _, level, _ in lines(run(Meeting))} == {"ok"}


# Secrets of the vault


def test_a_secret_that_clusters_share_is_read_once() -> None:
    plan = World(*TWO_CLUSTERS).plan
    assert [str(each) for each in PrivateKeyRead.subjects(plan)] == ["privatekey"]
    assert PrivateKeyRead.label_of(plan, None) == "vault permission secrets get"
    assert list(PassphraseRead.subjects(plan)) == []


def test_different_secrets_are_each_read_for_the_clusters_that_need_them() -> None:
    own = dataclasses.replace(FAR.cluster, key_secret="farkey", passphrase_secret="farphrase")
    far = dataclasses.replace(FAR, cluster=own)
    plan = World(NEAR, far).plan
    labels = [PrivateKeyRead.label_of(plan, each) for each in PrivateKeyRead.subjects(plan)]
    assert labels == ["vault permission secrets get (privatekey)", "vault permission secrets get (farkey)"]
    assert str(PrivateKeyRead.subject_for(far)) == str(PrivateKeyRead.subject_for(own)) == "farkey"
    assert [PassphraseRead.label_of(plan, each) for each in PassphraseRead.subjects(plan)] == ["passphrase"]
