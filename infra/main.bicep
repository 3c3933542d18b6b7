// Everything that the rotator needs in Azure. The steps of the data plane, which no template can take, are
// `python -m rotator onboard`, which azd runs after this (hooks/postprovision.sh).
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('The azd environment: part of every name.')
param environmentName string

@minLength(1)
@description('Region of everything made here; one that has Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Resource group to make; by default rg-<environment>.')
param resourceGroupName string = ''

@description('Object id of whoever deploys and onboards; azd knows it.')
param principalId string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@allowed(['keyvault', 'storagekey', 'userdelegation'])
@description('What issues the SAS. For a new installation: userdelegation, which needs no account key. keyvault (managed storage, deprecated by Microsoft) is what an environment without this value has had.')
param sasIssuer string = 'keyvault'

@description('Whether the deploying operator gets the roles that onboarding needs. With keyvault that is putting the storage account under Key Vault, which Key Vault does on behalf of its caller.')
param operatorOnboards bool = true

@description('Whether the app may have account keys regenerated, which Key Vault does on behalf of its caller. A keyRotationPeriod brings it along.')
param keyRotationEnabled bool = false

@description('With userdelegation: whether the app may revoke. Off, as a revocation ends every delegation SAS of the account, also those of others, and as the custom role for it takes more rights to deploy.')
param delegationRevocationEnabled bool = false

@description('With storagekey and userdelegation: whether the app may read the properties of the account, so that `check` can say which policy refuses a SAS.')
param accountReaderEnabled bool = true

@description('An existing storage account to rotate the SAS of; empty makes one.')
param storageAccountName string = ''

@description('The resource group of that account; empty is the one made here.')
param storageAccountResourceGroup string = ''

@description('The subscription of that account; empty is the one deployed to.')
param storageAccountSubscriptionId string = ''

@description('Whether SAS that an account key signed may be in use: an account made here then keeps its shared keys. hooks/preprovision.sh finds out.')
param sharedKeysInUse bool = false

@description('An existing vault, with keyvault in access policy mode, else in role mode; empty makes one.')
param keyVaultName string = ''

@description('The resource group of that vault; empty is the one made here.')
param keyVaultResourceGroup string = ''

@description('True brings back the soft-deleted vault of an environment that was removed and is deployed again.')
param recoverKeyVault bool = false

@description('Object id of the service principal of Key Vault itself in this tenant; hooks/preprovision.sh looks it up, by the application id of this cloud.')
param keyVaultServicePrincipalId string = ''

@description('Whether that application has its role on an existing account already: Azure refuses to assign a role twice.')
param keyVaultHasRole bool = false

@description('A new virtual network; vault and own storage are then reached by private endpoints only.')
param vnetEnabled bool = false

@description('An existing subnet, delegated to Microsoft.App/environments, to reach a private master from.')
param integrationSubnetId string = ''

@description('With vnetEnabled: the one public address that still reaches the vault, for onboarding from outside the network.')
param operatorIpAddress string = ''

@description('For a trial: one small machine with k3s in the new virtual network.')
param createCluster bool = false

@description('SSH public key of the administrator of that machine.')
param clusterSshPublicKey string = ''

@description('Who is sent the alerts: an address, best of a group; empty sends nothing.')
param alertEmail string = ''

@description('False where the schedule leaves more than a day between two runs, which is more than the alert for missing runs can see.')
param watchForRuns bool = true

@allowed(['', 'true', 'false'])
@description('Whether an alert calls the app where its timer is silent; empty means where there is an alertEmail.')
param secondTrigger string = ''

@description('Whether the function that this alert calls exists, which takes a deployed package; hooks/preprovision.sh finds out.')
param functionsDeployed bool = false

@minValue(0)
@maxValue(146000)
@description('How long nobody may change or delete the report of a run, in days; 0 leaves the policy as it is, which a locked one needs.')
param reportRetentionDays int = 90

