"""What must hold of all deployments: each check gives the faults that it found."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rotator.plan import loader
from tests.infra.compiler import SCOPE
from tests.infra.deployments import Deployment, at, parameter, parameters_of
from tests.infra.expected import (
    BLOB_DATA_OWNER,
    EXPECTED,
    KEY_OPERATOR,
    METRICS_PUBLISHER,
    NEW,
    NOT_SET,
    OWN,
    ROLES,
    VAULT,
    Assignment,
    Network,
)

Sets = Mapping[str, Deployment]
Check = Callable[[Sets], Iterator[str]]

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_IMMUTABLE = f"{_BLOBS}/containers/immutabilityPolicies"
_PUBLISHING = "Microsoft.Web/sites/basicPublishingCredentialsPolicies"
ALWAYS: dict[str, dict[str, object]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowBlobPublicAccess": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
        "properties.isLocalUserEnabled": None,
        "properties.isSftpEnabled": None,
    },
    f"{_BLOBS}/containers": {"properties.publicAccess": None},
    _IMMUTABLE: {
        "properties.allowProtectedAppendWrites": False,
        "properties.allowProtectedAppendWritesAll": None,
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableSoftDelete": True,
        "properties.softDeleteRetentionInDays": 90,
        "properties.enablePurgeProtection": True,
        "properties.enabledForDeployment": None,
        "properties.enabledForDiskEncryption": None,
        "properties.enabledForTemplateDeployment": None,
    },
    "Microsoft.Web/sites": {
        "identity.type": "UserAssigned",
        "properties.httpsOnly": True,
        "properties.siteConfig": {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled"},
        "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
    },
    _PUBLISHING: {"properties.allow": False},
    "Microsoft.Insights/components": {"properties.DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.Compute/virtualMachines": {
        "properties.osProfile.linuxConfiguration.disablePasswordAuthentication": True
    },
}


def closed(sets: Sets) -> Iterator[str]:
    """Every resource of a type has what it must have; compared with their types, as False equals 0 in Python."""
    for name, deployment in sets.items():
        for kind, wanted in ALWAYS.items():
            for resource in deployment.of(kind):
                for path, value in wanted.items():
                    found = at(resource, path)
                    if found != value or type(found) is not type(value):
                        yield f"{name}: {_place(resource['id'], deployment)} has {path} {found!r}"
        published = sorted(each["name"].partition("/")[2] for each in deployment.of(_PUBLISHING))
        if published != ["ftp", "scm"]:
            yield f"{name}: only {published} are closed for passwords"


def network(sets: Sets) -> Iterator[str]:
    """With a network, nothing but its own addresses and the operator's reaches vault and own storage."""
    for name, deployment in sets.items():
        found = {}
        for each in deployment.of("Microsoft.Storage/storageAccounts") + deployment.of("Microsoft.KeyVault/vaults"):
            place, rules = _place(each["id"], deployment), dict(at(each, "properties.networkAcls") or {})
            addresses = tuple(rule["value"] for rule in rules.pop("ipRules", []))
            access = at(each, "properties.publicNetworkAccess")
            found[place] = Network(access, rules.pop("defaultAction", None), addresses)
            if found[place] != NOT_SET and rules != {"bypass": "None"}:
                yield f"{name}: {place} is reached past its rules by {rules}"
        yield from _differences(name, "reached from", EXPECTED[name].network, found)


def keys(sets: Sets) -> Iterator[str]:
    """Only the rotated account has keys that open it, and only where a SAS may be signed with one."""
    for name, deployment in sets.items():
        for account in deployment.of("Microsoft.Storage/storageAccounts"):
            place = _place(account["id"], deployment)
            if at(account, "properties.allowSharedKeyAccess") is not (place == NEW and EXPECTED[name].shared_keys):
                yield f"{name}: {place} has keys or lacks them"


PRINCIPALS = {
    "00000000-0000-0000-0000-00000000000a": "operator",
    "00000000-0000-0000-0000-00000000000b": "Key Vault",
}
_GUID = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # what a template's guid() makes its names in


