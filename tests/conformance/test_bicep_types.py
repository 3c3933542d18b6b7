"""Every resource that the template declares, as the types of its api-version have it."""

import dataclasses
from typing import Any

import pytest

from tests.conformance import data
from tests.conformance.bicep_types import Types
from tests.infra import bicep


@pytest.fixture(scope="module")
def types() -> Types:
    return Types(data.folder("bicep-types"))


@pytest.fixture(scope="module")
def resources() -> list[bicep.Declaration]:
    return [each for each in bicep.parse(bicep.texts()).of("resource") if not each.existing]


def test_every_resource_is_of_its_type(types: Types, resources: list[bicep.Declaration]) -> None:
    assert len(resources) >= 30
    found = {str(each): types.problems(each) for each in resources}
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": ["StorageV2"]}, "kind"),
        ({"sku": {}}, "sku.name is missing"),
        ({"sku": {"name": "Standard_LRS", "tier": "Standard"}}, "sku.tier is read-only"),
        ({"colour": "red"}, "colour is no member"),
        ({"properties": {"allowSharedKeyAccess": "no"}}, "'no' is no boolean"),
        ({"properties": {"minimumTlsVersion": 12}}, "minimumTlsVersion"),
        ({"properties": {"networkAcls": {"ipRules": "none"}}}, "'none' is no list"),
        ({"location": None}, ""),
    ],
)
def test_what_is_not_of_the_type_is_found(
    types: Types, resources: list[bicep.Declaration], changes: dict[str, Any], problem: str
) -> None:
    account = next(each for each in resources if each.target.startswith("Microsoft.Storage/storageAccounts@"))
    found = types.problems(dataclasses.replace(account, value={**account.body, **changes}))
    assert any(problem in each for each in found) if problem else found == []


def test_what_is_referred_to_is_of_a_known_version(types: Types) -> None:
    existing = [each for each in bicep.parse(bicep.texts()).of("resource") if each.existing]
    assert existing
    assert [each.target for each in existing if not types.knows(each.target)] == []


def test_a_version_that_there_is_not_is_found(types: Types, resources: list[bicep.Declaration]) -> None:
    kind = resources[0].target.partition("@")[0]
    assert types.problems(dataclasses.replace(resources[0], target=f"{kind}@1999-01-01")) == [
        f"there is no type {kind}@1999-01-01"
    ]
