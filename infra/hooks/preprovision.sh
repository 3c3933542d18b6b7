#!/bin/sh
# What the template cannot look up: the object id of Key Vault's own service principal, which differs by tenant.
set -eu

stop() {
  echo "preprovision: $*" >&2
  exit 1
}

remember() { # NAME value, unless azd knows it already
  [ "$(printenv "$1" || true)" = "$2" ] || azd env set "$1" "$2"
}

tenant() { # of the subscription that az uses, or of the one named by further arguments
  az account show "$@" --query tenantId --output tsv 2>/dev/null
}

command -v az >/dev/null || stop "the Azure CLI is needed: https://learn.microsoft.com/cli/azure/install-azure-cli"
signed_in=$(tenant) || stop "nobody is signed in to the Azure CLI: az login"
if [ -n "${AZURE_SUBSCRIPTION_ID:-}" ]; then
  wanted=$(tenant --subscription "$AZURE_SUBSCRIPTION_ID") ||
    stop "the Azure CLI does not see subscription $AZURE_SUBSCRIPTION_ID: az login"
  [ "$signed_in" = "$wanted" ] ||
    stop "the Azure CLI works in tenant $signed_in, the subscription is in $wanted: az account set --subscription $AZURE_SUBSCRIPTION_ID"
fi

application=${KEY_VAULT_APPLICATION_ID:-}
if [ -z "$application" ]; then
  case $(az cloud show --query name --output tsv) in
    AzureUSGovernment) application=7e7c393b-45d0-48b1-a35e-2905ddf8183c ;;
    *) application=cfa8b339-82a2-471a-a3c9-0fc0be7a4093 ;;
  esac
fi
# A pipeline's identity may not read the directory; then what was found before stays.
found=$(az ad sp show --id "$application" --query id --output tsv 2>/dev/null) || found=${KEY_VAULT_SERVICE_PRINCIPAL_ID:-}
[ -n "$found" ] ||
  stop "no service principal of Key Vault ($application) in tenant $signed_in; somebody who may read the directory runs:" \
    "az ad sp show --id $application --query id --output tsv, and you: azd env set KEY_VAULT_SERVICE_PRINCIPAL_ID <id>"
remember KEY_VAULT_SERVICE_PRINCIPAL_ID "$found"

# The trial's machine has this address in the template, so nobody need be asked for it.
if [ "${CREATE_CLUSTER:-false}" = true ]; then
  remember KUBERNETES_DNS 10.0.3.4
fi
