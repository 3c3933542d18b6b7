# Read by preprovision.sh with `.`: which issuer the template gets, and what must be known for it.
# shellcheck shell=sh

choose_issuer() { # group; app, as `deployed` prints it, or nothing where nobody can tell; sets issuer
  issuer=${SAS_ISSUER:-}
  case $issuer in
    keyvault | storagekey | userdelegation) return 0 ;;
    '') ;;
    *) stop "SAS_ISSUER is '$issuer': azd env set SAS_ISSUER userdelegation, or storagekey, or keyvault" ;;
  esac
  # What was provisioned before keeps its issuer: the app is there, or azd remembers an output. Before there was a choice
  # it was keyvault, which is what the template takes without this variable.
  if [ "$2" = - ] && [ -z "${ROTATOR_PRINCIPAL_ID:-}" ]; then
    ask_for_issuer
  else
    issuer=$(issuer_of_app "$1" "$2") || issuer=''
    issuer=${issuer:-keyvault}
    [ "$issuer" != keyvault ] || return 0
  fi
  remember SAS_ISSUER "$issuer"
}

issuer_of_app() { # group, app; as a pipeline's runner, which begins without azd's memory, finds it
  case $2 in '' | -) return 0 ;; esac
  az functionapp config appsettings list --resource-group "$1" --name "$2" --subscription "$AZURE_SUBSCRIPTION_ID" \
    --query "[?name=='SAS_ISSUER'].value" --output tsv 2>/dev/null
}

ask_for_issuer() { # sets issuer
  [ -t 0 ] ||
    stop "SAS_ISSUER is not set, and nobody can be asked. A new installation takes: azd env set SAS_ISSUER userdelegation" \
      "(or storagekey, or keyvault: docs/deploy.md, Issuer)"
  while :; do
    printf '%s' "SAS_ISSUER: what issues the SAS? For a new installation take userdelegation, which needs no account key;" \
      " the others are storagekey and keyvault (deprecated by Microsoft). [userdelegation] "
    read -r issuer || stop "no answer: azd env set SAS_ISSUER userdelegation"
    case ${issuer:=userdelegation} in
      keyvault | storagekey | userdelegation) return 0 ;;
      *) echo "'$issuer' is none of them." ;;
    esac
  done
}

check_delegation() {
  [ -z "${STORAGE_ACCOUNT_NAME:-}" ] || [ -n "${SAS_CONTAINER:-}" ] ||
    stop "with SAS_ISSUER=userdelegation a SAS is for one container of $STORAGE_ACCOUNT_NAME: azd env set SAS_CONTAINER <container>"
}

with_shared_keys() { # group; the account that the template made, if that allows shared keys; fails where nobody can tell
  there=$(az group exists --name "$1" --subscription "$AZURE_SUBSCRIPTION_ID" 2>/dev/null) || return 1
  [ "$there" = true ] || return 0
  # The names are those of infra/main.bicep. What is not set is allowed.
  az storage account list --resource-group "$1" --subscription "$AZURE_SUBSCRIPTION_ID" \
    --query '[?starts_with(name, `"stsas"`) && allowSharedKeyAccess != `false`].name' --output tsv 2>/dev/null
}

# SAS of an earlier issuer are signed with an account key, and end at once where the account refuses shared keys. So an
# account that allows them keeps doing so until somebody has switched them off; where nobody can tell, what was found before
# stays, and they stay allowed if nothing was.
look_for_shared_keys() { # group
  found=$(with_shared_keys "$1") || found=${SHARED_KEYS_IN_USE:-true}
  case $found in
    '' | false) found=false ;;
    *) found=true ;;
  esac
  [ "${SHARED_KEYS_IN_USE:-false}" = "$found" ] || store SHARED_KEYS_IN_USE "$found"
}
