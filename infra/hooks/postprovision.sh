#!/bin/sh
# Runs onboarding with azd's environment, and stores in it what a later `azd provision` must know: the confirmed host
# key. Arguments go to onboarding. ROTATOR_ONBOARD_YES=1 asks nothing, ROTATOR_ONBOARD=skip leaves it out.
set -eu
cd "$(dirname "$0")/../.."
. infra/hooks/python.sh

# ROTATOR_HOOK: postdeploy.sh provisions once more, right after onboarding. What azd has stored wins over the variables of
# its own process, so that ROTATOR_ONBOARD alone could not say so.
if [ "${ROTATOR_ONBOARD:-}" = skip ] || [ "${ROTATOR_HOOK:-}" = postdeploy ]; then
  echo "Onboarding is left out (${ROTATOR_HOOK:-ROTATOR_ONBOARD=skip})."
  exit 0
fi

set_up_python postprovision

if [ "${ROTATOR_ONBOARD_YES:-}" = 1 ]; then
  set -- --yes "$@"
fi
saved=$(mktemp)
trap 'rm -f "$saved"' EXIT
trap 'exit 130' HUP INT TERM
status=0
"$python" -m rotator onboard --save-settings "$saved" "$@" || status=$?

# Also after a failure: what was confirmed need not be confirmed again.
while IFS= read -r line <&3; do
  azd env set "${line%%=*}" "${line#*=}"
done 3<"$saved"
exit "$status"
