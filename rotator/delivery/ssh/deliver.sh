#!/bin/sh
# Writes one Secret on the Kubernetes master, and says on stdout what it did.
#
# Parameters, none of them secret: MARK, ACT (create, update, recreate), NAMESPACE, NAME, KUBECTL (a command line, quoted
# for this shell), and in seconds LIMIT (for each kubectl, from its input on) and RECOVERY, which have defaults.
# On stdin, a line each, "-" for none: the new manifest; the former one, to be created again; the former one pinned to
# its version, with another annotation; the options of the delete; the same preconditions as a query; MARK.
#
# On stdout a line "MARK WORD" begins what WORD is about. "STEP status" has what came of it and kubectl's exit status,
# "STEP words" what kubectl said on stderr. Nothing is read from a Secret's text, and no manifest is in an argument or a
# file. The delete names uid and resourceVersion, so whatever is carried out late meets another version, and fails.
set -uf
trap '' HUP INT TERM PIPE # once it has all its input it finishes, whatever becomes of the connection
mark=$1 act=$2 namespace=$3 name=$4 kubectl=$5 limit=${6:-45} recovery=${7:-120}
secrets=/api/v1/namespaces/$namespace/secrets
waiting=300 # how long a kubectl may live that was started before its input was there
longer=$((limit + 5)) # and any other, so that it is always its reader that gives up first
newline='
'
gone='' # set once no delete can meet the former Secret any more

say() { printf '%s %s\n' "$mark" "$1"; }

# An old busybox has a timeout of another syntax, and some masters have none.
if timeout -s KILL 9 true 2>/dev/null; then bounds=yes; else bounds=''; fi
bounded() { if [ -n "$bounds" ]; then timeout -s KILL "$@"; else shift && "$@"; fi; }
# Behind sudo, kubectl is root's and cannot be ended; its requests have a limit of their own, and nobody waits for it.
kube() { # SECONDS ARGUMENTS
  seconds=$1
  shift
  eval "set -- $kubectl \"\$@\""
  bounded "$seconds" "$@"
}
# For the subshell it runs in, by exec, as a redirected function keeps a copy: while anybody has a write end, a pipe's
# reader never sees the end, and with this script's own streams the SSH channel would stay open as long.
closed() { exec 2>/dev/null 4>&- 5<&- 6>&- 7<&- 8>&- 9<&- && "$@"; }
# Reads an answer. Its writer may be a kubectl that cannot be ended, so it is this reader that has the limit.
patiently() { closed bounded "$limit" cat; }

shown() { # STEP SECONDS ARGUMENTS: what kubectl prints, its status, and its words apart from that
  step=$1
  shift
  say "$step"
  { words=$(kube "$@" 2>&1 >&3); } 3>&1
  status=$?
  printf '\n'
  say "$step status"
  printf '%s\n' "$status"
  say "$step words"
  printf '%.4000s\n' "$words"
  return "$status"
}
look() { { closed shown "$1" "$longer" get --raw "$secrets/$name" & } | (patiently); }

answered() { # SECONDS ARGUMENTS: kubectl's status, then its words
  words=$(kube "$@" 2>&1 >/dev/null)
  printf '%s\n%.4000s\n' "$?" "$words"
}
fed() { # INPUT ARGUMENTS
  input=$1
  shift
  printf '%s' "$input" | answered "$longer" "$@"
}
judge() { # ANSWER: sets outcome to ok, exists, missing, conflict, refused (surely not done) or unclear
  status=${1%%"$newline"*} words=${1#"$status"}
  [ -n "$1" ] || status=none words="kubectl did not end within $limit s"
  outcome=unclear
  if [ "$status" = 0 ]; then outcome=ok && return; fi
  # The first line of an error tells, by how it begins: what follows may quote anything.
  rest=$words
  while [ -n "$rest" ] && [ "$outcome" = unclear ]; do
    line=${rest%%"$newline"*}
    rest=${rest#"$line"} && rest=${rest#"$newline"}
    case $line in
      "Error from server (AlreadyExists): secrets \"$name\" already exists"*) outcome=exists ;;
      "Error from server (AlreadyExists): object is being deleted: secrets \"$name\" "*) outcome=exists ;;
      "Error from server (Conflict): Operation cannot be fulfilled on "[Ss]ecret*" \"$name\""*) outcome=conflict ;;
      "Error from server (NotFound): secrets \"$name\" not found"*) outcome=missing ;;
      # With any reason that the webhook likes to give.
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
  say "$1 status"
  printf '%s %s\n' "$outcome" "$status"
  say "$1 words"
  printf '%s\n' "${words#"$newline"}"
}
ask() { # STEP INPUT ARGUMENTS: starts a kubectl only now that its whole input is here
  step=$1
  shift
  judge "$({ closed fed "$@" & } | (patiently))"
  report "$step"
}
drop() { ask "$1" "$options" delete --raw "$secrets/$name?$query" -f -; }
hold() { ask hold "$pinned" replace --raw "$secrets/$name" --validate=false -f -; }
create() { ask "$1" "$2" create --raw "$secrets" --validate=false -f -; }

