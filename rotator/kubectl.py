"""kubectl on the master: the remote commands, and what they answer.

The manifest travels on stdin only, in shell variables and pipes, never in arguments or files. `--raw` spares kubectl
the download of API schemas; GOGC=off and GOMAXPROCS=1 spare it a third of its CPU time.
"""

import dataclasses
import enum
import json
import re
import shlex

from rotator.foreign_words import quote
from rotator.kubectl_words import explain
from rotator.redaction import Secret
from rotator.targets import Cluster, Target

# sudo, env and kubectl speak English in LC_ALL=C. KUBERC=off keeps kubectl 1.33 and later from the user's own defaults
# for its options (https://kubernetes.io/docs/reference/kubectl/kuberc/).
_ENVIRONMENT = "LC_ALL=C KUBERC=off GOGC=off GOMEMLIMIT=512MiB GOMAXPROCS=1"
_REQUEST_TIMEOUT = "15s"
_PUT_BACK_SECONDS = 120
READY = "ready"

__all__ = [
    "READY",
    "Act",
    "Answer",
    "act",
    "command_line",
    "explain",
    "not_found",
    "observe",
    "parse",
    "quote",
    "stdin",
]


class Act(enum.Enum):
    """What to do about a Secret in one remote command."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the remote command said: its steps, in order, each with the lines that follow it."""

    steps: dict[str, str] = dataclasses.field(repr=False)

    def has(self, step: str) -> bool:
        """Whether the remote command got to that step."""
        return step in self.steps


def observe(target: Target) -> str:
    """Give the command that prints the Secret as JSON."""
    return f"{command_line(target.cluster)} get --raw {_path(target)}/{target.secret}"


def act(target: Target, what: Act, mark: str) -> str:
    """Give the command that shows the Secret, then reads manifests from stdin and carries out `what`.

    All kubectl processes start at once and wait for their input, so that Secret's absence in a recreate lasts as long
    as one request. Each of them refuses an empty input, so a connection that is cut early changes nothing.
    """
    start, carry_out = _ACTS[what]
    script = _SCRIPT.format(
        environment=_ENVIRONMENT,
        kubectl=_bounded(target.cluster),
        path=_path(target),
        name=target.secret,
        reference=_reference(target),
        start=start,
        carry_out=carry_out,
        seconds=_PUT_BACK_SECONDS,
    )
    return f"exec sh -c {shlex.quote(script)} rotator {shlex.quote(mark)}"


def stdin(mark: str, new: Secret, old: Secret | None) -> Secret:
    """Give what the remote command reads: the new manifest, the one to put back, and the mark of completeness."""
    return Secret(f"{new.reveal()}\n{old.reveal() if old else ''}\n{mark}\n")


def parse(stdout: str, mark: str) -> Answer:
    """Split what the remote command printed into its steps."""
    steps: dict[str, list[str]] = {}
    step = ""
    # Not splitlines(): a value in the JSON may hold what Unicode takes for the end of a line.
    for line in stdout.removesuffix("\n").split("\n"):
        if line.startswith(f"{mark} "):
            step = line.removeprefix(f"{mark} ")
            steps[step] = []
        else:
            steps.setdefault(step, []).append(f"{line}\n")
    return Answer({name: "".join(lines) for name, lines in steps.items()})


def not_found(stderr: str) -> bool:
    """Whether kubectl says that the Secret does not exist."""
    return re.search(r'\(NotFound\): secrets "', stderr) is not None


def command_line(cluster: Cluster) -> str:
    """Give kubectl's command line, short-lived and with a bound on each request."""
    return f"env {_ENVIRONMENT} {_bounded(cluster)}"


def _bounded(cluster: Cluster) -> str:
    return f"{shlex.join(cluster.kubectl)} --request-timeout={_REQUEST_TIMEOUT}"


def _path(target: Target) -> str:
    return f"/api/v1/namespaces/{target.namespace}/secrets"


def _reference(target: Target) -> str:
    metadata = {"name": target.secret, "namespace": target.namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, separators=(",", ":"))


