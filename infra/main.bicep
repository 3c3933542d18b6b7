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

@description('Whether the deploying operator puts the storage account under Key Vault, which Key Vault does on behalf of its caller.')
param operatorOnboards bool = true

@description('Whether the app may have account keys regenerated, which Key Vault does on behalf of its caller. A keyRotationPeriod brings it along.')
param keyRotationEnabled bool = false

@description('An existing storage account to rotate the SAS of; empty makes one.')
param storageAccountName string = ''

@description('The resource group of that account; empty is the one made here.')
param storageAccountResourceGroup string = ''

@description('An existing vault, in access policy mode; empty makes one.')
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
param kubernetesKubectl string = ''
@description('The name of the managed account in the vault; empty is the name of the storage account.')
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
var newVault = empty(keyVaultName)
var vaultName = newVault ? '${abbreviations.keyVaultVaults}${token}' : keyVaultName
var vaultGroup = empty(keyVaultResourceGroup) ? groupName : keyVaultResourceGroup
var vaultUri = 'https://${vaultName}${environment().suffixes.keyvaultDns}'
var managedAccount = empty(keyVaultStorageName) ? rotatedName : keyVaultStorageName

// Known beforehand, so that the app's settings need not wait for the machine.
var clusterAddress = '10.0.3.4'
var masterHost = createCluster ? clusterAddress : kubernetesDns

var keyVaultPrincipal = empty(keyVaultServicePrincipalId)
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
  }
}

module vault 'app/vault.bicep' = if (newVault) {
  name: 'vault'
  scope: group
  params: {
    name: vaultName
    location: location
    tags: tags
    accessPolicies: accessPolicies
    isPrivate: vnetEnabled
    operatorIpAddress: operatorIpAddress
    recover: recoverKeyVault
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vaultPolicies 'app/vault-policies.bicep' = if (!newVault) {
  name: 'vault-policies'
  scope: resourceGroup(vaultGroup)
  params: {
    name: vaultName
    accessPolicies: accessPolicies
  }
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

module keyOperators 'app/key-operators.bicep' = {
  name: 'key-operators'
  scope: resourceGroup(rotatedGroup)
  params: {
    storageName: rotatedName
    keyVaultPrincipalId: keyVaultPrincipal
    keyVaultHasRole: keyVaultHasRole
    operatorPrincipalId: operatorOnboards ? principalId : ''
    operatorPrincipalType: principalType
  }
  dependsOn: [rotated]
}

module keyRotationRole 'app/key-rotation-role.bicep' = if (rotatesKeys) {
  name: 'key-rotation-role'
  scope: resourceGroup(rotatedGroup)
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
      KEYVAULT_STORAGE_NAME: managedAccount
      STORAGE_BLOB_ENDPOINT: keyOperators.outputs.blobEndpoint
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
      KUBERNETES_KUBECTL: kubernetesKubectl
      ROTATION_SCHEDULE: rotationSchedule
      ROTATION_PROVE: rotationProve
      KEY_ROTATION_PERIOD: keyRotationPeriod
      REVOKE_GRACE: revokeGrace
      REPORT_CONTAINER: storage.outputs.reportContainer
      SAS_DEFINITION_NAME: sasDefinitionName
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
output KEYVAULT_STORAGE_NAME string = managedAccount
output STORAGE_ACCOUNT_ID string = keyOperators.outputs.storageId
output STORAGE_BLOB_ENDPOINT string = keyOperators.outputs.blobEndpoint
output KUBERNETES_DNS string = masterHost
output KUBERNETES_SSH_USERNAME string = kubernetesSshUsername
output KUBERNETES_SECRET_NAME string = kubernetesSecretName
output KUBERNETES_NAMESPACE string = kubernetesNamespace
output ROTATOR_PRINCIPAL_ID string = identity.outputs.principalId
output ROTATOR_CLIENT_ID string = identity.outputs.clientId
output KEY_VAULT_SERVICE_PRINCIPAL_ID string = keyVaultServicePrincipalId
