// A network of its own: the app reaches the master, the vault and its storage in it.
param name string
param location string
param tags object

var appSubnetPrefix = '10.0.2.0/24'

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
    subnets: [
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.1.0/24'
          defaultOutboundAccess: false
        }
      }
      {
        // Its default outbound access is Azure's, which is another one from API version 2025-07-01 on.
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          delegations: [
            {
              name: 'flex-consumption'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'master'
        properties: {
          addressPrefix: '10.0.3.0/24'
          // The trial's machine fetches k3s and has no public address; a NAT gateway would be more to pay for.
          defaultOutboundAccess: true
        }
      }
    ]
  }
}

output id string = network.id
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
output appSubnetId string = '${network.id}/subnets/app'
output appSubnetPrefix string = appSubnetPrefix
output masterSubnetId string = '${network.id}/subnets/master'
