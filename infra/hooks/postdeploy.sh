#!/bin/sh
# A deployment ends when the app runs: waits until the platform lists the functions, asks for a run of what is due, and
# looks at the timer. Arguments go to `finish-deployment`, whose exit code is this hook's. After the first package it
# provisions once more where an alert is to call the app: the key for the call exists only now. FIRST_RUN_SUCCEEDED is
# false from the first provisioning until a run has succeeded: until then the master may not be set up.
set -eu
cd "$(dirname "$0")/../.."
. infra/hooks/python.sh

words() {
  echo "postdeploy: $*" >&2
}

calls() { # as infra/main.bicep decides it
  case "${SECOND_TRIGGER:-}" in
    true) return 0 ;;
    '') [ -n "${ALERT_EMAIL:-}" ] ;;
    *) return 1 ;;
  esac
}

finish() { # sets status
  status=0
  "$python" -m rotator finish-deployment "$@" || status=$?
}

set_up_python postdeploy
finish "$@"
case $status in
  0 | 3 | 5 | 6) ;; # the functions are listed
  *) exit "$status" ;;
esac

# Where preprovision.sh found the function, the template has read its key already.
if [ "${FUNCTIONS_DEPLOYED:-false}" != true ]; then
  if ! calls; then
    azd env set FUNCTIONS_DEPLOYED true
  else
    echo "Provisions once more: the alert \"Timer silent: call\" needs the key of a function that exists since this deployment."
    # Without input, as nobody is to be asked in here. preprovision.sh stores FUNCTIONS_DEPLOYED.
    ROTATOR_HOOK=postdeploy ROTATOR_ONBOARD=skip azd provision --no-prompt </dev/null || {
      again=$?
      words "the app is deployed, but no alert calls it yet: azd provision"
      exit "$again"
    }
    finish "$@" # writing the settings has restarted the app
  fi
fi

if [ "$status" = 0 ] && [ "${FIRST_RUN_SUCCEEDED:-true}" != true ]; then
  azd env set FIRST_RUN_SUCCEEDED true
fi
if [ "$status" = 6 ] && [ "${FIRST_RUN_SUCCEEDED:-true}" = false ]; then
  words "the app runs, and its first run did not succeed. That is expected until the master is set up: README, Deploy."
  exit 0
fi
exit "$status"
