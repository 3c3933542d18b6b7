// The app lists the account's keys, and has them regenerated. With the issuer storagekey it signs SAS with them. With
// keyvault it sees when each was made and which of them signed a SAS; Key Vault regenerates a key on behalf of its caller,
// who needs the role too: the app, if it is to do that. A module of its own, so that a preview, which
// does not know the app's principal, can look into key-operators.bicep.
param storageName string
param appPrincipalId string

var keyOperator = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  '81a9662b-bebf-436f-a333-f67b29880f12'
)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

// Storage Account Key Operator Service Role, on the rotated account alone.
resource app 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, keyOperator)
  scope: account
  properties: {
    roleDefinitionId: keyOperator
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
