#!/bin/sh
# Lets the rotator log in to this Kubernetes master, and touch only its own Secrets there. README.md says what it makes
# and what that bounds; undo.sh takes it away again. Reads nothing but its arguments, so it can be piped to a master:
#   ssh admin@master "sudo sh -s -- --public-key 'ssh-ed25519 AAAA…'" <setup.sh
set -euf
export LC_ALL=C
umask 077

MARK=storage-credential-rotator
MANAGER=rotator-setup
LINE_BREAK='
'
NAME='[a-z0-9]([a-z0-9.-]*[a-z0-9])?'

usage() {
  cat <<'EOF'
setup.sh --public-key 'ssh-ed25519 AAAA…' [options], as root on the Kubernetes master

  --public-key KEY        the rotator's public key: one line, as ssh-keygen writes it
  --user NAME             the system user that it logs in as (rotator)
  --from PATTERNS         the addresses that it may log in from, as in authorized_keys (any)
  --namespace NAME        where the Secrets are (default)
  --secret NAME           a Secret that it may touch; give it again for more (storage-sas)
  --service-account NAME  who it is to Kubernetes; Role, RoleBinding and token have the same name (rotator)
  --no-create             allow get and update only, for KUBERNETES_SECRET_STRATEGY=apply; makes missing Secrets, empty
  --data-key NAME         the data key of Secrets made so (secretKey)
  --kubectl COMMAND       your kubectl, and the rotator's: for example 'k3s kubectl' (kubectl); KUBECONFIG is honoured
  --server URL            the API server, where the rotator's kubectl needs another address than yours
  --token-duration HOURS  a token that expires, for example 8760h; each run makes a new one (a token without an end)
  --token-wait SECONDS    how long to wait for Kubernetes to make the token without an end (30)
  --dry-run               say what would be done, and do nothing
EOF
}

refuse() { printf 'setup.sh: %s; nothing was changed (--help shows all options)\n' "$1" >&2; exit 2; }
fail() { printf 'setup.sh: %s\n' "$1" >&2; exit 1; }
report() { printf '%-9s  %s\n' "$1" "$2"; }
act() { [ -n "$dry_run" ] || "$@"; }
# shellcheck disable=SC2086  # a command line: its words are split on purpose
kube() { $kubectl --namespace "$namespace" "$@"; }

parse() {
  public_key='' user=rotator from='' namespace=default secrets='' account=rotator create=yes data_key=secretKey
  kubectl=kubectl server='' token_duration='' token_wait=30 dry_run='' changed='done'
  case $* in *"$LINE_BREAK"*) refuse 'no option takes a line break: give one public key, on one line' ;; esac
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit ;;
      --dry-run) dry_run=--dry-run=server changed='would do'; shift; continue ;;
      --no-create) create=no; shift; continue ;;
      --?*) [ -n "${2:-}" ] || refuse "$1 needs a value" ;;
      # Not quoted in the message: it may be a part of a key.
      *) refuse 'a value without an option: put the key in quotes, and for ssh the whole command in another kind' ;;
    esac
    case $1 in
      --public-key) public_key=$2 ;;
      --user) user=$2 ;;
      --from) from=$2 ;;
      --namespace) namespace=$2 ;;
      --secret) secrets="${secrets:+$secrets }$2" ;;
      --service-account) account=$2 ;;
      --data-key) data_key=$2 ;;
      --kubectl) kubectl=$2 ;;
      --server) server=$2 ;;
      --token-duration) token_duration=$2 ;;
      --token-wait) token_wait=$2 ;;
      *) refuse "$1 is no option" ;;
    esac
    shift 2
  done
  secrets=${secrets:-storage-sas} home=/home/$user
}

match() { # OPTION VALUE PATTERN EXAMPLE; does not quote the value, which may be a private key by mistake
  printf '%s\n' "$2" | grep -Eqx "$3" || refuse "$1 wants something like '$4'"
}

validate() {
  match --namespace "$namespace" "$NAME" default
  match --service-account "$account" "$NAME" rotator
  for secret in $secrets; do match --secret "$secret" "$NAME" storage-sas; done
  case " $secrets " in
    *" $account "*) refuse "--secret $account is taken: the ServiceAccount's token has that name" ;;
  esac
  match --user "$user" '[a-z_][a-z0-9_-]{0,31}' rotator
  match --from "$from" '[A-Za-z0-9.:/,*?!_-]*' 10.1.0.0/16,10.2.3.4
  match --data-key "$data_key" '[A-Za-z0-9._-]+' secretKey
  match --server "$server" '(https://[][A-Za-z0-9.:/_-]+)?' https://10.0.0.4:6443
  match --token-duration "$token_duration" '([1-9][0-9]*h)?' 8760h
  match --token-wait "$token_wait" '[0-9]+' 30
  validate_kubectl
  validate_key
}

