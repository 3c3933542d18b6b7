// A network of its own, with the trial's cluster in it; a period brings along that the app may rotate keys. Deployed
// before, and with an address for alerts, so that one of them calls the app.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param kubernetesDns = ''
param vnetEnabled = true
param createCluster = true
param clusterSshPublicKey = 'ssh-ed25519 AAAA operator'
param alertEmail = 'operators@example.com'
param functionsDeployed = true
param keyRotationPeriod = 'P90D'
