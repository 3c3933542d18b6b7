"""What each model of the plan is: a value, which takes what an operator writes, and knows where that was."""

import dataclasses
import datetime
import re
from pathlib import Path
from typing import Any

import pydantic
import pytest

from rotator.plan import settings
from rotator.plan.account import Account, Grant
from rotator.plan.host_keys import Pin
from rotator.plan.model import Model, Origins
from rotator.plan.plan import Cluster, Plan, Strategy, Target
from tests.fakes.examples import ACCOUNT, CLUSTER, DEFINITION, TARGET, plan

PINS = ["ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "MD5:" + ":".join(["0a"] * 16)]
MODELS: list[Model] = [ACCOUNT, DEFINITION, CLUSTER, TARGET, plan()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_is_a_value(model: Model) -> None:
    same = dataclasses.replace(model)
    assert (same, hash(same)) == (model, hash(model))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(model, dataclasses.fields(model)[-1].name, None)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_takes_the_values_that_it_has(model: Model) -> None:
    """However often it is copied, nothing of it changes."""
    values = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    assert type(model)(**values) == model


@pytest.mark.parametrize("written", [PINS, ",".join(PINS), tuple(PINS)])
def test_fingerprints_are_a_list_or_a_text(written: object) -> None:
    cluster = pydantic.TypeAdapter(Cluster).validate_python({"host": "a", "user": "b", "fingerprints": written})
    assert [str(pin) for pin in cluster.fingerprints] == PINS
    assert all(isinstance(pin, Pin) for pin in cluster.fingerprints)


@pytest.mark.parametrize(
    ("model", "field", "written", "value"),
    [
        (Cluster, "port", 2222, 2222),
        (Cluster, "port", "2222", 2222),
        (Cluster, "kubectl", "sudo k3s kubectl", ("sudo", "k3s", "kubectl")),
        (Cluster, "kubectl", ["/opt/my tools/kubectl", "--context=prod"], ("/opt/my tools/kubectl", "--context=prod")),
        (Target, "adopt", True, True),
        (Target, "adopt", "yes", True),
        (Target, "strategy", "apply", Strategy.APPLY),
        (Grant, "validity", "PT2H", datetime.timedelta(hours=2)),
        (Grant, "validity", datetime.timedelta(hours=2), datetime.timedelta(hours=2)),
        (Account, "revoke_grace", "PT0S", datetime.timedelta(0)),
    ],
)
def test_a_field_takes_a_text_and_what_yaml_makes_of_it(
    model: type[Model], field: str, written: object, value: object
) -> None:
    kind: Any = {each.name: each.type for each in dataclasses.fields(model)}[field]
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    assert pydantic.TypeAdapter(kind, config=config).validate_python(written) == value


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("fingerprints", 7),
        ("fingerprints", []),
        ("fingerprints", [["nested"]]),
        ("kubectl", []),
        ("kubectl", ["kubectl", "; reboot"]),
        ("kubectl", ["KUBECONFIG=/etc/k", "kubectl"]),
        ("port", 0),
        ("port", True),
        ("host", 10),
        ("origins", {"host": "elsewhere"}),
        ("prot", 22),
    ],
)
def test_a_field_takes_nothing_else(field: str, written: object) -> None:
    values: dict[str, Any] = {"host": "a", "user": "b", "fingerprints": PINS, field: written}
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(Cluster).validate_python(values)
    assert [problem["loc"][0] for problem in caught.value.errors()] == [field]


def test_an_error_does_not_quote_the_value() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        dataclasses.replace(CLUSTER, user="correct horse")
    assert "horse" not in str(caught.value)


def test_a_value_comes_from_its_setting_unless_a_loader_recorded_otherwise() -> None:
    assert (CLUSTER.origin("fingerprints"), CLUSTER.setting("fingerprints")) == ("KUBERNETES_SSH_FINGERPRINT",) * 2
    place = "clusters.west.fingerprints in rotation.yaml, line 12"
    west = dataclasses.replace(CLUSTER, origins=Origins(fingerprints=place))
    assert west.origin("fingerprints") == place
    assert west.setting("fingerprints") is None
    assert west.origin("host") == "KUBERNETES_DNS"


def test_a_remedy_says_what_to_set_where_the_value_was_written() -> None:
    assert TARGET.assignment("strategy", "apply") == "KUBERNETES_SECRET_STRATEGY=apply"
    listed = dataclasses.replace(TARGET, origins=Origins(strategy="targets[1].strategy in rotation.yaml, line 14"))
    assert listed.assignment("strategy", "apply") == "apply for targets[1].strategy in rotation.yaml, line 14"


def test_where_values_were_written_makes_no_difference_but_is_kept() -> None:
    west = dataclasses.replace(CLUSTER, origins=Origins(fingerprints="line 12"))
    assert (west, hash(west), repr(west)) == (CLUSTER, hash(CLUSTER), repr(CLUSTER))
    target = dataclasses.replace(TARGET, cluster=dataclasses.replace(west, port=2222))
    assert dataclasses.replace(plan(), targets=(target,)).targets[0].cluster.origin("fingerprints") == "line 12"


def test_a_field_without_a_setting_goes_by_its_name_and_there_is_no_other() -> None:
    assert (TARGET.origin("cluster"), TARGET.setting("cluster")) == ("cluster", None)
    with pytest.raises(KeyError):
        TARGET.origin("clutser")


def test_each_origin_that_a_message_asks_for_is_a_fields() -> None:
    """A misspelt one would fail only when the message is needed."""
    fields = {each.field for each in settings.ALL.values()}
    asked = {
        field
        for path in (Path(__file__).parents[3] / "rotator").rglob("*.py")
        for field in re.findall(r"\.(?:origin|usual_origin|assignment|setting)\([\"'](\w+)[\"']", path.read_text())
    }
    assert "fingerprints" in asked
    assert asked <= fields


def test_what_follows_from_the_schedule_is_asked_of_the_plan() -> None:
    daily: Plan = plan(schedule="0 0 6,8 * * *")
    assert daily.fresh_for == datetime.timedelta(hours=1)
    assert daily.longest_interval == datetime.timedelta(hours=22)
