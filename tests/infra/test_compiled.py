"""The template compiles without a word, evaluates to what is kept, and an edit that opens it is noticed."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.infra import FOLDER, checks, compiler
from tests.infra.checks import Sets
from tests.infra.compiler import Compiler, Deployments
from tests.infra.deployments import PARAMETERS, SUFFIX

pytestmark = pytest.mark.real

MAIN = FOLDER / "main.bicep"
SETS = sorted(PARAMETERS.glob("*.bicepparam"))


@pytest.fixture(scope="module")
def bicep() -> Iterator[Compiler]:
    program = compiler.find()
    if program is None:
        pytest.skip(compiler.NONE_HERE)
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(Compiler(program))
        except compiler.UnfitError as error:
            if program == os.environ.get("BICEP"):  # somebody wants this one
                raise
            pytest.skip(str(error))
        yield started


class Copy:
    """A copy of the template and its parameters, to edit."""

    def __init__(self, folder: Path, *ignored: str) -> None:
        self.main, self.parameters = folder / "infra/main.bicep", folder / "tests/infra/parameters"
        shutil.copytree(FOLDER, self.main.parent, ignore=shutil.ignore_patterns("hooks", "master", *ignored))
        shutil.copytree(PARAMETERS, self.parameters)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a piece of text everywhere in one file; it must be there."""
        path = self.main.parent / file
        text = path.read_text()
        assert old in text, f"{file} holds no {old!r}"
        path.write_text(text.replace(old, new))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_it_compiles_without_a_word(bicep: Compiler) -> None:
    assert bicep.diagnostics(MAIN) == []


@pytest.mark.parametrize("path", [*sorted(FOLDER.rglob("*.bicep")), *SETS], ids=lambda path: path.name)
def test_a_file_is_as_the_compiler_would_write_it(bicep: Compiler, path: Path) -> None:
    assert bicep.formatted(path) == path.read_text(), f"bicep format {path}"


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_it_evaluates_to_what_is_kept(bicep: Compiler, path: Path) -> None:
    found, kept = bicep.deployment(path), path.with_suffix(SUFFIX)
    assert found.diagnostics == ()
    assert found.text() == kept.read_text(), "`make snapshots`, and look at what changes in a deployment"


def test_the_compiler_by_itself_finds_the_same(bicep: Compiler) -> None:
    """Anybody without these tests may ask it."""
    program = compiler.find()
    assert program
    options = ["--tenant-id", "--subscription-id", "--location"]
    scope = [word for pair in zip(options, compiler.SCOPE.values(), strict=True) for word in pair]
    done = subprocess.run(
        [program, "snapshot", str(PARAMETERS / "existing.bicepparam"), "--mode", "validate", *scope],
        env=compiler.surroundings(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"keyVaultServicePrincipalId": "''"}, "KEY_VAULT_SERVICE_PRINCIPAL_ID is empty: infra/hooks/preprovision.sh"),
        ({"sasIssuer": "'userdelegation'", "storageAccountName": "'pictures'"}, "SAS_CONTAINER is empty"),
        ({"createCluster": "true"}, "createCluster needs vnetEnabled and clusterSshPublicKey"),
        ({"createCluster": "true", "vnetEnabled": "true"}, "createCluster needs vnetEnabled and clusterSshPublicKey"),
        ({"createCluster": "true", "clusterSshPublicKey": "'ssh-ed25519 A'"}, "createCluster needs vnetEnabled"),
    ],
)
def test_what_cannot_be_deployed_stops_with_words(
    bicep: Compiler, copy: Copy, given: dict[str, str], words: str
) -> None:
    path = copy.parameters / "default.bicepparam"
    replaced = tuple(f"param {name} " for name in given)
    others = [line for line in path.read_text().splitlines() if not line.startswith(replaced)]
    path.write_text("\n".join([*others, *(f"param {name} = {value}" for name, value in given.items())]))
    with pytest.raises(compiler.RefusedError, match=re.escape(words)):
        bicep.deployment(path)


