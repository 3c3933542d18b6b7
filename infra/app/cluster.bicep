// For a trial: one small machine with k3s and no public address. Reach it with `az vm run-command invoke`; so its host
// key's fingerprint comes over Azure's own channel: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
param name string
param interfaceName string
param securityGroupName string
param location string
param tags object
param subnetId string
param appSubnetPrefix string
param address string
param sshPublicKey string

var administrator = 'k3sadmin'

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: securityGroupName
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'ssh-from-the-app'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: appSubnetPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: '${address}/32'
          destinationPortRange: '22'
        }
      }
      {
        // Azure's own rules would let the whole network in.
        name: 'nothing-else'
        properties: {
          priority: 200
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource interface 'Microsoft.Network/networkInterfaces@2025-05-01' = {
  name: interfaceName
  location: location
  tags: tags
  properties: {
    networkSecurityGroup: { id: securityGroup.id }
    ipConfigurations: [
      {
        name: 'private'
        properties: {
          subnet: { id: subnetId }
          privateIPAllocationMethod: 'Static'
          privateIPAddress: address
        }
      }
    ]
  }
}

resource machine 'Microsoft.Compute/virtualMachines@2025-04-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    hardwareProfile: { vmSize: 'Standard_B2s' }
    securityProfile: {
      securityType: 'TrustedLaunch'
      uefiSettings: {
        secureBootEnabled: true
        vTpmEnabled: true
      }
    }
    storageProfile: {
      imageReference: {
        publisher: 'Canonical'
        offer: 'ubuntu-24_04-lts'
        sku: 'server'
        version: 'latest'
      }
      osDisk: {
        createOption: 'FromImage'
        managedDisk: { storageAccountType: 'StandardSSD_LRS' }
        deleteOption: 'Delete'
      }
    }
    networkProfile: {
      networkInterfaces: [
        {
          id: interface.id
          properties: { deleteOption: 'Delete' }
        }
      ]
    }
    osProfile: {
      computerName: 'master'
      #disable-next-line adminusername-should-not-be-literal // only a key signs in, and from inside the network
      adminUsername: administrator
      customData: loadFileAsBase64('cluster.cloud-init.yaml')
      linuxConfiguration: {
        disablePasswordAuthentication: true
        ssh: {
          publicKeys: [
            {
              path: '/home/${administrator}/.ssh/authorized_keys'
              keyData: sshPublicKey
            }
          ]
        }
      }
    }
  }
}
