// A new installation that needs an account SAS. Nobody is named who deploys.
using '../../../infra/main.bicep'

param environmentName = 'rotator'
param location = 'westeurope'
param sasIssuer = 'storagekey'
param kubernetesDns = 'master.example.com'
