"""Who is given which role on what, followed from the assignment to the deployment's own names."""

import re
from typing import NamedTuple

from tests.infra.bicep import Code, Declaration, Template, resolve

KEY_OPERATOR = "81a9662b-bebf-436f-a333-f67b29880f12"  # Storage Account Key Operator Service Role
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"  # Storage Blob Data Owner
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"  # Monitoring Metrics Publisher


class Assignment(NamedTuple):
    """One role assignment, in the words of main.bicep."""

    role: str
    scope: str
    principal: str
    principal_type: str
    condition: str = ""


APP = "identity.outputs.principalId"
ROTATED = "Microsoft.Storage/storageAccounts rotatedName"
OWN = "Microsoft.Storage/storageAccounts storage.outputs.name"
INSIGHTS = "Microsoft.Insights/components monitoring.outputs.insightsName"
EXPECTED = {
    Assignment(KEY_OPERATOR, ROTATED, "keyVaultPrincipal", "ServicePrincipal", "!keyVaultHasRole"),
    Assignment(KEY_OPERATOR, ROTATED, APP, "ServicePrincipal", "rotatesKeys"),
    Assignment(KEY_OPERATOR, ROTATED, "operatorOnboards ? principalId : ''", "principalType", "not empty"),
    Assignment(BLOB_DATA_OWNER, OWN, APP, "ServicePrincipal"),
    Assignment(METRICS_PUBLISHER, INSIGHTS, APP, "ServicePrincipal"),
}


def faults(template: Template) -> list[str]:
    """Assignments that should not be, or are missing, or whose name is not their own."""
    resources = template.resources("Microsoft.Authorization/roleAssignments")
    found = [_assignment(template, each) for each in resources]
    problems = [f"unexpected: {each}" for each in found if each not in EXPECTED]
    problems += [f"missing: {each}" for each in EXPECTED if each not in found]
    return problems + [f"{each} has the name {each.body['name']}" for each in resources if not _named_after(each)]


def _assignment(template: Template, given: Declaration) -> Assignment:
    properties = given.body["properties"]
    assert isinstance(properties, dict)
    names = {each.name: each for each in template.declarations if each.file == given.file}
    role = re.search(r"'([0-9a-f-]{36})'", str(names[properties["roleDefinitionId"]].value))
    return Assignment(
        role=role.group(1) if role else "",
        scope=_scope(template, names.get(str(given.body["scope"]))),
        principal=_passed(template, given.file, properties["principalId"]),
        principal_type=_passed(template, given.file, properties["principalType"]),
        condition=_condition(template, given, properties["principalId"]),
    )


def _scope(template: Template, resource: Declaration | None) -> str:
    if resource is None:
        return "no resource"
    return f"{resource.target.partition('@')[0]} {_passed(template, resource.file, resource.body['name'])}"


def _condition(template: Template, given: Declaration, principal: str) -> str:
    if given.condition == f"!empty({principal})":
        return "not empty"
    return _passed(template, given.file, Code(given.condition)) if given.condition else ""


def _passed(template: Template, file: str, value: object) -> str:
    """A literal as it is; a parameter as what main.bicep passes for it."""
    if not isinstance(value, Code):
        return str(value)
    (module,) = [each for each in template.of("module") if resolve(each.file, each.target) == file]
    given = module.body["params"]
    assert isinstance(given, dict)
    return str(given.get(value, value))


def _named_after(given: Declaration) -> bool:
    """A name made of scope, principal and role stays the same in a redeployment and differs from all others."""
    properties = given.body["properties"]
    assert isinstance(properties, dict)
    parts = f"{given.body['scope']}.id, {properties['principalId']}, {properties['roleDefinitionId']}"
    return given.body["name"] == f"guid({parts})"
