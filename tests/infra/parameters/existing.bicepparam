// Account, vault and subnet were there before; their owners gave Key Vault its role and locked the reports' policy.
// An alert calls the app, and nobody else.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param operatorOnboards = false
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param keyVaultHasRole = true
param storageAccountName = 'pictures'
param storageAccountResourceGroup = 'rg-pictures'
param keyVaultName = 'kv-pictures'
param keyVaultResourceGroup = 'rg-vaults'
param integrationSubnetId = '/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet/subnets/app'
param reportRetentionDays = 0
param secondTrigger = 'true'
param functionsDeployed = true
param keyRotationEnabled = true
param kubernetesDns = 'master.example.com'