// App settings, under the names that rotator/plan/settings.py gives them. An empty one means the app's default.
@description('The master: host name or address.')
param kubernetesDns string
param kubernetesSshPort string = ''
param kubernetesSshUsername string = 'rotator'
@description('Pinned host key fingerprints. Empty until onboarding has confirmed them.')
param kubernetesSshFingerprint string = ''
#disable-next-line secure-secrets-in-params // the name of a secret in the vault
param kubernetesSshKeySecret string = ''
#disable-next-line secure-secrets-in-params // the name of a secret in the vault
param kubernetesSshPassphraseSecret string = ''
param kubernetesNamespace string = 'default'
param kubernetesSecretName string = 'storage-sas'
#disable-next-line secure-secrets-in-params // the key of an entry in the Secret, not its value
param kubernetesSecretKey string = ''
#disable-next-line secure-secrets-in-params // how the entry is written
param kubernetesSecretEncoding string = ''
#disable-next-line secure-secrets-in-params // how the Secret is written
param kubernetesSecretStrategy string = ''
#disable-next-line secure-secrets-in-params // whether a Secret of others is taken over
param kubernetesSecretAdopt string = ''
#disable-next-line secure-secrets-in-params // whether entries of others stay
param kubernetesSecretKeepForeign string = ''
#disable-next-line secure-secrets-in-params // templates of the entries, with placeholders for what is secret
param kubernetesSecretData string = ''
#disable-next-line secure-secrets-in-params // the type of the Secret
param kubernetesSecretType string = ''
#disable-next-line secure-secrets-in-params // labels of the Secret
param kubernetesSecretLabels string = ''
#disable-next-line secure-secrets-in-params // annotations of the Secret
param kubernetesSecretAnnotations string = ''
#disable-next-line secure-secrets-in-params // the name of a form that is ready
param kubernetesSecretPreset string = ''
param kubernetesKubectl string = ''
@description('With keyvault: the name of the managed account in the vault; empty is the name of the storage account.')
param keyVaultStorageName string = ''
param rotationSchedule string = ''
param rotationProve string = ''
@description('How old the active account key may get until the timer has the other one regenerated, ISO 8601; empty leaves that to requests.')
param keyRotationPeriod string = ''
param revokeGrace string = ''
@secure()
@description('Where a chat service takes messages: the URL, or better, a reference to the vault secret that holds it.')
param notifyWebhookUrl string = ''
param sasDefinitionName string = ''
@description('The container that the SAS is for. With userdelegation it must be given for an existing account; of one made here it is pictures.')
param sasContainer string = ''
param sasPrefix string = ''
param sasBlob string = ''
param sasIp string = ''
param sasEncryptionScope string = ''
param sasServices string = ''
param sasResourceTypes string = ''
param sasPermissions string = ''
param sasProtocol string = ''
param sasValidity string = ''

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

var groupName = empty(resourceGroupName)
  ? '${abbreviations.resourcesResourceGroups}${environmentName}'
  : resourceGroupName
// Names are made here and not asked of the module that makes the thing: a preview knows them before anything is there.
var insightsName = '${abbreviations.insightsComponents}${token}'
var storageName = '${abbreviations.storageStorageAccounts}${token}'
var functionAppName = '${abbreviations.webSitesFunctions}${token}'
var networkName = '${abbreviations.networkVirtualNetworks}${token}'
var newStorageAccount = empty(storageAccountName)
var rotatedName = newStorageAccount ? '${abbreviations.storageStorageAccounts}sas${token}' : storageAccountName
var rotatedGroup = empty(storageAccountResourceGroup) ? groupName : storageAccountResourceGroup
var rotatedSubscription = empty(storageAccountSubscriptionId)
  ? subscription().subscriptionId
  : storageAccountSubscriptionId
var newContainer = empty(sasContainer) ? 'pictures' : sasContainer
var newVault = empty(keyVaultName)
var vaultName = newVault ? '${abbreviations.keyVaultVaults}${token}' : keyVaultName
var vaultGroup = empty(keyVaultResourceGroup) ? groupName : keyVaultResourceGroup
var vaultUri = 'https://${vaultName}${environment().suffixes.keyvaultDns}'
var managedAccount = empty(keyVaultStorageName) ? rotatedName : keyVaultStorageName

// What only managed storage needs: Key Vault's own application, access policies, the managed account.
var usesManagedStorage = sasIssuer == 'keyvault'
var delegates = sasIssuer == 'userdelegation'
var givenContainer = delegates && newStorageAccount ? newContainer : sasContainer
var container = delegates && empty(givenContainer)
  ? fail('SAS_CONTAINER is empty: a user delegation SAS is for one container. azd env set SAS_CONTAINER <container>')
  : givenContainer
