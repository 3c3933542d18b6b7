#!/bin/sh
# Writes one Secret on the Kubernetes master, and reports on stdout what it did.
#
# Parameters, none of them secret: MARK, METHOD (create, update, recreate), NAMESPACE, NAME, KUBECTL (a command line,
# quoted for this shell), and in seconds LIMIT (for each kubectl, from its input on) and RECOVERY.
# On stdin, a line each, "-" for none: the new manifest; the former one, to be created again; the former one with
# another annotation, for a replace of its version; the options of the delete; the same preconditions as a query; MARK.
#
# On stdout a line "MARK STEP" begins each step. "STEP status" has its outcome and kubectl's exit status, "STEP stderr"
# what kubectl printed on stderr. Nothing is parsed out of a Secret, and no manifest is in an argument or a file. The
# delete names uid and resourceVersion, so that a delete that is carried out late meets another version and fails.
set -uf
trap '' HUP INT TERM PIPE # once it has all its input it finishes, even if the connection breaks
mark=$1 method=$2 namespace=$3 name=$4 kubectl=$5 limit=$6 recovery=$7
secrets=/api/v1/namespaces/$namespace/secrets
waiting=300 # seconds that a kubectl may live that was started before its input was there
longer=$((limit + 5)) # seconds for any other kubectl, so that its reader is always the first to stop
newline='
'
gone='' # set once no delete can meet the former Secret any more

print_step() { printf '%s %s\n' "$mark" "$1"; }

# An old busybox has a timeout of another syntax, and some masters have none.
if timeout -s KILL 9 true 2>/dev/null; then has_timeout=yes; else has_timeout=''; fi
with_timeout() { if [ -n "$has_timeout" ]; then timeout -s KILL "$@"; else shift && "$@"; fi; }
# Behind sudo, kubectl is root's and cannot be killed; its requests have a limit of their own, and nobody waits for it.
run_kubectl() { # SECONDS ARGUMENTS
  seconds=$1
  shift
  eval "set -- $kubectl \"\$@\""
  with_timeout "$seconds" "$@"
}
# Runs a command without this script's streams and pipes. A reader sees the end of a pipe only when nobody has its other
# end open, and the SSH channel stays open as long as this script's stdout or stderr is. Only for a subshell, as the
# exec closes them for good: redirections of a function call would keep copies.
detached() { exec 2>/dev/null 4>&- 5<&- 6>&- 7<&- 8>&- 9<&- && "$@"; }
# The limit is on the reader, because the writer may be a kubectl that cannot be killed.
read_all() { detached with_timeout "$limit" cat; }

print_kubectl() { # STEP SECONDS ARGUMENTS: prints kubectl's stdout, status and stderr
  step=$1
  shift
  print_step "$step"
  { stderr=$(run_kubectl "$@" 2>&1 >&3); } 3>&1
  status=$?
  printf '\n'
  print_step "$step status"
  printf '%s\n' "$status"
  print_step "$step stderr"
  printf '%.4000s\n' "$stderr"
  return "$status"
}
print_secret() { { detached print_kubectl "$1" "$longer" get --raw "$secrets/$name" & } | (read_all); } # STEP

answer() { # SECONDS ARGUMENTS: kubectl's status, then its stderr
  stderr=$(run_kubectl "$@" 2>&1 >/dev/null)
  printf '%s\n%.4000s\n' "$?" "$stderr"
}
answer_to() { # INPUT ARGUMENTS
  input=$1
  shift
  printf '%s' "$input" | answer "$longer" "$@"
}
classify() { # ANSWER: sets outcome to ok, exists, missing, conflict, refused (surely not done) or unclear
  status=${1%%"$newline"*} stderr=${1#"$status"}
  [ -n "$1" ] || status=none stderr="kubectl did not end within $limit s"
  outcome=unclear
  if [ "$status" = 0 ]; then outcome=ok && return; fi
  # Only the beginning of an error's first line counts: what follows may quote anything.
  rest=$stderr
  while [ -n "$rest" ] && [ "$outcome" = unclear ]; do
    line=${rest%%"$newline"*}
    rest=${rest#"$line"} && rest=${rest#"$newline"}
    case $line in
      "Error from server (AlreadyExists): secrets \"$name\" already exists"*) outcome=exists ;;
      "Error from server (AlreadyExists): object is being deleted: secrets \"$name\" "*) outcome=exists ;;
      "Error from server (Conflict): Operation cannot be fulfilled on "[Ss]ecret*" \"$name\""*) outcome=conflict ;;
      "Error from server (NotFound): secrets \"$name\" not found"*) outcome=missing ;;
      # A webhook may choose any reason.
      'Error from server'*': admission webhook "'*'" denied the request'*) outcome=refused ;;
      'Error from server (Forbidden): '* | 'Error from server (Invalid): '*) outcome=refused ;;
      'Error from server (BadRequest): '* | 'Error from server (NotFound): '*) outcome=refused ;;
      'Error from server (MethodNotAllowed): '*) outcome=refused ;;
      'Error from server (RequestEntityTooLarge): '*) outcome=refused ;;
      'error: You must be logged in to the server '*) outcome=refused ;;
      'The '*" \"$name\" is invalid"* | 'The request is invalid'*) outcome=refused ;;
      'Error from server'*) return ;;
    esac
  done
}
report() { # STEP
  print_step "$1 status"
  printf '%s %s\n' "$outcome" "$status"
  print_step "$1 stderr"
  printf '%s\n' "${stderr#"$newline"}"
}
request() { # STEP INPUT ARGUMENTS: starts a kubectl only now that its whole input is here
  step=$1
  shift
  classify "$({ detached answer_to "$@" & } | (read_all))"
  report "$step"
}
delete() { request "$1" "$options" delete --raw "$secrets/$name?$query" -f -; }
create() { request "$1" "$2" create --raw "$secrets" --validate=false -f -; }