validate_kubectl() {
  match --kubectl "$kubectl" '[A-Za-z0-9/][A-Za-z0-9 ./_=:@%+,-]*' 'k3s kubectl'
  first=${kubectl%% *}
  [ "$first" != sudo ] || refuse '--kubectl goes without sudo: you are root, and the rotator is not to be'
  program=$(command -v "$first") || refuse "--kubectl: no $first on this PATH; give its absolute path"
  # Named, because a KUBECONFIG for all users, or k3s, would choose another one.
  rotator_kubectl="$program${kubectl#"$first"} --kubeconfig $home/.kube/config"
}

validate_key() {
  example='ssh-ed25519 AAAA… comment'
  match --public-key "$public_key" '(ssh-ed25519|ecdsa-sha2-nistp[0-9]+|ssh-rsa) [A-Za-z0-9+/]+=*( .*)?' "$example"
  command -v ssh-keygen >/dev/null || refuse 'ssh-keygen is missing: it comes with the OpenSSH client'
  printf '%s\n' "$public_key" | ssh-keygen -l -f - >/dev/null 2>&1 || refuse "--public-key is damaged: no '$example'"
  comment=${public_key#* * }
  key=${public_key%" $comment"}
}

check_master() {
  [ "$(id -u)" -eq 0 ] || fail 'only root can add a user: run it with sudo'
  # Another printf would show its arguments, the token among them, to everybody on the master.
  [ "$(command -v printf)" = printf ] || fail 'this sh has no printf of its own: use dash, bash or busybox'
  ! made_by_setup || return 0
  ! id -u "$user" >/dev/null 2>&1 || fail "user $user was not made by this script: choose another --user"
  [ ! -e "$home" ] || fail "$home is there without its user: remove it, or choose another --user"
  command -v useradd >/dev/null || fail 'useradd is missing: it is in the package passwd, shadow or shadow-utils'
}

made_by_setup() { grep -q "^$user:[^:]*:[^:]*:[^:]*:$MARK:$home:" /etc/passwd; }

check_cluster() {
  kube get namespace "$namespace" -o name >/dev/null ||
    fail "your $kubectl shows no namespace $namespace: create it, or set KUBECONFIG to an administrator's"
  others=$(kube get serviceaccount,role,rolebinding,secret -o name --field-selector "metadata.name=$account" \
    --selector "app.kubernetes.io/managed-by!=$MANAGER")
  [ -z "$others" ] || fail "not made by this script, so choose another --service-account: $others"
  server=${server:-$(cluster_field server)}
  authority=$(cluster_field certificate-authority-data)
}

cluster_field() { kube config view --raw --flatten --minify -o "jsonpath={.clusters[0].cluster.$1}"; }

apply() { # a manifest on stdin
  # shellcheck disable=SC2086  # one option or none
  said=$(kube apply $dry_run -f -)
  echo "$said" | while read -r object state _; do
    [ "$state" = unchanged ] || state=$changed
    report "$state" "$object in namespace $namespace"
  done
}

allow() {
  verbs='get update delete'
  # A rule apart, because RBAC cannot limit create by name: what it is asked about has none yet.
  creation='- {apiGroups: [""], resources: [secrets], verbs: [create]}'
  [ "$create" = yes ] || verbs='get update' creation=''
  labels="{app.kubernetes.io/managed-by: $MANAGER, app.kubernetes.io/instance: \"$account\"}"
  metadata="{name: \"$account\", labels: $labels"
  apply <<EOF
apiVersion: v1
kind: ServiceAccount
metadata: $metadata}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: $metadata}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [$(listed "$verbs")], resourceNames: [$(listed "$secrets")]}
$creation
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: $metadata}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: "$account"}
subjects: [{kind: ServiceAccount, name: "$account", namespace: "$namespace"}]
EOF
}

listed() { echo "\"$1\"" | sed 's/ /", "/g'; }

make_empty_secrets() {
  for secret in $secrets; do
    if [ -n "$(kube get secret "$secret" --ignore-not-found -o name)" ]; then
      report unchanged "secret/$secret in namespace $namespace"
    else
      act kube create secret generic "$secret" "--from-literal=$data_key=" >/dev/null
      report "$changed" "secret/$secret in namespace $namespace, empty"
    fi
  done
}

make_lasting_token() {
  apply <<EOF
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: $metadata, annotations: {kubernetes.io/service-account.name: "$account"}}
EOF
  waited=0
  until token=$(kube get secret "$account" --ignore-not-found -o 'jsonpath={.data.token}') &&
    [ -n "$token$dry_run" ]; do
    [ "$waited" -lt "$token_wait" ] ||
      fail "Kubernetes put no token into secret/$account in $token_wait s: run this again, with a longer --token-wait"
    sleep 1
    waited=$((waited + 1))
  done
  token=$(printf '%s' "$token" | base64 -d)
}

