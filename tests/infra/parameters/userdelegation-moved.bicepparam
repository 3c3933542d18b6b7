// An environment that had keyvault before: SAS of the old issuer are still in use, and the way back stays open.
// The SAS may read and list.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param sasIssuer = 'userdelegation'
param keyRotationEnabled = true
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param sharedKeysInUse = true
param kubernetesDns = 'master.example.com'
param keyVaultStorageName = 'managedpictures'
param sasContainer = 'media'
param sasPermissions = 'rl'
