#!/bin/sh
# A deployment ends when the app runs: waits until the platform lists the functions, asks for a run of what is due, and
# looks at the timer. Arguments go to `finish-deployment`, whose exit code is this hook's. After the first package it
# provisions once more where an alert is to call the app: the key for the call exists only now.
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

set_up_python postdeploy
status=0
"$python" -m rotator finish-deployment "$@" || status=$?

# Where preprovision.sh found the functions, this is not the first deployment.
[ "${FUNCTIONS_DEPLOYED:-false}" != true ] || exit "$status"
case $status in
  0 | 1 | 3 | 5) ;; # the functions are listed
  *) exit "$status" ;;
esac

if ! calls; then
  azd env set FUNCTIONS_DEPLOYED true
else
  echo "Provisions once more: the alert \"Timer silent: call\" needs the key of a function that exists since this deployment."
  # Without input, as nobody is to be asked in here. preprovision.sh stores FUNCTIONS_DEPLOYED.
  ROTATOR_HOOK=postdeploy ROTATOR_ONBOARD=skip azd provision --no-prompt </dev/null || {
    again=$?
    words "the app is deployed, but no alert calls it yet: azd provision"
    [ "$status" = 0 ] || [ "$status" = 1 ] || exit "$status"
    exit "$again"
  }
fi

if [ "$status" = 1 ]; then
  words "the app runs, and its first run did not succeed. That is expected until the master is set up: README, Deploy."
  exit 0
fi
exit "$status"
