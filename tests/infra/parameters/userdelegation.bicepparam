// A new installation, as azd's question recommends it; nothing else was chosen.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param principalId = '00000000-0000-0000-0000-00000000000a'
param sasIssuer = 'userdelegation'
param kubernetesDns = 'master.example.com'
