"""The remote commands as shells run them: syntax, arguments, and what they do when kubectl fails.

kubectl is a program of the test's, which holds one Secret in a file and does as that file's neighbours say.
"""

import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.delivery.interface import WriteMethod
from rotator.delivery.merge import ReplacedSecret
from rotator.delivery.ssh import kubectl, script
from rotator.delivery.ssh.script import Outcome, ScriptOutput, ScriptStep
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from tests.fakes.examples import CLUSTER, STORED, TARGET, TOKEN

MARK = "rotator-0123456789abcdef"
FOUND = {Path(path).resolve(): shell for shell in ("sh", "busybox", "bash", "dash") if (path := shutil.which(shell))}
SHELLS = sorted(FOUND.values())  # each once, whatever sh is
TARGETS = {
    "plain": TARGET,
    "k3s": dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("sudo", "k3s", "kubectl"))),
    "quotes": dataclasses.replace(
        TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("/opt/it's {mine}/kubectl", '--context="prod"'))
    ),
    "dotted": dataclasses.replace(TARGET, secret="a.b-c", namespace="team-1"),
}
NEW, OLD, REVERSIONED = '{"new":"manifest"}', '{"old":"manifest"}', '{"reversioned":"manifest"}'
VERSION = {"uid": "2f4c0b9e-0000-4000-8000-000000000001", "resourceVersion": "41"}
REPLACED = ReplacedSecret(VERSION, SecretText(REVERSIONED), SecretText(OLD))
QUOTA = 'Error from server (Forbidden): secrets "storage-sas" is forbidden: exceeded quota: few'
FAILED = "Error from server (InternalError): an error on the server has prevented the request from succeeding"

# Of k8s.io/apimachinery's errors.go, and of apiserver's webhook/errors/statuserror.go.
EXISTS = 'secrets "storage-sas" already exists'
CHANGED = 'Operation cannot be fulfilled on secrets "storage-sas": the object has been modified; please apply'
DENIED = 'admission webhook "x.example.com" denied the request:'
REASONS = ("AlreadyExists", "Conflict", "NotFound", "InternalError", "Timeout", "of its own")

# What a step does is in a file of its name: words to fail with, once for each line; "hang", which nothing can end, as
# with root's kubectl behind sudo; "slow"; "nothing", with status 0; and after "done " the step is done all the same.
PROGRAM = r"""#!/bin/sh
here=$(dirname "$0")
[ "$1" != -n ] || shift 2  # an option of the command line
case "$*" in
  *'get --raw'*) step=get ;;
  *'dryRun=All'*) step=validate ;;
  *'create --raw'*) step=create ;;
  *'delete --raw'*) step=delete ;;
  *'replace --raw'*) step=replace ;;
  *' get -o json'*) step=confirm ;;
esac
echo "$*" >>"$here/calls"
input=''
case "$*" in *'-f -') input=$(cat) ;; esac
printf '%s' "$input" >>"$here/input-$step"
echo 'sudo: unable to resolve host' >&2
words=''
if [ -s "$here/$step" ]; then
  words=$(head -n 1 "$here/$step")
  sed -i 1d "$here/$step"
fi
refuse() { echo "Error from server $1" >&2; exit 1; }
exists() { refuse '(AlreadyExists): secrets "storage-sas" already exists'; }
act() {
  case $step in
    get | confirm) cat "$here/secret" 2>/dev/null || refuse '(NotFound): secrets "storage-sas" not found' ;;
    validate) [ ! -e "$here/secret" ] || exists ;;
    create)
      [ -n "$input" ] || refuse '(BadRequest): the object provided is unrecognized'
      [ ! -e "$here/secret" ] || exists
      printf '%s\n' "$input" >"$here/secret" ;;
    delete) rm "$here/secret" || exit 1 ;;
    replace)
      [ -n "$input" ] || refuse '(BadRequest): the object provided is unrecognized'
      printf '%s\n' "$input" >"$here/secret" ;;
  esac
}
case $words in
  hang) setsid sleep 20; exit 0 ;;
  slow) sleep 0.5; act ;;
  'done '*) act; echo "${words#done }" >&2; exit 1 ;;
  nothing) exit 0 ;;
  ?*) printf '%b\n' "$words" >&2; exit 1 ;;
  *) act ;;
esac
"""


