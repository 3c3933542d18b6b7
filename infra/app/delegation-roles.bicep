// What the issuer userdelegation needs. A delegation SAS allows what both the SAS and its issuer's roles allow, at the moment
// of use, so the app may itself do what it delegates, in that container alone.
// https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
param storageName string
param container string
param sasWrites bool
param appPrincipalId string

var blobDelegator = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
)
var blobDataReader = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
)
var blobDataContributor = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
)
var dataRole = sasWrites ? blobDataContributor : blobDataReader

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource delegated 'containers' existing = {
      name: container
    }
  }
}

// Storage Blob Delegator: asks for the key that signs. That is an operation on the account, so no narrower scope will do.
resource delegator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, blobDelegator)
  scope: account
  properties: {
    roleDefinitionId: blobDelegator
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Storage Blob Data Contributor, or Reader where the SAS allows only to read and list.
resource data 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::delegated.id, appPrincipalId, dataRole)
  scope: account::blobs::delegated
  properties: {
    roleDefinitionId: dataRole
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
