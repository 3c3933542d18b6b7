// Who is warned, and of what. The queries read the report that each run writes to the log; docs/operations.md has the
// run-book of each alert, under its display name.
param location string
param tags object
param workspaceId string
param email string
param watchForRuns bool

@description('The action group that calls the app, which second-trigger.bicep makes.')
param callerName string

@description('Whether it is there.')
param calls bool

var timerSilent = loadTextContent('alerts/timer-silent.kql')
var people = empty(email) ? [] : [operators.id]

var forPeople = [
  {
    name: 'sas-expires'
    displayName: 'SAS expires'
    description: 'A target holds a SAS that expires within one interval of the schedule.'
    severity: 1
    enabled: true
    frequency: 'PT5M'
    window: 'PT5M'
    range: 'P2D'
    query: loadTextContent('alerts/sas-expires.kql')
    // Each target raises an alert of its own.
    dimensions: [{ name: 'Target', operator: 'Include', values: ['*'] }]
    autoMitigate: true
    actionGroups: people
  }
  {
    name: 'two-failed-runs'
    displayName: 'Two failed runs'
    description: 'Two scheduled runs failed and none went well since.'
    severity: 2
    enabled: true
    frequency: 'PT15M'
    window: 'PT15M'
    range: 'P2D'
    query: loadTextContent('alerts/two-failed-runs.kql')
    dimensions: []
    autoMitigate: true
    actionGroups: people
  }
  {
    name: 'no-run'
    displayName: 'No run'
    description: 'No run for more than two intervals of the schedule and ten minutes.'
    severity: 2
    enabled: watchForRuns
    frequency: 'PT15M'
    window: 'PT15M'
    range: 'P2D'
    query: loadTextContent('alerts/no-run.kql')
    dimensions: []
    autoMitigate: true
    actionGroups: people
  }
  {
    name: 'timer-silent'
    displayName: 'Timer silent'
    description: 'The timer itself did not fire for one interval of the schedule and fifteen minutes, whoever else asked for runs.'
    severity: 2
    enabled: watchForRuns
    frequency: 'PT15M'
    window: 'PT15M'
    range: 'P2D'
    query: timerSilent
    dimensions: []
    autoMitigate: true
    actionGroups: people
  }
  {
    name: 'host-key-rejected'
    displayName: 'Host key rejected'
    description: 'The master showed a host key that is not pinned.'
    severity: 0
    enabled: true
    frequency: 'PT1M'
    // Long enough for a line that arrives late; longer would not be over by the next run.
    window: 'PT15M'
    range: 'PT15M'
    query: loadTextContent('alerts/host-key-rejected.kql')
    dimensions: []
    autoMitigate: true
    actionGroups: people
  }
]

// The same condition, for the app and for nobody else.
var forTheApp = [
  {
    name: 'timer-silent-call'
    displayName: 'Timer silent: call'
    description: 'The timer itself did not fire for one interval of the schedule and fifteen minutes: the app is called, to do what the timer would have done.'
    severity: 4
    // Off rather than left out: an incremental deployment deletes nothing, so the rule would go on calling.
    enabled: watchForRuns
    frequency: 'PT5M'
    window: 'PT5M'
    range: 'P2D'
    query: timerSilent
    dimensions: []
    // Calls at each evaluation while the timer is silent. An alert that stays raised until it clears calls once only.
    autoMitigate: false
    actionGroups: [caller.id]
  }
]
var alerts = concat(forPeople, calls ? forTheApp : [])

resource caller 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: callerName
}

// 2023-01-01 is the newest version that is no preview.
resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'rotator-operators'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'rotator'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// After 2023-12-01 comes 2026-03-01, which Azure's other clouds need not serve yet.
resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
    name: alert.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.displayName
      description: '${alert.description} Run-book: docs/operations.md, ${alert.displayName}.'
      severity: alert.severity
      enabled: alert.enabled
      scopes: [workspaceId]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      // Two days are the most that Azure Monitor looks back, whatever a query says.
      overrideQueryTimeRange: alert.range
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: alert.dimensions
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: alert.autoMitigate
      // A new workspace may not know the tables before the first line arrives.
      skipQueryValidation: true
      actions: {
        actionGroups: alert.actionGroups
      }
    }
  }
]
