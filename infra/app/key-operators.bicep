// With the issuer keyvault: who may list and regenerate the rotated account's keys: Storage Account Key Operator Service Role, on it alone. The
// app, if it is to do that, has it from key-rotation-role.bicep.
param storageName string
param keyVaultPrincipalId string
param keyVaultHasRole bool
param operatorPrincipalId string
@allowed(['User', 'Group', 'ServicePrincipal'])
param operatorPrincipalType string

var keyOperator = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  '81a9662b-bebf-436f-a333-f67b29880f12'
)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

// Key Vault itself signs each SAS with the account's key, and regenerates keys by its own schedule.
resource keyVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!keyVaultHasRole) {
  name: guid(account.id, keyVaultPrincipalId, keyOperator)
  scope: account
  properties: {
    roleDefinitionId: keyOperator
    principalId: keyVaultPrincipalId
    principalType: 'ServicePrincipal'
    description: 'Key Vault manages the keys of this account.'
  }
}

// Key Vault takes an account under management on behalf of its caller, who needs the role too: whoever runs
// `rotator onboard`.
resource operator 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(account.id, operatorPrincipalId, keyOperator)
  scope: account
  properties: {
    roleDefinitionId: keyOperator
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}
