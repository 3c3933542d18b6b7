"""The alert rules, as they are deployed."""

import dataclasses
from collections.abc import Mapping

from tests.infra.deployments import Deployment, Resource


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule; times are ISO 8601, as Azure takes them."""

    name: str
    title: str
    severity: int
    enabled: bool
    frequency: str
    window: str
    range: str
    query: str
    dimensions: tuple[str, ...]
    others: Mapping[str, object]


def rules(deployment: Deployment) -> list[Rule]:
    """Read every rule."""
    return [_rule(each) for each in deployment.of("Microsoft.Insights/scheduledQueryRules")]


def _rule(given: Resource) -> Rule:
    properties = given["properties"]
    (criterion,) = properties["criteria"]["allOf"]
    return Rule(
        name=given["name"],
        title=properties["displayName"],
        severity=properties["severity"],
        enabled=properties["enabled"],
        frequency=properties["evaluationFrequency"],
        window=properties["windowSize"],
        range=properties["overrideQueryTimeRange"],
        query=criterion["query"],
        dimensions=tuple(each["name"] for each in criterion["dimensions"]),
        others={
            **properties,
            "criteria": {name: criterion[name] for name in criterion.keys() - {"query", "dimensions"}},
        },
    )
