// Nobody is named who deploys, so that nobody but the app gets anything. An alert is to call the app, but
// no package was deployed yet.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param secondTrigger = 'true'
param kubernetesDns = 'master.example.com'
