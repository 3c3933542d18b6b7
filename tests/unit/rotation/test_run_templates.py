"""Runs over Secrets that are made by templates: what they hold, and what is due next time."""

import base64
import dataclasses

import pytest

from rotator.delivery.live_secret import Document
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Strategy, Target
from rotator.reporting.report import Failed, Rotated, Unchanged
from rotator.rotation.state import Operation
from tests.fakes.examples import TARGET, changed, templated
from tests.fakes.world import World

DATA = {"cloud": "ACCOUNT={account}\nSAS={sas}\nBEFORE={previous}\n", "connection": "{connection_string}"}
SHAPED = templated(DATA, labels={"team": "blue"})


def data(world: World) -> dict[str, str]:
    found: Document = world.master.secrets["storage-sas"]
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


def lines(world: World) -> dict[str, str]:
    return dict(line.split("=", 1) for line in data(world)["cloud"].splitlines())


def rotate(world: World, *, forced: bool = False) -> Rotated:
    (target,) = world.rotate(forced=forced).targets
    assert isinstance(target.outcome, Rotated), target.outcome
    return target.outcome


def aim(world: World, target: Target) -> None:
    """Go on with the same cluster and other settings of the target."""
    world.targets = (target,)
    world.plan = dataclasses.replace(world.plan, targets=(target,))
    world.master.targets = (target,)


@pytest.mark.parametrize("strategy", Strategy)
def test_values_hold_the_sas_that_was_issued_and_the_one_before(strategy: Strategy) -> None:
    world = World(dataclasses.replace(SHAPED, strategy=strategy))
    first = rotate(world)
    before = lines(world)
    assert before | {"SAS": ""} == {"ACCOUNT": "mystorage", "SAS": "", "BEFORE": ""}
    assert data(world)["connection"] == (
        f"DefaultEndpointsProtocol=https;AccountName=mystorage;EndpointSuffix=core.windows.net;"
        f"SharedAccessSignature={before['SAS']}"
    )
    world.clock.forward(minutes=30)
    second = rotate(world)
    assert lines(world)["BEFORE"] == before["SAS"] != lines(world)["SAS"]
    assert (second.previous_digest, second.reason) == (first.digest, "the SAS is 30 min old")


def test_sas_before_is_left_out_when_it_has_expired() -> None:
    world = World(SHAPED)
    rotate(world)
    world.clock.forward(hours=4)
    rotate(world)
    assert lines(world)["BEFORE"] == ""


def test_sas_before_is_left_out_when_its_key_was_regenerated() -> None:
    world = World(SHAPED)
    rotate(world)
    world.account.regenerate("key1")
    world.vault.activate("key2")
    world.clock.forward(minutes=1)
    run = world.run(forced=True)
    run.account.with_keys()
    run.rotate()
    assert lines(world)["BEFORE"] == ""
    assert world.account.accepts(lines(world)["SAS"])


def test_sas_before_is_left_out_when_a_revocation_ends_it() -> None:
    world = World(SHAPED, issuer=IssuerKind.STORAGEKEY).settled()
    rotate(world, forced=True)
    world.clock.forward(minutes=5)
    assert lines(world)["BEFORE"]
    report = world.run_operation(Operation.REVOKE, forced=True)
    assert (report.failed, lines(world)["BEFORE"]) == (False, "")
    assert world.account.accepts(lines(world)["SAS"])


@pytest.mark.parametrize("around", ["x{sas}", "AZURE-{sas}", "{account}.{sas}", "pre_{sas}_post", "{sas}{previous}"])
@pytest.mark.parametrize("issuer", IssuerKind)
def test_sas_is_found_again_whatever_stands_around_it(around: str, issuer: IssuerKind) -> None:
    world = World(templated({"sas": around}), issuer=issuer)
    for _ in range(2):
        rotate(world, forced=True)
        world.clock.forward(minutes=1)
    assert isinstance(world.rotate().targets[0].outcome, Unchanged)


@pytest.mark.parametrize("around", ["{sas_query}&sr=c", "sr=c&{sas}"])
def test_sas_is_found_again_beside_one_of_its_own_fields(around: str) -> None:
    world = World(templated({"sas": around}), issuer=IssuerKind.USERDELEGATION)
    rotate(world)
    world.clock.forward(minutes=1)
    assert isinstance(world.rotate().targets[0].outcome, Unchanged)