def test_an_environment_without_an_issuer_deploys_what_it_has_had(bicep: Compiler, copy: Copy) -> None:
    path = copy.parameters / "default.bicepparam"
    assert "sasIssuer" not in path.read_text()
    path.write_text(path.read_text() + "param sasIssuer = 'keyvault'\n")
    assert bicep.deployment(path).text() == (PARAMETERS / f"default{SUFFIX}").read_text()


def test_only_keyvault_needs_key_vaults_own_application(bicep: Compiler, copy: Copy) -> None:
    for path in (copy.parameters / "storagekey.bicepparam", copy.parameters / "userdelegation.bicepparam"):
        assert "keyVaultServicePrincipalId" not in path.read_text()
        assert not bicep.deployment(path).of("Microsoft.KeyVault/vaults/accessPolicies")


def test_a_mistake_is_an_error(bicep: Compiler, copy: Copy) -> None:
    """The rules of bicepconfig.json and the types of each API version: all of these at once."""
    mistakes = [
        ("app/vault.bicep", "enableSoftDelete: true", "enableSoftDelte: true", "BCP089"),
        ("app/identity.bicep", "Identities@2024-11-30", "Identities@2024-11-31", "BCP081"),
        ("app/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: 'no'", "BCP036"),
        ("app/rotated.bicep", "param tags object", "param tags object\nparam spare bool", "no-unused-params"),
        ("app/cluster.bicep", "version: 'latest'", "version: 'preview'", "use-stable-vm-image"),
        ("app/vault-policies.bicep", "parent: vault\n", "", "BCP"),
        ("app/network.bicep", "'app'\n", "'${'app'}'\n", "simplify-interpolation"),
        ("app/monitoring.bicep", "location: location", "location: 'westeurope'", "no-hardcoded-location"),
    ]
    for file, old, new, _ in mistakes:
        copy.edit(file, old, new)
    found = bicep.diagnostics(copy.main)
    missed = [
        (file, code)
        for file, *_, code in mistakes
        if not any(each.startswith(Path(file).name) and code in each for each in found)
    ]
    assert missed == [], found


class Edit(NamedTuple):
    """A piece of text that is replaced, and what the check then says, in part.

    A fault that begins with the name of a set is looked for in that set alone, as each takes the compiler a while.
    """

    check: checks.Check
    file: str
    old: str
    new: str
    fault: str