def roles(sets: Sets) -> Iterator[str]:
    """The roles expected and no other; each assignment's name is made of account, principal and role."""
    for name, deployment in sets.items():
        found: Counter[Assignment] = Counter()
        known_roles = ROLES | _own_roles(deployment)
        for each in deployment.of("Microsoft.Authorization/roleAssignments"):
            scope, role = _scope(each["id"]), each["properties"]["roleDefinitionId"]
            principal = each["properties"]["principalId"]
            granted = Assignment(
                known_roles.get(role.rpartition("/")[2], role),
                _place(scope, deployment),
                _principal(principal, deployment),
                each["properties"]["principalType"],
            )
            found[granted] += 1
            known = str(uuid.uuid5(_GUID, f"{scope}-{principal}-{role}"))
            later = f"[guid('{scope}', {principal[1:-1]}, '{role}')]"
            if each["name"] != (later if principal.startswith("[") else known):
                yield f"{name}: {granted} has the name {each['name']}"
        expected = EXPECTED[name]
        wanted = Counter(Assignment(KEY_OPERATOR, expected.rotated, *one) for one in expected.key_operators)
        wanted.update(expected.others)
        wanted[Assignment(BLOB_DATA_OWNER, OWN, "app")] += 1
        wanted[Assignment(METRICS_PUBLISHER, "Insights/components/appi-", "app")] += 1
        yield from (f"{name}: unexpected: {each}" for each in found - wanted)
        yield from (f"{name}: missing: {each}" for each in wanted - found)


def _own_roles(deployment: Deployment) -> dict[str, str]:
    """The roles that the deployment makes, by id: all that each allows, and where else than in the account's group."""
    found = {}
    for each in deployment.of("Microsoft.Authorization/roleDefinitions"):
        ((permissions,), scopes) = at(each, "properties.permissions"), at(each, "properties.assignableScopes")
        allowed = [str(action) for kind in permissions.values() for action in kind]
        elsewhere = [scope for scope in scopes if not each["id"].startswith(f"{scope}/providers/")]
        found[each["id"].rpartition("/")[2]] = " ".join([*allowed, *elsewhere])
    return found


def policies(sets: Sets) -> Iterator[str]:
    """Exactly these permissions in the vault; those of others in a vault that was there are left alone.

    A vault takes either policies or roles. Only managed storage needs policies.
    """
    for name, deployment in sets.items():
        expected = EXPECTED[name]
        vaults = deployment.of("Microsoft.KeyVault/vaults") + deployment.of("Microsoft.KeyVault/vaults/accessPolicies")
        places = [_place(each["id"], deployment) for each in vaults]
        others = [] if expected.role_mode else [f"{expected.vault}/accessPolicies/add"]
        if places != ([expected.vault] if expected.vault == VAULT else others):
            yield f"{name}: {places} are written"
        modes = [at(each, "properties.enableRbacAuthorization") for each in deployment.of("Microsoft.KeyVault/vaults")]
        if any(mode is not expected.role_mode for mode in modes):
            yield f"{name}: the vault's role mode is {modes}"
        wanted = [
            {"tenantId": SCOPE["tenantId"], "objectId": principal, "permissions": permissions}
            for principal, permissions in expected.policies.items()
        ]
        for vault in vaults:
            listed = vault["properties"].get("accessPolicies", [])
            found = [{**each, "objectId": _principal(each["objectId"], deployment)} for each in listed]
            if found != wanted:
                yield f"{name}: permissions: {found}"


LOGGED = {
    "Web/sites/func-": {"FunctionAppLogs"},
    f"{OWN}/blobServices/default": {"StorageRead", "StorageWrite", "StorageDelete"},
}


def logs(sets: Sets) -> Iterator[str]:
    """What happens at app, own storage and a vault made here is logged."""
    for name, deployment in sets.items():
        wanted = LOGGED | ({VAULT: {"AuditEvent"}} if EXPECTED[name].vault == VAULT else {})
        found: dict[str, set[str]] = {}
        for each in deployment.of("Microsoft.Insights/diagnosticSettings"):
            workspace = _place(str(at(each, "properties.workspaceId")), deployment)
            if workspace == "OperationalInsights/workspaces/log-":
                logged = {log["category"] for log in at(each, "properties.logs") if log["enabled"] is True}
                found[_place(_scope(each["id"]), deployment)] = logged
        yield from _differences(name, "logged of", wanted, found)