_SCRIPT = r"""
set -u
trap '' HUP INT TERM PIPE  # once begun it ends, whatever becomes of the connection
mark=$1
reference='{reference}'
say() {{ printf '%s %s\n' "$mark" "$1"; }}
# --request-timeout does not bound all of kubectl, and a hanging one must not keep the Secret from being put back.
bound='timeout -s KILL 45'
command -v timeout >/dev/null || bound=
kube() {{ {environment} $bound {kubectl} "$@"; }}
case $(command -v printf) in printf) ;; *) echo 'this sh would show printf arguments to others' >&2; exit 70 ;; esac
pipes=$(mktemp -d 2>/dev/null || mktemp -d /dev/shm/rotator.XXXXXX) || exit 70
trap 'rm -rf "$pipes"' EXIT
mkfifo "$pipes/4" "$pipes/5" "$pipes/6" "$pipes/7" || exit 70
# For good, in the subshell it runs in: while anybody keeps a write end, a pipe's reader never sees the end. This shell
# opens write ends only, so that a reader that died breaks the pipe instead of blocking it.
without_pipes() {{ exec 4>&- 5>&- 6>&- 7>&-; "$@"; }}
validate() {{
  words=$(kube create --raw '{path}?dryRun=All' --validate=false -f - 2>&1 >/dev/null) && return 0
  # A dry run meets the existing Secret only after authorisation, quota, admission and validation have passed.
  case $words in *'(AlreadyExists)'*) return 0 ;; esac
  say refused
  printf '%s\n' "$words"
  say end
  return 1
}}
create() {{ kube create --raw {path} --validate=false -f - >/dev/null; }}
replace() {{ kube replace --raw {path}/{name} --validate=false -f - >/dev/null; }}
delete() {{ kube delete --wait=false -f - >/dev/null; }}
show() {{ {{ words=$(kube get --raw {path}/{name} 2>&1 >&3); }} 3>&1 || printf '%s\n' "$words"; }}
read_back() {{ kube get -o json -f -; }}
put_back() {{  # whatever happened, the Secret must be there at the end
  until=$(($(date +%s) + {seconds}))
  while :; do
    for body in "$old" "$new"; do
      words=$(printf '%s' "$body" | create 2>&1) && {{ say 'put back'; return; }}
      case $words in *'(AlreadyExists)'*) say 'still there'; return ;; esac
    done
    printf '%s\n' "$words" >&2
    [ "$(date +%s)" -lt "$until" ] || {{ say lost; return; }}
    sleep 2
  done
}}
without_pipes read_back <"$pipes/7" & readback=$!; exec 7>"$pipes/7"
{start}
say held
# Its words count only when it fails: a warning must not stand before the JSON.
(without_pipes show)
say ready
IFS= read -r new && IFS= read -r old && IFS= read -r end && [ "$end" = "$mark" ] || {{ say incomplete; exit 65; }}
{carry_out}
say confirm
printf '%s' "$reference" >&7; exec 7>&-
wait "$readback" || kube get --raw {path}/{name}  # its time may have run out while the Secret was put back
"""

_ACTS = {
    Act.CREATE: (
        """without_pipes create <"$pipes/6" & creation=$!; exec 6>"$pipes/6\"""",
        """printf '%s' "$new" >&6; exec 6>&-
wait "$creation" && say done""",
    ),
    Act.UPDATE: (
        """without_pipes replace <"$pipes/6" & replacement=$!; exec 6>"$pipes/6\"""",
        """printf '%s' "$new" >&6; exec 6>&-
wait "$replacement" && say done""",
    ),
    Act.RECREATE: (
        """without_pipes validate <"$pipes/4" & validation=$!; exec 4>"$pipes/4"
without_pipes delete <"$pipes/5" & deletion=$!; exec 5>"$pipes/5"
without_pipes create <"$pipes/6" & creation=$!; exec 6>"$pipes/6\"""",
        """printf '%s' "$new" >&4; exec 4>&-
wait "$validation" || exit 66
printf '%s' "$reference" >&5; exec 5>&-
if wait "$deletion"; then
  say deleted
  printf '%s' "$new" >&6; exec 6>&-
  if wait "$creation"; then say done; else put_back; fi
else
  put_back
fi""",
    ),
}
