// Account and vault were there before, in the environment's own group; the app gets a network.
// Alerts are for people only.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param resourceGroupName = 'rg-shared'
param principalId = '00000000-0000-0000-0000-00000000000a'
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param storageAccountName = 'pictures'
param keyVaultName = 'kv-pictures'
param alertEmail = 'operators@example.com'
param secondTrigger = 'false'
param functionsDeployed = true
param vnetEnabled = true
param kubernetesDns = 'master.example.com'
