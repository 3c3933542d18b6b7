// Account and vault were there before, the account in another subscription. The SAS may write; the app may revoke, and may
// not read the account's properties. The operator has the roles for onboarding already.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param sasIssuer = 'userdelegation'
param operatorOnboards = false
param delegationRevocationEnabled = true
param accountReaderEnabled = false
param storageAccountName = 'pictures'
param storageAccountResourceGroup = 'rg-pictures'
param storageAccountSubscriptionId = '33333333-3333-3333-3333-333333333333'
param keyVaultName = 'kv-pictures'
param keyVaultResourceGroup = 'rg-vaults'
param kubernetesDns = 'master.example.com'
param kubernetesSecretData = '{sas.env: \'SAS={sas}\'}'
param kubernetesSecretType = 'Opaque'
param kubernetesSecretLabels = 'cnpg.io/reload: "true"'
param kubernetesSecretAnnotations = 'example.com/team: pictures'
param sasContainer = 'media'
param sasPrefix = 'incoming'
param sasIp = '203.0.113.0-203.0.113.255'
param sasEncryptionScope = 'tenant1'
param sasPermissions = 'rwl'
