// A new vault: holds the SSH key; with the issuer keyvault it manages the storage account's keys and mints the SAS, too.
param name string
param location string
param tags object
param roleMode bool
param accessPolicies array
param isPrivate bool
param operatorIpAddress string
param recover bool
param workspaceId string

var isClosed = isPrivate && empty(operatorIpAddress)

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    createMode: recover ? 'recover' : 'default'
    // Managed storage was documented with access policies only; from API version 2026-02-01 on, a vault that does not
    // ask for them is made in role mode. Roles fit what needs secrets only.
    enableRbacAuthorization: roleMode
    // A redeployment sets exactly these and drops a policy that somebody added by hand.
    accessPolicies: accessPolicies
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: isClosed ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: empty(operatorIpAddress) ? [] : [{ value: operatorIpAddress }]
    }
  }
}

// Of diagnostic settings 2021-05-01-preview is the newest version.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AuditEvent', enabled: true }
    ]
  }
}
