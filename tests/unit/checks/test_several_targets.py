"""All checks of a plan with two clusters and three targets: what fails on one of them stops no other."""

import dataclasses
from collections.abc import Iterator

import pytest

from rotator.checks import checkup
from rotator.checks.findings import Checkup, Level
from rotator.checks.runner import NoProgress
from rotator.delivery.errors import UnreachableError
from rotator.plan.host_keys import HostKey
from rotator.plan.plan import Strategy
from tests.fakes import checks
from tests.fakes.checks import Hosts
from tests.fakes.examples import CLUSTER, TARGET
from tests.fakes.world import World

WEST = dataclasses.replace(CLUSTER, host="west")
EAST = dataclasses.replace(CLUSTER, host="east", key_secret="eastkey")
WEB = dataclasses.replace(TARGET, cluster=WEST, namespace="web")
BACKUP = dataclasses.replace(TARGET, cluster=WEST, secret="backup-sas", strategy=Strategy.APPLY)
SHOP = dataclasses.replace(TARGET, cluster=EAST, namespace="shop")
OF_A_CLUSTER = ("SSH key", "master", "host key", "login", "remote shell", "master clock", "kubectl", "API server")
OF_A_TARGET = ("namespace", "kubectl may get", "Secret", "kubectl may create", "dry run", "held SAS")
OF_THE_PLAN = {
    "failing runs",
    "Python",
    "settings",
    "identity",
    "vault",
    "vault permission storage get",
    "vault permission storage getsas",
    "vault permission storage setsas",
    "managed account",
    "issuer",
    "SAS definition",
    "SAS",
    "storage",
    "storage account",
    "shared key access",
    "SAS policy",
    "key policy",
    "storage networks",
    "locks",
}


@pytest.fixture
def world() -> World:
    return checks.with_ssh_keys(World(WEB, BACKUP, SHOP)).settled()


@pytest.fixture
def hosts(world: World) -> Iterator[Hosts]:
    """The masters, on which no connection is left open."""
    hosts = Hosts(world)
    yield hosts
    assert hosts.open == 0


def check(world: World, hosts: Hosts) -> Checkup:
    context = checks.context(world, hosts)
    with context.stack:
        return checkup.check(context, NoProgress())


def names(found: Checkup, level: Level) -> set[str]:
    return {finding.check for finding in found.findings if finding.level is level}


def of_west() -> set[str]:
    """The checks of that cluster and of its targets."""
    clusters = {f"{name} (rotator@west:22)" for name in OF_A_CLUSTER}
    targets = {f"{name} ({target})" for name in OF_A_TARGET for target in (WEB, BACKUP)}
    return clusters | targets | {f"kubectl may delete ({WEB})", f"kubectl may update ({BACKUP})"}


def of_east() -> set[str]:
    clusters = {f"{name} (rotator@east:22)" for name in OF_A_CLUSTER}
    return clusters | {f"{name} (shop/storage-sas@east)" for name in (*OF_A_TARGET, "kubectl may delete")}


def test_each_cluster_and_each_target_is_checked(world: World, hosts: Hosts) -> None:
    found = check(world, hosts)
    keys = {"vault permission secrets get (privatekey)", "vault permission secrets get (eastkey)"}
    assert names(found, Level.OK) == OF_THE_PLAN | keys | of_west() | of_east()
    assert [finding for finding in found.findings if finding.level is Level.FAILURE] == []
    assert not found.failed


def test_findings_of_a_check_stand_together_in_the_plans_order(world: World, hosts: Hosts) -> None:
    found = [finding.check for finding in check(world, hosts).findings]
    assert [name for name in found if name.startswith("Secret ")] == [
        f"Secret ({each})" for each in (WEB, BACKUP, SHOP)
    ]
    assert found.index("login (rotator@east:22)") == found.index("login (rotator@west:22)") + 1


def test_each_targets_own_secret_and_sas_are_checked(world: World, hosts: Hosts) -> None:
    del world.network.masters["west"].secrets[BACKUP.secret]
    found = {finding.check: (finding.level, finding.text) for finding in check(world, hosts).findings}
    assert found[f"Secret ({BACKUP})"] == (
        Level.WARNING,
        "drift: somebody deleted the Secret: the next run repairs it",
    )
    assert found[f"held SAS ({BACKUP})"] == (Level.SKIPPED, "not checked: the Secret holds no SAS")
    for target in (WEB, SHOP):
        assert found[f"held SAS ({target})"][0] is found[f"Secret ({target})"][0] is Level.OK


def test_an_unreachable_cluster_skips_only_its_own_targets(world: World, hosts: Hosts) -> None:
    hosts.failing["east"] = UnreachableError("nobody is there")
    found = check(world, hosts)
    assert found.failed
    assert names(found, Level.FAILURE) == {"master (rotator@east:22)"}
    skipped = {finding.text for finding in found.findings if finding.level is Level.SKIPPED}
    assert skipped == {"not checked: it needs 'master (rotator@east:22)'"}
    assert names(found, Level.SKIPPED) == of_east() - {"SSH key (rotator@east:22)", "master (rotator@east:22)"}
    assert of_west() <= names(found, Level.OK)


def test_a_host_key_that_is_not_pinned_stops_no_other_cluster(world: World, hosts: Hosts) -> None:
    hosts.shows["west"] = HostKey("ssh-ed25519", b"another")
    found = check(world, hosts)
    assert names(found, Level.FAILURE) == {"host key (rotator@west:22)"}
    assert of_east() <= names(found, Level.OK)


def test_each_cluster_is_logged_in_to_with_its_own_key(world: World, hosts: Hosts) -> None:
    hosts.accepts = {"west": world.vault.secrets["privatekey"], "east": world.vault.secrets["privatekey"]}
    assert names(check(world, hosts), Level.FAILURE) == {"login (rotator@east:22)"}


def test_a_broken_ssh_key_skips_only_the_clusters_that_use_it(world: World, hosts: Hosts) -> None:
    world.vault.secrets["eastkey"] = "no key at all"
    found = check(world, hosts)
    assert names(found, Level.FAILURE) == {"SSH key (rotator@east:22)"}
    assert of_west() | {"SAS", "storage"} <= names(found, Level.OK)


def test_what_one_target_may_not_do_is_its_own_failure(world: World, hosts: Hosts) -> None:
    hosts.refuses.add(("update", BACKUP.secret))
    found = check(world, hosts)
    assert names(found, Level.FAILURE) == {f"kubectl may update ({BACKUP})"}
    assert f"dry run ({WEB})" in names(found, Level.OK)


def test_the_json_names_each_subject(world: World, hosts: Hosts) -> None:
    hosts.failing["east"] = UnreachableError("nobody is there")
    value = check(world, hosts).as_json()
    assert value["failed"]
    (failure,) = [each for each in value["findings"] if each["level"] == "failure"]
    assert set(failure) == {"check", "level", "text", "remedy", "command", "seconds"}
    assert (failure["check"], failure["text"]) == ("master (rotator@east:22)", "nobody is there")


def test_one_target_s_checks_have_plain_names() -> None:
    world = checks.with_ssh_keys(World(WEB)).settled()
    found = check(world, Hosts(world))
    assert names(found, Level.OK) >= {*OF_A_CLUSTER, *OF_A_TARGET, "vault permission secrets get", "kubectl may delete"}
    assert [finding.check for finding in found.findings if "(" in finding.check] == []
