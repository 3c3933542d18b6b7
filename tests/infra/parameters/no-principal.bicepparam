// Nobody is named who deploys, so that nobody but the app gets anything.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param kubernetesDns = 'master.example.com'