def reports(sets: Sets) -> Iterator[str]:
    """What is kept of each run, where the app puts it, can be neither changed nor deleted for a while."""
    for name, deployment in sets.items():
        found = [
            (each["name"].split("/")[-2], at(each, "properties.immutabilityPeriodSinceCreationInDays"))
            for each in deployment.of(_IMMUTABLE)
        ]
        days = EXPECTED[name].retained
        if found != ([(deployment.settings.get("REPORT_CONTAINER"), days)] if days else []):
            yield f"{name}: reports are kept as {found}"


def machine(sets: Sets) -> Iterator[str]:
    """SSH from the app's subnet, and nothing else; nothing has a public address."""
    for name, deployment in sets.items():
        if "publicip" in json.dumps(deployment.resources).lower():
            yield f"{name}: there is a public address"
        machines, interfaces, groups = (
            deployment.of(f"Microsoft.{each}")
            for each in ("Compute/virtualMachines", "Network/networkInterfaces", "Network/networkSecurityGroups")
        )
        guarded = [at(each, "properties.networkSecurityGroup.id") for each in interfaces]
        if not len(machines) == len(interfaces) == len(groups) or guarded != [each["id"] for each in groups]:
            yield f"{name}: the machine has no security group"
        for group in groups:
            listed = [rule["properties"] for rule in at(group, "properties.securityRules")]
            inbound = sorted((one for one in listed if one["direction"] == "Inbound"), key=lambda one: one["priority"])
            fields = ("access", "protocol", "sourceAddressPrefix", "destinationPortRange")
            rules = [tuple(one[each] for each in fields) for one in inbound]
            if rules != [("Allow", "Tcp", "10.0.2.0/24", "22"), ("Deny", "*", "*", "*")]:
                yield f"{name}: the machine is reached by {rules}"


def package(sets: Sets) -> Iterator[str]:
    """The app's package is read from its own container, by the app's identity, as are references to the vault."""
    for name, deployment in sets.items():
        (app,) = deployment.of("Microsoft.Web/sites")
        source = at(app, "properties.functionAppConfig.deployment.storage")
        wanted = (
            rf"\[format\('.*', reference\('[^']*/st{deployment.token}', .*\)\.primaryEndpoints\.blob, 'app-package'\)\]"
        )
        if not re.fullmatch(wanted, source["value"]):
            yield f"{name}: the package is in {source['value']}"
        readers = {*app["identity"]["userAssignedIdentities"], at(app, "properties.keyVaultReferenceIdentity")}
        if readers != {source["authentication"]["userAssignedIdentityResourceId"]}:
            yield f"{name}: several identities read: {readers}"


_NETWORKED = {"private", "existing-private", "everything"}
_CALLED_BY_ALERT = {"existing", "private", "everything"}
_MADE = {name for name, each in EXPECTED.items() if each.rotated == NEW}
# What a condition of the template lets be there: its type, how its name begins, and the sets that have it.
CONDITIONAL: dict[str, tuple[str, str, set[str]]] = {
    "cluster": ("Microsoft.Compute/virtualMachines", "vm-", {"private", "everything"}),
    "network": ("Microsoft.Network/virtualNetworks", "vnet-", _NETWORKED),
    "operators": ("Microsoft.Insights/actionGroups", "rotator-operators", _NETWORKED),
    "reportsImmutability": (_IMMUTABLE, "", EXPECTED.keys() - {"existing"}),
    "rotated": ("Microsoft.Storage/storageAccounts", "stsas", _MADE),
    "secondTriggerGroup": ("Microsoft.Insights/actionGroups", "rotator-second-trigger", _CALLED_BY_ALERT),
    "storageEndpoint": ("Microsoft.Network/privateEndpoints", "pep-blob-", _NETWORKED),
    "vault": ("Microsoft.KeyVault/vaults", "kv-", _MADE),
    "vaultEndpoint": ("Microsoft.Network/privateEndpoints", "pep-vault-", _NETWORKED),
    "vaultPolicies": ("Microsoft.KeyVault/vaults/accessPolicies", "kv-", {"existing", "existing-private"}),
}


def conditions(sets: Sets) -> Iterator[str]:
    """What is conditional is in these sets and in no other."""
    for name, deployment in sets.items():
        for symbol, (kind, beginning, having) in CONDITIONAL.items():
            if any(one["name"].startswith(beginning) for one in deployment.of(kind)) is not (name in having):
                yield f"{name}: {symbol} is there or is not"


