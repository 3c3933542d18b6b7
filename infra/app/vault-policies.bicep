// Access to a vault that was there before, and is otherwise its owner's business: its network, logs and mode.
param name string
param accessPolicies array

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: name
}

// 'add' joins these to the policies of others; to write the vault itself would replace those.
resource policies 'Microsoft.KeyVault/vaults/accessPolicies@2026-02-01' = {
  parent: vault
  name: 'add'
  properties: {
    accessPolicies: accessPolicies
  }
}