def test_sas_before_beside_an_account_key_is_no_drift() -> None:
    world = World(templated({"sas": "{sas}"}), issuer=IssuerKind.STORAGEKEY)
    rotate(world)
    aim(world, templated({"key": "{account_key}", "before": "{previous}"}))
    world.clock.forward(minutes=1)
    rotate(world)
    assert world.account.accepts(data(world)["before"])
    world.clock.forward(minutes=1)
    assert isinstance(world.rotate().targets[0].outcome, Unchanged)


def test_data_key_that_somebody_added_is_left_alone_until_it_may_be_taken_over() -> None:
    world = World(templated({"sas": "{sas}"}))
    rotate(world)
    world.master.secrets["storage-sas"]["data"]["password"] = "aHVudGVyMg=="
    before = data(world)
    aim(world, templated({"sas": "{sas}", "password": "{account}"}))
    outcome = world.rotate().targets[0].outcome
    assert isinstance(outcome, Failed)
    assert (outcome.error, data(world)) == ("ConflictError", before)
    aim(world, templated({"sas": "{sas}", "password": "{account}"}, adopt=True))
    rotate(world)
    assert data(world)["password"] == "mystorage"


def test_second_run_at_once_changes_nothing() -> None:
    world = World(SHAPED)
    rotate(world)
    before = data(world)
    (target,) = world.rotate().targets
    assert isinstance(target.outcome, Unchanged)
    assert data(world) == before


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("keep_foreign", [True, False])
def test_target_moves_from_one_data_key_to_templates_and_back(strategy: Strategy, keep_foreign: bool) -> None:
    single = dataclasses.replace(TARGET, strategy=strategy, keep_foreign=keep_foreign)
    world = World(single)
    rotate(world)
    aim(world, dataclasses.replace(SHAPED, strategy=strategy, keep_foreign=keep_foreign))
    assert rotate(world).reason == "the data keys were changed"
    assert set(data(world)) == set(DATA)
    aim(world, single)
    assert rotate(world).reason == "the data key was changed"
    assert set(data(world)) == {"secretKey"}
    assert world.master.secrets["storage-sas"]["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "rotator"}


def test_changed_template_is_due_and_a_data_key_that_it_no_longer_has_is_removed() -> None:
    world = World(SHAPED)
    rotate(world)
    aim(world, templated({"cloud": DATA["cloud"]}, labels={"team": "blue"}))
    assert rotate(world).reason == "the template, type, labels or annotations were changed"
    assert set(data(world)) == {"cloud"}


def test_other_type_is_a_recreate_even_with_apply() -> None:
    world = World(dataclasses.replace(SHAPED, strategy=Strategy.APPLY))
    rotate(world)
    aim(world, dataclasses.replace(SHAPED, strategy=Strategy.APPLY, type="example.com/sas"))
    assert rotate(world).act == "recreate"
    assert world.master.secrets["storage-sas"]["type"] == "example.com/sas"


def test_account_that_is_not_known_fails_the_target_before_anything_is_changed() -> None:
    world = World(templated({"sas": "{sas}", "account": "{account}"}))
    world.vault.may_read = False
    world.plan = changed(world.plan, blob_endpoint="https://files.example.com")
    (target,) = world.rotate().targets
    assert isinstance(target.outcome, Failed)
    assert target.outcome.error == "TemplateError"
    assert target.outcome.message.endswith("needs {account}, which is not known; nothing was changed")
    assert "STORAGE_BLOB_ENDPOINT" in target.outcome.remedy
    assert world.master.secrets == {}


def test_account_is_concluded_from_its_endpoint_where_it_may_not_be_read() -> None:
    world = World(SHAPED)
    world.vault.may_read = False
    rotate(world)
    assert lines(world)["ACCOUNT"] == "mystorage"


def test_webhook_that_drops_one_of_the_data_keys_is_noticed() -> None:
    world = World(SHAPED)
    world.master.webhook = lambda document: document["data"].pop("connection")
    (target,) = world.rotate().targets
    assert isinstance(target.outcome, Failed)
    assert target.outcome.error == "NotConfirmedError"
