// With the issuer userdelegation: ends every delegation SAS of the account at once. No built-in role allows just that, and to
// make one of its own takes Owner or User Access Administrator, so the template does it only where somebody asks for it.
param storageName string
param appPrincipalId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

// A role cannot be made for less than a resource group; it is assigned on the account. Its name must differ from all others
// in the tenant.
resource revoker 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(account.id, 'revokeUserDelegationKeys')
  properties: {
    roleName: 'Rotator: revoke user delegation keys of ${storageName}'
    description: 'Revokes all user delegation keys of a storage account, and so every user delegation SAS of it.'
    type: 'CustomRole'
    permissions: [
      {
        actions: ['Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action']
        notActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

// That role, on the rotated account alone.
resource app 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, revoker.id)
  scope: account
  properties: {
    roleDefinitionId: revoker.id
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
