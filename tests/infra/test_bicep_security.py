"""The deployment is as closed as it is meant to be, and each check notices when it is not."""

from collections.abc import Callable

import pytest

from tests.infra import bicep, roles, security
from tests.infra.bicep import Template
from tests.infra.edits import edited

Check = Callable[[Template], list[str]]


@pytest.mark.parametrize(
    "check",
    [
        roles.faults,
        security.function_app,
        security.keys_in_text,
        security.network,
        security.policies,
        security.reports,
        security.storage,
        security.telemetry,
        security.trial_machine,
        security.vault,
    ],
    ids=lambda check: check.__module__.rpartition(".")[2] + "." + check.__name__,
)
def test_nothing_is_open(check: Check, template: Template) -> None:
    assert check(template) == []


STORAGE, VAULT, FUNCTION = "app/storage.bicep", "app/vault.bicep", "app/function.bicep"
OPERATORS, CLUSTER = "app/key-operators.bicep", "app/cluster.bicep"
OPENED = [
    (security.storage, STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    (security.storage, STORAGE, "allowSharedKeyAccess: false", ""),
    (security.storage, STORAGE, "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"),
    (security.storage, "app/rotated.bicep", "TLS1_2", "TLS1_0"),
    (security.storage, "app/rotated.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false"),
    (security.storage, "app/rotated.bicep", "allowSharedKeyAccess: true", "allowSharedKeyAccess: false"),
    (security.vault, VAULT, "enableRbacAuthorization: false", ""),
    (security.vault, VAULT, "enableRbacAuthorization: false", "enableRbacAuthorization: 0"),
    (security.vault, VAULT, "enablePurgeProtection: true", "enablePurgeProtection: isPrivate"),
    (security.vault, VAULT, "softDeleteRetentionInDays: 90", "softDeleteRetentionInDays: 7"),
    (security.vault, "app/vault-policies.bicep", "name: 'add'", "name: 'replace'"),
    (security.vault, "app/vault-policies.bicep", "existing = {", "= {"),
    (security.policies, "main.bicep", "secrets: ['get']", "secrets: ['get', 'list']"),
    (security.policies, "main.bicep", "'setsas', 'recover']", "'setsas', 'recover', 'regeneratekey']"),
    (security.policies, "main.bicep", "keyRotationEnabled || !empty(keyRotationPeriod)", "true"),
    (security.policies, "main.bicep", "'update', 'recover']", "'update', 'recover', 'purge']"),
    (security.policies, "main.bicep", "? [appPolicy] :", "? [appPolicy, operatorPolicy] :"),
    (security.function_app, FUNCTION, "httpsOnly: true", "httpsOnly: false"),
    (security.function_app, FUNCTION, "  minTlsVersion: '1.2'", "  minTlsVersion: '1.0'"),
    (security.function_app, FUNCTION, "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'"),
    (security.function_app, FUNCTION, "allow: false", "allow: true"),
    (security.function_app, FUNCTION, "name: 'scm'", "name: 'ftp'"),
    (security.function_app, FUNCTION, "type: 'UserAssignedIdentity'", "type: 'StorageAccountConnectionString'"),
    (security.telemetry, "app/monitoring.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false"),
    (security.telemetry, "app/monitoring.bicep", "disableLocalAuth: true", ""),
    (security.telemetry, VAULT, "'AuditEvent', enabled: true", "'AuditEvent', enabled: false"),
    (security.telemetry, STORAGE, "StorageDelete", "Transaction"),
    (security.reports, STORAGE, "allowProtectedAppendWrites: false", "allowProtectedAppendWritesAll: true"),
    (security.reports, STORAGE, "parent: reports", "parent: package"),
    (security.reports, STORAGE, "= if (reportRetentionDays > 0)", "= if (reportRetentionDays > 90)"),
    (security.network, STORAGE, "isPrivate ? 'Disabled' : 'Enabled'", "'Enabled'"),
    (security.network, VAULT, "isPrivate && empty(operatorIpAddress)", "false"),
    (security.network, VAULT, "isPrivate ? 'Deny' : 'Allow'", "'Allow'"),
    (security.trial_machine, CLUSTER, "disablePasswordAuthentication: true", "disablePasswordAuthentication: false"),
    (security.trial_machine, CLUSTER, "sourceAddressPrefix: appSubnetPrefix", "sourceAddressPrefix: '*'"),
    (security.trial_machine, CLUSTER, "access: 'Deny'", "access: 'Allow'"),
    (security.trial_machine, CLUSTER, "privateIPAddress: address", "publicIPAddress: { id: 'x' }"),
    (security.keys_in_text, FUNCTION, "value: packageContainer", "value: account.listKeys().keys[0].value"),
    (security.keys_in_text, FUNCTION, "properties.ConnectionString", "properties.InstrumentationKey"),
    (security.keys_in_text, FUNCTION, "@secure()", ""),
    (
        security.keys_in_text,
        "main.bicep",
        "@secure()",
        "",
    ),
    (
        security.keys_in_text,
        CLUSTER,
        "param sshPublicKey string",
        "param sshPublicKey string\nparam adminPassword string",
    ),
    (roles.faults, OPERATORS, " = if (appMayRotateKeys) {", " = {"),
    (roles.faults, OPERATORS, "principalId: keyVaultPrincipalId", "principalId: appPrincipalId"),
    (roles.faults, OPERATORS, "  scope: account\n", "  scope: resourceGroup()\n"),
    (roles.faults, OPERATORS, "81a9662b-bebf-436f-a333-f67b29880f12", "17d1049b-9a84-46fb-8f53-869881c3d3ab"),
    (roles.faults, OPERATORS, "guid(account.id, appPrincipalId, keyOperator)", "guid(account.id, 'app')"),
    (roles.faults, "app/roles.bicep", "scope: account", "scope: insights"),
    (roles.faults, "app/roles.bicep", "principalType: 'ServicePrincipal'", "principalType: 'User'"),
    (roles.faults, "main.bicep", "appMayRotateKeys: rotatesKeys", "appMayRotateKeys: true"),
    (roles.faults, "main.bicep", "operatorOnboards ? principalId : ''", "principalId"),
    (
        roles.faults,
        "main.bicep",
        "storageName: storage.outputs.name\n    insightsName",
        "storageName: rotatedName\n    insightsName",
    ),
]


@pytest.mark.parametrize(("check", "file", "old", "new"), OPENED)
def test_an_opening_is_noticed(check: Check, file: str, old: str, new: str) -> None:
    assert check(edited(file, old, new)) != []


def test_a_key_rotation_period_without_the_permissions_for_it_is_noticed() -> None:
    lacking = edited("main.bicep", "keyRotationEnabled || !empty(keyRotationPeriod)", "keyRotationEnabled")
    assert security.policies(lacking) != []


def test_a_removed_role_is_noticed() -> None:
    text = (bicep.FOLDER / "app/roles.bicep").read_text()
    assignment = text[text.index("resource telemetry") :]
    assert any("missing" in fault for fault in roles.faults(edited("app/roles.bicep", assignment, "")))


def test_an_added_role_is_noticed() -> None:
    more = "// more\nresource more 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid('x')\n"
    more += "  scope: account\n  properties: {\n    roleDefinitionId: blobDataOwner\n    principalId: appPrincipalId\n"
    more += "    principalType: 'User'\n  }\n}\n\n// Storage Blob"
    assert any("unexpected" in fault for fault in roles.faults(edited("app/roles.bicep", "// Storage Blob", more)))


def test_every_role_says_why(template: Template) -> None:
    for each in template.resources("Microsoft.Authorization/roleAssignments"):
        before = each.node.prev_named_sibling
        assert before is not None, each
        assert before.type == "comment", each
