"""Resource Manager's answers about access: the caller's own permissions, the roles, who holds which, and locks.

https://learn.microsoft.com/rest/api/authorization/permissions
https://learn.microsoft.com/rest/api/authorization/role-definitions
https://learn.microsoft.com/rest/api/authorization/role-assignments
https://learn.microsoft.com/rest/api/resources/management-locks
"""

import re
from typing import Any

from sandbox.azure import arm_errors
from sandbox.resource_manager import locks, roles
from sandbox.resource_manager.state import Call, ResourceManager

_PRINCIPAL = re.compile(r"(?:principalId eq |assignedTo\()'([^']+)'\)?")
_AT_SCOPE = "atScope()"
_ROLE_NAME = re.compile(r"roleName eq '([^']+)'")
_DEFINITIONS = "providers/Microsoft.Authorization/roleDefinitions"


def list_permissions(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {scope}/…/permissions: one entry for each role that the caller has here, none for a stranger."""
    held = manager.held(call.object_id, call.scope)
    return {
        "value": [
            {
                "actions": list(role.actions),
                "notActions": list(role.not_actions),
                "dataActions": list(role.data_actions),
                "notDataActions": [],
            }
            for role in held
        ]
    }


def list_role_assignments(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {scope}/…/roleAssignments: at this scope, above it, and, without atScope(), below it."""
    at_scope, principal = _filter(call.query.get("$filter", ""))
    value = [
        _assignment(one)
        for one in manager.role_assignments
        if roles.reaches(one.scope, call.scope) or (not at_scope and roles.reaches(call.scope, one.scope))
        if principal in (None, one.principal_id)
    ]
    return {"value": value}


def create_role_assignment(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PUT {scope}/…/roleAssignments/{name}: one for each principal, role and scope."""
    properties = call.body.get("properties") or {}
    role, principal_id = str(properties.get("roleDefinitionId", "")).rpartition("/")[2], properties.get("principalId")
    if role not in manager.role_definitions:
        text = f"The specified role definition with ID '{role}' does not exist."
        raise arm_errors.ResourceError(404, "RoleDefinitionDoesNotExist", text)
    if not principal_id:
        raise arm_errors.bad_request("A role assignment has no principalId.")
    for one in manager.role_assignments:
        if (one.scope.lower(), one.role, one.principal_id) == (call.scope.lower(), role, principal_id):
            raise arm_errors.ResourceError(409, "RoleAssignmentExists", "The role assignment already exists.")
    kind = "User" if principal_id in manager.people else "ServicePrincipal"
    specified = properties.get("principalType", kind)
    if specified != kind:
        text = (
            f"The PrincipalId '{principal_id}' has type '{kind}', which is different from specified type '{specified}'."
        )
        raise arm_errors.ResourceError(400, "UnmatchedPrincipalType", text)
    made = roles.Assignment(call.scope, role, principal_id, kind, call.names["name"])
    manager.role_assignments.append(made)
    return _assignment(made)


def list_role_definitions(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {scope}/…/roleDefinitions, all or, with a filter, the one of a name; custom ones are known everywhere."""
    text = call.query.get("$filter", "")
    wanted = _ROLE_NAME.fullmatch(text)
    if text and wanted is None:
        raise arm_errors.ResourceError(400, "UnsupportedFilter", f"The filter '{text}' is not supported.")
    value = [
        _definition(call.scope, role, definition)
        for role, definition in manager.role_definitions.items()
        if wanted is None or wanted[1].lower() == definition.name.lower()
    ]
    return {"value": value}


def create_role_definition(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """PUT {scope}/…/roleDefinitions/{id}: a custom role, with its one entry of permissions."""
    properties, role = call.body.get("properties") or {}, call.names["name"]
    permissions = properties.get("permissions") or [{}]
    if role in roles.DEFINITIONS or not properties.get("roleName") or not properties.get("assignableScopes"):
        raise arm_errors.bad_request("A custom role has an id, a roleName and assignableScopes of its own.")
    made = roles.Definition(
        properties["roleName"],
        tuple(permissions[0].get("actions") or ()),
        tuple(permissions[0].get("notActions") or ()),
        tuple(permissions[0].get("dataActions") or ()),
        "CustomRole",
    )
    manager.role_definitions[role] = made
    return _definition(call.scope, role, made)


def list_locks(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """GET {scope}/…/locks: at this scope, above it, and, without atScope(), below it."""
    at_scope, _ = _filter(call.query.get("$filter", ""))
    found = [
        one
        for one in manager.locks
        if roles.reaches(one.scope, call.scope) or (not at_scope and roles.reaches(call.scope, one.scope))
    ]
    return {"value": [_lock(one) for one in found]}


def delete_lock(manager: ResourceManager, call: Call) -> dict[str, Any]:
    """DELETE {scope}/…/locks/{name}: the one that stands at this very scope."""
    wanted = locks.Lock(call.scope, call.names["name"]).id.lower()
    left = [one for one in manager.locks if one.id.lower() != wanted]
    if len(left) == len(manager.locks):
        text = f"The lock '{call.names['name']}' could not be found."
        raise arm_errors.ResourceError(404, "LockNotFound", text)
    manager.locks = left
    return {}


def _filter(text: str) -> tuple[bool, str | None]:
    at_scope, principal = False, None
    for term in filter(None, re.split(r"\s+and\s+", text.strip())):
        found = _PRINCIPAL.fullmatch(term)
        if term != _AT_SCOPE and found is None:
            raise arm_errors.ResourceError(400, "UnsupportedFilter", f"The filter '{term}' is not supported.")
        at_scope = at_scope or term == _AT_SCOPE
        principal = found[1] if found else principal
    return at_scope, principal


def _assignment(one: roles.Assignment) -> dict[str, Any]:
    subscription = "/".join(one.scope.split("/")[:3])
    return {
        "id": f"{one.scope}/providers/Microsoft.Authorization/roleAssignments/{one.name}",
        "name": one.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"{subscription}/{_DEFINITIONS}/{one.role}",
            "principalId": one.principal_id,
            "principalType": one.principal_type,
            "scope": one.scope,
        },
    }


def _definition(scope: str, role: str, definition: roles.Definition) -> dict[str, Any]:
    subscription = "/".join(scope.split("/")[:3])
    return {
        "id": f"{subscription}/{_DEFINITIONS}/{role}",
        "name": role,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {"roleName": definition.name, "type": definition.kind},
    }


def _lock(one: locks.Lock) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": one.level, "notes": one.notes},
    }
