#!/bin/sh
# What the template cannot do: ask which issuer a new installation takes; look up Key Vault's own service principal, which
# differs by tenant, and whether a package was deployed; register a resource provider. Stops at settings that would fail
# late.
set -eu
cd "$(dirname "$0")/../.."
. infra/hooks/issuer.sh

stop() {
  echo "preprovision: $*" >&2
  exit 1
}

store() { # NAME value; without input, as what somebody types is for this hook
  azd env set "$1" "$2" </dev/null
}

remember() { # NAME value, unless azd knows it already
  [ "$(printenv "$1" || true)" = "$2" ] || store "$1" "$2"
}

tenant() { # of the subscription that az uses, or of the one named by further arguments
  az account show "$@" --query tenantId --output tsv 2>/dev/null
}

deployed() { # "<app> <whether the function is listed that an alert calls>", - for no app; fails where nobody can tell
  app='' listed=''
  set -- --subscription "$AZURE_SUBSCRIPTION_ID"
  there=$(az group exists --name "$group" "$@" 2>/dev/null) || return 1
  if [ "$there" = true ]; then
    # By its tag, even where azd knows its name, which it may after the app was deleted.
    app=$(az functionapp list --resource-group "$group" "$@" \
      --query "[?tags.\"azd-service-name\"=='rotator'].name" --output tsv 2>/dev/null) || return 1
  fi
  if [ -n "$app" ]; then
    listed=$(az functionapp function list --resource-group "$group" --name "$app" "$@" \
      --query "[?ends_with(name, '/rotate_due')].name" --output tsv 2>/dev/null) || return 1
  fi
  if [ -n "$listed" ]; then echo "$app true"; else echo "${app:--} false"; fi
}

group=${AZURE_RESOURCE_GROUP:-${RESOURCE_GROUP_NAME:-rg-${AZURE_ENV_NAME:-}}}
is_private=${VNET_ENABLED:-false}
if [ "${CREATE_CLUSTER:-false}" = true ]; then
  [ "$is_private" = true ] && [ -n "${CLUSTER_SSH_PUBLIC_KEY:-}" ] ||
    stop "CREATE_CLUSTER=true needs a network and its administrator's key: azd env set VNET_ENABLED true," \
      "azd env set CLUSTER_SSH_PUBLIC_KEY 'ssh-ed25519 …'"
fi
if [ "$is_private" = true ] && [ -z "${KEY_VAULT_NAME:-}${OPERATOR_IP_ADDRESS:-}" ] && [ "${ROTATOR_ONBOARD:-}" != skip ]; then
  stop "with VNET_ENABLED=true the new vault refuses onboarding from here. Either let your public address in:" \
    "azd env set OPERATOR_IP_ADDRESS <address>; or onboard later, inside the network: azd env set ROTATOR_ONBOARD skip"
fi

command -v az >/dev/null || stop "the Azure CLI is needed: https://learn.microsoft.com/cli/azure/install-azure-cli"
signed_in=$(tenant) || stop "nobody is signed in to the Azure CLI: az login"
# `azd up` asks for it before this hook; `azd provision` asks after it.
[ -n "${AZURE_SUBSCRIPTION_ID:-}" ] ||
  stop "the subscription is not chosen yet: azd env set AZURE_SUBSCRIPTION_ID <id> (az account list --output table)"
wanted=$(tenant --subscription "$AZURE_SUBSCRIPTION_ID") ||
  stop "the Azure CLI does not see subscription $AZURE_SUBSCRIPTION_ID: az login"
[ "$signed_in" = "$wanted" ] ||
  stop "the Azure CLI works in tenant $signed_in, the subscription is in $wanted: az account set --subscription $AZURE_SUBSCRIPTION_ID"

now=$(deployed) || now=''
choose_issuer "$group" "${now%% *}"

# Only managed storage is Key Vault's own doing.
if [ "$issuer" = keyvault ]; then
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
elif [ "$issuer" = userdelegation ]; then
  check_delegation
  [ -n "${STORAGE_ACCOUNT_NAME:-}" ] || look_for_shared_keys "$group"
fi

# A function's key, which the template puts into an action group, can be read only where the function exists. Where
# nobody can tell, what was found before stays.
now_deployed=${now#* }
now_deployed=${now_deployed:-${FUNCTIONS_DEPLOYED:-false}}
[ "${FUNCTIONS_DEPLOYED:-false}" = "$now_deployed" ] || store FUNCTIONS_DEPLOYED "$now_deployed"
# Before there is an app, no run has succeeded; hooks/postdeploy.sh stores the first one that does.
if [ "${now%% *}" = - ]; then
  remember FIRST_RUN_SUCCEEDED false
fi

# Flex Consumption joins a network only where this is registered, and the template does not register it.
if [ "$is_private" = true ] || [ -n "${INTEGRATION_SUBNET_ID:-}" ]; then
  set -- --namespace Microsoft.App --subscription "$AZURE_SUBSCRIPTION_ID"
  [ "$(az provider show "$@" --query registrationState --output tsv)" = Registered ] ||
    az provider register "$@" --wait ||
    stop "somebody who may must register it: az provider register $*"
fi

# The trial's machine has this address in the template, so nobody need be asked for it.
if [ "${CREATE_CLUSTER:-false}" = true ]; then
  remember KUBERNETES_DNS 10.0.3.4
fi
