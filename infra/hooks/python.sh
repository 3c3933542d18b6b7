# Read by hooks with `.`, in the project's folder: sets up .venv where the rotator cannot be started from it, and `python`.
# shellcheck shell=sh
python=.venv/bin/python

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

set_up_python() { # hook's name, for the error message
  ! installed || return 0
  if [ ! -x "$python" ]; then
    base=$(interpreter) || {
      echo "$1: Python 3.11, 3.12 or 3.13 with its venv module is needed" >&2
      exit 1
    }
    "$base" -m venv .venv
  fi
  "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
}