# What follows from the resources, as a pattern; all other settings have a parameter each.
_CLIENT = r"reference\('[^']*/userAssignedIdentities/id-{token}', '[^']*'\)\.clientId"
_ENDPOINT = r"\[reference\('[^']*/{account}', '[^']*'\)\.primaryEndpoints\.blob\]"
MADE_HERE = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": rf"\[format\('ClientId=\{{0\}};Authorization=AAD', {_CLIENT}\)\]",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": r"\[reference\('[^']*/appi-{token}', '[^']*'\)\.ConnectionString\]",
    "AZURE_CLIENT_ID": rf"\[{_CLIENT}\]",
    "AZURE_RESOURCE_MANAGER": r"\[environment\(\)\.resourceManager\]",
    "AzureWebJobsStorage__blobServiceUri": _ENDPOINT.replace("{account}", "storageAccounts/st{token}"),
    "AzureWebJobsStorage__clientId": rf"\[{_CLIENT}\]",
    "AzureWebJobsStorage__credential": "managedidentity",
    "KEYVAULT_BASEURL": r"\[format\('https://\{0\}\{1\}', '{vault}', environment\(\)\.suffixes\.keyvaultDns\)\]",
    "KUBERNETES_DNS": r"master\.example\.com|10\.0\.3\.4",
    "REPORT_CONTAINER": "rotation-reports",
    "STORAGE_BLOB_ENDPOINT": _ENDPOINT.replace("{account}", "storageAccounts/{rotated}"),
}
_OF_ISSUER = {"SAS_ISSUER", "SAS_CONTAINER", "STORAGE_ACCOUNT_ID", "KEYVAULT_STORAGE_NAME"}
# Other ways to the app's own storage; the first would be a key, the second knows the public cloud only.
_LEFT_OUT = {"AzureWebJobsStorage", "AzureWebJobsStorage__accountName"}


def settings(sets: Sets) -> Iterator[str]:
    """The app is set what it knows, and nothing else; with everything set, each setting has its parameter's value."""
    known = loader.NAMES - _LEFT_OUT | MADE_HERE.keys()
    for name, deployment in sets.items():
        found, expected = deployment.settings, EXPECTED[name]
        yield from (f"{name}: {each} is not known or not set" for each in sorted(known ^ found.keys()))
        names = {"{token}": deployment.token}
        for each, place in (("{vault}", expected.vault), ("{rotated}", expected.rotated)):
            names[each] = place.rpartition("/")[2] + (deployment.token if place in (VAULT, NEW) else "")
        for setting, pattern in MADE_HERE.items():
            wanted = pattern
            for each, value in names.items():
                wanted = wanted.replace(each, value)
            if not re.fullmatch(wanted, found.get(setting, "")):
                yield f"{name}: {setting} is {found.get(setting)}"
        yield from _settings_of_issuer(name, deployment)
        yield from _settings_given(name, found)


def _settings_given(name: str, found: Mapping[str, str]) -> Iterator[str]:
    given = {each.lower(): value.replace("\\'", "'") for each, value in parameters_of(name).items()}
    if "notifywebhookurl" in given:
        given["notifywebhookurl"] = "[parameters('notifyWebhookUrl')]"  # as it is not shown
    for setting in sorted(found.keys() - MADE_HERE.keys() - _OF_ISSUER):
        if found[setting] != given.get(parameter(setting), found[setting]):
            yield f"{name}: {setting} is {found[setting]}"


def _settings_of_issuer(name: str, deployment: Deployment) -> Iterator[str]:
    found, expected = deployment.settings, EXPECTED[name]
    managed = expected.issuer == "keyvault"
    account = found.get("STORAGE_ACCOUNT_ID", "")
    if (_place(account, deployment) if account else NEW if managed else account) != (
        NEW if managed else expected.rotated
    ):
        yield f"{name}: STORAGE_ACCOUNT_ID is {account}"
    if bool(found.get("KEYVAULT_STORAGE_NAME")) is not managed:
        yield f"{name}: KEYVAULT_STORAGE_NAME is {found.get('KEYVAULT_STORAGE_NAME')}"
    for setting, wanted in (("SAS_ISSUER", expected.issuer), ("SAS_CONTAINER", expected.container)):
        if found.get(setting) != wanted:
            yield f"{name}: {setting} is {found.get(setting)}"