@dataclasses.dataclass
class Kubectl:
    """The test's kubectl, and a script that runs it."""

    directory: Path
    shell: str = "sh"
    limit: int = 10
    recovery: int = 2

    def fails(self, **steps: str) -> None:
        for step, text in steps.items():
            (self.directory / step).write_text(f"{text}\n")

    def holds(self, text: str) -> None:
        (self.directory / "secret").write_text(f"{text}\n")

    @property
    def secret(self) -> str:
        path = self.directory / "secret"
        return path.read_text().strip() if path.exists() else ""

    @property
    def calls(self) -> list[str]:
        path = self.directory / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def command(self, act: WriteMethod) -> list[str]:
        target = dataclasses.replace(
            TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=(str(self.directory / "kubectl"), "-n", "it's"))
        )
        shell = ["busybox", "sh"] if self.shell == "busybox" else [self.shell]
        words = shlex.split(script.command(target, act, MARK))
        assert words[:3] == ["exec", "sh", "-c"]
        return [*shell, *words[2:-2], str(self.limit), str(self.recovery)]

    def start(self, act: WriteMethod, **environment: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        variables = {**os.environ, "TMPDIR": str(self.directory), **environment}
        return subprocess.Popen(
            self.command(act), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=variables, start_new_session=True
        )

    def run(self, act: WriteMethod, stdin: SecretText | None = None, **environment: str) -> ScriptOutput:
        sent = stdin or script.stdin(MARK, SecretText(NEW), REPLACED if act is WriteMethod.RECREATE else None)
        with self.start(act, **environment) as process:
            stdout, stderr = process.communicate(sent.reveal(), timeout=60)
        assert stderr == ""
        return script.parse(stdout, MARK)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Kubectl]:
    path = tmp_path / "kubectl"
    path.write_text(PROGRAM)
    path.chmod(0o700)
    yield Kubectl(tmp_path)
    assert list(tmp_path.glob("rotator.*")) == []


def words_of(target: Target, act: WriteMethod) -> list[str]:
    words = shlex.split(script.command(target, act, MARK))
    assert words[:3] == ["exec", "sh", "-c"]
    return words[3:]