TEMPLATE, STORAGE, VAULT, FUNCTION = "main.bicep", "app/storage.bicep", "app/vault.bicep", "app/function.bicep"
ROTATED, POLICIES, OPERATORS = "app/rotated.bicep", "app/vault-policies.bicep", "app/key-operators.bicep"
CLUSTER, MONITORING, ROLES = "app/cluster.bicep", "app/monitoring.bicep", "app/roles.bicep"
CALLER, ALERTS = "app/second-trigger.bicep", "app/alerts.bicep"
ROTATION, DELEGATION, REVOCATION = (
    f"app/{each}.bicep" for each in ("key-rotation-role", "delegation-roles", "revocation-role")
)
READER, VAULT_ROLE = "app/account-reader.bicep", "app/vault-role.bicep"
OPENED: dict[checks.Check, list[tuple[str, str, str, str]]] = {
    checks.keys: [
        (STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "/st has keys"),
        (STORAGE, "allowSharedKeyAccess: false", "", "/st has keys"),
        (
            ROTATED,
            "Access: allowSharedKeyAccess",
            "Access: false",
            "default: Storage/storageAccounts/stsas has keys or",
        ),
        (
            TEMPLATE,
            "Access: !delegates || sharedKeysInUse",
            "Access: true",
            "userdelegation: Storage/storageAccounts/stsas has",
        ),
        (
            TEMPLATE,
            "!delegates || sharedKeysInUse",
            "!delegates",
            "userdelegation-moved: Storage/storageAccounts/stsas has",
        ),
    ],
    checks.closed: [
        (STORAGE, "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "/st has properties.allowBlobPublic"),
        (ROTATED, "TLS1_2", "TLS1_0", "/stsas has properties.minimumTlsVersion 'TLS1_0'"),
        (ROTATED, "TrafficOnly: true", "TrafficOnly: false", "supportsHttpsTrafficOnly False"),
        (STORAGE, "AppendWrites: false", "AppendWritesAll: true", "allowProtectedAppendWritesAll True"),
        (
            STORAGE,
            "  name: 'app-package'\n",
            "  name: 'app-package'\n  properties: { publicAccess: 'Blob' }\n",
            "'Blob'",
        ),
        (VAULT, "PurgeProtection: true", "PurgeProtection: isPrivate", "enablePurgeProtection False"),
        (VAULT, "softDeleteRetentionInDays: 90", "softDeleteRetentionInDays: 7", "InDays 7"),
        (FUNCTION, "httpsOnly: true", "httpsOnly: false", "httpsOnly False"),
        (FUNCTION, "  minTlsVersion: '1.2'", "  minTlsVersion: '1.0'", "{'minTlsVersion': '1.0'"),
        (FUNCTION, "'Disabled'\n", "'Disabled'\n      appSettings: [{ name: 'a', value: 'b' }]\n", "'appSettings'"),
        (FUNCTION, "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'", "'AllAllowed'"),
        (FUNCTION, "allow: false", "allow: true", "properties.allow True"),
        (FUNCTION, "name: 'scm'", "name: 'web'", "only ['ftp', 'web'] are closed"),
        (FUNCTION, "'UserAssignedIdentity'", "'SystemAssignedIdentity'", "'SystemAssignedIdentity'"),
        (MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false", "DisableLocalAuth False"),
        (MONITORING, "{ disableLocalAuth: true }", "{}", "disableLocalAuth None"),
        (CLUSTER, "Authentication: true", "Authentication: false", "PasswordAuthentication False"),
    ],
    checks.policies: [
        (POLICIES, "name: 'add'", "name: 'replace'", "kv-pictures/accessPolicies/replace'] are written"),
        (
            TEMPLATE,
            "'vault-policies'\n  scope: resourceGroup(vaultGroup)",
            "'vault-policies'\n  scope: group",
            "['KeyVault/vaults/kv-pictures",
        ),
        (VAULT, "    enableRbacAuthorization: roleMode\n", "", "default: the vault's role mode is [None]"),
        (
            VAULT,
            "RbacAuthorization: roleMode",
            "RbacAuthorization: isPrivate",
            "private: the vault's role mode is [True]",
        ),
        (
            VAULT,
            "RbacAuthorization: roleMode",
            "RbacAuthorization: false",
            "storagekey: the vault's role mode is [False]",
        ),
        (TEMPLATE, "usesManagedStorage ? accessPolicies : []", "accessPolicies", "storagekey: permissions"),
        (TEMPLATE, "(usesManagedStorage && !newVault)", "(!newVault)", "storagekey-existing: ['rg-vaults"),
        (TEMPLATE, "secrets: ['get']", "secrets: ['get', 'list']", "default: permissions"),
        (TEMPLATE, "'setsas', 'recover']", "'setsas', 'recover', 'regeneratekey']", "default: permissions"),
        (TEMPLATE, "= keyRotationEnabled || !empty(keyRotationPeriod)", "= true", "default: permissions"),
        (TEMPLATE, "= keyRotationEnabled || ", "= ", "existing: permissions"),
        (TEMPLATE, " || !empty(keyRotationPeriod)", "", "private: permissions"),
        (TEMPLATE, "'update', 'recover']", "'update', 'recover', 'purge']", "default: permissions"),
        (TEMPLATE, "? [appPolicy] :", "? [appPolicy, operatorPolicy] :", "no-principal: permissions"),
        (
            TEMPLATE,
            ": [appPolicy, ",
            ": [union(appPolicy, { permissions: { secrets: ['all'] } }), appPolicy, ",
            "'all'",
        ),
        (
            TEMPLATE,
            "tenant().tenantId\n  objectId: principalId",
            "principalId\n  objectId: principalId",
            "default: perm",
        ),
    ],
    checks.logs: [
        (VAULT, "'AuditEvent', enabled: true", "'AuditEvent', enabled: false", "vaults/kv-: set()"),
        (STORAGE, "StorageDelete", "Transaction", "'Transaction'"),
        (STORAGE, "scope: blobs", "scope: account", "storageAccounts/st: {"),
        (FUNCTION, "    workspaceId: workspaceId\n", "", "sites/func-: None"),
    ],
    checks.reports: [
        (STORAGE, "parent: reports", "parent: package", "[('app-package', 90)]"),
        (STORAGE, "(reportRetentionDays > 0)", "(reportRetentionDays > 30)", "everything: reports are kept as []"),
    ],
    checks.network: [
        (STORAGE, "isPrivate ? 'Disabled' : 'Enabled'", "'Enabled'", "private: reached from Storage"),
        (STORAGE, "bypass: 'None'", "bypass: 'AzureServices'", "/st is reached past its rules"),
        (VAULT, "bypass: 'None'", "bypass: 'AzureServices'", "/kv- is reached past its rules"),
        (VAULT, "bypass: 'None'", "bypass: 'None'\n      virtualNetworkRules: [{ id: name }]", "/kv- is reached past"),
        (VAULT, "isPrivate && empty(operatorIpAddress)", "false", "private: reached from KeyVault"),
        (VAULT, "isPrivate ? 'Deny' : 'Allow'", "'Allow'", "everything: reached from KeyVault"),
    ],
    checks.machine: [
        (CLUSTER, "AddressPrefix: appSubnetPrefix", "AddressPrefix: '*'", "('Allow', 'Tcp', '*', '22')"),
        (CLUSTER, "access: 'Deny'", "access: 'Allow'", "('Allow', '*', '*', '*')"),
        (CLUSTER, "protocol: '*'", "protocol: 'Tcp'", "('Deny', 'Tcp', '*', '*')"),
        (CLUSTER, "    networkSecurityGroup: { id: securityGroup.id }\n", "", "no security group"),
        (CLUSTER, "privateIPAddress: address", "publicIPAddress: { id: address }", "there is a public address"),
    ],
    checks.second_trigger: [
        (CALLER, "'rotate_due'", "'rotate_now'", "called is rotate_now"),
        (
            CALLER,
            "/functions/${functionName}', '2025-03-01').default",
            "/host/default', '2025-03-01').masterKey",
            "by [",
        ),
        (CALLER, "api/rotate-due?", "api/rotate?", "called by ["),
        (CALLER, "functionAppResourceId: app.id", "functionAppResourceId: name", "others are called"),
        (CALLER, "    enabled: true\n", "    enabled: true\n    webhookReceivers: []\n", "others are called"),
        (ALERTS, "[caller.id]", "people", "timer-silent-call calls nobody"),
        (
            ALERTS,
            "    query: timerSilent\n    dimensions: []\n    autoMitigate: true\n    actionGroups: people\n",
            "    query: timerSilent\n    dimensions: []\n    autoMitigate: true\n    actionGroups: [caller.id]\n",
            "timer-silent calls",
        ),
    ],
    checks.secrets: [
        (FUNCTION, ".ConnectionString", ".InstrumentationKey", "InstrumentationKey"),
        (CALLER, "groupShortName: 'rotate-due'", "groupShortName: listKeys(app.id, '2025-03-01').key", "listKeys("),
    ],
    checks.names: [
        (TEMPLATE, "NetworkInterfaces}${token}", "NetworkInterfaces}${token}-", "no name for it"),
        (TEMPLATE, "ServerFarms}${token}", "ServerFarms}.${token}", "no name for it"),
        (TEMPLATE, "Endpoints}vault-${", "Endpoints}blob-${", "is there 2 times"),
        (TEMPLATE, "'.vaultcore.'", "'.vault.'", "Microsoft.Network/privateDnsZones"),
    ],
    checks.settings: [
        (TEMPLATE, "SAS_VALIDITY:", "SAS_VALIDTY:", "SAS_VALIDTY is not known"),
        (TEMPLATE, "SAS_SERVICES: sasServices", "SAS_SERVICES: sasPermissions", "SAS_SERVICES is rl"),
        (
            TEMPLATE,
            "ENDPOINT: account.outputs.blobEndpoint",
            "ENDPOINT: storage.outputs.blobs",
            "BLOB_ENDPOINT is",
        ),
        (TEMPLATE, "SAS_ISSUER: sasIssuer", "SAS_ISSUER: 'keyvault'", "storagekey: SAS_ISSUER is keyvault"),
        (TEMPLATE, "? '' : account.outputs.id", "? '' : storage.outputs.id", "storagekey: STORAGE_ACCOUNT_ID is"),
        (TEMPLATE, "? managedAccount : ''", "? managedAccount : rotatedName", "storagekey: KEYVAULT_STORAGE_NAME is"),
        (
            TEMPLATE,
            "? newContainer : sasContainer",
            "? 'pictures' : sasContainer",
            "userdelegation-moved: SAS_CONTAINER is pictures",
        ),
        (TEMPLATE, "identityClientId: identity.outputs.clientId", "identityClientId: token", "AZURE_CLIENT_ID is"),
        (FUNCTION, "AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage", "AzureWebJobsStorage is not known"),
        (
            FUNCTION,
            "'ClientId=${identityClientId};Authorization=AAD'",
            "'Authorization=AAD'",
            "AUTHENTICATION_STRING is",
        ),
    ],
    checks.package: [
        (STORAGE, "blob}${package.name}'", "blob}${reports.name}'", "the package is in"),
        (
            FUNCTION,
            "keyVaultReferenceIdentity: identityId",
            "keyVaultReferenceIdentity: 'system'",
            "several identities",
        ),
    ],
    checks.conditions: [
        (
            TEMPLATE,
            "vaultEndpoint 'app/private-endpoint.bicep' = if (",
            "vaultEndpoint 'app/private-endpoint.bicep' = if (newVault && ",
            "existing-private: vaultEndpoint",
        ),
        (TEMPLATE, "rotated.bicep' = if (", "rotated.bicep' = if (!vnetEnabled && ", "private: rotated"),
        (TEMPLATE, "calls = functionsDeployed && ", "calls = ", "no-principal: secondTriggerGroup"),
        (TEMPLATE, "empty(secondTrigger) ? ", "secondTrigger != 'true' ? ", "existing-private: secondTriggerGroup"),
        (TEMPLATE, ": secondTrigger == 'true')", ": false)", "existing: secondTriggerGroup"),
    ],
    checks.roles: [
        (OPERATORS, " = if (!keyVaultHasRole) {", " = {", "existing: unexpected: "),
        (OPERATORS, "principalId: operatorPrincipalId", "principalId: keyVaultPrincipalId", "default: missing: "),
        (OPERATORS, "guid(account.id, operatorPrincipalId, ", "guid(account.id, 'operator', ", "has the name "),
        (OPERATORS, "guid(account.id, keyVaultPrincipalId, ", "guid(account.id, ", "has the name "),
        (ROTATION, "81a9662b-bebf-436f-a333-f67b29880f12", "17d1049b-9a84-46fb-8f53-869881c3d3ab", "17d1"),
        (ROTATION, "guid(account.id, ", "guid(", "has the name [guid(reference("),
        (ROLES, "scope: account", "scope: insights", "default: unexpected: "),
        (ROLES, "Type: 'ServicePrincipal'", "Type: 'User'", "to='app', kind='User'"),
        (TEMPLATE, " = if (readsKeys) {", " = {", "default: unexpected: "),
        (TEMPLATE, ": sasIssuer == 'storagekey'", ": true", "userdelegation: unexpected: "),
        (
            TEMPLATE,
            "key-operators.bicep' = if (usesManagedStorage)",
            "key-operators.bicep' =",
            "storagekey-existing: unexpected: ",
        ),
        (TEMPLATE, "delegates && delegationRevocationEnabled", "delegates", "userdelegation: unexpected: "),
        (TEMPLATE, "!usesManagedStorage && accountReader", "accountReader", "default: unexpected: "),
        (
            TEMPLATE,
            "!usesManagedStorage && accountReaderEnabled",
            "!usesManagedStorage",
            "userdelegation-existing: unexpected: ",
        ),
        (
            TEMPLATE,
            "!usesManagedStorage && operatorOnboards && ",
            "!usesManagedStorage && ",
            "userdelegation-existing: unexpected: ",
        ),
        (TEMPLATE, "roleId: keyVaultSecretsUser", "roleId: keyVaultSecretsOfficer", "storagekey: unexpected: "),
        (TEMPLATE, "sasWrites = !empty(", "sasWrites = empty(", "userdelegation: missing: "),
        (VAULT_ROLE, "scope: vault", "scope: resourceGroup()", "storagekey: unexpected: "),
        (
            READER,
            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "c12c1c16-33a1-487b-954d-41c89c60f349",
            "storagekey: unexpected: ",
        ),
        (DELEGATION, "scope: account::blobs::delegated", "scope: account", "userdelegation: missing: "),
        (
            DELEGATION,
            "? blobDataContributor : blobDataReader",
            "? blobDataReader : blobDataReader",
            "userdelegation-existing: missing: ",
        ),
        (
            DELEGATION,
            "? blobDataContributor : blobDataReader",
            "? blobDataReader : blobDataContributor",
            "userdelegation: missing: ",
        ),
        (
            REVOCATION,
            "storageAccounts/revokeUserDelegationKeys/action",
            "storageAccounts/*",
            "userdelegation-existing: unexpected: ",
        ),
        (REVOCATION, "[resourceGroup().id]", "[subscription().id]", "userdelegation-existing: unexpected: "),
        (
            TEMPLATE,
            "'key-rotation-role'\n  scope: resourceGroup(rotatedSubscription, rotatedGroup)",
            "'key-rotation-role'\n  scope: group",
            "existing: missing",
        ),
        (TEMPLATE, "operatorOnboards ? principalId : ''", "principalId", "existing: unexpected: "),
        (TEMPLATE, "storageName: storageName", "storageName: rotatedName", "storageAccounts/stsas', to='app'"),
    ],
}
EDITS = [Edit(check, *edit) for check, edits in OPENED.items() for edit in edits]


class Mutants:
    """The edits, many at once: those that cannot be taken for each other are compiled and evaluated together."""

    def __init__(self, bicep: Compiler, folder: Path) -> None:
        self._bicep, self._folder = bicep, folder
        self._batches: list[list[Edit]] = []
        self._sets: dict[int, Sets] = {}
        for edit in EDITS:
            for batch in self._batches:
                if all(_apart(each, edit) for each in batch):
                    batch.append(edit)
                    break
            else:
                self._batches.append([edit])

    def with_(self, edit: Edit) -> Sets:
        """Every deployment with this edit, and with others."""
        index = next(i for i, batch in enumerate(self._batches) if edit in batch)
        if index not in self._sets:
            copy = Copy(self._folder / str(index), "bicepconfig.json")  # whose errors would be the only answer
            for each in self._batches[index]:
                copy.edit(each.file, each.old, each.new)
            self._sets[index] = Deployments(self._bicep, copy.parameters.glob("*.bicepparam"))
        return self._sets[index]


def _apart(one: Edit, another: Edit) -> bool:
    if one.check == another.check and one.check != checks.closed:  # whose faults name the very property
        return False
    text = (FOLDER / one.file).read_text()
    changed = text.replace(one.old, one.new), text.replace(another.old, another.new)
    return one.file != another.file or (another.old in changed[0] and one.old in changed[1])


@pytest.fixture(scope="module")
def mutants(bicep: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Mutants:
    return Mutants(bicep, tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit.file}-{edit.new}")
def test_an_opening_is_noticed(mutants: Mutants, edit: Edit) -> None:
    seen = []
    sets, name = mutants.with_(edit), edit.fault.partition(":")[0]
    for fault in edit.check({name: sets[name]} if name in sets else sets):  # no further than needed
        if edit.fault in fault:
            return
        seen.append(fault)
    pytest.fail(f"unnoticed, but {seen}")


def test_what_is_secure_stays_secure(bicep: Compiler) -> None:
    assert list(checks.unguarded(bicep.template(MAIN))) == []


@pytest.mark.parametrize(
    "edits",
    [
        [(TEMPLATE, "@secure()", "")],
        [(FUNCTION, "@secure()", "")],
        [(TEMPLATE, "      REVOKE_GRACE: ", "      NOTIFY: notifyWebhookUrl\n      REVOKE_GRACE: ")],
        [
            (TEMPLATE, "      REVOKE_GRACE: ", "      NOTIFY: webhook\n      REVOKE_GRACE: "),
            (TEMPLATE, "module function ", "var webhook = notifyWebhookUrl\nmodule function "),
        ],
        [(CLUSTER, "param sshPublicKey string", "param sshPublicKey string\nparam adminPassword string = ''")],
    ],
)
def test_what_is_not_secure_any_more_is_noticed(
    bicep: Compiler, tmp_path: Path, edits: list[tuple[str, str, str]]
) -> None:
    copy = Copy(tmp_path, "bicepconfig.json")
    for edit in edits:
        copy.edit(*edit)
    assert list(checks.unguarded(bicep.template(copy.main))) != []


def test_modules_have_names_of_their_own_and_wait_for_what_is_only_named_to_them(bicep: Compiler) -> None:
    modules = checks.modules(bicep.template(MAIN))
    waits = r"Microsoft\.Resources/deployments', '([\w-]+)'"
    after = {each["name"]: set(re.findall(waits, str(each.get("dependsOn")))) for each in modules}
    assert len(after) == len(modules)
    assert after["roles"] >= {"identity", "storage", "monitoring"}
    assert after["key-rotation-role"] >= {"identity", "rotated"}
    of_account = ("account", "account-reader", "delegation-roles", "key-operators", "revocation-role")
    assert all("rotated" in after[each] for each in of_account)
    assert after["vault-app-role"] >= {"identity", "vault"}
    assert "vault" in after["vault-operator-role"]
    assert "vault" in after["vault-endpoint"]
    assert "monitoring" in after["function"]
    assert "function" in after["second-trigger"]
    assert "second-trigger" in after["alerts"]


def test_names_differ_from_one_subscription_to_the_other(bicep: Compiler) -> None:
    here, there = (
        bicep.deployment(PARAMETERS / "default.bicepparam", subscriptionId=subscription).token
        for subscription in (compiler.SCOPE["subscriptionId"], compiler.SCOPE["tenantId"])
    )
    assert here != there


OLD = 'Content-Length: 42\\r\\n\\r\\n{"id": 1, "result": {"version": "0.30.3"}}'


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("exit 1", "is no Bicep compiler that answers"),
        ("echo Unrecognized", "is no Bicep compiler that answers"),
        ("cat >/dev/null", "is no Bicep compiler that answers"),
        (None, "cannot be started: No such file"),
        (
            f"printf '{OLD}'; cat >/dev/null",
            r"is 0\.30\.3; 0\.49 or later is needed",
        ),
    ],
)
def test_what_is_no_compiler_is_told(tmp_path: Path, program: str | None, words: str) -> None:
    found = tmp_path / "bicep"
    if program is not None:
        found.write_text(f"#!/bin/sh\n{program}\n")
        found.chmod(0o755)
    with pytest.raises(compiler.UnfitError, match=words), Compiler(str(found), seconds=0.5):
        pass
