// The second way to fire, which needs no timer: an action group that calls the function `rotate_due`, which does what the
// timer would have done. The function exists from the first package on, so this waits for it (FUNCTIONS_DEPLOYED).
param name string
param tags object
param functionAppName string

// The key of this one function, which opens nothing else. The host makes it by itself as soon as it is listed. A named
// key would have to be written by the template, and the types know another shape of it than Azure takes
// (https://github.com/Azure/bicep-types-az/issues/1357). Whoever may read the action group sees the URL, and the key in it.
var functionName = 'rotate_due'

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

// 2023-01-01 is the newest version that is no preview.
resource caller 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'rotate-due'
    enabled: true
    azureFunctionReceivers: [
      {
        name: functionName
        functionAppResourceId: app.id
        functionName: functionName
        // Evaluated in Azure: neither a parameter nor an output, which the history of deployments would keep.
        httpTriggerUrl: 'https://${app.properties.defaultHostName}/api/rotate-due?code=${uriComponent(listKeys('${app.id}/functions/${functionName}', '2025-03-01').default)}'
        useCommonAlertSchema: true
      }
    ]
  }
}
