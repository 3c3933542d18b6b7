"""Onboarding for a plan with two clusters and three targets: one host key scan and one SSH key for each cluster."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

from rotator import app
from rotator.commands import onboard_request
from rotator.commands.onboard_request import OnboardOptions
from rotator.onboarding.onboard import Onboarding
from rotator.onboarding.request import Master, OnboardingRequest
from rotator.onboarding.steps import Step, StepOutcome
from rotator.plan import resource_id
from rotator.plan.plan import Cluster
from rotator.plan.resource_id import ResourceId
from sandbox.world import KEY_SECRET, World
from tests.integration import test_onboarding
from tests.integration.conftest import options_for

OTHER_KEY, PASSPHRASE = "otherkey", "passphrase"


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing is onboarded: no managed account, no SSH key, no access policy."""
    with World(dataclasses.replace(options_for("sandbox"), onboarded=False)) as running:
        yield test_onboarding.prepare(running, monkeypatch)


def request(world: World) -> OnboardingRequest:
    """A request for two users of the sandbox's master, who are two clusters: one with two targets, one with one."""
    options = OnboardOptions(
        storage_account=ResourceId.parse(world.account.resource_id, resource_id.STORAGE_ACCOUNT),
        vault=ResourceId.parse(world.vault_id, resource_id.VAULT),
        function_app=ResourceId.parse(world.function_app_id, resource_id.FUNCTION_APP),
        app_principal=None,
        key_vault_principal=None,
        active_key="key1",
        auto_regenerate=None,
        regeneration_period=None,
        key_rotation=False,
        ssh_key=None,
        passphrase_file=None,
        unseen_host=False,
        dry_run=False,
        yes=True,
        save_settings=None,
        as_json=False,
    )
    made = onboard_request.make(options, os.environ)
    (one,) = made.masters
    west = dataclasses.replace(one.cluster, passphrase_secret=PASSPHRASE)
    east = dataclasses.replace(west, user="east", key_secret=OTHER_KEY)
    return dataclasses.replace(made, masters=(master(one, west, "web", "shop"), master(one, east, "web")))


def master(like: Master, cluster: Cluster, *names: str) -> Master:
    (target,) = like.targets
    targets = tuple(dataclasses.replace(target, cluster=cluster, secret=name) for name in names)
    return dataclasses.replace(like, cluster=cluster, targets=targets)


def run(world: World) -> tuple[Onboarding, list[Step]]:
    steps: list[Step] = []
    with app.onboarding(request(world), steps.append, lambda _: None) as onboarding:
        onboarding.run(lambda _unknown, _changes: True)
    return onboarding, steps


def test_each_cluster_s_host_key_is_compared(empty: World) -> None:
    _, steps = run(empty)
    compared = [step.text.partition(" shows ")[0] for step in steps if step.title == "host key"]
    assert compared == [str(each.cluster) for each in request(empty).masters]


def test_each_cluster_gets_its_ssh_key_and_a_shared_passphrase_is_written_once(empty: World) -> None:
    onboarding, steps = run(empty)
    written = [step.text.partition(":")[0] for step in steps if step.title.startswith("SSH")]
    assert written == [f"write {PASSPHRASE}", f"write {KEY_SECRET}", f"write {OTHER_KEY}"]
    assert set(onboarding.public_keys) == {KEY_SECRET, OTHER_KEY}
    assert len(set(onboarding.public_keys.values())) == len(onboarding.public_keys)


def test_a_second_onboarding_of_several_clusters_changes_nothing(empty: World) -> None:
    first, _ = run(empty)
    before = test_onboarding.state(empty)
    second, steps = run(empty)
    assert test_onboarding.state(empty) == before
    assert {step.outcome for step in steps} <= {StepOutcome.CHECKED, StepOutcome.UNCHANGED}
    assert second.public_keys == first.public_keys
