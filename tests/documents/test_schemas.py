"""The published JSON Schemas: sound, complete, open for what is to come, and at one with the code's own words."""

import dataclasses
import re
from typing import Any

import jsonschema
import pytest

from rotator.checks.findings import Checkup, Finding, Level
from rotator.checks.move import Move
from rotator.delivery.interface import WriteMethod
from rotator.deployment.progress import Progress, ProgressKind, Stage
from rotator.onboarding.steps import StepOutcome
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Strategy
from rotator.plan.timer import Timer
from rotator.reporting.report import Failed, Trigger, Unchanged, WouldRotate
from rotator.reporting.status import State, Status, TargetStatus
from rotator.rotation.state import Operation
from tests import schemas
from tests.fakes.examples import NOW
from tests.unit.reporting.test_report import KEY, ROTATED, report_of
from tests.unit.reporting.test_status_page import FRESH, MINUTE, UNKNOWN

PUBLISHED = schemas.published()
FAILURE = Failed("UnreachableError", "nothing answers at m:22", "Check KUBERNETES_DNS.")
REPORT = dataclasses.replace(
    report_of(ROTATED, Unchanged("its SAS is fresh", NOW, NOW), WouldRotate("why"), FAILURE),
    run="20260701T120000Z-abc123",
    trigger=Trigger.TIMER,
    key=dataclasses.replace(KEY, proofs=("3eb1bd439947eb76: storage answered 403",)),
)
CHECKUP = Checkup(NOW, NOW, (Finding("vault", Level.OK, "myvault.vault.azure.net answers"),))
TIMER = Timer(NOW - 90 * MINUTE, NOW - 60 * MINUTE, (NOW - 60 * MINUTE, NOW - 30 * MINUTE))
MOVE = Move(
    issuer=IssuerKind.USERDELEGATION,
    former=IssuerKind.KEYVAULT,
    identity="me",
    targets=("default/storage-sas@m",),
    missing=(Finding("role for delegation", Level.FAILURE, "it is missing"),),
    remarks=(Finding("role for revocation", Level.WARNING, "it is missing"),),
    settings={"SAS_ISSUER": "userdelegation"},
    command="export SAS_ISSUER=userdelegation",
    effects=("a SAS is for one container",),
)
STATUS = Status(NOW, NOW + MINUTE, 30 * MINUTE, (FRESH, UNKNOWN), timer=TIMER)
VALUES: dict[str, Any] = {
    "report": REPORT.as_json(),
    "check": CHECKUP.as_json(),
    "move": MOVE.as_json(),
    "status": STATUS.as_json(),
    "history": {
        "reports": [REPORT.as_json(), {"blob": "x", "problem": "this is no report of a run"}],
        "timer": TIMER.as_json(),
    },
    "error": dataclasses.asdict(FAILURE),
    "finish-deployment-step": Progress(
        Stage.RUN, ProgressKind.DONE, "run 1 did what is due", REPORT.as_json()
    ).as_json(),
    "onboard-step": {"step": "vault", "did": "checked", "text": "it is there", "equivalent": ""},
}

each = pytest.mark.parametrize("name", schemas.NAMES)


def objects(value: object) -> list[dict[str, Any]]:
    return [node for _, node in schemas.nodes(value)]


def enum(name: str, *way: str) -> set[str]:
    node: Any = PUBLISHED[name]
    for step in way:
        node = node[step]
    return set(node["enum"])


@each
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED[name])
    assert PUBLISHED[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@each
def test_a_schema_is_known_by_its_files_name(name: str) -> None:
    assert PUBLISHED[name]["$id"] == f"{name}.schema.json"


@each
def test_every_field_has_a_title_and_says_what_it_is(name: str) -> None:
    definitions = PUBLISHED[name].get("$defs", {})
    for node in objects(PUBLISHED[name]):
        for field, schema in node.get("properties", {}).items():
            file, _, definition = schema.get("$ref", "").rpartition("#/$defs/")
            whole = schema if file else definitions.get(definition, {}) | schema
            assert file or {"title", "description"} <= set(whole), field


@each
def test_every_number_has_a_unit(name: str) -> None:
    for node in objects(PUBLISHED[name]):
        if "number" in node.get("type", ()) or "integer" in node.get("type", ()):
            assert re.search("in seconds|How many", node.get("description", "in seconds"))


@each
def test_every_field_is_always_there_but_for_steps_that_were_not_come_to(name: str) -> None:
    for node in objects(PUBLISHED[name]):
        if "properties" in node and node.get("title") != "Seconds":
            assert node["required"] == list(node["properties"])


@each
def test_what_an_example_says_fits_strictly(name: str) -> None:
    assert schemas.problems(name, VALUES[name], schemas.strict()) == []


@each
def test_consumers_take_fields_that_are_to_come(name: str) -> None:
    assert not any("additionalProperties" in node for node in objects(PUBLISHED[name]))
    later = VALUES[name] | {"later": 1}
    assert schemas.problems(name, later, PUBLISHED) == []
    assert schemas.problems(name, later, schemas.strict()) != []


@each
def test_no_field_may_be_missing(name: str) -> None:
    for field in VALUES[name]:
        less = {key: value for key, value in VALUES[name].items() if key != field}
        assert schemas.problems(name, less, PUBLISHED) != [], field


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("started", "2026-07-01T12:00:00+00:00"),
        ("started", "2026-13-01T12:00:00Z"),
        ("run", "run 1"),
        ("trigger", "somebody"),
        ("interval_seconds", 0),
        ("targets", [{"outcome": "vanished"}]),
        ("error", {"error": "no words"}),
    ],
)
def test_what_no_report_says_is_refused(field: str, wrong: object) -> None:
    assert schemas.problems("report", VALUES["report"] | {field: wrong}, PUBLISHED) != []


def test_a_digest_is_one_of_sha256() -> None:
    short = dataclasses.replace(ROTATED, digest="sha256:abc")
    assert schemas.problems("report", report_of(short).as_json(), PUBLISHED) != []


def test_a_schemas_lists_of_values_are_the_codes() -> None:
    definitions = ("$defs", "rotated", "properties")
    assert enum("check", "$defs", "finding", "properties", "level") == set(Level)
    assert enum("status", "$defs", "target", "properties", "state") == set(State)
    assert enum("report", "$defs", "strategy") == set(Strategy)
    assert enum("move", "$defs", "issuer") == set(IssuerKind)
    assert enum("report", *definitions, "act") == {act.value for act in WriteMethod}
    assert enum("report", "$defs", "key", "properties", "operation") == set(Operation)
    assert enum("finish-deployment-step", "properties", "did") == set(ProgressKind)
    assert enum("onboard-step", "properties", "did") == {did.value for did in StepOutcome}


@pytest.mark.parametrize("state", State)
def test_each_state_fits(state: State) -> None:
    status = Status(NOW, NOW, MINUTE, (TargetStatus("default/storage-sas@m", state, "why"),))
    assert schemas.problems("status", status.as_json(), schemas.strict()) == []


def test_the_overview_names_every_schema() -> None:
    overview = (schemas.FOLDER / "README.md").read_text()
    assert sorted(re.findall(r"^\| \[.+\]\((.+)\.schema\.json\)", overview, re.MULTILINE)) == schemas.NAMES