make_bounded_token() {
  token=''
  [ -z "$dry_run" ] || { report "$changed" "a token for $token_duration"; return; }
  answer=$(kube create token "$account" "--duration=$token_duration" \
    -o 'jsonpath={.status.expirationTimestamp} {.status.token}')
  token=${answer#* }
  report "$changed" "a token until ${answer%% *}: run this again before then"
}

retire_lasting_token() {
  # shellcheck disable=SC2086  # one option or none
  retired=$(kube delete secret "$account" --ignore-not-found $dry_run -o name)
  [ -z "$retired" ] || report "$changed" "$retired, the token without an end, deleted"
}

make_user() {
  ! made_by_setup || { report unchanged "user $user"; return 0; }
  # No login by password, yet not locked either: sshd refuses a locked account ("!") its keys too.
  act useradd --system --no-create-home --home-dir "$home" --shell /bin/sh --password '*' --comment "$MARK" "$user"
  report "$changed" "user $user, without a password"
}

# All but the kubeconfig and the cache is root's: else whoever has the key could take `restrict` away, or lay links for
# this script to follow.
make_home() {
  act install -d -m 755 "$home" "$home/.ssh" "$home/.kube"
  act install -d -m 700 -o "$user" "$home/.kube/cache"
  others=$(grep -v " $MARK\$" "$home/.ssh/authorized_keys" 2>/dev/null) || others=''
  place "$home/.ssh/authorized_keys" root 644 "${others:+$others
}restrict${from:+,from=\"$from\"} $key $MARK"
  place "$home/.kube/config" "$user" 600 "apiVersion: v1
kind: Config
clusters: [{name: master, cluster: {server: \"$server\"${authority:+, certificate-authority-data: $authority}}}]
users: [{name: rotator, user: {token: $token}}]
contexts: [{name: rotator, context: {cluster: master, user: rotator, namespace: \"$namespace\"}}]
current-context: rotator"
  # Where SELinux is, sshd reads keys only from files that are labelled as such.
  ! command -v restorecon >/dev/null || act restorecon -R "$home"
}

place() { # FILE OWNER MODE TEXT: the text never becomes a process's argument, for printf is the shell's own
  [ "$(cat "$1" 2>/dev/null)" != "$4" ] || { report unchanged "$1"; return 0; }
  report "$changed" "$1"
  [ -z "$dry_run" ] || return 0
  printf '%s\n' "$4" >"$1.new"
  chmod "$3" "$1.new"
  chown "$2" "$1.new"
  mv -f "$1.new" "$1"
}

verify() {
  expect "$create" create secrets
  for secret in $secrets; do
    for verb in $verbs; do expect yes "$verb" "secrets/$secret"; done
  done
  expect no get secrets
  expect no list secrets
  report checked "$user may $verbs $secrets in namespace $namespace, and read no other Secret"
}

expect() { # yes|no VERB WHAT
  # From / because the user may not enter an administrator's folder.
  answer=$(cd / && su "$user" -c "$rotator_kubectl --namespace $namespace auth can-i $2 $3") || :
  case $answer in
    "$1"*) ;;
    yes*) fail "$user may $2 $3 in $namespace, by a binding of another Role: look for ServiceAccount $account, or \
system:serviceaccounts, in $kubectl get rolebindings,clusterrolebindings -A -o wide" ;;
    *) fail "$user may not $2 $3 in $namespace, or cannot ask: as $user, try $rotator_kubectl auth can-i $2 $3" ;;
  esac
}

show_settings() {
  printf '\nSettings of the rotator:\n'
  printf '  %s=%s\n' KUBERNETES_SSH_USERNAME "$user" KUBERNETES_KUBECTL "$rotator_kubectl" \
    KUBERNETES_NAMESPACE "$namespace" KUBERNETES_SECRET_NAME "$(echo "$secrets" | sed 's/ / or /g')"
  [ "$create" = yes ] || printf '  %s=%s\n' KUBERNETES_SECRET_STRATEGY apply
}

main() {
  parse "$@"
  validate
  check_master
  check_cluster
  allow
  [ "$create" = yes ] || make_empty_secrets
  if [ -n "$token_duration" ]; then make_bounded_token; else make_lasting_token; fi
  make_user
  make_home
  act verify
  [ -z "$token_duration" ] || retire_lasting_token
  show_settings
}

# At the very end, so that a script that was cut off on its way does nothing; the rest of stdin is nobody's.
main "$@" </dev/null