_CALLER = "rotator-second-trigger"
_APP_ID = r"'[^']*/providers/Microsoft\.Web/sites/func-{token}"
# The URL that the alert calls; the one place where a key is read, which is that of the function called and no other.
CALLED = (
    r"\[format\('https://\{{0\}}/api/rotate-due\?code=\{{1\}}', "
    rf"reference\({_APP_ID}', '[\d-]+'\)\.defaultHostName, "
    rf"uriComponent\(listKeys\({_APP_ID}/functions/rotate_due', '[\d-]+'\)\.default\)\)\]"
)


def second_trigger(sets: Sets) -> Iterator[str]:
    """The alert calls one function of the app, with that function's own key, and tells nobody else."""
    for name, deployment in sets.items():
        (app,) = deployment.of("Microsoft.Web/sites")
        groups = [each for each in deployment.of("Microsoft.Insights/actionGroups") if each["name"] == _CALLER]
        for group in groups:
            receivers = {kind: each for kind, each in group["properties"].items() if kind.endswith("Receivers")}
            (receiver,) = receivers.pop("azureFunctionReceivers", [{}])
            if receivers or receiver.get("functionAppResourceId") != app["id"]:
                yield f"{name}: others are called: {receivers or receiver}"
            if (receiver.get("functionName"), receiver.get("useCommonAlertSchema")) != ("rotate_due", True):
                yield f"{name}: called is {receiver.get('functionName')}"
            if not re.fullmatch(CALLED.format(token=deployment.token), receiver.get("httpTriggerUrl", "")):
                yield f"{name}: called by {receiver.get('httpTriggerUrl')}"
        ids = {each["id"] for each in groups}
        for rule in deployment.of("Microsoft.Insights/scheduledQueryRules"):
            calls = ids & {*at(rule, "properties.actions.actionGroups")}
            if bool(calls) is not (rule["name"] == "timer-silent-call"):
                yield f"{name}: {rule['name']} calls {calls or 'nobody'}"


def secrets(sets: Sets) -> Iterator[str]:
    """No key or connection string is read, but the key in the URL that the alert calls."""
    secret = r"\blist\w*\(|AccountKey|SharedAccess(?:Key|Signature)|DefaultEndpointsProtocol|InstrumentationKey"
    for name, deployment in sets.items():
        read = re.sub(CALLED.format(token=deployment.token), "", deployment.text())
        yield from (f"{name}: {each}" for each in re.findall(secret, read))


def unguarded(template: dict[str, Any]) -> Iterator[str]:
    """Parameters of a compiled template that hold a secret and are kept in the history of deployments."""
    named = re.compile(r"(?i)(password|passphrase|privatekey|connectionstring|sastoken|accountkey|webhookurl)$")
    taken = template["parameters"]
    yield from (name for name, each in taken.items() if named.search(name) and not _is_secure(each))
    secure = {f"parameters('{name}')" for name, each in taken.items() if _is_secure(each)}
    computed = template.get("variables", {}).items()  # each may refer to others
    while more := {f"variables('{n}')" for n, v in computed if any(one in json.dumps(v) for one in secure)} - secure:
        secure |= more
    for module in modules(template):
        inner = module["properties"]["template"]
        yield from unguarded(inner)
        for name, passed in module["properties"]["parameters"].items():
            if any(each in json.dumps(passed) for each in secure) and not _is_secure(inner["parameters"][name]):
                yield f"{module['name']}: {name}"


def modules(template: dict[str, Any]) -> list[dict[str, Any]]:
    """The modules of a compiled template."""
    resources = template["resources"]  # by symbolic name where the template's language has them
    listed = resources.values() if isinstance(resources, dict) else resources
    return [each for each in listed if each["type"] == "Microsoft.Resources/deployments"]


def _is_secure(parameter: dict[str, Any]) -> bool:
    return str(parameter["type"]).startswith("secure")


# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_ACCOUNT, _CONTAINER = r"[a-z0-9]{3,24}", r"(?!.*--)[a-z0-9][a-z0-9-]{2,62}"
_ZONE = (
    r"format\('privatelink\.blob\.\{0\}', environment\(\)\.suffixes\.storage\)"
    r"|format\('privatelink\{0\}', replace\(environment\(\)\.suffixes\.keyvaultDns, '\.vault\.', '\.vaultcore\.'\)\)"
)
NAMES = {
    "Microsoft.Authorization/roleAssignments": r"[0-9a-f-]{36}|\[guid\(.*",
    "Microsoft.Authorization/roleDefinitions": r"[0-9a-f-]{36}",
    "Microsoft.Compute/virtualMachines": r"[A-Za-z0-9][\w.-]{0,62}[A-Za-z0-9_]",
    "Microsoft.Insights/actionGroups": r"[^:<>+/&%\\?|]{0,259}[^:<>+/&%\\?|. ]",
    "Microsoft.Insights/components": r"[^%&\\?/]{0,259}[^%&\\?/. ]",
    "Microsoft.Insights/diagnosticSettings": r"[^*<>%:&?+/\\]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[^*<>%:&?+/\\#{}]{0,259}[^*<>%:&?+/\\#{} .]",
    "Microsoft.KeyVault/vaults": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.KeyVault/vaults/accessPolicies": r"[A-Za-z0-9-]{3,24}/add",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    "Microsoft.Network/networkInterfaces": r"[A-Za-z0-9][\w.-]{0,78}\w",
    "Microsoft.Network/networkSecurityGroups": r"[A-Za-z0-9][\w.-]{0,78}\w",
    "Microsoft.Network/privateDnsZones": rf"\[({_ZONE})\]",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (
        rf"\[format\('\{{0\}}/\{{1\}}', ({_ZONE}), '[A-Za-z0-9][\w.-]{{0,78}}\w'\)\]"
    ),
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": r"[A-Za-z0-9][\w.-]{0,62}\w/default",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w().-]{0,89}[\w()-]",
    "Microsoft.Storage/storageAccounts": _ACCOUNT,
    _BLOBS: rf"{_ACCOUNT}/default",
    f"{_BLOBS}/containers": rf"{_ACCOUNT}/default/{_CONTAINER}",
    _IMMUTABLE: rf"{_ACCOUNT}/default/{_CONTAINER}/default",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
    _PUBLISHING: r"[A-Za-z0-9-]{2,60}/(ftp|scm)",
    "Microsoft.Web/sites/config": r"[A-Za-z0-9-]{2,60}/appsettings",
}


def names(sets: Sets) -> Iterator[str]:
    """Every name is one that Azure takes for its type, and no two resources are the same."""
    for name, deployment in sets.items():
        for each in deployment.resources:
            if not re.fullmatch(NAMES.get(each["type"], "no such type"), each["name"]):
                yield f"{name}: {each['type']} {each['name']} is no name for it"
        counted = Counter(each["id"].lower() for each in deployment.resources)
        yield from (f"{name}: {each} is there {times} times" for each, times in counted.items() if times > 1)


CHECKS: list[Check] = [
    closed, conditions, keys, logs, names, network, package, policies, reports, roles, second_trigger, secrets,
    settings, machine
]  # fmt: skip


def _place(identifier: str, deployment: Deployment) -> str:
    """The provider's part of an id, without what ends each name; after its subscription and group, if others."""
    subscription, _, path = identifier.replace(deployment.token, "").partition("/resourceGroups/")
    group, _, inside = path.partition("/providers/Microsoft.")
    if subscription.removeprefix("/subscriptions/") != SCOPE["subscriptionId"]:
        group = f"{subscription.removeprefix('/subscriptions/')}, {group}"
    return inside if group == deployment.group else f"{group}: {inside}"


def _scope(identifier: str) -> str:
    """What an extension's id says that it is for."""
    known = re.match(r"\[extensionResourceId\('([^']+)'", identifier)
    return known[1] if known else identifier.rpartition("/providers/")[0]


def _principal(identifier: str, deployment: Deployment) -> str:
    own = rf"\[reference\('[^']+/userAssignedIdentities/id-{deployment.token}', '[\d-]+'\)\.principalId\]"
    return "app" if re.fullmatch(own, identifier) else PRINCIPALS.get(identifier, identifier)


def _differences(name: str, words: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for each in sorted({*wanted, *found}):
        if wanted.get(each) != found.get(each):
            yield f"{name}: {words} {each}: {found.get(each)}"
