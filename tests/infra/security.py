"""What must hold for the deployment to be safe: checks over all files, each of which gives the faults it found."""

import re
from collections.abc import Iterator

from tests.infra import bicep
from tests.infra.bicep import Code, Declaration, Template, Value

KEPT_PRIVATE = {  # a literal here would open or close it for everybody
    "app/storage.bicep": ("isPrivate ? 'Disabled' : 'Enabled'", "isPrivate ? 'Deny' : 'Allow'"),
    "app/vault.bicep": ("isClosed ? 'Disabled' : 'Enabled'", "isPrivate ? 'Deny' : 'Allow'"),
}


def storage(template: Template) -> list[str]:
    """No account is public or speaks old TLS; only the rotated one, whose SAS is signed with its key, has keys."""
    wanted = {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": True}
    return [
        fault
        for account in template.resources("Microsoft.Storage/storageAccounts")
        for fault in differences(
            account, "properties", wanted | {"allowSharedKeyAccess": account.file == "app/rotated.bicep"}
        )
    ]


def vault(template: Template) -> list[str]:
    """Access policies asked for, nothing lost for good by a mistake."""
    wanted = {
        "enableRbacAuthorization": False,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 90,
        "enablePurgeProtection": True,
        "accessPolicies": Code("accessPolicies"),
    }
    made = template.resources("Microsoft.KeyVault/vaults")
    faults = [fault for each in made for fault in differences(each, "properties", wanted)]
    if [each.file for each in made] != ["app/vault.bicep"]:
        faults.append("a vault that was there before is written, which replaces the policies of others")
    joined = template.resources("Microsoft.KeyVault/vaults/accessPolicies")
    return faults + [f"{each} does not add" for each in joined if each.body["name"] != "add"]


def policies(template: Template) -> list[str]:
    """Exactly these permissions, for exactly these two."""
    app: dict[str, Value] = {"secrets": ["get"], "storage": ["get", "getsas", "setsas", "recover"]}
    operator: dict[str, Value] = {
        "secrets": ["get", "set", "recover"],
        "storage": ["get", "getsas", "list", "set", "update", "recover"],
    }
    rotating = "rotatesKeys ? concat(appStoragePermissions, ['regeneratekey']) : appStoragePermissions"
    wanted: dict[str, Value] = {
        "rotatesKeys": Code("keyRotationEnabled || !empty(keyRotationPeriod)"),
        "appStoragePermissions": app["storage"],
        "appPolicy": _policy("identity.outputs.principalId", app | {"storage": Code(rotating)}),
        "operatorPolicy": _policy("principalId", operator),
        "accessPolicies": Code("empty(principalId) ? [appPolicy] : [appPolicy, operatorPolicy]"),
    }
    found = {each.name: each.value for each in template.of("var", "main.bicep")}
    return [f"{name} is {found.get(name)}" for name, value in wanted.items() if found.get(name) != value]


def function_app(template: Template) -> list[str]:
    """Signs in with its identity, over https only; nobody publishes with a password."""
    (app,) = template.resources("Microsoft.Web/sites")
    authentication = {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": Code("identityId")}
    faults = differences(app, "identity", {"type": "UserAssigned"})
    faults += differences(app, "properties", {"httpsOnly": True})
    faults += differences(
        app, "properties.siteConfig", {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled"}
    )
    faults += differences(
        app,
        "properties.functionAppConfig.deployment.storage",
        {"type": "blobContainer", "authentication": authentication},
    )
    publishing = template.resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    faults += [fault for each in publishing for fault in differences(each, "properties", {"allow": False})]
    if sorted(str(each.body["name"]) for each in publishing) != ["ftp", "scm"]:
        faults.append("publishing with a password is not switched off for ftp and scm")
    return faults


def telemetry(template: Template) -> list[str]:
    """No key opens the logs, and what happens at vault, app and own storage is in them."""
    (insights,) = template.resources("Microsoft.Insights/components")
    (workspace,) = template.resources("Microsoft.OperationalInsights/workspaces")
    faults = differences(insights, "properties", {"DisableLocalAuth": True})
    faults += differences(workspace, "properties.features", {"disableLocalAuth": True})
    wanted = {
        ("app/vault.bicep", "vault", "AuditEvent"),
        ("app/function.bicep", "app", "FunctionAppLogs"),
        ("app/storage.bicep", "blobs", "StorageRead"),
        ("app/storage.bicep", "blobs", "StorageWrite"),
        ("app/storage.bicep", "blobs", "StorageDelete"),
    }
    return faults + [
        f"{file}: {what} of {scope} is not logged" for file, scope, what in wanted - set(_logged(template))
    ]


def reports(template: Template) -> list[str]:
    """What is kept of each run can be neither changed nor deleted for a while."""
    (policy,) = template.resources("Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies")
    (container,) = [each for each in template.of("resource", policy.file) if each.name == policy.body["parent"]]
    wanted: dict[str, Value] = {
        "immutabilityPeriodSinceCreationInDays": Code("reportRetentionDays"),
        "allowProtectedAppendWrites": False,
    }
    faults = differences(policy, "properties", wanted)
    if (container.body["name"], policy.condition) != ("rotation-reports", "reportRetentionDays > 0"):
        faults.append(f"{policy} is for {container.body['name']} if {policy.condition}")
    return faults


def network(template: Template) -> list[str]:
    """With a network, nothing but its own addresses reaches vault and own storage."""
    faults = []
    for file, (access, default) in KEPT_PRIVATE.items():
        (owner,) = [each for each in template.of("resource", file) if "networkAcls" in str(each.value)]
        faults += differences(owner, "properties", {"publicNetworkAccess": Code(access)})
        faults += differences(owner, "properties.networkAcls", {"defaultAction": Code(default), "bypass": "None"})
    closed = [each.value for each in template.of("var", "app/vault.bicep") if each.name == "isClosed"]
    if closed != [Code("isPrivate && empty(operatorIpAddress)")]:
        faults.append(f"the vault is closed when {closed}")
    return faults


def trial_machine(template: Template) -> list[str]:
    """SSH from the app's subnet, and nothing else: no public address, no password."""
    (machine,) = template.resources("Microsoft.Compute/virtualMachines")
    (group,) = template.resources("Microsoft.Network/networkSecurityGroups")
    linux: dict[str, Value] = {"disablePasswordAuthentication": True}
    faults = differences(machine, "properties.osProfile.linuxConfiguration", linux)
    faults += [
        f"{each} is a public address" for each in template.of("resource") if "publicIP" in f"{each.target}{each.value}"
    ]
    rules = [(rule["access"], rule["sourceAddressPrefix"], rule["destinationPortRange"]) for rule in _rules(group)]
    if rules != [("Allow", Code("appSubnetPrefix"), "22"), ("Deny", "*", "*")]:
        faults.append(f"{group} has the rules {rules}")
    return faults


def keys_in_text(template: Template) -> list[str]:
    """No key or connection string is read, and none can be passed unguarded."""
    secret = r"\blist\w*\(|AccountKey|SharedAccess(Key|Signature)|DefaultEndpointsProtocol|InstrumentationKey"
    faults = [
        f"{file}: {found.group()}"
        for file, root in template.roots.items()
        for found in re.finditer(secret, bicep.text(root))
    ]
    named = re.compile(
        r"(?i)(password|passphrase|privatekey|connectionstring|sastoken|accountkey|webhookurl|^settings)$"
    )
    guarded = [each for each in template.of("param") if named.search(each.name) and "@secure()" not in each.decorators]
    return faults + [f"{each} is not @secure()" for each in guarded]


def differences(declaration: Declaration, path: str, wanted: dict[str, Value]) -> list[str]:
    """What a declaration has at a path instead of what is wanted; False and 0, True and 1 differ."""
    found: Value = declaration.body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    values = found if isinstance(found, dict) else {}
    return [
        f"{declaration}: {path}.{name} is {values.get(name)!r}"
        for name, value in wanted.items()
        if values.get(name) != value or type(values.get(name)) is not type(value)
    ]


def _policy(principal: str, permissions: dict[str, Value]) -> dict[str, Value]:
    return {"tenantId": Code("tenant().tenantId"), "objectId": Code(principal), "permissions": permissions}


def _logged(template: Template) -> Iterator[tuple[str, str, str]]:
    for each in template.resources("Microsoft.Insights/diagnosticSettings"):
        properties = each.body["properties"]
        assert isinstance(properties, dict)
        if properties["workspaceId"] == "workspaceId":
            for log in properties["logs"]:
                if log["enabled"] is True:
                    yield each.file, str(each.body["scope"]), log["category"]


def _rules(group: Declaration) -> list[dict[str, Value]]:
    properties = group.body["properties"]
    assert isinstance(properties, dict)
    rules = [rule["properties"] for rule in properties["securityRules"]]
    return sorted((rule for rule in rules if rule["direction"] == "Inbound"), key=lambda rule: int(rule["priority"]))
