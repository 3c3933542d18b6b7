"""What each set of parameters deploys, by the snapshots: nothing is open, and each condition is there both ways."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.infra import FOLDER, checks
from tests.infra.checks import Sets
from tests.infra.deployments import PARAMETERS, at
from tests.infra.expected import EXPECTED


def test_every_set_has_its_snapshot_and_none_is_left_over(sets: Sets) -> None:
    assert set(sets) == {each.stem for each in PARAMETERS.glob("*.bicepparam")} == EXPECTED.keys()


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: str(check.__name__))
def test_nothing_is_open(check: checks.Check, sets: Sets) -> None:
    assert list(check(sets)) == []


# Conditions of role assignments, which EXPECTED has both ways.
ASSIGNED = {
    "accountReader",
    "delegationRoles",
    "keyOperators",
    "keyRotationRole",
    "keyVault",
    "operator",
    "revocationRole",
    "vaultAppRole",
    "vaultOperatorRole",
}


def test_no_condition_is_left_out() -> None:
    found = [
        name
        for path in FOLDER.rglob("*.bicep")
        for name in re.findall(r"(?m)^(?:module|resource) (\w+) '.*' = if \(", path.read_text())
    ]
    assert sorted(found) == sorted({*checks.CONDITIONAL, *ASSIGNED})


SUBNET = "virtualNetworkSubnetId"
OWN = "Microsoft.Network/virtualNetworks/vnet-{token}/subnets/app"


@pytest.mark.parametrize(
    ("name", "kind", "path", "value"),
    [
        ("default", "Microsoft.KeyVault/vaults", "properties.createMode", "default"),
        ("everything", "Microsoft.KeyVault/vaults", "properties.createMode", "recover"),
        ("default", "Microsoft.Web/sites", f"properties.{SUBNET}", None),
        (
            "existing",
            "Microsoft.Web/sites",
            f"properties.{SUBNET}",
            "Microsoft.Network/virtualNetworks/vnet/subnets/app",
        ),
        ("private", "Microsoft.Web/sites", f"properties.{SUBNET}", OWN),
        ("default", "Microsoft.Resources/resourceGroups", "name", "rg-rotator"),
        ("existing-private", "Microsoft.Resources/resourceGroups", "name", "rg-shared"),
        ("default", "Microsoft.Web/sites/config", "properties.KUBERNETES_DNS", "master.example.com"),
        ("private", "Microsoft.Web/sites/config", "properties.KUBERNETES_DNS", "10.0.3.4"),
        ("existing", "Microsoft.Web/sites/config", "properties.KEYVAULT_STORAGE_NAME", "pictures"),
        ("default", "Microsoft.Web/sites/config", "properties.KEYVAULT_STORAGE_NAME", "stsas{token}"),
    ],
)
def test_a_choice_is_made_each_way(sets: Sets, name: str, kind: str, path: str, value: str | None) -> None:
    (resource,) = sets[name].of(kind)
    found = at(resource, path)
    expected = value.format(token=sets[name].token) if value else None
    assert found == expected or str(found).endswith(f"/providers/{expected}")


def test_existing_resources_are_looked_for_in_their_own_groups(sets: Sets) -> None:
    outputs = sets["existing"].outputs
    assert "/resourceGroups/rg-pictures/" in outputs["STORAGE_ACCOUNT_ID"]
    assert "/resourceGroups/rg-vaults/" in outputs["KEY_VAULT_ID"]


def test_every_rule_is_an_error_and_each_exception_stands_where_it_is_made() -> None:
    """`what-if-short-circuiting` among them: a preview can look into every module that gives the app no role."""
    config = re.sub(r"(?m)^\s*//.*$", "", (FOLDER / "bicepconfig.json").read_text())
    rules = json.loads(config)["analyzers"]["core"]["rules"]
    assert {name for name, each in rules.items() if each["level"] != "error"} == {"use-recent-api-versions"}
    assert "what-if-short-circuiting" in rules
    excepted = Counter(
        (path.name, *found)
        for path in FOLDER.rglob("*.bicep")
        for found in re.findall(r"#disable-(\S+) (\S+)", path.read_text())
    )
    assert excepted == {
        ("main.bicep", "next-line", "secure-secrets-in-params"): 12,
        ("main.bicep", "next-line", "what-if-short-circuiting"): 6,
        ("cluster.bicep", "next-line", "adminusername-should-not-be-literal"): 1,
    }


def test_private_endpoints_lead_to_own_storage_and_the_vault_in_use_and_have_their_zone(sets: Sets) -> None:
    deployment = sets["existing-private"]
    (blob, vault) = deployment.of("Microsoft.Network/privateEndpoints")
    linked: list[Any] = [
        at(each, "properties.privateLinkServiceConnections")[0]["properties"] for each in (blob, vault)
    ]
    assert linked[0]["privateLinkServiceId"].endswith(f"/st{deployment.token}")
    assert linked[1]["privateLinkServiceId"].endswith("/vaults/kv-pictures")
    assert [each["groupIds"] for each in linked] == [["blob"], ["vault"]]
    for kind in ("privateEndpoints/privateDnsZoneGroups", "privateDnsZones/virtualNetworkLinks"):
        assert len(deployment.of(f"Microsoft.Network/{kind}")) == 2
    zones = {each["id"] for each in deployment.of("Microsoft.Network/privateDnsZones")}
    groups = deployment.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    configured = [at(each, "properties.privateDnsZoneConfigs")[0]["properties"]["privateDnsZoneId"] for each in groups]
    assert set(configured) == zones
    assert len(zones) == 2


def test_every_role_says_why() -> None:
    for path in FOLDER.rglob("*.bicep"):
        before = re.findall(r"(.*)\nresource \w+ 'Microsoft.Authorization/roleAssignments", path.read_text())
        assert [line for line in before if not line.startswith("// ")] == [], path.name
