"""The alert rules as values: one for each item of the list in alerts.bicep."""

import dataclasses
import re

from tests.infra import bicep
from tests.infra.bicep import Template, Value

FILE = "app/alerts.bicep"


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule; times are ISO 8601, as Azure takes them."""

    name: str
    title: str
    severity: int
    enabled: Value
    frequency: str
    window: str
    range: str
    query: str
    dimensions: tuple[str, ...]


def rules(template: Template) -> list[Rule]:
    """Read every rule, with the text of its query."""
    (listed,) = [each.value for each in template.of("var", FILE) if each.name == "alerts"]
    assert isinstance(listed, list)
    return [_rule(each) for each in listed]


def properties(template: Template) -> dict[str, Value]:
    """What all rules have, with code where it comes from the list."""
    (resource,) = template.resources("Microsoft.Insights/scheduledQueryRules")
    found = resource.body["properties"]
    assert isinstance(found, dict)
    return found


def _rule(given: dict[str, Value]) -> Rule:
    loaded = re.fullmatch(r"loadTextContent\('(.+)'\)", str(given["query"]))
    assert loaded, given["name"]
    assert isinstance(given["dimensions"], list)
    return Rule(
        name=str(given["name"]),
        title=str(given["displayName"]),
        severity=int(str(given["severity"])),
        enabled=given["enabled"],
        frequency=str(given["frequency"]),
        window=str(given["window"]),
        range=str(given["range"]),
        query=(bicep.FOLDER / bicep.resolve(FILE, loaded[1])).read_text(),
        dimensions=tuple(each["name"] for each in given["dimensions"]),
    )
