#!/bin/sh
# Takes away what setup.sh made on this Kubernetes master. The Secrets with the credentials stay: consumers use them.
#   ssh admin@master "sudo sh -s" <undo.sh
set -euf
export LC_ALL=C

MARK=storage-credential-rotator
MANAGER=rotator-setup

usage() {
  cat <<'EOF'
undo.sh [options], as root on the Kubernetes master, with the options that setup.sh had

  --user NAME             the system user that the rotator logs in as (rotator)
  --namespace NAME        where the Secrets are (default)
  --service-account NAME  who the rotator is to Kubernetes (rotator)
  --kubectl COMMAND       your kubectl, for example 'k3s kubectl' (kubectl); KUBECONFIG is honoured
  --dry-run               say what would be done, and do nothing
EOF
}

refuse() { printf 'undo.sh: %s; nothing was changed (--help shows all options)\n' "$1" >&2; exit 2; }
fail() { printf 'undo.sh: %s\n' "$1" >&2; exit 1; }
report() { printf '%-12s  %s\n' "$1" "$2"; }
act() { [ -n "$dry_run" ] || "$@"; }
# shellcheck disable=SC2086  # a command line: its words are split on purpose
kube() { $kubectl --namespace "$namespace" "$@"; }

parse() {
  user=rotator namespace=default account=rotator kubectl=kubectl dry_run='' removed=removed
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage; exit ;;
      --dry-run) dry_run=yes removed='would remove'; shift; continue ;;
      *) [ -n "${2:-}" ] || refuse "$1 needs a value" ;;
    esac
    case $1 in
      --user) user=$2 ;;
      --namespace) namespace=$2 ;;
      --service-account) account=$2 ;;
      --kubectl) kubectl=$2 ;;
      *) refuse "$1 is no option" ;;
    esac
    shift 2
  done
  case $user in *[!a-z0-9_-]*) refuse '--user wants something like rotator' ;; esac
  home=/home/$user
}

check() {
  [ "$(id -u)" -eq 0 ] || fail 'only root can remove a user: run it with sudo'
  ! id -u "$user" >/dev/null 2>&1 || made_by_setup ||
    fail "user $user was not made by setup.sh: give the --user that was; nothing was changed"
  kube get namespace "$namespace" -o name >/dev/null ||
    fail "your $kubectl shows no namespace $namespace: set KUBECONFIG to an administrator's; nothing was changed"
}

made_by_setup() { grep -q "^$user:[^:]*:[^:]*:[^:]*:$MARK:$home:" /etc/passwd; }

remove_rights() {
  objects=$(kube get rolebinding,role,secret,serviceaccount -o name \
    --selector "app.kubernetes.io/managed-by=$MANAGER,app.kubernetes.io/instance=$account")
  [ -n "$objects" ] || report unchanged "there is no ServiceAccount $account of setup.sh's in namespace $namespace"
  for object in $objects; do
    act kube delete "$object" >/dev/null
    report "$removed" "$object in namespace $namespace"
  done
}

remove_user() {
  made_by_setup || { report unchanged "there is no user $user"; return 0; }
  act rm -rf "$home" # root's own, so userdel would leave it; first, so that nobody can log in any more
  act userdel "$user" || fail "user $user still runs something: try again in some minutes"
  report "$removed" "user $user and $home"
}

main() {
  parse "$@"
  check
  remove_rights
  remove_user
}

main "$@" </dev/null
