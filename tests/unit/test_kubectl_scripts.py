"""The generated remote commands as shells see them: their syntax, and what may stand in their arguments."""

import dataclasses
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rotator import kubectl
from rotator.kubectl import Act
from rotator.redaction import Secret
from rotator.targets import Target
from tests.unit.examples import CLUSTER, STORED, TARGET, TOKEN

MARK = "rotator-0123456789abcdef"
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
TARGETS = {
    "plain": TARGET,
    "k3s": dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("sudo", "k3s", "kubectl"))),
    "quotes": dataclasses.replace(
        TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("/opt/it's {mine}/kubectl", '--context="prod"'))
    ),
    "dotted": dataclasses.replace(TARGET, secret="a.b-c", namespace="team-1"),
}


def script(target: Target, act: Act) -> str:
    words = shlex.split(kubectl.act(target, act, MARK))
    assert words[:3] == ["exec", "sh", "-c"]
    assert words[4:] == ["rotator", MARK]
    return words[3]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_and_commands_are_valid_in_every_shell(shell: str) -> None:
    check = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
    for target in TARGETS.values():
        for act in Act:
            for text in (script(target, act), kubectl.act(target, act, MARK), kubectl.observe(target)):
                done = subprocess.run(check, input=text, capture_output=True, text=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_script_is_whole_with_nothing_left_to_fill_in(target: Target, act: Act) -> None:
    text = script(target, act)
    assert shlex.join(target.cluster.kubectl) in text
    assert f"/api/v1/namespaces/{target.namespace}/secrets" in text
    assert "{{" not in text
    assert "{path}" not in text
    assert "--from-literal" not in text


@pytest.mark.parametrize("act", Act)
def test_secret_travels_on_stdin_never_in_argv(act: Act) -> None:
    """`kubectl.act` takes neither manifest nor value; nothing that could hold one is expanded in an argument."""
    command = kubectl.act(TARGET, act, MARK)
    assert TOKEN not in command
    assert STORED not in command
    for line in script(TARGET, act).splitlines():
        if '"$new"' in line or '"$old"' in line:
            assert line.lstrip().startswith(("printf '%s' \"$new\" >&", "for body in", "IFS= read"))


def test_script_refuses_a_shell_whose_printf_is_no_builtin() -> None:
    assert "case $(command -v printf) in printf) ;; *)" in script(TARGET, Act.CREATE)


def test_each_act_starts_only_the_kubectl_processes_that_it_needs() -> None:
    started = {
        act: {name for name in ("validate", "delete", "create", "replace") if f"without_pipes {name} <" in text}
        for act in Act
        for text in [script(TARGET, act)]
    }
    assert started == {
        Act.CREATE: {"create"},
        Act.UPDATE: {"replace"},
        Act.RECREATE: {"validate", "delete", "create"},
    }


def test_mark_is_an_argument_of_its_own_so_that_the_script_is_the_same_each_time() -> None:
    first, second = (shlex.split(kubectl.act(TARGET, Act.UPDATE, mark)) for mark in ("rotator-a", "rotator-b"))
    assert first[:-1] == second[:-1]
    assert (first[-1], second[-1]) == ("rotator-a", "rotator-b")


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "busybox"])
def test_words_of_warning_on_stderr_do_not_mix_with_the_secret(shell: str, tmp_path: Path) -> None:
    noisy = tmp_path / "kubectl"
    noisy.write_text(
        """#!/bin/sh
echo 'sudo: unable to resolve host' >&2
case "$*" in *'-f -') cat >/dev/null ;; esac
echo '{}'
"""
    )
    noisy.chmod(0o700)
    target = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=(str(noisy),)))
    done = subprocess.run(
        [shell, "-c", script(target, Act.UPDATE), "rotator", MARK],
        input=kubectl.stdin(MARK, Secret("{}"), None).reveal(),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    steps = kubectl.parse(done.stdout, MARK).steps
    assert steps == {"held": "{}\n", "ready": "", "done": "", "confirm": "{}\n"}


def test_words_of_a_failing_kubectl_are_what_is_shown(tmp_path: Path) -> None:
    failing = tmp_path / "kubectl"
    failing.write_text("#!/bin/sh\necho 'Error from server (NotFound): secrets \"x\" not found' >&2\nexit 1\n")
    failing.chmod(0o700)
    target = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=(str(failing),)))
    done = subprocess.run(
        ["sh", "-c", script(target, Act.CREATE), "rotator", MARK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    steps = kubectl.parse(done.stdout, MARK).steps
    assert steps["held"] == 'Error from server (NotFound): secrets "x" not found\n'
    assert "incomplete" in steps
    assert done.returncode == 65