make_pipes() {
  problems=''
  for place in "${TMPDIR:-/tmp}" /dev/shm; do
    if pipes=$(mktemp -d "$place/rotator.XXXXXX" 2>&1); then
      if words=$(mkfifo "$pipes/4" "$pipes/5" "$pipes/6" "$pipes/7" "$pipes/8" "$pipes/9" 2>&1); then return 0; fi
      rm -rf "$pipes"
      pipes=$words
    fi
    problems="$problems$pipes; "
  done
  say 'no pipes'
  printf '%s\n' "$problems"
  exit 70
}
# No opening of a pipe waits for another process, which may never come if this shell is killed. First each is open both
# ways, also in every subshell; then this shell keeps the one end, so that a reader that died breaks the pipe instead of
# blocking it.
start() {
  exec 4<>"$pipes/4" 5<>"$pipes/5" 6<>"$pipes/6" 7<>"$pipes/7" 8<>"$pipes/8" 9<>"$pipes/9"
  rm -rf "$pipes" # nothing is left behind even by a kill
  open=/proc/self/fd
  write=create where=$secrets
  case $act in
    recreate)
      { exec <"$open/4" >"$open/5" && closed answered "$waiting" create --raw "$secrets?dryRun=All" \
        --validate=false -f -; } &
      ;;
    update) write=replace where=$secrets/$name ;;
  esac
  { exec <"$open/6" >"$open/7" && closed answered "$waiting" "$write" --raw "$where" --validate=false -f -; } &
  { exec <"$open/8" >"$open/9" && closed shown confirm "$waiting" get -o json -f -; } &
  confirmation=$!
  exec 4>"$open/4" 5<"$open/5" 6>"$open/6" 7<"$open/7" 8>"$open/8" 9<"$open/9"
}

# Sends the new manifest to a kubectl that has been waiting for it, and closes its input.
validate() {
  { exec >&4 && closed printf '%s' "$new"; } &
  exec 4>&-
  judge "$(patiently <&5)"
  # A dry run meets the existing Secret only after authorisation, quota, admission and validation have passed.
  case $outcome in ok | exists) return 0 ;; esac
  report validate
  exit 66
}
write() {
  { exec >&6 && closed printf '%s' "$new"; } &
  exec 6>&-
  judge "$(patiently <&7)"
  report write
}

recreate() {
  validate
  drop delete
  case $outcome in
    refused | conflict) return 0 ;;
    ok | missing)
      gone=yes
      write
      case $outcome in ok | exists) return 0 ;; esac
      ;;
    *) settle || return 0 ;;
  esac
  recover
}
# A delete may still be under way: sees to it that it is done, or that it fails. False when there is no more to do.
settle() {
  drop 'delete again'
  case $outcome in
    ok | missing) gone=yes ;;
    conflict) return 1 ;; # another version is there, which no delete of this run can meet
    *) keep unclear ;;
  esac
}
keep() { # WHETHER IT IS THERE: gives the former Secret another version
  hold
  case $1/$outcome in
    */ok) say kept; return 1 ;;
    */conflict | */missing) gone=yes ;;
    exists/refused) say unsettled; return 1 ;;
  esac
}
recover() { # At the end there must be a Secret: the new one, which is proven, or the former where that is refused.
  began=$(date +%s)
  while :; do
    create again "$new"
    case $gone/$outcome in */ok | yes/exists) return 0 ;; esac
    if [ "$old" != - ] && { [ "$outcome" = refused ] || [ $(($(date +%s) - began)) -gt $((recovery / 2)) ]; }; then
      create restore "$old"
      case $gone/$outcome in */ok | yes/exists) return 0 ;; esac
    fi
    [ -n "$gone" ] || keep "$outcome" || return 0
    [ $(($(date +%s) - began)) -lt "$recovery" ] || break
    sleep 2
  done
  say 'given up'
  gone=''
}
# kubectl, or what runs it, may have said that it wrote what is not there.
ensure() {
  [ -n "$gone" ] || return 0
  judge "$({ closed answered "$longer" get --raw "$secrets/$name" & } | (patiently))"
  if [ "$outcome" = missing ]; then recover; fi
}

# Another printf would show its arguments to everybody on the master.
case $(command -v printf) in printf) ;; *) say 'no printf'; exit 70 ;; esac
make_pipes
trap 'rm -rf "$pipes"' EXIT
start
look held
say ready
asked=$(date +%s)
input=$(sed "/^$mark\$/q")
IFS=$newline
# shellcheck disable=SC2086  # a line each
set -- $input
unset IFS
input=''
if [ $# -ne 6 ] || [ "$6" != "$mark" ]; then say incomplete; exit 65; fi
if [ $(($(date +%s) - asked)) -gt "$recovery" ]; then say late; exit 65; fi # nobody waits for it any more
new=$1 old=$2 pinned=$3 options=$4 query=$5
set --
case $act in recreate) recreate ;; *) write ;; esac
printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s","namespace":"%s"}}' "$name" "$namespace" \
  >&8 2>/dev/null
exec 8>&-
if ! (patiently <&9) || ! wait "$confirmation"; then
  ensure
  look confirm
fi
