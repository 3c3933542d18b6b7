#!/bin/sh
# Runs onboarding with azd's environment, and stores in it what a later `azd provision` must know: the confirmed host
# key. Arguments go to onboarding. ROTATOR_ONBOARD_YES=1 asks nothing, ROTATOR_ONBOARD=skip leaves it out.
set -eu
cd "$(dirname "$0")/../.."
python=.venv/bin/python

stop() {
  echo "postprovision: $*" >&2
  exit 1
}

interpreter() {
  for candidate in python3.13 python3.12 python3.11 python3; do
    if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

installed() {
  "$python" -c 'import rotator.commands.cli, rotator.app, rotator.onboarding.vault_setup, rotator.delivery.ssh.connection' 2>/dev/null
}

if [ "${ROTATOR_ONBOARD:-}" = skip ]; then
  echo "Onboarding is left out (ROTATOR_ONBOARD=skip)."
  exit 0
fi

if ! installed; then
  if [ ! -x "$python" ]; then
    base=$(interpreter) || stop "Python 3.11, 3.12 or 3.13 with its venv module is needed"
    "$base" -m venv .venv
  fi
  "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
fi

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