// A delegation SAS allows no more than its issuer may do. Empty permissions are the app's default for a container.
var delegatedPermissions = empty(sasPermissions) ? 'rw' : sasPermissions
var sasWrites = !empty(replace(replace(delegatedPermissions, 'r', ''), 'l', ''))
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var keyVaultSecretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

// Known beforehand, so that the app's settings need not wait for the machine.
var clusterAddress = '10.0.3.4'
var masterHost = createCluster ? clusterAddress : kubernetesDns

var keyVaultPrincipal = usesManagedStorage && empty(keyVaultServicePrincipalId)
  ? fail('KEY_VAULT_SERVICE_PRINCIPAL_ID is empty: infra/hooks/preprovision.sh sets it')
  : keyVaultServicePrincipalId
var clusterKey = createCluster && (!vnetEnabled || empty(clusterSshPublicKey))
  ? fail('createCluster needs vnetEnabled and clusterSshPublicKey')
  : clusterSshPublicKey

// Only a function that exists has a key, so the second way to fire comes with the second provisioning, which
// hooks/postdeploy.sh starts.
var calls = functionsDeployed && (empty(secondTrigger) ? !empty(alertEmail) : secondTrigger == 'true')
var callerName = 'rotator-second-trigger'

// A period without the permissions would never come to anything.
var rotatesKeys = keyRotationEnabled || !empty(keyRotationPeriod)
var readsKeys = usesManagedStorage ? rotatesKeys : sasIssuer == 'storagekey'

// get: the private key and the SAS. getsas, setsas: the SAS definition; recover: one that was soft-deleted.
var appStoragePermissions = ['get', 'getsas', 'setsas', 'recover']
var appPolicy = {
  tenantId: tenant().tenantId
  objectId: identity.outputs.principalId
  permissions: {
    secrets: ['get']
    storage: rotatesKeys ? concat(appStoragePermissions, ['regeneratekey']) : appStoragePermissions
  }
}
// Onboarding uploads the SSH key and puts the storage account under the vault's management; `plan` reads the definition.
var operatorPolicy = {
  tenantId: tenant().tenantId
  objectId: principalId
  permissions: {
    secrets: ['get', 'set', 'recover']
    storage: ['get', 'getsas', 'list', 'set', 'update', 'recover']
  }
}
var accessPolicies = empty(principalId) ? [appPolicy] : [appPolicy, operatorPolicy]

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    insightsName: insightsName
    location: location
    tags: tags
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    watchForRuns: watchForRuns
    callerName: callerName
    calls: calls
  }
  dependsOn: [secondTriggerGroup]
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: networkName
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: storageName
    location: location
    tags: tags
    isPrivate: vnetEnabled
    workspaceId: monitoring.outputs.workspaceId
    reportRetentionDays: reportRetentionDays
  }
}

module rotated 'app/rotated.bicep' = if (newStorageAccount) {
  name: 'rotated'
  scope: group
  params: {
    name: rotatedName
    location: location
    tags: tags
    container: newContainer
    allowSharedKeyAccess: !delegates || sharedKeysInUse
  }
}

module vault 'app/vault.bicep' = if (newVault) {
  name: 'vault'
  scope: group
  params: {
    name: vaultName
    location: location
    tags: tags
    roleMode: !usesManagedStorage
    accessPolicies: usesManagedStorage ? accessPolicies : []
    isPrivate: vnetEnabled
    operatorIpAddress: operatorIpAddress
    recover: recoverKeyVault
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vaultPolicies 'app/vault-policies.bicep' = if (usesManagedStorage && !newVault) {
  name: 'vault-policies'
  scope: resourceGroup(vaultGroup)
  params: {
    name: vaultName
    accessPolicies: accessPolicies
  }
}

// Key Vault Secrets User: the app reads the SSH key.
module vaultAppRole 'app/vault-role.bicep' = if (!usesManagedStorage) {
  name: 'vault-app-role'
  scope: resourceGroup(vaultGroup)
  params: {
    vaultName: vaultName
    roleId: keyVaultSecretsUser
    #disable-next-line what-if-short-circuiting // as in `roles`
    principalId: identity.outputs.principalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [vault]
}

// Key Vault Secrets Officer: onboarding uploads the SSH key.
module vaultOperatorRole 'app/vault-role.bicep' = if (!usesManagedStorage && operatorOnboards && !empty(principalId)) {
  name: 'vault-operator-role'
  scope: resourceGroup(vaultGroup)
  params: {
    vaultName: vaultName
    roleId: keyVaultSecretsOfficer
    principalId: principalId
    principalType: principalType
  }
  dependsOn: [vault]
}

module roles 'app/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    storageName: storageName
    insightsName: insightsName
    // Part of the assignments' names, so that a preview cannot look into this module; another name for an assignment
    // that is there already would be refused as RoleAssignmentExists.
    #disable-next-line what-if-short-circuiting
    appPrincipalId: identity.outputs.principalId
  }
  dependsOn: [storage, monitoring]
}

// The account's id and endpoint, of an account made here or not.
module account 'app/account.bicep' = {
  name: 'account'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    name: rotatedName
  }
  dependsOn: [rotated]
}

