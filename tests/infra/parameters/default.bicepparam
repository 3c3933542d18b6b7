// What azd passes on where nothing but the master was chosen.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param keyVaultServicePrincipalId = '00000000-0000-0000-0000-00000000000b'
param kubernetesDns = 'master.example.com'
