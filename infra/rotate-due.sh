#!/bin/sh
# Asks the app for what its timer would do now: what is due, at most once for each time of the schedule. For another clock
# than Azure's: .github/workflows/rotate.yml, or a cron job that is signed in to az.
# Usage: rotate-due.sh FUNCTION_APP_ID, the app's resource id, as `azd env get-value FUNCTION_APP_ID` prints it.
# Exit status: 0 the app did it, had nothing to do, or is doing it (409); 1 it failed, refused, or did not answer.
set -eu

stop() {
  echo "rotate-due: $*" >&2
  exit 1
}

app=${1:-}
case $app in
  /subscriptions/*/providers/Microsoft.Web/sites/*) ;;
  *) stop "FUNCTION_APP_ID must be the app's resource id, and is '$app': azd env get-value FUNCTION_APP_ID" ;;
esac

# Two requests to Resource Manager, which a role on this app alone allows; `az functionapp list` takes one on its group.
version=2025-03-01
host=$(az rest --method get --uri "$app?api-version=$version" --query properties.defaultHostName --output tsv) ||
  stop "this identity may not read $app: docs/deploy.md, Another clock"
[ -n "$host" ] || stop "$app has no host name"
key=$(az rest --method post --uri "$app/functions/rotate_due/listkeys?api-version=$version" \
  --query default --output tsv) || stop "the key of the function rotate_due cannot be read: docs/deploy.md, Another clock"
[ -n "$key" ] || stop "the function rotate_due has no key"
# GitHub takes the key out of the log from here on; nobody else prints it.
[ -z "${GITHUB_ACTIONS:-}" ] || echo "::add-mask::$key"

# The key is in no argument, which every process of the machine could read. Azure's front end answers within 230 s.
answer=$(printf 'x-functions-key: %s\n' "$key" | curl --silent --show-error --max-time 240 --header @- \
  --header 'Content-Type: application/json' --data '{"trigger": "workflow"}' --write-out '\n%{http_code}' \
  "https://$host/api/rotate-due") || stop "https://$host does not answer"
unset key

code=$(printf '%s\n' "$answer" | tail -n 1)
# Only a word that is known is printed: whatever else answers there, GitHub acts on some lines of a log.
case $(printf '%s\n' "$answer" | sed '$d') in
  '{"status": "done"}') status='done' ;;
  '{"status": "not due"}') status='not due' ;;
  '{"status": "busy"}') status=busy ;;
  '{"status": "failed"}') status=failed ;;
  *) status='' ;;
esac
case $code-$status in
  200-done | '200-not due' | 409-busy) echo "$status" ;;
  *) stop "https://$host/api/rotate-due answered $code ${status:-with something else than the app}: docs/operations.md, Timer silent" ;;
esac
