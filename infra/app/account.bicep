// What is known of the rotated account only once it is there.
param name string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: name
}

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
