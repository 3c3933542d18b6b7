// Whether the rotated account's policies, network and locks refuse a SAS, `rotator check` reads from its properties.
param storageName string
param appPrincipalId string

var reader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

// Reader, on the rotated account alone: no key, and nothing that is stored in it.
resource app 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, reader)
  scope: account
  properties: {
    roleDefinitionId: reader
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