def test_scripts_and_commands_are_valid_in_every_shell(shell: str) -> None:
    check = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
    for target in TARGETS.values():
        for act in WriteMethod:
            for text in (words_of(target, act)[0], script.command(target, act, MARK), kubectl.get_command(target)):
                done = subprocess.run(check, input=text, capture_output=True, text=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck isn't installed")
def test_shellcheck_finds_nothing_in_the_script() -> None:
    text = words_of(TARGET, WriteMethod.RECREATE)[0]
    done = subprocess.run(["shellcheck", "-"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_differs_between_commands_is_in_parameters(target: Target) -> None:
    text, name, *parameters, command_line, limit, recovery = words_of(target, WriteMethod.UPDATE)
    assert text == words_of(TARGET, WriteMethod.RECREATE)[0]
    assert (name, *parameters) == ("rotator", MARK, "update", target.namespace, target.secret)
    assert shlex.join(target.cluster.kubectl) in command_line
    assert (limit, recovery) == (str(script.LIMIT_SECONDS), str(script.RECOVERY_SECONDS))


@pytest.mark.parametrize("act", WriteMethod)
def test_secret_travels_on_stdin_never_in_argv(act: WriteMethod, program: Kubectl) -> None:
    """`script.command` takes neither manifest nor value, and no kubectl is given one in its arguments."""
    command = script.command(TARGET, act, MARK)
    assert TOKEN not in command
    assert STORED not in command
    if act is not WriteMethod.CREATE:
        program.holds("{}")
    program.run(act)
    assert program.calls
    assert not any("manifest" in call for call in program.calls)


def test_script_refuses_a_shell_whose_printf_is_no_builtin() -> None:
    assert "case $(command -v printf) in printf) ;; *)" in words_of(TARGET, WriteMethod.CREATE)[0]


@pytest.mark.parametrize("act", WriteMethod)
def test_each_act_runs_only_the_kubectl_processes_that_it_needs(program: Kubectl, shell: str, act: WriteMethod) -> None:
    program.shell = shell
    if act is not WriteMethod.CREATE:
        program.holds("{}")
    output = program.run(act)
    assert program.secret == NEW
    assert output.outcome(ScriptStep.WRITE) is Outcome.OK
    assert output.text(ScriptStep.CONFIRM).strip() == NEW
    needed = {WriteMethod.CREATE: 3, WriteMethod.UPDATE: 3, WriteMethod.RECREATE: 5}
    assert len(program.calls) == needed[act]


def test_delete_names_the_version_in_its_body_and_in_its_query(program: Kubectl) -> None:
    program.holds("{}")
    program.run(WriteMethod.RECREATE)
    (call,) = (call for call in program.calls if "delete --raw" in call)
    path = "/api/v1/namespaces/default/secrets/storage-sas"
    assert call.endswith(f"delete --raw {path}?uid={VERSION['uid']}&resourceVersion=41 -f -")
    assert '"preconditions":{"uid":"2f4c' in (program.directory / "input-delete").read_text()


@pytest.mark.parametrize("act", WriteMethod)
@pytest.mark.parametrize("sent", ["", "{}\n", f"{NEW}\n{OLD}\n{REVERSIONED}\n-\n-\n{MARK[:-1]}\n", f"{MARK}\n"])
def test_input_that_is_cut_changes_nothing(program: Kubectl, act: WriteMethod, sent: str) -> None:
    program.holds("{}")
    output = program.run(act, SecretText(sent))
    assert output.has(ScriptStep.INCOMPLETE)
    assert program.secret == "{}"
    assert not any("delete" in call for call in program.calls)


@pytest.mark.parametrize("act", WriteMethod)
@pytest.mark.parametrize("kept", range(5))
def test_input_that_is_cut_changes_nothing_though_nobody_reads_that(
    program: Kubectl, act: WriteMethod, kept: int
) -> None:
    program.holds("{}")
    whole = script.stdin(MARK, SecretText(NEW), REPLACED).reveal()
    lines = whole.splitlines()
    with program.start(act) as process:
        assert process.stdin
        assert process.stdout
        while process.stdout.readline().strip() != f"{MARK} ready":
            pass
        process.stdout.close()  # as sshd does when the connection ends
        process.stdin.write("\n".join([*lines[:kept], lines[kept][:-1]]))
        process.stdin.close()
        process.wait(30)
    assert program.secret == "{}"
    assert not any("delete" in call for call in program.calls)


def test_input_that_is_late_changes_nothing_though_nobody_reads_that(program: Kubectl) -> None:
    program.recovery = 0
    program.holds("{}")
    with program.start(WriteMethod.UPDATE) as process:
        assert process.stdin
        assert process.stdout
        while process.stdout.readline().strip() != f"{MARK} ready":
            pass
        process.stdout.close()
        time.sleep(2.1)
        process.stdin.write(script.stdin(MARK, SecretText(NEW), None).reveal())
        process.stdin.close()
        process.wait(30)
    assert program.secret == "{}"


def test_input_that_comes_when_nobody_waits_any_more_changes_nothing(program: Kubectl) -> None:
    program.recovery = 0
    program.holds("{}")
    with program.start(WriteMethod.RECREATE) as process:
        assert process.stdin is not None
        time.sleep(2.1)
        process.stdin.write(script.stdin(MARK, SecretText(NEW), REPLACED).reveal())
        process.stdin.close()
        assert process.stdout is not None
        output = script.parse(process.stdout.read(), MARK)
    assert output.has(ScriptStep.LATE)
    assert program.secret == "{}"


def test_words_of_warning_on_stderr_do_not_mix_with_the_secret(program: Kubectl) -> None:
    program.holds('{"note":"Error from server (NotFound): secrets \\"storage-sas\\" not found"}')
    held = program.secret
    output = program.run(WriteMethod.UPDATE)
    assert output.text(ScriptStep.HELD).strip() == held
    assert (output.status(ScriptStep.HELD), output.status(ScriptStep.CONFIRM)) == (0, 0)
    assert output.stderr(ScriptStep.HELD) == "sudo: unable to resolve host"


def test_status_of_a_failing_kubectl_stands_beside_its_words(program: Kubectl) -> None:
    program.fails(get=QUOTA)
    output = program.run(WriteMethod.CREATE, SecretText("\n"))
    assert output.status(ScriptStep.HELD) == 1
    assert output.stderr(ScriptStep.HELD) == f"sudo: unable to resolve host\n{QUOTA}"
    assert output.text(ScriptStep.HELD).strip() == ""


# A webhook's words, which may hold anything.
QUOTING = f'Error from server (Forbidden): admission webhook "x" denied the request: {QUOTA} (AlreadyExists)'


@pytest.mark.parametrize("words", [QUOTA, QUOTING, "kubectl: (AlreadyExists)", "no (AlreadyExists): secrets"])
def test_dry_run_that_fails_changes_nothing_whatever_it_quotes(program: Kubectl, words: str) -> None:
    program.holds("{}")
    program.fails(validate=words)
    output = program.run(WriteMethod.RECREATE)
    assert output.stderr(ScriptStep.VALIDATE).endswith(words)
    assert program.secret == "{}"
    assert not any("delete" in call for call in program.calls)


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ('Error from server (AlreadyExists): secrets "storage-sas" already exists', Outcome.EXISTS),
        (f"Error from server (AlreadyExists): object is being deleted: {EXISTS}", Outcome.EXISTS),
        ('Error from server (AlreadyExists): secrets "another" already exists', Outcome.UNCLEAR),
        (f"Error from server (Conflict): {CHANGED}", Outcome.CONFLICT),
        ('Error from server (Conflict): Operation cannot be fulfilled on resourcequotas "few": x', Outcome.UNCLEAR),
        ('Error from server (NotFound): secrets "storage-sas" not found', Outcome.MISSING),
        ('Error from server (NotFound): namespaces "default" not found', Outcome.REFUSED),
        (QUOTA, Outcome.REFUSED),
        ('Error from server: admission webhook "x.example.com" denied the request: no', Outcome.REFUSED),
        # A webhook chooses the reason, and its message always stands behind the API server's own words.
        *((f"Error from server ({reason}): {DENIED} {EXISTS}", Outcome.REFUSED) for reason in REASONS),
        (rf"Error from server (Conflict): {DENIED}\nError from server (AlreadyExists): {EXISTS}", Outcome.REFUSED),
        (f"The request is invalid: {DENIED} no", Outcome.REFUSED),
        ('The Secret "storage-sas" is invalid: data: Too long', Outcome.REFUSED),
        ("The secrets \"storage-sas\" is invalid: : ValidatingAdmissionPolicy 'x' denied request", Outcome.REFUSED),
        ("error: You must be logged in to the server (Unauthorized)", Outcome.REFUSED),
        (FAILED, Outcome.UNCLEAR),
        ("Error from server (Timeout): the server was unable to return a response", Outcome.UNCLEAR),
        ("Error from server (TooManyRequests): the server has received too many requests", Outcome.UNCLEAR),
        ("Error from server: etcdserver: request timed out", Outcome.UNCLEAR),
        ("The connection to the server 10.0.0.4:6443 was refused", Outcome.UNCLEAR),
        ("Unable to connect to the server: net/http: TLS handshake timeout", Outcome.UNCLEAR),
        ('error: x (Forbidden): secrets "storage-sas"', Outcome.UNCLEAR),
        (
            'Error from server (AlreadyExists): object is being deleted: secrets "storage-sas" already exists',
            Outcome.EXISTS,
        ),
        # A webhook gives its denial any reason; see ToStatusErr of apiserver's admission plugin for webhooks.
        *(
            (
                f'Error from server ({reason}): admission webhook "a" denied the request: '
                'secrets "storage-sas" already exists',
                Outcome.REFUSED,
            )
            for reason in ("AlreadyExists", "Conflict", "NotFound", "Timeout")
        ),
        (
            'Error from server (Conflict): Operation cannot be fulfilled on resourcequotas "few": the object has been '
            "modified; please apply your changes to the latest version and try again",
            Outcome.UNCLEAR,
        ),
        ('Error from server (AlreadyExists): secrets "other" already exists', Outcome.UNCLEAR),
        (
            'Error from server (Conflict): Operation cannot be fulfilled on Secret "storage-sas": the UID in the '
            "precondition (1) does not match the UID in record (2).",
            Outcome.CONFLICT,
        ),
        # As ValidatingAdmissionPolicy and webhooks say it with the reason Invalid.
        ('The secrets "storage-sas" is invalid: : denied request: no', Outcome.REFUSED),
        ('The request is invalid: admission webhook "x.example.com" denied the request: no', Outcome.REFUSED),
        # Further lines may be anybody's.
        (f'{QUOTA}\\nError from server (AlreadyExists): secrets "storage-sas" already exists', Outcome.REFUSED),
        (f'{FAILED}\\nError from server (NotFound): secrets "storage-sas" not found', Outcome.UNCLEAR),
    ],
)
def test_outcome_of_a_write_is_what_kubectl_begins_its_line_with(
    program: Kubectl, words: str, outcome: Outcome
) -> None:
    program.holds("{}")
    program.fails(replace=words)
    assert program.run(WriteMethod.UPDATE).outcome(ScriptStep.WRITE) is outcome


def test_create_that_fails_once_is_tried_again_with_the_new_secret(program: Kubectl, shell: str) -> None:
    program.shell = shell
    program.holds(OLD)
    program.fails(create=FAILED)
    output = program.run(WriteMethod.RECREATE)
    assert (output.outcome(ScriptStep.WRITE), output.outcome(ScriptStep.CREATE_AGAIN)) == (Outcome.UNCLEAR, Outcome.OK)
    assert program.secret == NEW


def test_create_that_says_it_is_done_and_is_not_is_tried_again(program: Kubectl, shell: str) -> None:
    program.shell = shell
    program.holds(OLD)
    program.fails(create="nothing")
    output = program.run(WriteMethod.RECREATE)
    assert output.outcome(ScriptStep.CREATE_AGAIN) is Outcome.OK
    assert program.secret == NEW
    assert output.text(ScriptStep.CONFIRM).strip() == NEW


def test_former_secret_is_put_back_where_the_new_one_is_refused(program: Kubectl) -> None:
    program.holds("{}")
    program.fails(create=f"{QUOTA}\n{QUOTA}")
    output = program.run(WriteMethod.RECREATE)
    assert output.outcome(ScriptStep.RESTORE) is Outcome.OK
    assert program.secret == OLD


def test_new_secret_is_tried_again_where_there_is_nothing_to_put_back(program: Kubectl) -> None:
    program.holds("{}")
    program.fails(create=f"{QUOTA}\n{QUOTA}")
    program.run(
        WriteMethod.RECREATE, script.stdin(MARK, SecretText(NEW), dataclasses.replace(REPLACED, restorable=None))
    )
    assert program.secret == NEW


def test_it_gives_up_in_the_end(program: Kubectl) -> None:
    program.holds("{}")
    program.fails(create="\n".join([FAILED] * 9), confirm=FAILED)
    output = program.run(WriteMethod.RECREATE)
    assert output.has(ScriptStep.GIVEN_UP)
    assert output.status(ScriptStep.CONFIRM) == 1


@pytest.mark.parametrize("words", [FAILED, f"done {FAILED}"])
def test_delete_that_fails_once_is_settled_and_the_new_secret_created(program: Kubectl, words: str) -> None:
    program.holds("{}")
    missing = 'Error from server (NotFound): secrets "storage-sas" not found'
    program.fails(delete=f"{words}\n{missing}" if words.startswith("done") else words)
    output = program.run(WriteMethod.RECREATE)
    assert output.outcome(ScriptStep.DELETE) is Outcome.UNCLEAR
    assert output.outcome(ScriptStep.DELETE_AGAIN) in (Outcome.OK, Outcome.MISSING)
    assert output.outcome(ScriptStep.CREATE_AGAIN) is Outcome.OK
    assert program.secret == NEW


def test_delete_that_stays_unclear_is_made_to_fail_by_another_version(program: Kubectl, shell: str) -> None:
    program.shell = shell
    program.holds("{}")
    program.fails(delete=f"{FAILED}\n{FAILED}")
    output = program.run(WriteMethod.RECREATE)
    assert output.has(ScriptStep.PROTECTED)
    assert program.secret == REVERSIONED


def test_delete_that_cannot_be_made_to_fail_is_reported_as_unclear(program: Kubectl) -> None:
    program.holds("{}")
    program.fails(delete=f"{FAILED}\n{FAILED}", replace=f"{QUOTA}\n{QUOTA}")
    output = program.run(WriteMethod.RECREATE)
    assert output.has(ScriptStep.DELETE_UNCLEAR)
    assert program.secret == "{}"


@pytest.mark.parametrize(
    "words", [QUOTA, 'Error from server (Conflict): Operation cannot be fulfilled on Secret "storage-sas": x']
)
def test_delete_that_is_refused_is_the_end(program: Kubectl, words: str) -> None:
    program.holds("{}")
    program.fails(delete=words)
    program.run(WriteMethod.RECREATE)
    assert program.secret == "{}"
    sent = program.directory / "input-create"  # by a kubectl that may not have ended yet
    assert not sent.exists() or sent.read_text() == ""


def test_each_kubectl_has_its_limit_from_its_own_input_on(program: Kubectl) -> None:
    """Five of them take half a second each, and none may take two: what they take together counts for nothing."""
    program.limit = 2
    program.holds("{}")
    program.fails(get="slow", validate="slow", delete="slow", create="slow", confirm="slow")
    output = program.run(WriteMethod.RECREATE)
    assert output.outcome(ScriptStep.WRITE) is Outcome.OK
    assert program.secret == NEW
    assert output.text(ScriptStep.CONFIRM).strip() == NEW


@pytest.mark.parametrize("step", ["get", "validate", "delete", "create", "confirm"])
def test_kubectl_that_nobody_can_end_is_not_waited_for(program: Kubectl, step: str) -> None:
    """As root's behind sudo: it holds on to its pipes, and no signal reaches it."""
    program.limit = 1
    program.holds("{}")
    program.fails(**{step: "hang"})
    began = time.monotonic()
    output = program.run(WriteMethod.RECREATE)
    assert time.monotonic() - began < 15
    if step in ("delete", "create", "confirm"):
        assert program.secret == NEW
        assert output.text(ScriptStep.CONFIRM).strip() == NEW
    if step == "delete":
        assert output.steps["delete status"].strip() == "unclear none"
        assert output.stderr(ScriptStep.DELETE) == "kubectl did not end within 1 s"


@pytest.mark.parametrize("step", ["get", "delete", "create"])
def test_shell_that_is_killed_leaves_no_file_behind(program: Kubectl, step: str) -> None:
    program.holds("{}")
    program.fails(**{step: "hang"})
    with program.start(WriteMethod.RECREATE) as process:
        assert process.stdin is not None
        process.stdin.write(script.stdin(MARK, SecretText(NEW), REPLACED).reveal())
        process.stdin.close()
        until = time.monotonic() + 20
        while not any(step in call for call in program.calls) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    # The fixture looks for what is left.


def test_shell_that_is_killed_as_it_starts_leaves_no_process_behind(program: Kubectl) -> None:
    """Whatever waits for ever for the other end of a pipe keeps this output open."""
    for milliseconds in range(0, 60, 3):
        with program.start(WriteMethod.RECREATE) as process:
            time.sleep(milliseconds / 1000)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate(timeout=20)
    for left in program.directory.glob("rotator.*"):  # killed between its making and its removal
        shutil.rmtree(left)


def test_temporary_folder_that_is_full_is_made_up_for_in_memory(program: Kubectl) -> None:
    program.holds("{}")
    output = program.run(WriteMethod.UPDATE, TMPDIR=str(program.directory / "nowhere"))
    assert output.outcome(ScriptStep.WRITE) is Outcome.OK


def test_no_room_for_pipes_is_said_in_a_step_of_its_own(program: Kubectl) -> None:
    full = program.directory / "mktemp"
    full.write_text('#!/bin/sh\necho "mktemp: failed to create directory: No space left on device" >&2\nexit 1\n')
    full.chmod(0o700)
    output = program.run(WriteMethod.UPDATE, PATH=f"{program.directory}:{os.environ['PATH']}")
    assert "No space left on device" in output.text(ScriptStep.NO_PIPES)
    assert not output.has(ScriptStep.READY)


def test_timeout_of_another_syntax_is_done_without(program: Kubectl) -> None:
    old = program.directory / "timeout"
    old.write_text("#!/bin/sh\necho 'Usage: timeout [-t SECS] [-s SIG] PROG ARGS' >&2\nexit 1\n")
    old.chmod(0o700)
    program.holds("{}")
    output = program.run(WriteMethod.RECREATE, PATH=f"{program.directory}:{os.environ['PATH']}")
    assert output.outcome(ScriptStep.WRITE) is Outcome.OK
    assert program.secret == NEW


LARGE = SecretText('{"new":"' + "x" * 1_500_000 + '"}')


def test_large_manifest_arrives_whole(program: Kubectl) -> None:
    program.holds("{}")
    program.run(WriteMethod.RECREATE, script.stdin(MARK, LARGE, REPLACED))
    assert program.secret == LARGE.reveal()


def test_large_manifest_for_a_kubectl_that_does_not_read_blocks_nothing(program: Kubectl) -> None:
    (program.directory / "kubectl").write_text("#!/bin/sh\nexec sleep 40\n")
    program.limit = 1
    began = time.monotonic()
    output = program.run(WriteMethod.UPDATE, script.stdin(MARK, LARGE, None))
    assert output.outcome(ScriptStep.WRITE) is Outcome.UNCLEAR
    assert time.monotonic() - began < 30