module keyOperators 'app/key-operators.bicep' = if (usesManagedStorage) {
  name: 'key-operators'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    storageName: rotatedName
    keyVaultPrincipalId: keyVaultPrincipal
    keyVaultHasRole: keyVaultHasRole
    operatorPrincipalId: operatorOnboards ? principalId : ''
    operatorPrincipalType: principalType
  }
  dependsOn: [rotated]
}

module keyRotationRole 'app/key-rotation-role.bicep' = if (readsKeys) {
  name: 'key-rotation-role'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    storageName: rotatedName
    #disable-next-line what-if-short-circuiting // as in `roles`
    appPrincipalId: identity.outputs.principalId
  }
  dependsOn: [rotated]
}

module delegationRoles 'app/delegation-roles.bicep' = if (delegates) {
  name: 'delegation-roles'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    storageName: rotatedName
    container: container
    sasWrites: sasWrites
    #disable-next-line what-if-short-circuiting // as in `roles`
    appPrincipalId: identity.outputs.principalId
  }
  dependsOn: [rotated]
}

module revocationRole 'app/revocation-role.bicep' = if (delegates && delegationRevocationEnabled) {
  name: 'revocation-role'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    storageName: rotatedName
    #disable-next-line what-if-short-circuiting // as in `roles`
    appPrincipalId: identity.outputs.principalId
  }
  dependsOn: [rotated]
}

module accountReader 'app/account-reader.bicep' = if (!usesManagedStorage && accountReaderEnabled) {
  name: 'account-reader'
  scope: resourceGroup(rotatedSubscription, rotatedGroup)
  params: {
    storageName: rotatedName
    #disable-next-line what-if-short-circuiting // as in `roles`
    appPrincipalId: identity.outputs.principalId
  }
  dependsOn: [rotated]
}

module storageEndpoint 'app/private-endpoint.bicep' = if (vnetEnabled) {
  name: 'storage-endpoint'
  scope: group
  params: {
    name: '${abbreviations.networkPrivateEndpoints}blob-${token}'
    location: location
    tags: tags
    serviceId: storage.outputs.id
    groupId: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
  }
}

module vaultEndpoint 'app/private-endpoint.bicep' = if (vnetEnabled) {
  name: 'vault-endpoint'
  scope: group
  params: {
    name: '${abbreviations.networkPrivateEndpoints}vault-${token}'
    location: location
    tags: tags
    serviceId: vaultInUse.id
    groupId: 'vault'
    // The private zone is vaultcore in every cloud, where the public suffix is vault.
    zoneName: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
  }
  dependsOn: [vault]
}

module cluster 'app/cluster.bicep' = if (createCluster) {
  name: 'cluster'
  scope: group
  params: {
    name: '${abbreviations.computeVirtualMachines}${token}'
    interfaceName: '${abbreviations.networkNetworkInterfaces}${token}'
    securityGroupName: '${abbreviations.networkNetworkSecurityGroups}${token}'
    location: location
    tags: tags
    subnetId: network!.outputs.masterSubnetId
    appSubnetPrefix: network!.outputs.appSubnetPrefix
    address: clusterAddress
    sshPublicKey: clusterKey
  }
}