make_pipes() {
  problems=''
  for place in "${TMPDIR:-/tmp}" /dev/shm; do
    if pipes=$(mktemp -d "$place/rotator.XXXXXX" 2>&1); then
      if error=$(mkfifo "$pipes/4" "$pipes/5" "$pipes/6" "$pipes/7" "$pipes/8" "$pipes/9" 2>&1); then return 0; fi
      rm -rf "$pipes"
      pipes=$error
    fi
    problems="$problems$pipes; "
  done
  print_step 'no pipes'
  printf '%s\n' "$problems"
  exit 70
}
# Opening a pipe never waits here for another process, which may not come if this shell is killed. First each is opened
# both ways, also in every subshell; then this shell keeps one end, so that a dead reader breaks the pipe instead of
# blocking it.
start_kubectl() {
  exec 4<>"$pipes/4" 5<>"$pipes/5" 6<>"$pipes/6" 7<>"$pipes/7" 8<>"$pipes/8" 9<>"$pipes/9"
  rm -rf "$pipes" # nothing is left behind even by a kill
  open=/proc/self/fd
  verb=create path=$secrets
  case $method in
    recreate)
      { exec <"$open/4" >"$open/5" && detached answer "$waiting" create --raw "$secrets?dryRun=All" \
        --validate=false -f -; } &
      ;;
    update) verb=replace path=$secrets/$name ;;
  esac
  { exec <"$open/6" >"$open/7" && detached answer "$waiting" "$verb" --raw "$path" --validate=false -f -; } &
  { exec <"$open/8" >"$open/9" && detached print_kubectl confirm "$waiting" get -o json -f -; } &
  confirmation=$!
  exec 4>"$open/4" 5<"$open/5" 6>"$open/6" 7<"$open/7" 8>"$open/8" 9<"$open/9"
}

# Both send the new manifest to a kubectl that is already waiting for it, and close its input.
validate() {
  { exec >&4 && detached printf '%s' "$new"; } &
  exec 4>&-
  classify "$(read_all <&5)"
  # A dry run meets the existing Secret only after authorisation, quota, admission and validation have passed.
  case $outcome in ok | exists) return 0 ;; esac
  report validate
  exit 66
}
write() {
  { exec >&6 && detached printf '%s' "$new"; } &
  exec 6>&-
  classify "$(read_all <&7)"
  report write
}

recreate() {
  validate
  delete delete
  case $outcome in
    refused | conflict) return 0 ;;
    ok | missing)
      gone=yes
      write
      case $outcome in ok | exists) return 0 ;; esac
      ;;
    *) settle_delete || return 0 ;;
  esac
  recover
}
# The delete may still be under way: makes sure that it is done, or that it fails. False if there is no more to do.
settle_delete() {
  delete 'delete again'
  case $outcome in
    ok | missing) gone=yes ;;
    conflict) return 1 ;; # another version is there, which no delete of this run can meet
    *) protect unclear ;;
  esac
}
# Gives the former Secret another version, so that a late delete of it fails. False if there is no more to do.
protect() { # OUTCOME of the request before: exists if the Secret is known to be there
  request protect "$protected" replace --raw "$secrets/$name" --validate=false -f -
  case $1/$outcome in
    */ok) print_step protected; return 1 ;;
    */conflict | */missing) gone=yes ;;
    exists/refused) print_step 'delete unclear'; return 1 ;;
  esac
}
recover() { # At the end there must be a Secret: the new one, which was validated, or the former if that is refused.
  began=$(date +%s)
  while :; do
    create 'create again' "$new"
    case $gone/$outcome in */ok | yes/exists) return 0 ;; esac
    if [ "$old" != - ] && { [ "$outcome" = refused ] || [ $(($(date +%s) - began)) -gt $((recovery / 2)) ]; }; then
      create restore "$old"
      case $gone/$outcome in */ok | yes/exists) return 0 ;; esac
    fi
    [ -n "$gone" ] || protect "$outcome" || return 0
    [ $(($(date +%s) - began)) -lt "$recovery" ] || break
    sleep 2
  done
  print_step 'given up'
  gone=''
}
# kubectl, or what wraps it, may have reported a write that did not happen.
create_if_missing() {
  [ -n "$gone" ] || return 0
  classify "$({ detached answer "$longer" get --raw "$secrets/$name" & } | (read_all))"
  if [ "$outcome" = missing ]; then recover; fi
}

# If printf is not built into the shell, everybody on the master can see its arguments.
case $(command -v printf) in printf) ;; *) print_step 'no printf'; exit 70 ;; esac
make_pipes
trap 'rm -rf "$pipes"' EXIT
start_kubectl
print_secret held
print_step ready
asked=$(date +%s)
input=$(sed "/^$mark\$/q")
IFS=$newline
# shellcheck disable=SC2086  # a line each
set -- $input
unset IFS
input=''
if [ $# -ne 6 ] || [ "$6" != "$mark" ]; then print_step incomplete; exit 65; fi
if [ $(($(date +%s) - asked)) -gt "$recovery" ]; then print_step late; exit 65; fi # nobody waits for it any more
new=$1 old=$2 protected=$3 options=$4 query=$5
set --
case $method in recreate) recreate ;; *) write ;; esac
printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s","namespace":"%s"}}' "$name" "$namespace" \
  >&8 2>/dev/null
exec 8>&-
if ! (read_all <&9) || ! wait "$confirmation"; then
  create_if_missing
  print_secret confirm
fi
