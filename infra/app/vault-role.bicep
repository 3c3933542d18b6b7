// A role on a vault in role mode, for one principal. Role ids are those of main.bicep.
param vaultName string
param roleId string
param principalId string
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string

var role = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

// On this vault alone; roles on a single secret would have to be assigned anew for each.
resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, role)
  scope: vault
  properties: {
    roleDefinitionId: role
    principalId: principalId
    principalType: principalType
  }
}