module function 'app/function.bicep' = {
  name: 'function'
  scope: group
  params: {
    name: functionAppName
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageBlobs: storage.outputs.blobs
    packageContainer: storage.outputs.packageContainer
    insightsName: insightsName
    workspaceId: monitoring.outputs.workspaceId
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : integrationSubnetId
    notifyWebhookUrl: notifyWebhookUrl
    settings: {
      KEYVAULT_BASEURL: vaultUri
      SAS_ISSUER: sasIssuer
      KEYVAULT_STORAGE_NAME: usesManagedStorage ? managedAccount : ''
      STORAGE_ACCOUNT_ID: usesManagedStorage ? '' : account.outputs.id
      STORAGE_BLOB_ENDPOINT: account.outputs.blobEndpoint
      AZURE_RESOURCE_MANAGER: environment().resourceManager
      KUBERNETES_DNS: masterHost
      KUBERNETES_SSH_PORT: kubernetesSshPort
      KUBERNETES_SSH_USERNAME: kubernetesSshUsername
      KUBERNETES_SSH_FINGERPRINT: kubernetesSshFingerprint
      KUBERNETES_SSH_KEY_SECRET: kubernetesSshKeySecret
      KUBERNETES_SSH_PASSPHRASE_SECRET: kubernetesSshPassphraseSecret
      KUBERNETES_NAMESPACE: kubernetesNamespace
      KUBERNETES_SECRET_NAME: kubernetesSecretName
      KUBERNETES_SECRET_KEY: kubernetesSecretKey
      KUBERNETES_SECRET_ENCODING: kubernetesSecretEncoding
      KUBERNETES_SECRET_STRATEGY: kubernetesSecretStrategy
      KUBERNETES_SECRET_ADOPT: kubernetesSecretAdopt
      KUBERNETES_SECRET_KEEP_FOREIGN: kubernetesSecretKeepForeign
      KUBERNETES_SECRET_DATA: kubernetesSecretData
      KUBERNETES_SECRET_TYPE: kubernetesSecretType
      KUBERNETES_SECRET_LABELS: kubernetesSecretLabels
      KUBERNETES_SECRET_ANNOTATIONS: kubernetesSecretAnnotations
      KUBERNETES_SECRET_PRESET: kubernetesSecretPreset
      KUBERNETES_KUBECTL: kubernetesKubectl
      ROTATION_SCHEDULE: rotationSchedule
      ROTATION_PROVE: rotationProve
      KEY_ROTATION_PERIOD: keyRotationPeriod
      REVOKE_GRACE: revokeGrace
      REPORT_CONTAINER: storage.outputs.reportContainer
      SAS_DEFINITION_NAME: sasDefinitionName
      SAS_CONTAINER: container
      SAS_PREFIX: sasPrefix
      SAS_BLOB: sasBlob
      SAS_IP: sasIp
      SAS_ENCRYPTION_SCOPE: sasEncryptionScope
      SAS_SERVICES: sasServices
      SAS_RESOURCE_TYPES: sasResourceTypes
      SAS_PERMISSIONS: sasPermissions
      SAS_PROTOCOL: sasProtocol
      SAS_VALIDITY: sasValidity
    }
  }
}

module secondTriggerGroup 'app/second-trigger.bicep' = if (calls) {
  name: 'second-trigger'
  scope: group
  params: {
    name: callerName
    tags: tags
    functionAppName: functionAppName
  }
  dependsOn: [function]
}

// New or not, only for their ids.
resource vaultInUse 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
  scope: resourceGroup(vaultGroup)
}

// azd stores these in its environment, where onboarding finds them.
output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_ROTATOR_NAME string = function.outputs.name
output SERVICE_ROTATOR_URI string = function.outputs.uri
output FUNCTION_APP_ID string = function.outputs.id
output KEY_VAULT_ID string = vaultInUse.id
output AZURE_RESOURCE_MANAGER string = environment().resourceManager
output KEYVAULT_BASEURL string = vaultUri
output SAS_ISSUER string = sasIssuer
// With another issuer as it was given, for the way back.
output KEYVAULT_STORAGE_NAME string = usesManagedStorage ? managedAccount : keyVaultStorageName
output STORAGE_ACCOUNT_ID string = account.outputs.id
output STORAGE_BLOB_ENDPOINT string = account.outputs.blobEndpoint
output KUBERNETES_DNS string = masterHost
output KUBERNETES_SSH_USERNAME string = kubernetesSshUsername
output KUBERNETES_SECRET_NAME string = kubernetesSecretName
output KUBERNETES_NAMESPACE string = kubernetesNamespace
output ROTATOR_PRINCIPAL_ID string = identity.outputs.principalId
output ROTATOR_CLIENT_ID string = identity.outputs.clientId
output KEY_VAULT_SERVICE_PRINCIPAL_ID string = keyVaultServicePrincipalId
